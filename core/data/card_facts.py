"""What only a person knows of a data set: whose it is, under which licence, and on what basis it may be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from core.data.findings import RowFinding
from core.data.place import beside, shown_name
from core.errors import DiapasonError, UsageError
from core.files import write_atomic

# Name, heading, and what to write; the headings follow Datasheets for Datasets (Gebru et al. 2021) and GDPR articles
# 6 and 9.
FACTS: tuple[tuple[str, str, str], ...] = (
    ("source", "Source", "where the rows come from: a system, a site, people, a model"),
    ("made", "How it was made", "collected, written, generated, filtered, labelled: by whom or what, and when"),
    ("licence", "Licence", "an SPDX name such as CC-BY-4.0, or the terms under which it may be used"),
    ("owner", "Owner", "who holds the rights, and who answers questions"),
    ("basis", "Consent or legal basis", "for personal data: consent, contract, legitimate interest, or none is held"),
    ("personal_data", "Personal data", "which kinds are in it, and what was done about them"),
    ("bias", "Known bias", "groups, topics or languages with too many or too few rows, or treated unlike others"),
)
_NAMES = [name for name, _, _ in FACTS]


@dataclass(frozen=True, slots=True)
class Facts:
    """What was filled in, by name; `there` says whether there is such a file at all."""

    values: dict[str, str]
    there: bool = False

    @property
    def missing(self) -> list[str]:
        """The headings of what is not filled in."""
        return [title for name, title, _ in FACTS if not self.values.get(name)]


def facts_path(path: Path | str) -> Path:
    """The file with the facts on a data set, beside it."""
    return beside(Path(path), ".card.yaml")


def read_facts(path: Path | str) -> Facts:
    """The facts on a data set; none where there is no such file.

    Raises:
        UsageError: the file is no YAML of known names and texts.
    """
    file = facts_path(path)
    try:
        value: Any = yaml.safe_load(file.read_text("utf-8"))
    except FileNotFoundError:
        return Facts({})
    except (OSError, ValueError) as error:
        raise UsageError(f"the facts cannot be read: {error}", where=str(file)) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else str(file)
        problem = getattr(error, "problem", None) or "it is not YAML"
        raise UsageError(
            problem, where=where, hint="One `name: text` a line; put a text with a colon in quotes."
        ) from error
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise UsageError(
            "the facts are no list of names and texts", where=str(file), hint=f"Names: {', '.join(_NAMES)}"
        )
    unknown = next((str(name) for name in value if name not in _NAMES), None)
    if unknown is not None:
        raise UsageError(f"`{unknown[:40]}` is no fact", where=str(file), hint=f"Names: {', '.join(_NAMES)}")
    return Facts({str(name): str(text).strip() for name, text in value.items() if text is not None}, there=True)


def start_facts(path: Path | str) -> Path:
    """Write a file to be filled in beside a data set; return where.

    Raises:
        UsageError: there is one already.
        DiapasonError: it cannot be written.
    """
    file = facts_path(path)
    if file.exists():
        raise UsageError("there is a file of facts already", where=str(file), hint="Edit it.")
    lines = [f"# What only you know of {shown_name(Path(path))}; `diapason data card` puts it on the card."]
    for name, title, told in FACTS:
        lines += [f"# {title}: {told}", f"{name}:"]
    try:
        write_atomic(file, "\n".join(lines) + "\n", mode=0o666)
    except OSError as error:
        raise DiapasonError(f"cannot write the facts: {error.strerror}", where=str(file)) from error
    return file


def check_facts(path: Path | str) -> list[RowFinding]:
    """A note where a data set has facts beside it of which some are empty, or that cannot be read."""
    try:
        facts = read_facts(path)
    except UsageError as error:
        return [RowFinding("card_incomplete", f"{error.where}: {error.message}", detail="unreadable")]
    if not facts.there or not facts.missing:
        return []
    return [RowFinding("card_incomplete", f"not filled in: {', '.join(facts.missing).lower()}")]
