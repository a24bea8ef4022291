"""Colour themes: TOML files in themes/ and in the home, checked before they are used."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import Theme

from core.errors import DiapasonError

BUNDLED = Path(__file__).resolve().parent.parent / "themes"
DARK, LIGHT, SIXTEEN = "diapason", "diapason-light", "diapason-16"
_COLOURS = (
    "primary secondary warning error success accent foreground background surface panel boost".split()  # noqa: SIM905
)
_PLAIN = {"name": str, "dark": bool, "ansi": bool, "luminosity_spread": float, "text_alpha": float, "variables": dict}
_REQUIRED = ("name", "primary")


@dataclass
class Themes:
    """Themes that can be used, by name, and what was wrong with the others."""

    good: dict[str, Theme] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_theme(path: Path) -> Theme:
    """The theme in a TOML file.

    Raises:
        DiapasonError: naming the file and the key, where it cannot be read or a value is no colour.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DiapasonError(f"cannot be read: {error.strerror}", where=path.name) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DiapasonError(f"not TOML: {error}", where=path.name) from error
    for key in _REQUIRED:
        if key not in values:
            raise DiapasonError(f"`{key}` is missing", where=path.name)
    if not isinstance(values["name"], str) or not re.fullmatch(r"[\w .-]{1,40}", values["name"]):
        raise DiapasonError("`name` is 40 letters, digits, dots, dashes or blanks at most", where=path.name)
    for key, value in values.items():
        if key in _COLOURS:
            _check_colour(value, f"{path.name}: {key}")
        elif key not in _PLAIN:
            known = ", ".join(sorted(item.name for item in fields(Theme)))
            raise DiapasonError(f"unknown key `{key}`", where=path.name, hint=f"Known: {known}.")
        elif not isinstance(value, _PLAIN[key] if key not in ("luminosity_spread", "text_alpha") else int | float):
            raise DiapasonError(f"`{key}` has the wrong type", where=path.name)
    for key, value in values.get("variables", {}).items():
        if not isinstance(value, str):
            raise DiapasonError("every variable is a text", where=f"{path.name}: variables.{key}")
        if not key.endswith("text-style") and not value.startswith("auto"):
            _check_colour(value.split(" ")[0] if value else value, f"{path.name}: variables.{key}")
    values["variables"] = {**_strengths(values), **values.get("variables", {})}
    return Theme(**values)


def _strengths(values: dict[str, Any]) -> dict[str, str]:
    """The foreground's two weaker strengths, which Textual would give as "auto", for a theme that does not say."""
    if values.get("ansi"):
        return {"text-muted": "ansi_bright_black", "text-disabled": "ansi_bright_black"}
    dark = values.get("dark", True)
    front = Color.parse(values.get("foreground") or ("#e0e0e0" if dark else "#202020"))
    back = Color.parse(values.get("background") or ("#121212" if dark else "#efefef"))
    return {"text-muted": back.blend(front, 0.6).hex, "text-disabled": back.blend(front, 0.38).hex}


def find_theme(name: str, own: Path | None = None) -> Theme | None:
    """The theme `name`, where a file of that name in `own` or among the bundled ones holds it and is good."""
    for folder in (own, BUNDLED):
        path = folder / f"{Path(name).name}.toml" if folder else None
        if path is not None and path.is_file():
            try:
                theme = read_theme(path)
            except DiapasonError:
                continue
            if theme.name == name:
                return theme
    return None


def load_themes(own: Path | None = None) -> Themes:
    """The bundled themes and those in the folder `own`; a bad file becomes a problem, never an exception."""
    found = Themes()
    for folder in (BUNDLED, own):
        if folder is None or not folder.is_dir():
            continue
        for path in sorted(folder.glob("*.toml")):
            try:
                theme = read_theme(path)
            except DiapasonError as error:
                found.problems.append(str(error))
            else:
                found.good[theme.name] = theme
    return found


def _check_colour(value: Any, where: str) -> None:
    if not isinstance(value, str):
        raise DiapasonError("a colour is a text such as #d7af5f", where=where)
    try:
        Color.parse(value)
    except ColorParseError as error:
        raise DiapasonError(f"`{value[:40]}` is no colour", where=where, hint="Write it as #d7af5f.") from error
