"""Predictions and references made elsewhere, as JSON Lines: read with care, joined by id where all have one.

predictions ``{id?, prediction}``, answers ``{id?, prompt, answer}``, references ``{id?, reference: str | [str]}``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a file. number: its line, from 1. id: as text, None where it has none. value: what was asked for,
    one text or several."""

    number: int
    id: str | None
    value: list[str]


@dataclass(frozen=True, slots=True)
class Joined:
    """Files whose rows belong together. answers: of each file its texts, in the order of the references. by: "id" or
    "line". note: why not by id, where some rows have one."""

    answers: list[list[str]]
    references: list[list[str]]
    by: str
    note: str = ""


def read_lines(path: Path, field: str, *, several: bool = False) -> list[Line]:
    """The rows of a file, with the text that each has in `field`.

    Args:
        several: a list of texts is allowed too.

    Raises:
        UsageError: the file cannot be read or is empty, or a row is wrong; it names the line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from error
    found = [_line(path, number, row, field, several) for number, row in _rows(path, data)]
    if not found:
        raise UsageError("has no rows", where=str(path), hint=f'A row: {{"id": "1", "{field}": "…"}}')
    seen: dict[str, int] = {}
    for line in found:
        if line.id is not None and line.id in seen:
            raise UsageError(f"the id {_quoted(line.id)} is that of line {seen[line.id]} too", where=_at(path, line))
        if line.id is not None:
            seen[line.id] = line.number
    return found


def _rows(path: Path, data: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not raw.strip():
            continue
        try:
            row = json.loads(raw.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise UsageError("this is not UTF-8", where=f"{path}:{number}") from error
        except RecursionError as error:
            raise UsageError("this JSON is nested too deeply", where=f"{path}:{number}") from error
        except ValueError as error:
            told = f"{error.msg} (column {error.colno})" if isinstance(error, json.JSONDecodeError) else str(error)
            raise UsageError(f"this is not JSON: {told}", where=f"{path}:{number}") from error
        if not isinstance(row, dict):
            raise UsageError("this row is no JSON object", where=f"{path}:{number}")
        yield number, row


def _line(path: Path, number: int, row: dict[str, Any], field: str, several: bool) -> Line:
    where = f"{path}:{number}"
    if field not in row:
        there = ", ".join(sorted(map(str, row))[:8]) or "nothing"
        raise UsageError(f"this row has no `{field}`; it has {there}", where=where)
    value, own = row[field], row.get("id")
    if own is not None and (isinstance(own, bool) or not isinstance(own, str | int)):
        raise UsageError(f"`id` is {_kind(own)}, not a text or a whole number", where=where)
    texts = value if several and isinstance(value, list) else [value]
    if not texts:
        raise UsageError(f"`{field}` is an empty list", where=where)
    wrong = next((text for text in texts if not isinstance(text, str)), None)
    if wrong is not None or None in texts:
        allowed = "a text or a list of texts" if several else "a text"
        raise UsageError(f"`{field}` is {_kind(wrong)}, not {allowed}", where=where)
    return Line(number, None if own is None else str(own), texts)


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "null" if value is None else "a text")


def join(files: Sequence[tuple[Path, list[Line]]], references: tuple[Path, list[Line]] | None) -> Joined:
    """Put rows of several files together.

    Args:
        references: None where no metric needs them; the first file then gives the order.

    Raises:
        UsageError: an id is missing in a file, or without ids the files differ in length; it names the line.
    """
    leading = references or files[0]
    everything = [*files, *([references] if references else [])]
    with_id = [(path, line) for path, lines in everything for line in lines if line.id is not None]
    total = sum(len(lines) for _, lines in everything)
    by_id = len(with_id) == total
    if by_id:
        aligned = [_by_id(path, lines, leading) for path, lines in files]
    else:
        for path, lines in files:
            _same_length(path, lines, leading)
        aligned = [lines for _, lines in files]
    note = ""
    if with_id and not by_id:
        path, line = next((path, line) for path, lines in everything for line in lines if line.id is None)
        note = f"joined by line, not by id: {_at(path, line)} has no id"
    return Joined(
        [[line.value[0] for line in lines] for lines in aligned],
        [line.value for line in leading[1]] if references else [[""] for _ in leading[1]],
        "id" if by_id else "line",
        note,
    )


def _by_id(path: Path, lines: list[Line], leading: tuple[Path, list[Line]]) -> list[Line]:
    order, wanted = leading
    ours = {line.id: line for line in lines}
    theirs = {line.id for line in wanted}
    missing = next((line for line in wanted if line.id not in ours), None)
    if missing is not None:
        raise UsageError(f"its id {_quoted(missing.id)} is not in {path}", where=_at(order, missing))
    extra = next((line for line in lines if line.id not in theirs), None)
    if extra is not None:
        raise UsageError(f"its id {_quoted(extra.id)} is not in {order}", where=_at(path, extra))
    return [ours[line.id] for line in wanted]


def _same_length(path: Path, lines: list[Line], leading: tuple[Path, list[Line]]) -> None:
    order, wanted = leading
    if len(lines) == len(wanted):
        return
    longer, more, other = (path, lines, order) if len(lines) > len(wanted) else (order, wanted, path)
    fewer = min(len(lines), len(wanted))
    raise UsageError(
        f"row {fewer + 1} has no partner: {other} has {fewer} rows, this file {len(more)}",
        where=_at(longer, more[fewer]),
        hint="Without an id in every row of every file, rows are joined by their place.",
    )


def _at(path: Path, line: Line) -> str:
    return f"{path}:{line.number}"


def _quoted(text: str | None) -> str:
    return json.dumps((text or "")[:60], ensure_ascii=False)
