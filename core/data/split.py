"""Train, validation and test parts of one file, which share no prompt."""

from __future__ import annotations

import hashlib
import json
import os
import random
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from core.data.checks.repeats import fold
from core.data.dataset import Dataset, Row, open_dataset
from core.errors import DiapasonError, UsageError

PARTS = ("train", "validation", "test")
_SUFFIX = {"csv": ".csv", "text": ".txt"}


@dataclass(frozen=True, slots=True)
class SplitResult:
    """The files written, rows in each by part name, and how many rows were left out because they have errors."""

    train: Path
    validation: Path | None
    test: Path | None
    counts: dict[str, int]
    skipped: int


def split(
    path: Path | str,
    out: Path,
    *,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    format: str | None = None,
    map: str | None = None,
) -> SplitResult:
    """Write ``train``, ``validation`` and ``test`` files into `out`, by `seed`, and say how many rows each has.

    Rows with the same prompt (case, spacing and sentence marks aside) stay on one side; labels are spread
    evenly. JSON Lines and CSV rows are copied byte for byte, in the file's order; JSON arrays and paragraphs
    become JSON Lines; what is not UTF-8 becomes UTF-8. Rows with errors are left out.

    Args:
        validation, test: shares of the rows, each from 0 to below 1; with 0 there is no such part.

    Raises:
        UsageError: the shares leave nothing to train on.
        DiapasonError: too few different prompts for the parts, or a file cannot be written.
    """
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise UsageError(
            f"validation {validation:g} and test {test:g} leave nothing to train on",
            hint="Give shares of the rows that add up to less than 1, such as 0.1 and 0.1.",
        )
    dataset = open_dataset(path, format, map)
    # Settled from the whole file; a part might look different by itself.
    suffix = _suffix(dataset)
    rows, groups, labels, skipped = _group(dataset)
    shares = {"train": 1 - validation - test, "validation": validation, "test": test}
    wanted = [part for part in PARTS if shares[part] > 0]
    different = int(groups.max()) + 1 if len(groups) else 0
    if different < len(wanted):
        raise DiapasonError(
            f"{different} different prompts cannot fill {len(wanted)} parts",
            where=str(path),
            hint="Add rows, or split off less: --val 0 --test 0",
        )
    part_of = _assign(groups, labels, shares, wanted, seed)
    targets = {part: out / f"{part}{suffix}" for part in wanted}
    _write(dataset, rows, part_of, wanted, targets)
    return SplitResult(
        train=targets["train"],
        validation=targets.get("validation"),
        test=targets.get("test"),
        counts={part: int(np.count_nonzero(part_of == wanted.index(part))) for part in wanted},
        skipped=skipped,
    )


def prompt_key(prompt: str) -> bytes:
    """What two prompts have in common where they ask the same thing: 16 bytes."""
    return hashlib.blake2b(fold(prompt) or prompt.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _suffix(dataset: Dataset) -> str:
    count = len(dataset)
    if dataset.layout == "text" and dataset.source.text_rows == "paragraph":
        return ".jsonl"
    return _SUFFIX.get(dataset.layout, ".jsonl") if count else ".jsonl"


def _group(dataset: Dataset) -> tuple[list[int], np.ndarray, list[str], int]:
    """The usable rows, the number of the prompt of each, each prompt's label, and how many rows are not usable."""
    rows: list[int] = []
    groups: list[int] = []
    labels: list[str] = []
    known: dict[bytes, int] = {}
    skipped = 0
    for row in dataset:
        if row.example is None:
            skipped += 1
            continue
        key = prompt_key(row.example.prompt_text)
        group = known.setdefault(key, len(known))
        if group == len(labels):
            labels.append(row.example.label or "")
        rows.append(row.index)
        groups.append(group)
    return rows, np.asarray(groups, np.int64), labels, skipped


def _assign(
    groups: np.ndarray, labels: list[str], shares: dict[str, float], wanted: list[str], seed: int
) -> np.ndarray:
    """The place in `wanted` for each row: each prompt goes where most is missing, label by label."""
    sizes = np.bincount(groups, minlength=len(labels)).tolist()
    order = list(range(len(labels)))
    random.Random(seed).shuffle(order)
    order.sort(key=lambda group: labels[group])
    have = [0] * len(wanted)
    members: list[list[int]] = [[] for _ in wanted]
    seen = 0
    for group in order:
        seen += sizes[group]
        missing = [shares[part] * seen - have[place] for place, part in enumerate(wanted)]
        place = missing.index(max(missing))
        have[place] += sizes[group]
        members[place].append(group)
    for place in range(len(wanted)):
        if not members[place]:
            # A small file: its smallest prompt that the largest part can spare.
            donor = max(range(len(wanted)), key=lambda index: len(members[index]))
            group = min(members[donor], key=lambda index: sizes[index])
            members[donor].remove(group)
            members[place].append(group)
    part_of_group = np.zeros(len(labels), np.int64)
    for place, chosen in enumerate(members):
        part_of_group[chosen] = place
    return part_of_group[groups]


def _write(
    dataset: Dataset, rows: list[int], part_of: np.ndarray, wanted: list[str], targets: dict[str, Path]
) -> None:
    """Write every part beside its name first, then put them in place together."""
    for target in targets.values():
        if dataset.source.reads(target):
            raise DiapasonError(
                "the split would overwrite its own source", where=str(target), hint="Name another folder."
            )
    temporary = [target.with_name(f".{target.name}.{os.getpid()}.tmp") for target in targets.values()]
    part = dict(zip(rows, part_of.tolist(), strict=True))
    try:
        targets["train"].parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            files = [stack.enter_context(path.open("wb")) for path in temporary]
            for file in files:
                file.write(_header(dataset))
            end = _line_end(dataset)
            for row in dataset:
                if row.index in part:
                    _write_row(files[part[row.index]], dataset, row, end)
            for file in files:
                file.flush()
                os.fsync(file.fileno())
        for path, target in zip(temporary, targets.values(), strict=True):
            path.replace(target)
    except OSError as error:
        where = error.filename or targets["train"].parent
        raise DiapasonError(f"cannot write the parts: {error.strerror}", where=str(where)) from error
    finally:
        for path in temporary:
            with suppress(OSError):
                path.unlink()


def _write_row(file: IO[bytes], dataset: Dataset, row: Row, end: bytes) -> None:
    if dataset.layout == "json" or (dataset.layout == "text" and dataset.source.text_rows == "paragraph"):
        # The standard library keeps whole numbers of any length, which orjson turns into floats.
        value = json.loads(dataset.source.decode(row.raw)) if dataset.layout == "json" else row.value
        file.write(json.dumps(value, ensure_ascii=False).encode("utf-8") + b"\n")
        return
    file.write(_as_utf8(dataset, row.raw) + end)


def _as_utf8(dataset: Dataset, raw: bytes) -> bytes:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return dataset.source.decode(raw).encode("utf-8")
    return raw


def _line_end(dataset: Dataset) -> bytes:
    index = dataset.source.index()
    return b"\r\n" if index.crlf_lines * 2 > len(index) else b"\n"


def _header(dataset: Dataset) -> bytes:
    """A CSV part begins with the file's own header, or with the names that its columns were given."""
    if dataset.layout != "csv":
        return b""
    source = dataset.source
    if source.dialect.header:
        return _as_utf8(dataset, source.header_raw) + _line_end(dataset)
    return source.dialect.delimiter.join(source.columns).encode("utf-8") + _line_end(dataset)
