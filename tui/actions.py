"""One registry of keys: what a screen can do feeds its bindings, footer, help and command palette."""

from __future__ import annotations

from dataclasses import dataclass

# How a key reads for a person, where Textual's own name for it is not what is printed on the key.
_KEY_NAMES = {
    "question_mark": "?",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "slash": "/",
    "full_stop": ".",
    "comma": ",",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "colon": ":",
    "escape": "esc",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "delete": "del",
    "shift+tab": "⇧tab",
}


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a screen can do.

    Attributes:
        key: Textual key name, or several, comma separated; the first one is shown.
        name: the screen's method ``action_<name>`` that does it.
        label: two words at most, for footer and palette ("new run").
        help: one sentence for the help and the palette.
        footer: whether it is shown in the footer (six at most, the first ones of the list win).
        enabled: name of a screen method that returns None where the action can run now, else the
            reason why not, as a sentence fragment ("no run is selected").
        shown: how the key is shown where the key's name does not say it ("↑↓").
        group: heading under which the help lists it.
    """

    key: str
    name: str
    label: str
    help: str
    footer: bool = False
    enabled: str | None = None
    shown: str | None = None
    group: str = "This screen"

    @property
    def key_shown(self) -> str:
        """The first key as a person knows it."""
        return self.shown or key_name(self.key.split(",")[0].strip())


def key_name(key: str) -> str:
    """How a Textual key name reads for a person: ``question_mark`` → ``?``, ``left`` → ``←``."""
    return _KEY_NAMES.get(key, key)


# Every screen has these; they follow the screen's own in the help and the palette.
COMMON: tuple[Action, ...] = (
    Action(
        "escape", "back", "back", "Go one level back. It never stops a run or deletes anything.", group="Everywhere"
    ),
    Action("question_mark,f1", "help", "keys", "Show every key of this screen.", group="Everywhere"),
    Action("ctrl+t", "next_theme", "theme", "Change the colours: dark, light, 16 colours.", group="Everywhere"),
    Action("ctrl+z", "suspend", "suspend", "Back to the shell; `fg` returns here.", group="Everywhere"),
    Action("ctrl+q", "leave", "quit", "Leave the app. Runs go on without it.", group="Everywhere"),
)
