"""From a source and a plan to a new file: mend the rows, drop what other rows make superfluous, look again, log."""

from __future__ import annotations

import json
import os
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import IO, Any

from core.data.dataset import Dataset, fingerprint, open_dataset
from core.data.findings import RowFinding
from core.data.mend.catalogue import FIXES
from core.data.mend.groups import group_drops
from core.data.mend.log import drop_record, head_record, log_path, row_record
from core.data.mend.plan import Plan, row_hash
from core.data.mend.row import Mended, Mender
from core.data.mend.writing import Frame, bare_suffix, choose_frame, write_rows
from core.data.near.copies import USUAL
from core.data.report import Progress, Report, check
from core.data.target import check_target
from core.errors import DiapasonError
from core.files import Lock, is_locked

_ROUNDS = 5
_CHANGED, _GONE = 1, 2
Told = Callable[[int, int, bytes, Mended], None]
"""``told(row, line, raw, mended)`` for each row that is changed or dropped, as it is met; a row may come twice."""


@dataclass(slots=True)
class Result:
    """What mending did. `report` is the check of the new file; `fixes` counts rows by ``code:choice``, or the places
    that a fix of the file has mended.

    changed, dropped, added: rows. stale: rows decided on that the source no longer has as they were. out is None
    where nothing was written. damage: why rows of the source are missing from the start.
    """

    out: Path | None
    log: Path | None
    report: Report
    rows_before: int
    rows_after: int = 0
    changed: int = 0
    dropped: int = 0
    added: int = 0
    fixes: Counter[str] = field(default_factory=Counter[str])
    notes: list[str] = field(default_factory=list[str])
    stale: list[int] = field(default_factory=list[int])
    damage: list[RowFinding] = field(default_factory=list[RowFinding])


def check_out(dataset: Dataset, out: Path, force: bool) -> None:
    """Raises UsageError where `out`, or its log, must not be written."""
    for path in (out, log_path(out)):
        check_target(path, dataset.source, force=force)


def mend(
    path: Path | str,
    out: Path | None,
    plan: Plan,
    *,
    format: str | None = None,
    map: str | None = None,
    near: float | None = USUAL,
    against: Path | str | None = None,
    force: bool = False,
    told: Told | None = None,
    progress: Progress | None = None,
    dataset: Dataset | None = None,
) -> Result:
    """Write what `plan` makes of the data set `path` to the new file `out`, with its log beside it.

    Both appear whole or not at all; the source is only read. Without `out` the same is done in a temporary folder
    that is gone afterwards, to see what would happen.

    Raises:
        UsageError: where `out` is the source or exists.
        DiapasonError: where it cannot be written.
        CheckCancelled: `progress` returned False.
    """
    dataset = dataset or open_dataset(path, format, map)
    if out is not None:
        check_out(dataset, out, force)
    with ExitStack() as stack:
        try:
            work = _Work(dataset, out, plan, stack)
            return work.run(path, format, map, near, against, told, progress)
        except OSError as error:
            where = str(error.filename or out or path)
            raise DiapasonError(f"cannot write: {(error.strerror or str(error)).lower()}", where=where) from error


