"""Parquet files and Arrow tables (what `save_to_disk` writes), read batch by batch into JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import orjson

from core.data.spool import Spool, Tell
from core.data.unreadable import Unreadable

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET = b"PAR1"
_BATCH = 1000


def parquet_rows(file: IO[bytes], spool: Spool, tell: Tell | None = None, batch_rows: int = _BATCH) -> str | None:
    """Append the rows of a Parquet file to `spool`, one JSON object a line.

    Returns what is wrong where only the rows before a damaged part could be read, else None.

    Raises:
        Unreadable: the file cannot be read at all.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        source = pq.ParquetFile(file, pre_buffer=False)
        names = _labels(source.schema_arrow)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _bad(spool.where, error) from error
    done = 0
    total = max(1, source.metadata.num_rows)
    size = file.seek(0, 2)
    try:
        for batch in source.iter_batches(batch_size=batch_rows):
            done += _write(batch, names, spool)
            if tell:
                tell(size * done // total)
    except (pa.ArrowException, OSError, ValueError, NotImplementedError) as error:
        if not done:
            raise _bad(spool.where, error) from error
        return f"{done:,} of {total:,} rows could be read: {_first(error)}"
    return None


def stream_rows(files: Iterable[Path], spool: Spool, batch_rows: int = _BATCH) -> None:
    """Append the rows of Arrow stream files (datasets' `save_to_disk`) to `spool`, one JSON object a line.

    Raises:
        Unreadable: a file cannot be read.
    """
    import pyarrow as pa

    for path in files:
        try:
            with pa.memory_map(str(path)) as mapped, _reader(mapped) as reader:
                names = _labels(reader.schema)
                for batch in _batches(reader):
                    for start in range(0, batch.num_rows, batch_rows):
                        _write(batch.slice(start, batch_rows), names, spool)
        except (pa.ArrowException, OSError, ValueError, NotImplementedError) as error:
            raise _bad(str(path), error) from error


def column_names(file: IO[bytes]) -> list[str]:
    """The columns of a Parquet file, none where it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_schema(file).names)
    except (pa.ArrowException, OSError, ValueError):
        return []


def _reader(mapped: Any) -> Any:
    import pyarrow as pa

    try:
        return pa.ipc.open_stream(mapped)
    except pa.ArrowInvalid:
        mapped.seek(0)
        return pa.ipc.open_file(mapped)


def _batches(reader: Any) -> Iterator[pa.RecordBatch]:
    if hasattr(reader, "num_record_batches"):
        return (reader.get_batch(number) for number in range(reader.num_record_batches))
    return iter(reader)


def _write(batch: pa.RecordBatch, labels: dict[str, list[str]], spool: Spool) -> int:
    columns = [(name, _named(batch.column(place).to_pylist(), labels.get(name)))
               for place, name in enumerate(_unique(batch.schema.names))]  # fmt: skip
    exact = not any(_has_floats(kind) for kind in batch.schema.types)
    keys = [name for name, _ in columns]
    lines: list[bytes] = []
    for values in zip(*(values for _, values in columns), strict=True):
        row = dict(zip(keys, values, strict=True))
        # orjson writes NaN as null; the standard library keeps it, so that the check can name it.
        text = orjson.dumps(row, default=_plain) if exact else json.dumps(row, ensure_ascii=False, default=_plain)
        lines.append(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    lines.append(b"")
    spool.write(b"\n".join(lines))
    return batch.num_rows


def _unique(names: list[str]) -> list[str]:
    from core.data.columns import unique_names

    return list(unique_names(names))


def _has_floats(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_floating(kind):
        return True
    return any(_has_floats(kind.field(place).type) for place in range(kind.num_fields))


def _labels(schema: pa.Schema) -> dict[str, list[str]]:
    """The names of the classes by column, where datasets has kept them: its ClassLabel stores their numbers."""
    try:
        features = orjson.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        kept = {name: entry["names"] for name, entry in features.items() if entry.get("_type") == "ClassLabel"}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}
    return {name: names for name, names in kept.items() if isinstance(names, list)}


def _named(values: list[Any], names: list[str] | None) -> list[Any]:
    if not names:
        return values
    return [names[value] if isinstance(value, int) and 0 <= value < len(names) else value for value in values]


def _plain(value: Any) -> Any:
    """JSON for what Arrow has and JSON has not."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return f"<{len(value)} bytes>"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal | timedelta):
        return str(value)
    return repr(value)


def _bad(where: str, error: Exception) -> Unreadable:
    return Unreadable("bad_parquet", f"the table cannot be read: {_first(error)}", where=where)


def _first(error: Exception) -> str:
    text = str(error).strip().split("\n")[0][:200] or type(error).__name__
    return text[:1].lower() + text[1:]
