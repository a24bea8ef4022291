"""The keys of the browse screen."""

from __future__ import annotations

from tui.actions import Action

MODES = ("conversation", "raw", "tokens", "findings")

ACTIONS: tuple[Action, ...] = (
    Action("slash", "filter", "filter", "Show only the rows that hold a text.", enabled="why_no_rows"),
    Action("n,right_square_bracket", "next_finding", "next finding", "Go to the next row with a finding.",
           footer=True, enabled="why_no_jump"),
    Action("N,left_square_bracket", "previous_finding", "previous", "Go to the previous row with a finding.",
           enabled="why_no_jump"),
    Action("t,3", "mode_tokens", "tokens", "Show the row as tokens: bright where training puts loss.", footer=True,
           enabled="why_no_rows", group="The row"),
    Action("c,1", "mode_conversation", "conversation", "Show the row as a conversation.", enabled="why_no_rows",
           group="The row"),
    Action("r,2", "mode_raw", "raw", "Show the row as it stands in the file.", enabled="why_no_rows",
           group="The row"),
    Action("f,4", "mode_findings", "findings", "Show what is wrong with the row, why, and what to do.",
           enabled="why_no_rows", group="The row"),
    Action("m", "model", "model", "Choose the model whose tokens are shown, and check the file for it.",
           group="The row"),
    Action("l", "max_length", "length", "Choose where the row is cut, in tokens.", group="The row"),
    Action("g", "go", "go to row", "Go to a row by its number.", enabled="why_no_rows"),
    Action("z", "zoom", "one pane", "Give the whole screen to the pane in focus, or back.", ),
    Action("u", "map", "fields", "Say which field is the prompt and which the answer.", enabled="why_no_rows"),
    Action("w", "wizard", "wizard", "Make a recipe for training on this file.", footer=True, enabled="why_no_wizard"),
    Action("F", "mend", "mend", "Mend what was found, into a new file.", footer=True, enabled="why_no_mend"),
    Action("e", "review", "review", "Go through the rows one by one: keep, drop, flag, edit.", footer=True,
           enabled="why_no_rows"),
    Action("d", "stats", "numbers", "Lengths, turns, labels and languages of the file.", enabled="why_no_rows"),
    Action("s", "split", "split", "Part the file into train, validation and test.", enabled="why_no_rows"),
    Action("v", "convert", "convert", "Write the file in another format.",
           enabled="why_no_rows"),
    Action("a", "augment", "variants", "Have a model write variants of rows, for review.", enabled="why_no_rows"),
    Action("x", "stop_check", "stop check", "Stop the check that runs, or start it again.", enabled="why_no_stop"),
)  # fmt: skip
