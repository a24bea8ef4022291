"""Train, validation and test parts of one file, which share no prompt."""

from __future__ import annotations

import hashlib
import json
import os
import random
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np

from core.data.checks.repeats import fold
from core.data.dataset import Dataset, Row, open_dataset
from core.data.findings import RowFinding
from core.data.grouping import AUTO, EXACT, NEAR, gather
from core.data.near.copies import USUAL
from core.data.near.shingles import Places
from core.data.prompts import KINDS, Kind, Prompts
from core.data.target import check_free
from core.errors import DiapasonError, UsageError

PARTS = ("train", "validation", "test")
_SUFFIX = {"csv": ".csv", "text": ".txt"}


@dataclass(frozen=True, slots=True)
class SplitResult:
    """The files written, rows in each by part name, and how many rows were left out because they have errors.

    `groups` counts what was dealt out whole; `stratified` says what was spread evenly: label, length or a field;
    `damage` says why rows are missing that the file should have.
    """

    train: Path
    validation: Path | None
    test: Path | None
    counts: dict[str, int]
    skipped: int
    groups: int
    stratified: str
    leakage: SplitLeakage | None = None
    damage: list[RowFinding] = field(default_factory=list[RowFinding])


@dataclass(frozen=True, slots=True)
class SplitLeakage:
    """Held-out rows whose prompt is a training row's, by kind: in this split, and in a plain random one."""

    remaining: dict[Kind, int]
    random: dict[Kind, int]


def split(
    path: Path | str,
    out: Path,
    *,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    format: str | None = None,
    map: str | None = None,
    stratify: str = AUTO,
    group: str = NEAR,
    near: float = USUAL,
    measure: bool = False,
    hint: str = "",
    force: bool = False,
) -> SplitResult:
    """Write ``train``, ``validation`` and ``test`` files into `out`, by `seed`, and say how many rows each has.

    Rows with the same prompt (case, spacing and sentence marks aside) stay on one side, and so do near copies;
    labels, or else lengths, are spread evenly. JSON Lines and CSV rows are copied byte for byte, in the file's
    order; JSON arrays and paragraphs become JSON Lines; what is not UTF-8 becomes UTF-8. Rows with errors are
    left out.

    Args:
        validation, test: shares of the rows, each from 0 to below 1; with 0 there is no such part.
        stratify: ``auto`` (the label, or the length where there are no labels), or a field.
        group: ``near``, ``exact`` (same prompt only), or a field whose value rows of one side share.
        near: share of shingles from which on two prompts are near copies.
        measure: look for held-out prompts among the training ones, here and in a plain random split.
        hint: what to do where the shares cannot be had; how to change them depends on who asks.
        force: replace parts that are there already, but never the source.

    Raises:
        TargetExists: a part is there already, and `force` was not given.
        UsageError: the shares leave nothing to train on, no row has the field asked for, or a part is the source.
        DiapasonError: too few different prompts for the parts, or a file cannot be written.
    """
    if not (0 <= validation < 1 and 0 <= test < 1 and validation + test < 1):
        raise UsageError(
            f"validation {validation:g} and test {test:g} leave nothing to train on",
            hint=hint or "Give shares of the rows that add up to less than 1, such as 0.1 and 0.1.",
        )
    dataset = open_dataset(path, format, map)
    # Settled from the whole file; a part might look different by itself.
    suffix = _suffix(dataset)
    shares = {"train": 1 - validation - test, "validation": validation, "test": test}
    wanted = [part for part in PARTS if shares[part] > 0]
    targets = {part: out / f"{part}{suffix}" for part in wanted}
    for target in targets.values():
        check_free(target, dataset.source, force=force)
    for part in PARTS:
        stale = out / f"{part}{suffix}"
        if part not in wanted and stale.exists():
            raise UsageError(
                f"this {part} part of an earlier split would stay beside the new parts", where=str(stale),
                hint="Remove it first, or split into another folder.",
            )  # fmt: skip
    found = gather(dataset, group=group, stratify=stratify, threshold=near if measure or group == NEAR else None)
    different = len(found.strata)
    if not found.rows:
        raise DiapasonError(
            "no row can be used", where=str(path), hint="`diapason data check` says what is wrong with each."
        )
    if different < len(wanted):
        named = "different prompt" if group in (NEAR, EXACT) else f"group of rows that share `{group}`"
        many = named if different == 1 else named.replace("prompt", "prompts").replace("group", "groups", 1)
        raise DiapasonError(
            f"{different} {many} cannot fill {len(wanted)} parts",
            where=str(path),
            hint=hint or "Add rows, or split off less: --val 0 --test 0",
        )
    part_of = _assign(found.groups, found.strata, shares, wanted, seed)
    _write(dataset, found.rows, part_of, wanted, targets)
    return SplitResult(
        train=targets["train"],
        validation=targets.get("validation"),
        test=targets.get("test"),
        counts={part: int(np.count_nonzero(part_of == wanted.index(part))) for part in wanted},
        skipped=found.skipped,
        groups=different,
        stratified=found.stratified,
        leakage=_measure(found.prompts, part_of, seed) if measure else None,
        damage=dataset.source.damage,
    )


def _measure(prompts: Prompts, part_of: Places, seed: int) -> SplitLeakage:
    plain = part_of.tolist()
    random.Random(seed).shuffle(plain)
    return SplitLeakage(_leaking(prompts, part_of), _leaking(prompts, np.asarray(plain, np.int64)))


def _leaking(prompts: Prompts, part_of: Places) -> dict[Kind, int]:
    """How many rows that are not in the first part have a prompt that is there, by kind."""
    found = prompts.leaks(prompts, ours=np.flatnonzero(part_of > 0), theirs=np.flatnonzero(part_of == 0))
    counts: dict[Kind, int] = dict.fromkeys(KINDS, 0)
    for leak in found:
        counts[leak.kind] = len(leak.rows)
    return counts


def prompt_key(prompt: str) -> bytes:
    """What two prompts have in common where they ask the same thing: 16 bytes."""
    return hashlib.blake2b(fold(prompt) or prompt.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _suffix(dataset: Dataset) -> str:
    count = len(dataset)
    if dataset.layout == "text" and dataset.source.text_rows == "paragraph":
        return ".jsonl"
    return _SUFFIX.get(dataset.layout, ".jsonl") if count else ".jsonl"


def _assign(groups: Places, strata: list[str], shares: dict[str, float], wanted: list[str], seed: int) -> Places:
    """The place in `wanted` for each row: each group goes where most is missing, stratum by stratum.

    Groups too large to be made up for come first.
    """
    sizes = np.bincount(groups, minlength=len(strata)).tolist()
    large = len(groups) * min(share for share in shares.values() if share > 0) / 4
    order = list(range(len(strata)))
    random.Random(seed).shuffle(order)
    order.sort(key=lambda group: (-sizes[group] if sizes[group] > large else 0, strata[group]))
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
    part_of_group = np.zeros(len(strata), np.int64)
    for place, chosen in enumerate(members):
        part_of_group[chosen] = place
    return part_of_group[groups]


def _write(dataset: Dataset, rows: list[int], part_of: Places, wanted: list[str], targets: dict[str, Path]) -> None:
    """Write every part beside its name first, then put them in place together."""
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
