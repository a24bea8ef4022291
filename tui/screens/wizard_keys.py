"""The wizard's keys: what they do, which ones each question shows, and why one cannot act now."""

from __future__ import annotations

from dataclasses import replace

from tui.actions import Action
from tui.screens.wizard_state import STEPS, WizardState

ACTIONS = (
    Action("enter", "enter", "next", "Take what the cursor is on, and go to the next question.", footer=True),
    Action("b", "previous", "back", "Go to the question before.", footer=True, enabled="why_first"),
    Action("n,right", "next", "skip", "Go to the next question with what is recommended.", enabled="why_last"),
    Action("space", "cycle", "answer", "Answer the question, or take the next choice.", enabled="why_no_cycle"),
    Action("e", "edit", "edit", "Change the file, the model or the number under the cursor.", enabled="why_no_edit"),
    Action("u", "reset", "recommended", "Take the recommended value again.", enabled="why_not_own"),
    Action("x", "expert", "expert", "Show every field of the recipe.", enabled="why_no_settings"),
    Action("o", "open_data", "rows", "Look at the rows of the file.", enabled="why_no_file"),
    Action("c", "cpu", "use the CPU", "Plan for the CPU, or for the GPU again.", enabled="why_no_card"),
    Action("r", "recipe", "recipe", "Show the recipe, or hide it."),
    Action("ctrl+s", "save", "save", "Save the recipe as YAML.", enabled="why_not_ready"),
    Action("s", "start", "start", "Start training with this recipe.", enabled="why_not_ready"),
)
_FOOTERS = {
    "task": ("enter", "next", "recipe"),
    "approach": ("enter", "cycle", "previous", "recipe"),
    "data": ("enter", "previous", "edit", "open_data", "recipe"),
    "model": ("enter", "previous", "edit", "recipe"),
    "method": ("enter", "previous", "recipe", "cpu"),
    "settings": ("enter", "edit", "expert", "save", "previous"),
    "review": ("enter", "save", "start", "previous", "recipe"),
}


def footer(step: str) -> list[Action]:
    """The keys that matter at the question `step`, in order."""
    by_name = {action.name: action for action in ACTIONS}
    if step == "review":
        by_name["enter"] = replace(by_name["enter"], label="do it")
    return [replace(by_name[name], footer=True) for name in _FOOTERS[step]]


class Reasons:
    """Why a key of the wizard cannot act now: None where it can."""

    state: WizardState
    step: int

    def cursor(self) -> tuple[str, str]:
        """The kind and name of the row under the cursor; a screen gives it."""
        return "", ""

    def why_first(self) -> str | None:
        """There is a question before."""
        return None if self.step else "this is the first question; esc leaves"

    def why_last(self) -> str | None:
        """There is a question after."""
        return None if self.step < len(STEPS) - 1 else "this is the last question"

    def why_no_cycle(self) -> str | None:
        """The row under the cursor has answers to go through."""
        kind, name = self.cursor()
        if kind == "question" or (kind == "field" and self.state.choices(name)):
            return None
        return "there are no choices to go through here"

    def why_no_edit(self) -> str | None:
        """The row under the cursor can be changed."""
        return None if self.cursor()[0] in ("file", "model", "field") else "there is nothing to edit here"

    def why_not_own(self) -> str | None:
        """The row under the cursor holds the person's own value."""
        return None if self.cursor()[1] in self.state.edits else "this is the recommended value already"

    def why_no_settings(self) -> str | None:
        """The settings are shown."""
        return None if STEPS[self.step] == "settings" else "this belongs to the settings"

    def why_no_file(self) -> str | None:
        """A training file is chosen."""
        return None if self.state.path else "no training file is chosen yet"

    def why_no_card(self) -> str | None:
        """There is a GPU to choose between."""
        hardware = self.state.hardware
        return None if hardware and any(gpu.visible for gpu in hardware.gpus) else "there is no GPU here"

    def why_not_ready(self) -> str | None:
        """The recipe is complete."""
        return self.state.why_not_ready()
