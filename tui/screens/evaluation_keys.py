"""The keys of the evaluation screen, and its views."""

from __future__ import annotations

from tui.actions import Action

#: The views that the keys 1 to 6 show, and `v` one after the other.
VIEWS = ("rows", "intervals", "slices", "costs", "forgetting", "classes")
_SHOWS = {
    "rows": "The table, and the rows where two arms differ, side by side.",
    "intervals": "The metric under the cursor: each arm with its 95 % interval.",
    "slices": "By label, language or a field: where is tuned worse than base?",
    "costs": "Tokens, time, memory and money of a thousand answers.",
    "forgetting": "General prompts before and after tuning.",
    "classes": "Precision, recall and F1 of each class, and what is taken for what.",
}
ACTIONS: tuple[Action, ...] = (
    Action("v", "next_view", "view", "The next view: rows, intervals, slices, costs, forgetting, classes.", True,
           "why_no_answers"),
    Action("f", "filter", "filter rows", "Rows: where the two arms differ most, better, worse, all.", True,
           "why_no_answers"),
    Action("right_square_bracket", "right_arm", "right arm", "Compare with the next arm on the right.", True,
           "why_no_pair"),
    Action("x", "export", "export", "Write the result to a file: .csv, .json or .md.", True, "why_no_answers"),
    Action("j", "judge", "judge", "Judge the answers blindly, pair by pair.", True, "why_no_answers"),
    Action("e", "evaluate", "evaluate", "Choose the arms, and evaluate on the test rows.", True, "why_not_evaluate"),
    Action("left_square_bracket", "left_arm", "left arm", "Compare with the next arm on the left.", False,
           "why_no_pair"),
    Action("b", "by", "slice by", "Slice by label, language, or a field of the rows.", False, "why_no_answers"),
    Action("m", "monitor", "monitor", "Watch the run."),
    Action("enter", "open_case", "open", "Show the row under the cursor whole.", False, "why_no_answers"),
    *(Action(str(place), f"show_{name}", name, _SHOWS[name], False, f"why_no_{name}", group="Views")
      for place, name in enumerate(VIEWS, 1)),
)  # fmt: skip
