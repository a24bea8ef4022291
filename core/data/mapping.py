"""Which field is the prompt and which the answer, where a file has names of its own: ``prompt=premise``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Any

from core.data.columns import CONVERSATIONS, IDS, KNOWN
from core.data.findings import RowFinding
from core.errors import UsageError

Value = dict[str, Any]
TARGETS = (
    "prompt", "completion", "text", "label", "messages", "instruction", "input", "output", "chosen", "rejected",
    "system", "tools",
)  # fmt: skip
_LISTS = frozenset({"messages", "tools"})
# Fields that mean the same whatever the others are called.
_KEPT = frozenset({"system", "tools"})
_MISSING = object()
_EXAMPLE = "For example: --map prompt=premise,completion=target"
_ASKS = ("premise", "instruction", "question", "query", "problem", "document", "article", "context", "source", "src",
         "sentence1", "body", "post", "title", "input", "prompt", "en", "code")  # fmt: skip
_TELLS = ("target", "tgt", "hypothesis", "summary", "highlights", "solution", "answer", "reply", "response",
          "abstract", "translation", "output", "completion", "sentence2", "fr", "docstring", "result")  # fmt: skip
_SHORT = 60
_MOST_NAMES = 1000


@dataclass(frozen=True, slots=True)
class Mapping:
    """Pairs of (usual name, the file's own name)."""

    pairs: tuple[tuple[str, str], ...]

    @property
    def format(self) -> str | None:
        """The format that the usual names make; None where the values tell (messages)."""
        from core.data.formats import detect

        names = [target for target, _ in self.pairs]
        return None if "messages" in names else detect(dict.fromkeys(names, ""))

    def apply(self, value: Value) -> Value:
        """`value` under the usual names; other fields with a usual name of their own are left out."""
        taken = {source for _, source in self.pairs}
        mapped: Value = {}
        for target, source in self.pairs:
            item = _look_up(value, source)
            if item is not _MISSING:
                mapped[target] = item if target in _LISTS else _text(item)
        for key, item in value.items():
            if key not in taken and key not in mapped and (key in _KEPT or key not in KNOWN):
                mapped[key] = item
        return mapped

    def tell(self, finding: RowFinding) -> RowFinding:
        """The finding with the file's own name for a field that is missing."""
        source = dict(self.pairs).get(finding.field)
        if finding.code != "missing_field" or source is None:
            return finding
        return replace(finding, message=f"there is no `{source[:40]}`, which is mapped to `{finding.field}`")

    def __str__(self) -> str:
        return ",".join(f"{target}={source}" for target, source in self.pairs)


@lru_cache(maxsize=64)
def parse_map(text: str) -> Mapping:
    """The mapping that ``prompt=premise,completion=target`` writes. A field inside another is written ``a.b``.

    Raises:
        UsageError: saying what is wrong with it.
    """
    pairs: list[tuple[str, str]] = []
    for part in text.split(","):
        target, equals, source = (piece.strip() for piece in part.partition("="))
        if not equals or not target or not source:
            raise UsageError(f"`{part.strip()}` is not NAME=FIELD", where="--map", hint=_EXAMPLE)
        if target not in TARGETS:
            raise UsageError(f"`{target}` is no name to map to", where="--map", hint="Names: " + ", ".join(TARGETS))
        if target in dict(pairs):
            raise UsageError(f"`{target}` is given twice", where="--map", hint=_EXAMPLE)
        pairs.append((target, source))
    mapping = Mapping(tuple(pairs))
    if mapping.format is None and "messages" not in dict(pairs):
        names = ", ".join(f"`{target}`" for target, _ in pairs)
        raise UsageError(
            f"{names} alone make no row that can be trained on",
            where="--map",
            hint="Give prompt and completion, text and label, text, messages, or chosen and rejected.",
        )
    return mapping


def suggest(rows: Sequence[Any]) -> str | None:
    """A mapping that would fit rows of unknown fields, by their names and what is in them; None where none would."""
    values = [row for row in rows if isinstance(row, dict)]
    if not values:
        return None
    # A table may have a million columns; who maps one by hand has few.
    names = list(islice(values[0], _MOST_NAMES))
    names = [name for name in names if name and name == name.strip() and not {",", "="} & {*name}]
    names = [name for name in names if name not in IDS]
    for name in names:
        if all(_is_talk(row.get(name)) for row in values):
            return f"messages={name}"
    columns = {name: [row.get(name) for row in values] for name in names}
    texts = [name for name in names if _are_texts(columns[name])]
    if len(texts) == 1:
        others = [name for name in names if name not in texts and _are_scalars(columns[name])]
        label = next((name for name in others if _repeats(columns[name])), None)
        return f"text={texts[0]},label={label}" if label else f"text={texts[0]}"
    if not texts:
        return None
    ask = _first(texts, _ASKS)
    tell = _first([name for name in texts if name != ask], _TELLS)
    if ask is None or tell is None:
        label = next((name for name in texts if _repeats(columns[name])), None)
        if label and len(texts) == 2:
            return f"text={next(name for name in texts if name != label)},label={label}"
        rest = [name for name in texts if name not in (ask, tell) and name.casefold() not in CONVERSATIONS]
        ask = ask or next((name for name in rest if name != tell), None)
        tell = tell or next((name for name in rest if name != ask), None)
    return f"prompt={ask},completion={tell}" if ask and tell else None


def _look_up(value: Value, name: str) -> Any:
    """The field `name`, else the one that differs in case and spaces alone, else ``a.b`` inside others."""
    if name in value:
        return value[name]
    folded = name.strip().casefold()
    for key in value:
        if key.strip().casefold() == folded:
            return value[key]
    item: Any = value
    for step in name.split("."):
        if isinstance(item, dict) and step in item:
            item = item[step]
        elif isinstance(item, list) and step.isdecimal() and int(step) < len(item):
            item = item[int(step)]
        else:
            return _MISSING
    return item


def _text(item: Any) -> Any:
    """A scalar as text: whoever maps a number to the answer wants it written."""
    if isinstance(item, bool):
        return "true" if item else "false"
    return str(item) if isinstance(item, int | float) else item


def _are_texts(column: Iterable[Any]) -> bool:
    return any(isinstance(item, str) and item.strip() for item in column) and all(
        item is None or isinstance(item, str) for item in column
    )


def _are_scalars(column: Iterable[Any]) -> bool:
    return all(isinstance(item, str | int | float) for item in column)


def _repeats(column: Sequence[Any]) -> bool:
    """Whether a column has few values, all short: a label."""
    distinct = {str(item) for item in column}
    return len(column) >= 4 and len(distinct) * 2 <= len(column) and all(len(item) < _SHORT for item in distinct)


def _is_talk(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(turn, dict) and ("role" in turn or "from" in turn) for turn in value)
    )


def _first(names: Sequence[str], wanted: Sequence[str]) -> str | None:
    folded = {name.strip().casefold(): name for name in names}
    return next((folded[name] for name in wanted if name in folded), None)


def fields_of(rows: Iterable[Any]) -> dict[str, Any]:
    """The fields that `rows` (parsed, unmapped) have, each with the first value that says something.

    A field inside another is named ``a.b``. Names that a map cannot write (with ``,`` or ``=``) are left out.
    """
    found: dict[str, Any] = {}
    for row in rows:
        for name, item in row.items() if isinstance(row, dict) else ():
            inner = item.items() if isinstance(item, dict) else ()
            for path, value in ((name, item), *((f"{name}.{key}", value) for key, value in inner)):
                if path and path == path.strip() and not {",", "="} & {*path} and not found.get(path):
                    found[path] = value
    return found
