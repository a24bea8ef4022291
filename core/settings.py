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


class Settings(_Section):
    """The settings.

    Attributes:
        mirror: where runs are copied to, as `core.mirroring.mirror_of` takes it. report_to: the trackers of runs
            whose recipe names none.
    """

    mirror: str | None = None
    report_to: list[Tracker] | None = None
    notify: Notify = Field(default_factory=Notify)

    _trackers = field_validator("report_to", mode="before")(split_names)


_FIELDS = ["mirror", "report_to", *(f"notify.{name}" for name in Notify.model_fields)]


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
            "\n".join(problems(error, _FIELDS, ["notify"], str(path), lines)),
            hint=f"The fields are {', '.join(_FIELDS)}.",
        ) from error
