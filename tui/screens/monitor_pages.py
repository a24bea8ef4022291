"""The monitor's pages of lines: log, events, recipe. All that comes from files is made inert."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from textual.content import Content

from core.runs.series import number
from core.text import cells, visible
from tui.columns import Part
from tui.screens.monitor_state import Shown

_BAD = ("stall", "oom_retry", "restart")


def log_title(shown: Shown) -> Content:
    """What the log's frame says: with what was looked for."""
    return Content(visible(f"log: lines with \u201c{shown.needle}\u201d") if shown.needle else "log")


def log_text(lines: Sequence[str], needle: str = "") -> Content:
    """The log's tail, or its lines that hold `needle`, which is bright in them."""
    if not lines:
        return Content.styled("no line holds it; esc shows all" if needle else "the log is empty", "$text-muted")
    text = Content("\n".join(visible(line) for line in lines))
    return text if not needle else _marked(text, visible(needle))


def _marked(text: Content, needle: str) -> Content:
    plain, wanted = text.plain.lower(), needle.lower()
    at = plain.find(wanted)
    while at >= 0 and wanted:
        text = text.stylize("bold $accent", at, at + len(wanted))
        at = plain.find(wanted, at + len(wanted))
    return text


def events_text(events: Sequence[dict[str, Any]]) -> Content:
    """What the runner did and what the job said, a line each, the latest last."""
    if not events:
        return Content.styled("nothing has happened yet", "$text-muted")
    parts: list[Part] = []
    for event in events:
        moment = number(event.get("t"))
        clock = time.strftime("%m-%d %H:%M:%S", time.localtime(moment)) if 0 <= moment < 1e11 else "unknown"
        name = str(event.get("event"))
        if name == "log":
            name, said = str(event.get("level", "info")), str(event.get("message", ""))
        else:
            said = "  ".join(f"{key} {_plain(value)}" for key, value in event.items() if key not in _OWN)
        style = "$error" if name == "error" else "$warning" if name in ("warning", *_BAD) else "$accent"
        parts += [(f"{clock}  ", "$text-muted"), (visible(name).ljust(11), style), " ", visible(said), "\n"]
    return Content.assemble(*parts).rstrip()


_OWN = ("t", "m", "event", "id")


def flat(recipe: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """A recipe as `section.field` -> value; fields that are not set are left out."""
    found: dict[str, str] = {}
    for key, value in recipe.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{before}{key}.")
        elif value is not None:
            found[f"{before}{key}"] = _plain(value)
    return found


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:g}"
    return json.dumps(value, ensure_ascii=False, default=str)


def rounds_text(rounds: Sequence[str]) -> Content:
    """The rounds of training that led to the run; nothing where there is only one."""
    if not rounds:
        return Content()
    return Content.assemble(("rounds\n", "$text-muted"), *(f"{visible(line)}\n" for line in rounds), "\n")


def config_text(recipe: Mapping[str, Any]) -> Content:
    """The recipe, a field a line."""
    rows = flat(recipe)
    if not rows:
        return Content.styled("the run has no recipe", "$text-muted")
    width = max(cells(visible(name)) for name in rows)
    parts: list[Part] = []
    for name, value in rows.items():
        parts += [(visible(name).ljust(width + 2), "$text-muted"), visible(value), "\n"]
    return Content.assemble(*parts).rstrip()
