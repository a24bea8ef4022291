"""What the tests of screens share: read the screen as text, wait on a condition, check that it is inert."""

from __future__ import annotations

import re
import subprocess
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.app import App
from textual.pilot import Pilot


def shown(app: App[Any]) -> str:
    """All that the screen shows, one line of text a row, without styles."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in lines)


def told(app: App[Any]) -> str:
    """All that the screen shows, and all that it tells at present, however long the lines are."""
    flat = re.sub(r"[│╭╮╰╯─▌\s]+", " ", shown(app))
    return "\n".join([shown(app), flat, *(notice.message for notice in app._notifications)])


async def sees(pilot: Pilot[Any], *texts: str) -> None:
    """Wait until all texts are shown or told."""
    await until(pilot, lambda: all(text in told(pilot.app) for text in texts))


def assert_inert(app: App[Any]) -> None:
    """Fail where a rendered cell holds a control, format or surrogate character, or a click action or link."""
    for strip in app.screen._compositor.render_strips():
        for text, style, _ in strip:
            bad = [hex(ord(c)) for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs")]
            assert not bad, f"{bad} in {text!r}"
            assert style is None or style.link is None, f"a link in {text!r}"
            action = (style.meta if style else {}).get("@click", "")
            assert "quit" not in str(action), f"{action!r} on {text!r}"


async def until(pilot: Pilot[Any], condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Let the app run until `condition` holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never came true; the screen shows:\n{shown(pilot.app)}"
        await pilot.pause(0.02)


def save_png(app: App[Any], path: Path) -> None:
    """Save the screen as a picture, to be looked at (needs rsvg-convert)."""
    svg = path.with_suffix(".svg")
    # Without this rsvg-convert drops the blanks at the start of each piece of text.
    picture = app.export_screenshot(simplify=False).replace("<text ", '<text xml:space="preserve" ')
    svg.write_text(picture, "utf-8")
    subprocess.run(["rsvg-convert", "-o", str(path), str(svg)], check=True)
