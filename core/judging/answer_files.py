"""Files of answers made anywhere: ``{id?, prompt, answer}`` a line, joined into the rows of a session."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import DiapasonError, UsageError

# What a verdict may be called cannot be an arm as well.
_TAKEN = frozenset({"left", "right", "tie", "both_bad", "skip"})
_HINT = 'A line is a JSON object such as {"id": "17", "prompt": "Where is …", "answer": "It left …"}; id is optional.'
_SLICE_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class AnswerFiles:
    """Several files of answers to the same prompts.

    Attributes:
        rows: as an answers.jsonl has them, one a prompt and file, in the order of the first file.
        arms: a short name for each file.
        files: path, size and SHA-256 of each file.
    """

    rows: list[dict[str, Any]]
    arms: list[str]
    files: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    id: str | None
    prompt: list[dict[str, Any]]
    answer: str
    reference: str | None
    fields: dict[str, str]


def read_answer_files(paths: Sequence[Path]) -> AnswerFiles:
    """Read and join `paths`: by id where every line of every file has one, else by line.

    `prompt` is a text (a user's message) or a list of messages. ``reference`` (a text) is kept, and further fields
    of the first file that are short texts, numbers or truth values serve as slices of the result.

    Raises:
        UsageError: naming file and line, where a file cannot be read, a line is no such object, or the files do not
            answer the same prompts.
    """
    if len(paths) < 2:
        raise UsageError("judging compares two files of answers or more", hint="--answers A.jsonl B.jsonl")
    arms = _arms(paths)
    contents = [_content(path) for path in paths]
    read = [_lines(path, data) for path, data in zip(paths, contents)]
    by_id = all(line.id is not None for lines in read for line in lines)
    keyed = [_keyed(path, lines, by_id) for path, lines in zip(paths, read)]
    for path, theirs in zip(paths[1:], keyed[1:]):
        _same_prompts(paths[0], keyed[0], path, theirs, by_id)
    rows = [
        {
            "row": row,
            "line": first.number,
            "arm": arm,
            "id": first.id,
            "prompt": first.prompt,
            "reference": first.reference,
            "answer": lines[key].answer,
            "fields": first.fields,
        }
        for row, (key, first) in enumerate(keyed[0].items())
        for arm, lines in zip(arms, keyed)
    ]
    files = [
        {"path": str(path.absolute()), "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for path, data in zip(paths, contents)
    ]
    return AnswerFiles(rows, arms, files)


def _arms(paths: Sequence[Path]) -> list[str]:
    """A short name for each file: its stem, else as much of its path as tells it from the others."""
    if again := [path for path, count in Counter(path.resolve() for path in paths).items() if count > 1]:
        raise UsageError("is given twice", where=str(again[0]), hint="A file is not compared with itself.")
    for name in (lambda p: p.stem, lambda p: p.name, lambda p: f"{p.absolute().parent.name}/{p.stem}", str):
        names = [name(path) for path in paths]
        if len(set(names)) == len(names) and not _TAKEN & set(names):
            return names
    return [str(path.absolute()) for path in paths]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from error


def _lines(path: Path, data: bytes) -> list[_Line]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise UsageError("is not UTF-8", where=f"{path}:{number}", hint="Save it as UTF-8.") from error
    # Only line feeds end a line: JSON texts may hold U+2028 and the like.
    lines = [_line(f"{path}:{n}", n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise UsageError("has no answers", where=str(path), hint=_HINT)
    return lines


def _line(where: str, number: int, text: str) -> _Line:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"is not JSON: {error}", where=where, hint=_HINT) from error
    if not isinstance(value, dict):
        raise UsageError("is not a JSON object", where=where, hint=_HINT)
    if not isinstance(value.get("answer"), str):
        raise UsageError("`answer` must be a text", where=where, hint=_HINT)
    key = value.get("id")
    if key is not None and (isinstance(key, bool) or not isinstance(key, str | int)):
        raise UsageError("`id` must be a text or a whole number", where=where, hint=_HINT)
    reference = value.get("reference")
    if reference is not None and not isinstance(reference, str):
        raise UsageError("`reference` must be a text", where=where, hint=_HINT)
    return _Line(
        number, None if key is None else str(key), _prompt(where, value), value["answer"], reference, _fields(value)
    )


def _prompt(where: str, value: dict[str, Any]) -> list[dict[str, Any]]:
    prompt = value.get("prompt")
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    if isinstance(prompt, list) and prompt and all(_is_message(message) for message in prompt):
        return prompt
    raise UsageError(
        "`prompt` must be a text or a list of messages",
        where=where,
        hint='A message is {"role": "user", "content": "…"}.',
    )


def _is_message(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("role"), str)
        and ("content" in value or "tool_calls" in value)
    )


def _fields(value: dict[str, Any]) -> dict[str, str]:
    rest = {key: item for key, item in value.items() if key not in ("id", "prompt", "answer", "reference")}
    return {
        key: item if isinstance(item, str) else json.dumps(item)
        for key, item in rest.items()
        if isinstance(item, bool | int | float) or (isinstance(item, str) and len(item) <= _SLICE_CHARACTERS)
    }


def _keyed(path: Path, lines: list[_Line], by_id: bool) -> dict[str, _Line]:
    """The lines by what they are joined by: their id, or how many came before."""
    if not by_id:
        return {str(place): line for place, line in enumerate(lines)}
    found: dict[str, _Line] = {}
    for line in lines:
        key = line.id or ""
        if key in found:
            raise UsageError(
                f"the id `{key}` is that of line {found[key].number} too",
                where=f"{path}:{line.number}",
                hint="Each prompt has an id of its own; without any id the files are joined by line.",
            )
        found[key] = line
    return found


def _same_prompts(first: Path, ours: dict[str, _Line], other: Path, theirs: dict[str, _Line], by_id: bool) -> None:
    for key, line in ours.items():
        if key not in theirs:
            what = f"the id `{key}`" if by_id else f"answer {int(key) + 1}"
            raise _mismatch(f"{what} is missing in {other}", first, line, by_id)
        if theirs[key].prompt != line.prompt:
            raise _mismatch(f"the prompt is not that of {first}:{line.number}", other, theirs[key], by_id)
    for key, line in theirs.items():
        if key not in ours:
            what = f"the id `{key}`" if by_id else f"answer {int(key) + 1}"
            raise _mismatch(f"{what} is missing in {first}", other, line, by_id)


def _mismatch(what: str, path: Path, line: _Line, by_id: bool) -> DiapasonError:
    how = "by their ids" if by_id else "by line, as not every line has an id"
    return UsageError(
        what, where=f"{path}:{line.number}", hint=f"The files are joined {how}: all answer the same prompts."
    )
