"""Checks that an answer passes or not: JSON, a schema, a pattern, a length."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import regex

from core.errors import DiapasonError, UsageError
from core.evaluation.metrics import Table, binary_table

_SECONDS = 5.0
_NO_JSON = object()
Check = Callable[[Sequence[str]], Table]


def json_valid_table(predictions: Sequence[str]) -> Table:
    """Share of answers that are one JSON document (RFC 8259), white space around it aside, and nothing else."""
    return binary_table([_parsed(text) is not _NO_JSON for text in predictions])


def is_json_object(text: str) -> bool:
    """Whether `text` is one JSON object or array."""
    return isinstance(_parsed(text), dict | list)


def _parsed(text: str) -> Any:
    def constant(name: str) -> Any:
        raise ValueError(f"{name} is no JSON")

    try:
        return json.loads(text, parse_constant=constant)
    except (ValueError, RecursionError):
        return _NO_JSON


def json_schema(path: Path) -> Check:
    """The share of answers that are JSON and match the schema in the file `path`.

    Raises:
        UsageError: the file cannot be read, or is no JSON schema.
    """
    try:
        # A schema is small, the package costs a moment: only here.
        from jsonschema.exceptions import SchemaError
        from jsonschema.validators import validator_for
    except ImportError as error:
        raise UsageError(
            "json_schema needs the package `jsonschema`, which is not installed", hint="pip install jsonschema"
        ) from error
    try:
        schema = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"the schema cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UsageError("this is no JSON", where=f"{path}{line}", hint="json_schema takes a JSON schema.") from error
    if not isinstance(schema, dict | bool):
        raise UsageError("this is no JSON schema: it is no object", where=str(path))
    kind: Any = validator_for(schema)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        place = "/".join(map(str, error.absolute_path))
        told = f"this is no JSON schema: {error.message[:200]}" + (f" (at {place})" if place else "")
        raise UsageError(told, where=str(path)) from error
    validator = kind(schema)

    def matches(text: str) -> bool:
        value = _parsed(text)
        try:
            return value is not _NO_JSON and validator.is_valid(value)
        except Exception as error:  # a $ref that leads nowhere is told by no class of jsonschema's own
            raise DiapasonError(f"the schema cannot be applied: {error}", where=str(path)) from error

    return lambda predictions: binary_table([matches(text) for text in predictions])


def pattern(text: str) -> Check:
    """The share of answers in which the regular expression `text` is found (anywhere; ^ and $ bind it).

    Raises:
        UsageError: it is none.
    """
    try:
        wanted = regex.compile(text)
    except regex.error as error:
        raise UsageError(f"`{text}` is no regular expression: {error}") from error

    def found(answer: str, row: int) -> bool:
        try:
            return wanted.search(answer, timeout=_SECONDS) is not None
        except TimeoutError as error:
            raise DiapasonError(
                f"the pattern `{text}` takes longer than {_SECONDS:g} s on answer {row + 1}",
                hint="Nested repeats such as (a+)+ are slow: write it without them.",
            ) from error

    return lambda predictions: binary_table([found(answer, row) for row, answer in enumerate(predictions)])


def length(text: str) -> tuple[Check, str]:
    """The share of answers whose length is within bounds, and these in words.

    Args:
        text: ``MIN-MAX``, ``MIN-`` or ``-MAX``, and maybe ``:words`` (what white space parts; the default) or
            ``:characters`` (code points, white space at the ends aside).

    Raises:
        UsageError: it is not that.
    """
    bounds, _, unit = text.partition(":")
    low, dash, high = bounds.partition("-")
    unit = unit or "words"
    if not dash or unit not in ("words", "characters") or not (low or high) or not _whole(low) or not _whole(high):
        raise UsageError(
            f"`length:{text}` is no length", hint="length:MIN-MAX, in words; length:MIN-MAX:characters; length:-80"
        )
    least, most = int(low or 0), int(high) if high else None
    if most is not None and most < least:
        raise UsageError(f"`length:{text}` holds nothing: {most} is less than {least}")

    def fits(answer: str) -> bool:
        size = len(answer.split()) if unit == "words" else len(answer.strip())
        return size >= least and (most is None or size <= most)

    told = f"{least} to {most} {unit}" if most is not None else f"{least} {unit} or more"
    return lambda predictions: binary_table([fits(answer) for answer in predictions]), told


def _whole(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit())