class _Work:
    """One mending: the temporary files and what has been counted so far."""

    def __init__(self, dataset: Dataset, out: Path | None, plan: Plan, stack: ExitStack) -> None:
        self.dataset, self.out, self.plan = dataset, out, plan
        if out is None:
            import tempfile

            from core.home import cache_dir

            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=cache_dir(), prefix="mend-")))
            suffix = {"jsonl": ".jsonl", "json": ".json", "csv": ".csv", "text": ".txt"}[dataset.layout]
            self.target = folder / f"out{suffix}"
        else:
            self.target = out
        self.frame = choose_frame(dataset.source, self.target, _file_codes(plan))
        self._stack = stack
        self._serial = 0
        self._stem = f".{self.target.name[:80]}.{os.getpid()}-{os.urandom(4).hex()}"
        self._claim()
        self._records = self._open("log")
        self.result = Result(out, None if out is None else log_path(out), check_nothing(dataset), len(dataset))
        # One byte for each row of the source: untouched, changed or gone.
        self._state = bytearray(self.result.rows_before)

    def run(
        self,
        path: Path | str,
        format: str | None,
        map: str | None,
        near: float | None,
        against: Path | str | None,
        told: Told | None,
        progress: Progress | None,
    ) -> Result:
        current, origin = self._write_first(told, progress)
        for _ in range(_ROUNDS):
            if not origin:
                return self._empty()
            mended = open_dataset(self._part_of(current), format, map)
            report = check(
                current, format=format, near=near, against=against, progress=progress, dataset=mended, map=map
            )
            drops = self._drops(mended, report, origin)
            if not drops:
                mended.source.close()
                break
            current, origin = self._write_without(mended, drops, origin, told)
            mended.source.close()
        else:
            if not origin:
                return self._empty()
            here = self._part_of(current)
            report = check(here, format=format, near=near, against=against, progress=progress, map=map)
        result = self.result
        report.path = self.target if self.out is not None else Path(path)
        result.report = report
        self._tally(len(origin))
        result.damage = self.dataset.source.damage
        result.notes += self.frame.notes(self.dataset.source)
        if self.out is not None:
            self._finish(path, current)
        return result

    def _tally(self, rows_after: int) -> None:
        """Count the rows."""
        result = self.result
        result.rows_after = rows_after
        result.changed, result.dropped = self._state.count(_CHANGED), self._state.count(_GONE)
        result.added = rows_after - (result.rows_before - result.dropped)

    def _empty(self) -> Result:
        """What is told where every row goes: a file without rows is of no use, and is not written."""
        if self.out is not None:
            raise DiapasonError(
                "no row would be left, so nothing was written", where=str(self.out),
                hint="Drop less, or mend otherwise; --dry-run shows what would go.",
            )  # fmt: skip
        self._tally(0)
        return self.result

    def _part_of(self, path: Path) -> Path:
        """The file as it is now; where its frame is kept, the part of it that the source names."""
        part = self.dataset.source.place.part
        kept = self.frame.kind == "json" and "wrapped_list" not in self.frame.codes
        return Path(f"{path}#{part}") if part and kept else path

    # -- the rows -----------------------------------------------------------------------------------------

    def _write_first(self, told: Told | None, progress: Progress | None) -> tuple[Path, array[int]]:
        """Mend row by row."""
        from core.data.report import CheckCancelled

        mender, rows = Mender(self.dataset, self.plan), self.plan.rows
        looks = any(FIXES[code].scope == "row" for code in self.plan.fixes)
        done = 0

        def decide(row: int, line: int, raw: bytes) -> Sequence[bytes] | None:
            nonlocal done
            done += len(raw) + 1
            if progress and row % 500 == 0 and not progress(row + 1, done):
                raise CheckCancelled("mending was stopped; nothing was written", where=str(self.dataset.path))
            decided = rows.get(row)
            if decided is None and not looks:
                return None
            if decided is not None and decided.hash != row_hash(raw):
                self.result.stale.append(row)
                decided = None
            made = mender.mend(self.dataset.read(row, line, raw), decided)
            if not made.changed:
                return None
            if self.dataset.layout == "text" and not b"".join(made.raws).strip():
                made.raws = []
            self._count(row, line, raw, made, decided, told)
            return made.raws

        path = self._path()
        with path.open("xb") as file:
            self._stack.callback(lambda: path.unlink(missing_ok=True))
            mended = Counter[str]()
            places = write_rows(self.dataset.source, decide, file, self.frame, mended)
        self.result.fixes += Counter({f"{code}:{self.plan.fixes[code]}": number for code, number in mended.items()})
        return path, places

    def _count(self, row: int, line: int, raw: bytes, made: Mended, decided: Any, told: Told | None) -> None:
        self._state[row] = _CHANGED if made.raws else _GONE
        fixes = {**self.plan.fixes, **(decided.fixes if decided else {})}
        for code in made.codes:
            choice = fixes.get(code, "")
            if code == made.why and choice and "drop" in FIXES[code].choices:
                choice = "drop"
            elif code == "bad_json":
                choice = "split"
            self.result.fixes[f"{code}:{choice}" if choice else code] += 1
        self._records.write(_line(row_record(row, line, raw, made, decided)))
        if told:
            told(row, line, raw, made)

    def _drops(self, mended: Dataset, report: Report, origin: array[int]) -> dict[int, str]:
        """Rows of the file as it is now that go because of other rows."""
        fixes = {code: choice for code, choice in self.plan.fixes.items() if FIXES[code].scope == "group"}
        if not fixes:
            return {}
        if len(mended) != len(origin):
            raise DiapasonError("the rows written cannot be told apart", where=str(self.target),
                                hint="Mend without rules about duplicates, then once more with them.")  # fmt: skip
        rows = self.plan.rows

        def kept(row: int) -> bool:
            decided = rows.get(origin[row])
            return decided is not None and decided.keep

        def answer(row: int) -> str:
            example = mended.row(row).example
            return example.answer if example is not None else ""

        return group_drops(report, fixes, lambda row: len(mended.raw(row)), answer, kept)

    def _write_without(
        self, mended: Dataset, drops: Mapping[int, str], origin: array[int], told: Told | None
    ) -> tuple[Path, array[int]]:
        """The same rows but those of `drops`."""

        def decide(row: int, line: int, raw: bytes) -> Sequence[bytes] | None:
            code = drops.get(row)
            if code is None:
                return None
            first = origin[row]
            own = self.dataset.line(first)
            self._state[first] = _GONE
            self.result.fixes[f"{code}:{self.plan.fixes[code]}"] += 1
            self._records.write(_line(drop_record(first, own, raw, code)))
            if told:
                told(first, own, raw, Mended([], True, why=code))
            return ()

        path = self._path()
        frame = Frame(mended.layout, frozenset())
        with path.open("xb") as file:
            self._stack.callback(lambda: path.unlink(missing_ok=True))
            places = write_rows(mended.source, decide, file, frame)
        return path, array("q", [origin[place] for place in places])

    # -- the files ----------------------------------------------------------------------------------------

    def _path(self) -> Path:
        """The name of a new temporary file beside the target: its suffix says what it holds."""
        self._serial += 1
        return self.target.with_name(f"{self._stem}.{self._serial}{bare_suffix(self.target)}")

    def _open(self, kind: str) -> IO[bytes]:
        path = self.target.with_name(f"{self._stem}.{kind}")
        file = self._stack.enter_context(path.open("x+b"))
        self._stack.callback(lambda: path.unlink(missing_ok=True))
        return file

    def _claim(self) -> None:
        """Hold a lock while temporary files are in use, and remove those of a process that was killed."""
        for left in self.target.parent.glob(f".{escape(self.target.name[:80])}.*.lock"):
            with suppress(OSError):
                if not is_locked(left):
                    for file in left.parent.glob(f"{escape(left.name.removesuffix('.lock'))}.*"):
                        file.unlink(missing_ok=True)
        lock = Lock(self.target.with_name(f"{self._stem}.lock"))
        self._stack.callback(lambda: lock.path.unlink(missing_ok=True))
        with suppress(OSError):
            lock.acquire()
        self._stack.callback(lock.release)

    def _finish(self, path: Path | str, current: Path) -> None:
        """Put both files in their places, the log last."""
        result, log = self.result, log_path(self.target)
        plan = {"fixes": dict(sorted(self.plan.fixes.items())), "rows": len(self.plan.rows),
                "roles": dict(self.plan.roles), "map": str(self.dataset.mapping) if self.dataset.mapping else None,
                "max_length": self.plan.max_length}  # fmt: skip
        counts = {"before": result.rows_before, "after": result.rows_after, "changed": result.changed,
                  "dropped": result.dropped, "added": result.added}  # fmt: skip
        source = fingerprint(path) if str(path) != "-" else {"path": "-"}
        final = self._open("log2")
        final.write(_line(head_record(source, self.target, plan, counts, result.fixes, result.notes)))
        self._records.flush()
        self._records.seek(0)
        while chunk := self._records.read(1 << 20):
            final.write(chunk)
        final.flush()
        os.fsync(final.fileno())
        packed = _pack(current, self.target, self._path)
        with packed.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(packed, self.target)
        os.replace(final.name, log)
        if packed != current:
            with suppress(OSError):
                current.unlink()


