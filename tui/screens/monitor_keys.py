"""The keys of the monitor."""

from __future__ import annotations

from tui.actions import Action
from tui.screens.monitor_plots import PANELS

ACTIONS: tuple[Action, ...] = (
    Action("s", "stop", "stop", "Stop the run; it saves a checkpoint and can be resumed.", True, "why_not_running"),
    Action("p", "pause", "pause", "Save and give the GPU back until r resumes it.", True, "why_no_pause"),
    Action("c", "checkpoint", "checkpoint", "Save a checkpoint now.", True, "why_not_running"),
    Action("e", "evaluation", "evaluate", "Base, few-shot base and tuned side by side.", True, "why_not_done"),
    Action("j", "judge", "judge", "Judge answers of base and tuned blindly.", True, "why_not_done"),
    Action("r", "resume", "resume", "Go on from the last sealed checkpoint.", True, "why_not_resumable"),
    Action("K", "kill", "kill", "End the run at once, without saving.", False, "why_not_running"),
    Action("l", "log", "log", "The log's tail; again: back.", True),
    Action("y", "log_scale", "log scale", "Logarithmic loss axis, on and off.", True),
    Action("left_square_bracket", "previous_run", "earlier run", "The run before this one.", True, "why_no_earlier"),
    Action("right_square_bracket", "next_run", "later run", "The run after this one.", False, "why_no_later"),
    Action("o", "overlay", "overlay", "The loss of other runs beside it; 6 lists how their recipes differ.", True,
           "why_no_others", group="Charts"),
    Action("left", "cursor_left", "read left", "Read the values at a place: move it left.", shown="← →",
           enabled="why_no_chart", group="Charts"),
    Action("right", "cursor_right", "read right", "Read the values at a place: move it right; esc clears it.",
           enabled="why_no_chart", group="Charts"),
    Action("shift+left", "cursor_far_left", "ten left", "Ten columns left.", shown="⇧←", enabled="why_no_chart",
           group="Charts"),
    Action("shift+right", "cursor_far_right", "ten right", "Ten columns right.", shown="⇧→",
           enabled="why_no_chart", group="Charts"),
    Action("plus,equals_sign", "zoom_in", "zoom in", "Show half as much, around the place read or at the end.",
           enabled="why_no_chart", group="Charts"),
    Action("minus", "zoom_out", "zoom out", "Show twice as much.", enabled="why_whole", group="Charts"),
    Action("less_than_sign", "pan_left", "earlier part", "Show the part before.", enabled="why_whole",
           group="Charts"),
    Action("greater_than_sign", "pan_right", "later part", "Show the part after.", enabled="why_whole",
           group="Charts"),
    Action("0", "whole", "whole course", "Show the whole course.", enabled="why_whole", group="Charts"),
    Action("x", "next_axis", "x axis", "Count by steps, by tokens, or by time.", enabled="why_no_chart",
           group="Charts"),
    *(
        Action(panel.key, f"panel_{panel.name}", panel.title.partition(",")[0],
               f"Chart of the {panel.title.partition(',')[0]}, open or closed.", group="Charts")
        for panel in PANELS
    ),
    Action("1", "pane_loss", "loss", "Only the loss; again: all panes.", group="Panes"),
    Action("2", "pane_course", "course", "Only the small charts; again: all panes.", group="Panes"),
    Action("3", "pane_samples", "samples", "Only the samples; again: all panes.", group="Panes"),
    Action("4", "pane_log", "only log", "Only the log; again: all panes.", group="Panes"),
    Action("5", "pane_events", "events", "What runner and job said and did; again: all panes.", group="Panes"),
    Action("6", "pane_config", "recipe", "The recipe as it is trained; again: all panes.", group="Panes"),
    Action("slash", "find", "find in log", "Only the log's lines that hold a text; esc shows all again.",
           group="Panes"),
    Action("comma", "earlier_samples", "earlier answers", "Answers of the evaluation before.", False,
           "why_no_samples", group="Panes"),
    Action("full_stop", "later_samples", "later answers", "Answers of the evaluation after.", False,
           "why_no_samples", group="Panes"),
)  # fmt: skip
