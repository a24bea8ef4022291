"""Find rows by a piece of their text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.data.dataset import Dataset, Row


def search(dataset: Dataset, text: str, rows: Sequence[int] | None = None) -> Iterator[tuple[int, bool]]:
    """(row, whether it holds `text`) for each of `rows`, or of all. Case is ignored; field names are not searched."""
    needle = text.casefold()
    # JSON writes these otherwise than they read, so the bytes of the row alone cannot rule a row out.
    plain = needle.isascii() and needle.isprintable() and not set(needle) & set('"\\/')
    raw_needle = needle.encode("utf-8", "surrogatepass")
    for row, line, raw in dataset.source.rows() if rows is None else _chosen(dataset, rows):
        if plain and b"\\u" not in raw and raw_needle not in raw.lower():
            yield row, False
            continue
        yield row, needle in row_text(dataset.read(row, line, raw)).casefold()


def row_text(row: Row) -> str:
    """All text of a row that a person would look for: what is said in it, or its bytes where it is not usable."""
    example = row.example
    if example is None:
        return row.raw.decode("utf-8", "replace")
    if example.text is not None:
        return example.text
    return "\n".join(message.text() for message in (*example.messages, *example.rejected))


def _chosen(dataset: Dataset, rows: Sequence[int]) -> Iterator[tuple[int, int, bytes]]:
    for row in rows:
        yield row, dataset.line(row), dataset.raw(row)