def _pack(current: Path, target: Path, path: Callable[[], Path]) -> Path:
    """The file packed as the target's name says, else the file itself."""
    suffix = target.suffix.lower()
    if suffix not in (".gz", ".bz2", ".xz", ".zst"):
        return current
    packed = path()
    with current.open("rb") as source, packed.open("xb") as file:
        opened = _packer(suffix, file)
        with opened as out:
            while chunk := source.read(1 << 20):
                out.write(chunk)
    return packed


def _packer(suffix: str, file: IO[bytes]) -> Any:
    if suffix == ".gz":
        import gzip

        return gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)
    if suffix == ".bz2":
        import bz2

        return bz2.BZ2File(file, "wb")
    if suffix == ".xz":
        import lzma

        return lzma.LZMAFile(file, "wb")
    import pyarrow as pa

    return pa.CompressedOutputStream(pa.PythonFile(file, mode="w"), "zstd")


def check_nothing(dataset: Dataset) -> Report:
    """A report without anything, until the real one is there."""
    return Report(dataset.path, dataset.layout, None, dataset.size, 0, 0, array("q"), array("q"), [], 0.0)


def _file_codes(plan: Plan) -> frozenset[str]:
    renames = {"key_case", "key_space", "encoding"}
    if plan.fixes.get("bad_json") == "drop":
        renames = renames | {"bad_json"}
    return frozenset(code for code in plan.fixes if FIXES[code].scope == "file" or code in renames)


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
