"""The names under which data sets keep their prompts, answers and labels."""

from __future__ import annotations

import re
from collections.abc import Iterable

# (prompt, answer) columns of prompt-completion rows, in order of preference.
PAIRS: tuple[tuple[str, str], ...] = (
    ("prompt", "completion"),
    ("input", "output"),
    ("question", "answer"),
    ("prompt", "response"),
    ("query", "response"),
    ("query", "answer"),
    ("prompt", "output"),
    ("prompt", "answer"),
    ("question", "response"),
    ("input", "response"),
    ("input", "target"),
    ("source", "target"),
)
TEXTS: tuple[str, ...] = ("text", "sentence", "content", "review", "utterance")
LABELS: tuple[str, ...] = ("label", "category", "class", "intent", "sentiment", "labels")
CONVERSATIONS: tuple[str, ...] = ("messages", "conversations", "conversation", "dialog", "dialogue")
KNOWN = frozenset(
    [name for pair in PAIRS for name in pair]
    + [*TEXTS, *LABELS, *CONVERSATIONS, "instruction", "chosen", "rejected", "system", "id", "tools"]
)
# What rows are numbered by; nobody expects a model to learn it.
IDS = frozenset({"id", "_id", "idx", "index", "uuid", "__index_level_0__"})
# What tells which part of the data a row belongs to.
PART_FIELDS = ("split", "subset", "partition")
# What tells a row that a model wrote from one that people did, and which row it is a variant of.
MARKS = frozenset({"synthetic", "source_row", "synthetic_model", "synthetic_prompt"})
_NAME = re.compile(r"[^\W\d][\w .-]{0,40}")
# The words by which datasets tells splits in file names (huggingface.co/docs/hub/datasets-file-names-and-splits).
_SPLITS = {"train": "train", "training": "train", "validation": "validation", "valid": "validation",
           "val": "validation", "dev": "validation", "test": "test", "testing": "test", "eval": "test",
           "evaluation": "test"}  # fmt: skip
_WORDS = re.compile(r"[a-z]+")


def split_name(name: str) -> str:
    """train, validation or test where a word of `name` says so, else nothing."""
    return next((_SPLITS[word] for word in _WORDS.findall(name.casefold()) if word in _SPLITS), "")


def unique_names(names: Iterable[str]) -> tuple[str, ...]:
    """`names` with a number behind those that were there before: text, text_2."""
    taken: dict[str, None] = {}
    following: dict[str, int] = {}
    for name in names:
        number, own = following.get(name, 2), name
        while own in taken:
            own, number = f"{name}_{number}", number + 1
        taken[own] = None
        following[name] = number
    return tuple(taken)


def read_header(records: list[list[str]]) -> tuple[str, ...]:
    """The column names in the first of a CSV file's `records`, or none where it is data already.

    It is a header where it names a column that we know, or where every cell is a short name and cells below
    look otherwise.
    """
    if not records:
        return ()
    names = tuple(cell.strip() for cell in records[0])
    if any(name.casefold() in KNOWN for name in names):
        return names
    filled = [name for name in names if name]
    if not filled or len(set(filled)) != len(filled) or not all(_NAME.fullmatch(name) for name in filled):
        return ()
    if len(records) == 1:
        return ()
    below = [cell for record in records[1:] for cell in record]
    plain = sum(bool(_NAME.fullmatch(cell.strip())) for cell in below)
    return names if plain * 2 < len(below) or all("_" in name or name.islower() for name in filled) else ()


def column_names(header: tuple[str, ...], width: int) -> tuple[str, ...]:
    """The names that rows of a CSV file go by: known names in lower case, ``column_N`` for what has none."""
    if not header:
        return tuple(f"column_{number}" for number in range(1, width + 1))
    names = [name.casefold() if name.casefold() in KNOWN else name for name in header]
    return unique_names(name or f"column_{number}" for number, name in enumerate(names, 1))
