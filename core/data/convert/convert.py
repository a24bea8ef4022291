"""A whole data set into another format: one file, complete or not at all, and no loss unsaid."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from core.data.convert.containers import Columns, container_of, fit_cells, json_line, write_rows
from core.data.convert.losses import Loss, Losses
from core.data.convert.reading import read
from core.data.convert.targets import Target, check_template, convert_row
from core.data.dataset import Dataset, open_dataset
from core.data.target import check_target
from core.errors import DiapasonError, UsageError
from core.files import sync_dir
from core.recipe import FORMATS

Value = dict[str, Any]
Tell = Callable[[int], None]
"""``tell(rows done)``, now and then; it may raise to stop the work."""
_TELL_EVERY = 500
_BOTH_FORMS = ("prompt-completion", "preference", "kto")


@dataclass(frozen=True, slots=True)
class Converted:
    """What became of a data set. `path` is None where it was refused: something would be lost."""

    path: Path | None
    source_format: str
    rows: int
    written: int
    losses: list[Loss]


def convert(
    path: Path | str,
    out: Path,
    target: Target,
    *,
    format: str | None = None,
    map: str | None = None,
    lossy: bool = False,
    force: bool = False,
    tell: Tell | None = None,
) -> Converted:
    """Write the rows of `path` to `out` in another format; the ending of `out` says which kind of file.

    Nothing is written where something would be lost, unless `lossy`. Memory does not grow with the file.

    Raises:
        UsageError: `out` is there already (without `force`), is the source, or cannot hold the format.
        DiapasonError: the rows have no known format, none can be written, or the disk is full.
    """
    kind, packing = container_of(out)
    _check_form(target, kind, out)
    dataset = open_dataset(path, format, map)
    check_target(out, dataset.source, force=force)
    if dataset.format is None:
        hint = f"Perhaps --map {dataset.suggestion}" if dataset.suggestion else "Say which field is which with --map."
        raise DiapasonError("the rows have no known format", where=str(path), hint=hint)
    work = _Work(dataset, target, kind, tell)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        with ExitStack() as stack:
            file = stack.enter_context(temporary.open("wb"))
            if kind in ("jsonl", "json"):
                write_rows(file, kind, packing, work.rows())
            else:
                _write_table(file, kind, packing, work)
            file.flush()
            os.fsync(file.fileno())
        losses = work.losses.all()
        if losses and not lossy:
            return Converted(None, dataset.format, work.read, work.written, losses)
        if not work.written:
            raise DiapasonError("no row can be written in that format", where=str(path))
        temporary.replace(out)
        sync_dir(out.parent)
    except OSError as error:
        raise DiapasonError(f"cannot be written: {error.strerror or error}", where=str(out)) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
        dataset.source.close()
    return Converted(out, dataset.format, work.read, work.written, losses)


def _check_form(target: Target, kind: str, out: Path) -> None:
    if target.format not in FORMATS:
        raise UsageError(f"`{target.format}` is no format", where="--to", hint="Formats: " + ", ".join(FORMATS))
    if target.messages and target.format not in _BOTH_FORMS:
        raise UsageError(f"{target.format} has one form only", where="--messages", hint=f"For {_BOTH_FORMS}.")
    if target.implicit and target.format != "preference":
        raise UsageError(f"{target.format} has no pairs of answers", where="--implicit", hint="For preference only.")
    if target.template is not None and target.format != "text":
        raise UsageError(f"{target.format} needs no template", where="--template", hint="For text only.")
    if target.template is not None:
        check_template(target.template)
    lists = target.format in ("chat", "sharegpt") or target.messages or target.implicit
    if kind in ("csv", "tsv") and (lists or target.format == "kto"):
        what = "lists of messages" if lists else "what is true and what is text apart"
        raise UsageError(
            f"a table of texts cannot hold {what}", where=str(out), hint="Use .jsonl, .json or .parquet."
        )


class _Work:
    """The rows of the source on their way, counted."""

    def __init__(self, dataset: Dataset, target: Target, kind: str, tell: Tell | None) -> None:
        self.losses = Losses()
        self.read = 0
        self.written = 0
        self.columns = Columns()
        self.names: dict[str, None] = {}
        self._dataset, self._target, self._kind, self._tell = dataset, target, kind, tell

    def rows(self) -> Iterator[Value]:
        """The rows as the target has them."""
        line = 1
        for row in self._dataset:
            self.read += 1
            line = row.line
            if self._tell and self.read % _TELL_EVERY == 0:
                self._tell(self.read)
            given = read(self._dataset, row)
            if given is None:
                self.losses.add([("unusable", "")], row.line)
                continue
            made = convert_row(given, self._target)
            for value in made.values:
                if self._kind == "parquet":
                    value = self.columns.fit(value, made.lost)
                elif self._kind in ("csv", "tsv"):
                    value = fit_cells(value, made.lost)
                self.names |= dict.fromkeys(value)
                self.written += 1
                yield value
            self.losses.add(made.lost, row.line)
        for damage in self._dataset.source.damage:
            self.losses.add([("damaged", damage.code)], line)


def _write_table(file: IO[bytes], kind: str, packing: str | None, work: _Work) -> None:
    """Columns are known when all rows are: until then the rows wait on disk."""
    with tempfile.TemporaryFile(dir=Path(file.name).parent) as waiting:
        for value in work.rows():
            waiting.write(json_line(value).encode("utf-8") + b"\n")
        waiting.seek(0)
        columns = work.columns.schema() if kind == "parquet" else list(work.names)
        if columns:
            write_rows(file, kind, packing, (orjson.loads(line) for line in waiting), columns)
