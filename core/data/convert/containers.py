"""Rows as files: JSON Lines, a JSON array, CSV, TSV or Parquet, packed or not, by the ending of the name."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from core.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

Value = dict[str, Any]
_KINDS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"}
_PACKED = {".gz": "gzip", ".zst": "zstd"}
_BATCH = 1000
_MOST = 2**63


def container_of(path: Path) -> tuple[str, str | None]:
    """What a file name asks for, as (jsonl, json, csv, tsv or parquet; gzip, zstd or None).

    Raises:
        UsageError: for any other ending.
    """
    suffixes = [suffix.casefold() for suffix in path.suffixes]
    packing = _PACKED.get(suffixes[-1]) if suffixes else None
    ending = suffixes[-2] if packing and len(suffixes) > 1 else suffixes[-1] if suffixes else ""
    kind = _KINDS.get(ending)
    if kind is None or (packing and kind == "parquet"):
        raise UsageError(
            "the ending of the name says no kind of file that can be written",
            where=str(path),
            hint="Endings: " + ", ".join(_KINDS) + "; all but .parquet also with .gz or .zst behind them.",
        )
    return kind, packing


def fit_cells(value: Value, lost: list[tuple[str, str]]) -> Value:
    """The row for a table of texts: lists of tools as JSON, other fields that are no text left out and named."""
    cells: Value = {}
    for key, item in value.items():
        if key == "tools" and isinstance(item, list):
            cells[key] = json.dumps(item, ensure_ascii=False)
        elif key == "label" and isinstance(item, int | float):
            cells[key] = str(item)
        elif isinstance(item, str):
            cells[key] = item
        elif item is not None:
            lost.append(("turns" if key == "history" else "fields", "" if key == "history" else key))
    return cells


class Columns:
    """The columns of a Parquet file: those that formats read have fixed types, others the one type they keep to."""

    def __init__(self) -> None:
        self.types: dict[str, type] = {}

    def fit(self, value: Value, lost: list[tuple[str, str]]) -> Value:
        """The row for these columns; fields whose type does not fit are left out and named."""
        cells: Value = {}
        for key, item in value.items():
            if key == "tools" and isinstance(item, list):
                item = json.dumps(item, ensure_ascii=False)
            if item is None:
                continue
            kind = type(item)
            listed = kind is list and key in _TURNS | {"history"}
            scalar = kind in (str, bool, float) or (isinstance(item, int) and -_MOST <= item < _MOST)
            if not (listed or scalar) or self.types.setdefault(key, kind) is not kind:
                lost.append(("fields", key))
                continue
            cells[key] = item
        return cells

    def schema(self) -> pa.Schema:
        """The columns seen so far, in the order in which they came."""
        import pyarrow as pa

        plain = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
        text = pa.string()
        function = pa.struct({"name": text, "arguments": text})
        call = pa.struct({"id": text, "type": text, "function": function})
        marks = {"tool_calls": pa.list_(call), "name": text, "tool_call_id": text, "weight": pa.int64()}
        chat = pa.list_(pa.struct({"role": text, "content": text, **marks}))
        native = pa.list_(pa.struct({"from": text, "value": text, **marks}))
        listed = {"history": pa.list_(pa.list_(text)), "conversations": native}
        return pa.schema(
            [(key, listed.get(key, chat) if kind is list else plain[kind]) for key, kind in self.types.items()]
        )


def write_rows(
    file: IO[bytes], kind: str, packing: str | None, rows: Iterable[Value], columns: Iterable[str] | pa.Schema = ()
) -> None:
    """Write `rows` to `file`. Tables (csv, tsv: names; parquet: a schema) need their `columns`; rows are fitted."""
    if kind == "parquet":
        _write_parquet(file, rows, columns)
        return
    with ExitStack() as stack:
        out: IO[bytes] = file
        if packing == "gzip":
            import gzip

            # Without a time in it, so that the same rows give the same bytes.
            out = stack.enter_context(gzip.GzipFile("", "wb", fileobj=file, mtime=0))  # pyright: ignore
        elif packing == "zstd":
            import pyarrow as pa

            out = stack.enter_context(pa.CompressedOutputStream(pa.PythonFile(_twin(file), "w"), "zstd"))
        for piece in _pieces(kind, rows, columns):
            out.write(piece.encode("utf-8"))


def _twin(file: IO[bytes]) -> IO[bytes]:
    """The same open file once more: Arrow closes what it wrote to."""
    file.flush()
    return os.fdopen(os.dup(file.fileno()), "wb")


def json_line(value: Value) -> str:
    """A row as JSON Lines have it, without its line end."""
    return json.dumps(value, ensure_ascii=False)


def _pieces(kind: str, rows: Iterable[Value], columns: Iterable[str] | pa.Schema) -> Iterator[str]:
    if kind == "jsonl":
        for row in rows:
            yield json_line(row) + "\n"
    elif kind == "json":
        mark = "[\n"
        for row in rows:
            yield mark + json_line(row)
            mark = ",\n"
        yield "[]\n" if mark == "[\n" else "\n]\n"
    else:
        names = list(columns)
        text = io.StringIO()
        writer = csv.writer(text, delimiter="\t" if kind == "tsv" else ",", lineterminator="\n")
        writer.writerow(names)
        for row in rows:
            writer.writerow([row.get(name, "") for name in names])
            yield text.getvalue()
            text.seek(0)
            text.truncate()


def _write_parquet(file: IO[bytes], rows: Iterable[Value], columns: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetWriter(file, columns, compression="zstd") as writer:
        batch: list[Value] = []
        for row in rows:
            batch.append(row)
            if len(batch) == _BATCH:
                writer.write_table(pa.Table.from_pylist(batch, columns))
                batch = []
        if batch:
            writer.write_table(pa.Table.from_pylist(batch, columns))


_TURNS = frozenset({"messages", "conversations", "prompt", "completion", "chosen", "rejected"})
