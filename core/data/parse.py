"""From the bytes of one row to its value, or to the reason why there is none."""

from __future__ import annotations

import csv
import json
import math
import re
from typing import Any

import orjson

from core.data.encodings import line_encoding
from core.data.findings import RowFinding, grouped
from core.data.records import MOST_COLUMNS, split_record
from core.data.source import Source
from core.text import shorten

_SURROGATE = re.compile("[\ud800-\udfff]")


def parse_json(raw: bytes, source: Source, findings: list[RowFinding]) -> Any:
    """The JSON value in `raw`, or None with an error added to `findings`."""
    try:
        value = orjson.loads(raw)
    except ValueError:
        return _parse_slowly(raw, source, findings)
    _note_duplicates(raw, value, findings)
    return value


def parse_record(raw: bytes, source: Source, bad: str | None, findings: list[RowFinding]) -> dict[str, str] | None:
    """The CSV record in `raw` by column name, or None with an error added to `findings`."""
    if bad is not None:
        findings.append(RowFinding("bad_csv", bad))
        return None
    text = decode(raw, source, findings)
    if text is None:
        return None
    try:
        fields = split_record(text, source.dialect.delimiter)
    except csv.Error as error:
        findings.append(RowFinding("bad_csv", str(error)))
        return None
    if len(fields) > MOST_COLUMNS:
        text = f"{grouped(len(fields))} fields; a row of a table may have {grouped(MOST_COLUMNS)}"
        findings.append(RowFinding("bad_csv", text, detail="too_wide"))
        return None
    names = source.columns
    if len(fields) != len(names):
        findings.append(RowFinding("ragged_row", f"{len(fields)} fields where the file has {len(names)} columns",
                                   detail="too_many" if len(fields) > len(names) else "too_few"))  # fmt: skip
    return dict(zip(names, fields, strict=False))


def decode(raw: bytes, source: Source, findings: list[RowFinding]) -> str | None:
    """The text of `raw`, or None with an error added to `findings`."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        legacy = source.legacy
        if legacy is None:
            findings.append(_not_utf8(raw, error.start))
            return None
        findings.append(RowFinding("encoding", f"read as {legacy}", detail=legacy))
        return raw.decode(legacy, "replace")


def _not_utf8(raw: bytes, start: int) -> RowFinding:
    """What the bad byte is, and how the line would read in an encoding that it may come from."""
    message = f"byte 0x{raw[start]:02x} is not UTF-8"
    name = line_encoding(raw) or ""
    if name:
        around = raw[max(0, start - 20) : start + 20].decode(name, "replace")
        message += f"; as {name} it reads … {around.strip()} …"
    return RowFinding("invalid_utf8", message, detail=name, column=start + 1)


def _parse_slowly(raw: bytes, source: Source, findings: list[RowFinding]) -> Any:
    """The standard parser's word on what orjson refused."""
    text = decode(raw, source, findings)
    if text is None:
        return None
    text = text.removeprefix("\ufeff")
    nonfinite: list[str] = []

    def constant(name: str) -> None:
        nonfinite.append(name)

    def number(digits: str) -> float | None:
        value = float(digits)
        return value if math.isfinite(value) else constant(digits)

    try:
        value = json.loads(text, parse_constant=constant, parse_float=number)
    except json.JSONDecodeError as error:
        findings.append(_bad_json(text, error))
        return None
    except RecursionError:
        findings.append(RowFinding("too_deep", "nested more than a thousand levels deep"))
        return None
    except ValueError:
        findings.append(RowFinding("big_int", "a whole number of more than 4,300 digits"))
        return None
    if nonfinite:
        findings.append(_nonfinite(nonfinite[0]))
    elif _has_surrogate(value):
        findings.append(RowFinding("lone_surrogate", "a \\ud… escape without its other half"))
    elif not any(finding.code == "encoding" for finding in findings) and not _reads(text):
        findings.append(RowFinding("too_deep", "nested more than a thousand levels deep"))
    return value


def _nonfinite(name: str) -> RowFinding:
    if name[-1:].isdigit():
        return RowFinding(
            "nonfinite_number", f"{shorten(name, 40)} is more than a number can hold", detail="overflow"
        )
    return RowFinding("nonfinite_number", f"{name} is not a number in JSON", detail=name)


def _reads(text: str) -> bool:
    """Whether orjson reads the text now (a byte-order mark was all that it minded)."""
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True


def _has_surrogate(value: Any) -> bool:
    if isinstance(value, str):
        return bool(_SURROGATE.search(value))
    if isinstance(value, dict):
        return any(_has_surrogate(key) or _has_surrogate(item) for key, item in value.items())
    return isinstance(value, list) and any(_has_surrogate(item) for item in value)


def _bad_json(text: str, error: json.JSONDecodeError) -> RowFinding:
    message = error.msg[:1].lower() + error.msg[1:]
    detail = ""
    if not text.strip("\0"):
        message, detail = "a block of NUL bytes, as a crash leaves one", "nul"
    elif error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
        message, detail = f"{message}; the row may be cut off", "cut_off"
    elif error.msg.startswith("Extra data"):
        message, detail = "something follows the end of the object", "extra_data"
    elif text[error.pos : error.pos + 1] == "'":
        message, detail = "single quotes; JSON wants double ones", "single_quotes"
    return RowFinding("bad_json", message, detail=detail, column=error.pos + 1)


def _note_duplicates(raw: bytes, value: Any, findings: list[RowFinding]) -> None:
    """Find keys given twice. Counting first keeps the slow parser away from nearly every row."""
    # In JSON a quote inside a string is escaped, so an unescaped `":` ends a key, or a string before a colon
    # that cannot be; `\":` is text.
    seen = raw.count(b'":') - raw.count(b'\\":')
    if seen == _keys(value) and b'" :' not in raw and b'"\t:' not in raw:
        return
    twice: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        known: dict[str, Any] = {}
        for key, item in items:
            if key in known:
                twice.append(key)
            known[key] = item
        return known

    try:
        json.loads(raw, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return
    if twice:
        key = twice[0]
        findings.append(RowFinding("duplicate_key", f"`{key}` is given twice; the last one counts", field=key))


def _keys(value: Any) -> int:
    """How many keys the value and all in it have."""
    total, todo = 0, [value]
    while todo:
        item = todo.pop()
        if type(item) is dict:
            total += len(item)
            todo += [inner for inner in item.values() if type(inner) is dict or type(inner) is list]
        elif type(item) is list:
            todo += [inner for inner in item if type(inner) is dict or type(inner) is list]
    return total
