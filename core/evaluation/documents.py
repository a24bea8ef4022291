"""The documents of a folder as texts: plain text, Markdown, HTML, and rows of data files."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from core.data.encodings import legacy_encoding, sniff_encoding
from core.errors import DiapasonError
from core.evaluation.arms import text_key

PLAIN = frozenset({".txt", ".md", ".markdown", ".rst"})
HTML = frozenset({".html", ".htm"})
ROWS = frozenset({".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet"})
#: Files that surely hold text which is not read here, and how to turn them into text.
_FOREIGN = {
    ".pdf": "pdftotext {name}",
    ".docx": "pandoc {name} -o {stem}.md",
    ".odt": "pandoc {name} -o {stem}.md",
    ".epub": "pandoc {name} -o {stem}.md",
    ".doc": "libreoffice --headless --convert-to txt {name}",
    ".rtf": "libreoffice --headless --convert-to txt {name}",
}
# All is held in memory, and a chunk's tokens beside it.
MOST_BYTES = 256 << 20
_READABLE = ", ".join(sorted(PLAIN | HTML | ROWS))


@dataclass(frozen=True, slots=True)
class Document:
    """One text. source: its file below the folder, with the row where it is one of many. keys: the texts of a
    row's fields as `text_key` gives them."""

    source: str
    text: str
    keys: frozenset[str] = frozenset()


@dataclass(slots=True)
class Folder:
    """The documents of a folder, and how many files of each ending hold none that can be read."""

    documents: list[Document] = field(default_factory=list[Document])
    passed_over: Counter[str] = field(default_factory=Counter[str])


def document_files(folder: Path) -> tuple[list[Path], Counter[str]]:
    """The readable files in `folder` and below, by name, hidden ones left out; and the endings of the others.

    Raises:
        DiapasonError: it is no folder, none can be read, one is of a kind that has to be turned into text first,
            or they are too large together.
    """
    if not folder.is_dir():
        missing = "is no folder" if folder.exists() else "there is no such folder"
        raise DiapasonError(missing, where=str(folder), hint="Name the folder that holds the documents.")
    found, others, size = list[Path](), Counter[str](), 0
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path, ending = Path(root) / name, Path(name).suffix.casefold()
            if name.startswith(".") or not path.is_file():
                continue
            if ending in _FOREIGN:
                command = _FOREIGN[ending].format(name=name, stem=path.stem)
                raise DiapasonError(
                    f"{ending} files cannot be read here", where=str(path),
                    hint=f"Turn it into text (`{command}`), and take it out of the folder.",
                )  # fmt: skip
            if ending not in PLAIN | HTML | ROWS:
                others[ending or "no ending"] += 1
                continue
            found.append(path)
            size += path.stat().st_size
    if not found:
        raise DiapasonError("the folder holds no document", where=str(folder), hint=f"Documents end in {_READABLE}.")
    if size > MOST_BYTES:
        raise DiapasonError(
            f"the documents have {size >> 20} MiB, and {MOST_BYTES >> 20} MiB is the most", where=str(folder),
            hint="Give a folder with less in it.",
        )  # fmt: skip
    return found, others


def folder_fingerprint(folder: Path) -> str:
    """The SHA-256 of the names and bytes of the documents in `folder`. Raises as `document_files`."""
    digest = hashlib.sha256()
    for path in document_files(folder)[0]:
        with _opened(path) as handle:
            content = hashlib.file_digest(handle, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder)}\0{content}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def read_folder(folder: Path) -> Folder:
    """The documents of `folder`.

    A text, Markdown or HTML file is one document; of a data file each row is one, its fields as lines
    ``name: value``.

    Raises:
        DiapasonError: as `document_files`, a file cannot be read, or no file holds any text.
    """
    files, others = document_files(folder)
    found = Folder(passed_over=others)
    for path in files:
        name = path.relative_to(folder).as_posix()
        ending = path.suffix.casefold()
        if ending in ROWS:
            found.documents += _rows(path, name)
            continue
        text = _decoded(path)
        if text is None:
            found.passed_over[f"{ending} without text"] += 1
            continue
        text = html_text(text) if ending in HTML else text
        if text.strip():
            found.documents.append(Document(name, text.strip()))
    if not found.documents:
        raise DiapasonError("the documents hold no text", where=str(folder), hint=f"{len(files)} files were read.")
    return found


def _opened(path: Path) -> Any:
    try:
        return path.open("rb")
    except OSError as error:
        raise DiapasonError(f"cannot be read: {error.strerror}", where=str(path)) from error


def _decoded(path: Path) -> str | None:
    """The text of a file, whatever it is encoded in; None where it is none."""
    with _opened(path) as handle:
        data: bytes = handle.read()
    encoding = sniff_encoding(data[: 1 << 16])
    data = data[encoding.mark :]
    name = encoding.name
    if name == "utf-8" and b"\0" in data[:4096]:
        return None
    try:
        return data.decode(name)
    except UnicodeDecodeError:
        name = legacy_encoding(lambda start, end: data[start:end], 0, len(data)) or name
        return data.decode(name, "replace")


def _rows(path: Path, name: str) -> Iterator[Document]:
    """A document for each row of a data file that can be read."""
    from core.data.dataset import open_dataset

    data = open_dataset(path)
    try:
        for row in data:
            fields: Any = row.value
            texts = list(_texts(fields, "text"))
            if texts:
                keys = frozenset(text_key(text) for _, text in texts)
                yield Document(f"{name}:{row.line}", "\n".join(f"{key}: {text}" for key, text in texts), keys)
    finally:
        data.source.close()


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Each text in a row, with the name of the field that it stands in."""
    if isinstance(value, str):
        if value.strip():
            yield key, value.strip()
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int | float):
        yield key, str(value)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(item, str(name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, key)


class _Text(HTMLParser):
    """Gathers what a page says; blocks end a line."""

    _SKIPPED = frozenset({"script", "style", "template", "noscript", "svg"})
    _INLINE = frozenset({
        "a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "dfn", "em", "font", "i", "img", "kbd", "label",
        "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
    })  # fmt: skip

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._skipping = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._skipping += tag in self._SKIPPED
        if tag not in self._INLINE:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._skipping = max(0, self._skipping - (tag in self._SKIPPED))
        if tag not in self._INLINE:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.parts.append(data)


def html_text(page: str) -> str:
    """What an HTML page says, without scripts and styles, a block a line."""
    parser = _Text()
    parser.feed(page)
    parser.close()
    lines = (" ".join(line.split()) for line in "".join(parser.parts).split("\n"))
    return "\n".join(line for line in lines if line)
