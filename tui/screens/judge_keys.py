"""The keys of the judging screen."""

from __future__ import annotations

from tui.actions import Action

ACTIONS = (
    Action(
        "left,1", "pick_left", "first", "The left (or upper) answer is better.", True, "why_no_pair", "← 1", "Judge"
    ),
    Action("right,2", "pick_right", "second", "The right (or lower) one is.", True, "why_no_pair", "→ 2", "Judge"),
    Action("t", "tie", "tie", "Both are equally good.", True, "why_no_pair", group="Judge"),
    Action("b", "both_bad", "both bad", "Neither will do.", True, "why_no_pair", group="Judge"),
    Action(
        "u,backspace",
        "undo",
        "undo",
        "Take back the last vote, and so on.",
        True,
        "why_no_undo",
        group="Judge",
    ),
    Action("s", "skip", "skip", "Leave this pair out for now.", False, "why_no_pair", group="Judge"),
    Action("n", "note", "note", "Write a note on this pair.", False, "why_no_pair", group="Judge"),
    Action("f", "flag", "flag", "Mark this pair to be talked about, or not.", False, "why_no_pair", group="Judge"),
    Action(
        "e", "end", "end here", "See the result, once there are enough votes.", False, "why_not_end", group="Judge"
    ),
    Action("z", "zoom", "zoom", "Give one answer all the room, then the other, then both.", False, "why_no_pair"),
    Action("d", "diff", "diff", "Underline the words that the other answer lacks.", False, "why_no_pair"),
    Action("m", "plain", "as written", "Show the answers as written, or their Markdown.", False, "why_no_pair"),
    Action("p", "export_dpo", "preferences", "Write the verdicts as rows for DPO.", True, "why_no_result"),
    Action("k", "export_kto", "for KTO", "Write the verdicts as rows for KTO.", True, "why_no_result"),
    Action(
        "w",
        "next_round",
        "train",
        "Write them for DPO and open the wizard, on top of the run that was judged.",
        True,
        "why_no_result",
    ),
    Action(
        "x",
        "second_rater",
        "model rates",
        "Let a model rate the pairs too; its verdicts stay apart.",
        True,
        "why_no_rating",
    ),
    Action("y", "begin_rating", "begin", "Ask the second rater that waits.", True, "why_no_yes"),
    Action("c", "carry_on", "carry on", "Judge the pairs that are left.", True, "why_none_left"),
    Action("r", "go_over", "skipped", "Judge the skipped pairs after all.", True, "why_nothing_skipped"),
    Action("g", "generate", "generate", "Let both models answer the test prompts.", True, "why_not_generate"),
    Action("down", "down", "down", "Scroll the answers down a line.", shown="↓", group="Scroll"),
    Action("up", "up", "up", "Scroll the answers up a line.", shown="↑", group="Scroll"),
    Action("pagedown,space", "page_down", "page down", "Scroll the answers down a page.", group="Scroll"),
    Action("pageup", "page_up", "page up", "Scroll the answers up a page.", group="Scroll"),
    Action("a", "apart", "apart", "Scroll the answers apart, or together.", False, "why_no_pair", group="Scroll"),
    Action("tab", "other_side", "other side", "Scroll the other one.", False, "why_not_apart", group="Scroll"),
    Action("right_square_bracket", "prompt_down", "prompt down", "Scroll the prompt down.", group="Scroll"),
    Action("left_square_bracket", "prompt_up", "prompt up", "Scroll the prompt up.", group="Scroll"),
)
# What the result page offers, in this order.
AFTERWARDS = ("export_dpo", "export_kto", "next_round", "second_rater", "carry_on", "go_over", "undo")
