"""Votes made elsewhere: a CSV file with one judgement a row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from core.errors import UsageError
from core.judging.judgement import Judgement
from core.text import shorten, visible

REQUIRED = ("prompt", "left", "right", "winner")
OPTIONAL = ("judge", "left_length", "right_length")
WINNERS = ("left", "right", "tie", "both_bad")
_COLUMNS = REQUIRED + OPTIONAL
_DELIMITERS = (",", ";", "\t")
_FIELD_LIMIT = 1 << 24
_TOLD = 5


def read_votes_file(path: Path) -> list[Judgement]:
    """The judgements in the CSV file `path`, in its order; columns beyond `REQUIRED` and `OPTIONAL` become slices.

    UTF-8 with or without a byte order mark; fields separated by comma, semicolon or tab, quoted ones may hold line
    breaks. The identity of a prompt is the text in its column. Blank lines are passed over.

    Raises:
        UsageError: where it cannot be read, a column is missing, or any row is bad: nothing is counted then.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UsageError("is not UTF-8 here", where=f"{path}:{line}", hint="Save the file as UTF-8.") from error
    rows = _rows(path, text)
    line, header = next(rows, (1, []))
    names = [name.strip() for name in header]
    _check_header(path, line, names)
    place = {name: number for number, name in enumerate(names)}
    others = [(name, number) for name, number in place.items() if name not in _COLUMNS]
    found: list[Judgement] = []
    problems: list[tuple[int, str]] = []
    for line, row in rows:
        if len(row) != len(names):
            problems.append((line, f"has {len(row)} fields where the header has {len(names)}"))
            continue
        try:
            found.append(_judgement(row, place, others))
        except ValueError as error:
            problems.append((line, str(error)))
    if problems:
        _refuse(path, problems)
    if not found:
        raise UsageError("has no votes: only a header", where=str(path))
    return found


def _rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """(line on which it begins, fields) of each row that is not blank."""
    head = text.partition("\n")[0]
    delimiter = max(
        _DELIMITERS, key=lambda sign: len({name.strip(' \r"') for name in head.split(sign)} & set(_COLUMNS))
    )
    # newline="" leaves the line ends to csv, which keeps those inside quotes.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    before = csv.field_size_limit(_FIELD_LIMIT)
    begin = 1
    try:
        for row in reader:
            if any(row):
                yield begin, row
            begin = reader.line_num + 1
    except csv.Error as error:
        raise UsageError(
            f"is no CSV from here on: {error}", where=f"{path}:{begin}", hint='Is a quotation mark (") left open?'
        ) from error
    finally:
        csv.field_size_limit(before)


def _check_header(path: Path, line: int, names: list[str]) -> None:
    missing = [name for name in REQUIRED if name not in names]
    where = f"{path}:{line}"
    if missing:
        raise UsageError(
            f"has no column {', '.join(missing)}",
            where=where,
            hint=f"The first line names the columns: {', '.join(REQUIRED)}; also {', '.join(OPTIONAL)}.",
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"names the column {visible(twice[0])!r} twice", where=where)


def _judgement(row: list[str], place: dict[str, int], others: list[tuple[str, int]]) -> Judgement:
    """Raises ValueError with what is wrong, column first."""
    prompt, left, right = row[place["prompt"]], row[place["left"]].strip(), row[place["right"]].strip()
    for name, value in (("prompt", prompt.strip()), ("left", left), ("right", right)):
        if not value:
            raise ValueError(f"{name} is empty")
    if left == right:
        raise ValueError(f"left and right are both {_shown(left)}: two sides are compared")
    if taken := {left, right} & {"tie", "both_bad"}:
        raise ValueError(f"a side is called {_shown(min(taken))}, which is what a verdict says: give it another name")
    winner = row[place["winner"]].strip()
    if winner not in WINNERS:
        raise ValueError(f"winner is {_shown(winner)}; allowed are {', '.join(WINNERS)}")
    return Judgement(
        judge=row[place["judge"]].strip() if "judge" in place else "",
        prompt=prompt,
        left=left,
        right=right,
        verdict=winner,
        left_length=_length(row, place, "left_length"),
        right_length=_length(row, place, "right_length"),
        slices={name: row[number].strip() for name, number in others if row[number].strip()},
    )


def _length(row: list[str], place: dict[str, int], name: str) -> int | None:
    text = row[place[name]].strip() if name in place else ""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"{name} is {_shown(text)}; allowed are whole numbers from 0, or nothing")
    return int(text)


def _shown(text: str) -> str:
    return f"`{shorten(visible(text), 40)}`" if text else "empty"


def _refuse(path: Path, problems: list[tuple[int, str]]) -> None:
    line, what = problems[0]
    hint = "Mend the row; nothing was counted."
    if len(problems) > 1:
        lines = ", ".join(str(each) for each, _ in problems[1 : 1 + _TOLD])
        more = f" and {len(problems) - 1 - _TOLD:,} more" if len(problems) > 1 + _TOLD else ""
        hint = f"So are the rows on lines {lines}{more}. Nothing was counted."
    raise UsageError(what, where=f"{path}:{line}", hint=hint)
