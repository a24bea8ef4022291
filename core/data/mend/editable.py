"""A row as something to change: its texts by place, and its bytes again."""

from __future__ import annotations

from collections.abc import Iterator

from core.data.mend.cells import Cell, read_cells, write_cells
from core.data.mend.tree import Document, NotEditable, Splice, Text, parse
from core.data.source import Source
from core.errors import DiapasonError


class Plain:
    """A row of plain text."""

    def __init__(self, value: str) -> None:
        self.value = value

    def splice(self, changes: list[Splice]) -> None:
        """Put other text in the place of some characters."""
        for start, end, new in sorted(changes, reverse=True):
            self.value = self.value[:start] + new + self.value[end:]


class Editable:
    """One row, read for changing. `document` is its JSON, None for CSV and plain text.

    Raises:
        NotEditable: it can be read by nobody, or is nested too deep.
    """

    def __init__(self, source: Source, raw: bytes) -> None:
        try:
            raw.decode("utf-8")
            self._encoding = "utf-8"
        except UnicodeDecodeError as error:
            if source.legacy is None:
                raise NotEditable("the row is not UTF-8") from error
            self._encoding = source.legacy
        text = raw.decode(self._encoding, "replace")
        self.document: Document | None = None
        self._cells: list[Cell] = []
        self._plain: Plain | None = None
        self._delimiter = source.dialect.delimiter
        if source.layout == "csv":
            self._cells = read_cells(text, self._delimiter)
            self._names = source.columns
        elif source.layout == "text":
            self._plain = Plain(text)
        else:
            self.document = parse(text)

    def texts(self) -> Iterator[tuple[str, Text | Cell | Plain]]:
        """Every text in the row, with its place as findings name it."""
        if self.document is not None:
            yield from self.document.texts()
        elif self._plain is not None:
            yield "text", self._plain
        else:
            yield from zip(self._names, self._cells, strict=False)

    def render(self) -> bytes:
        """The row's bytes. Raises DiapasonError where its encoding cannot write a new character."""
        if self.document is not None:
            text = self.document.render()
        elif self._plain is not None:
            text = self._plain.value
        else:
            text = write_cells(self._cells, self._delimiter)
        if self._encoding == "utf-8":
            return text.encode("utf-8", "surrogatepass")
        try:
            return text.encode(self._encoding)
        except UnicodeEncodeError as error:
            raise DiapasonError(
                f"the file's encoding, {self._encoding}, has no {error.object[error.start]!r}",
                hint="Write UTF-8 as well: --only encoding,…",
            ) from error
