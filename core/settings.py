"""What a person wants of every run on this machine: ``settings.yaml`` of the home, read when a run is submitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from core import yaml_text
from core.errors import UsageError
from core.home import home
from core.recipe_problems import problems
from core.reporting import Tracker, split_names


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Notify(_Section):
    """Who is told when a run ends, fails or needs a person.

    Attributes:
        command: run by /bin/sh. webhook: an ntfy topic's or a Slack hook's address. bell: whether the terminal that
            watches a run rings.
    """

    command: str | None = None
    webhook: str | None = None
    bell: bool = True

    @field_validator("webhook")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
            raise ValueError("must be an address that begins with http:// or https://")
        return value or None


class Judging(_Section):
    """How answers are judged.

    Attributes:
        repeats: the share of pairs that come back with their sides swapped, 0 to 0.5, for self-consistency.
        reasons: tag → the capital letter that gives it, with shift, before a verdict.
    """

    repeats: float = Field(default=0.1, ge=0, le=0.5)
    reasons: dict[str, str] = Field(
        default_factory=lambda: {"correct": "C", "style": "S", "complete": "M", "safe": "A", "short": "H"}
    )

    @field_validator("reasons")
    @classmethod
    def _letters(cls, value: dict[str, str]) -> dict[str, str]:
        taken: dict[str, str] = {}
        for tag, letter in value.items():
            if len(letter) != 1 or not "A" <= letter <= "Z":
                raise ValueError(f"must give each tag one letter from A to Z, and `{tag}` has {letter!r}")
            if letter in taken:
                raise ValueError(
                    f"must give each tag a letter of its own: `{taken[letter]}` and `{tag}` have {letter}"
                )
            taken[letter] = tag
        return value


class Settings(_Section):
    """The settings.

    Attributes:
        mirror: where runs are copied to, as `core.mirroring.mirror_of` takes it. report_to: the trackers of runs
            whose recipe names none.
    """

    mirror: str | None = None
    report_to: list[Tracker] | None = None
    notify: Notify = Field(default_factory=Notify)
    judging: Judging = Field(default_factory=Judging)

    _trackers = field_validator("report_to", mode="before")(split_names)


_FIELDS = [
    "mirror",
    "report_to",
    *(f"notify.{name}" for name in Notify.model_fields),
    *(f"judging.{name}" for name in Judging.model_fields),
]


def settings_file() -> Path:
    """Where the settings are; the file need not exist."""
    return home() / "settings.yaml"


def load_settings() -> Settings:
    """The settings of this home; the defaults where there is no file.

    Raises:
        UsageError: naming file, line and field of what is wrong.
    """
    path = settings_file()
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("cannot read the settings", where=str(path)) from error
    values, lines = yaml_text.parse(text, str(path))
    # A section with nothing below it means its defaults, as in a recipe.
    filled: Any = {k: v for k, v in values.items() if v is not None} if isinstance(values, dict) else values or {}
    try:
        return Settings.model_validate(filled)
    except ValidationError as error:
        raise UsageError(
            "\n".join(problems(error, _FIELDS, ["notify", "judging"], str(path), lines)),
            hint=f"The fields are {', '.join(_FIELDS)}.",
        ) from error
