"""Files that hold no rows: archives, documents, programs, web pages, pointers; told by their first bytes."""

from __future__ import annotations

from core.data.encodings import sniff_encoding
from core.data.unreadable import Unreadable

READABLE = "Diapason reads JSON Lines, JSON, CSV, Parquet and plain text, packed with gzip too."
# (first bytes, code, detail, what it is, what to do)
_MAGIC = (
    (b"PK\x03\x04", "binary_file", "zip", "it is a zip archive (or a spreadsheet)",
     "Unpack it, or save the sheet as CSV."),
    (b"7z\xbc\xaf\x27\x1c", "binary_file", "7z", "it is a 7-Zip archive", "Unpack it first: 7z x FILE"),
    (b"Rar!\x1a\x07", "binary_file", "rar", "it is a RAR archive", "Unpack it first."),
    (b"%PDF", "binary_file", "pdf", "it is a PDF document", READABLE),
    (b"SQLite format 3\0", "binary_file", "sqlite", "it is a SQLite database",
     "Export the table: sqlite3 -json FILE 'select * from TABLE' > NEW.json"),
    (b"\x80\x04\x95", "binary_file", "pickle", "it is a Python pickle",
     "Save the data as JSON Lines where it was made."),
    (b"\x93NUMPY", "binary_file", "numpy", "it is a NumPy array", READABLE),
    (b"\x89PNG", "binary_file", "image", "it is an image", READABLE),
    (b"\xff\xd8\xff", "binary_file", "image", "it is an image", READABLE),
    (b"version https://git-lfs", "lfs_pointer", "", "it is a Git LFS pointer, not the data",
     "Fetch the data: git lfs pull"),
)  # fmt: skip
_CONTROL = bytes([*range(7), *range(14, 21)])
_PAGES = (b"<!doctype html", b"<html", b"<?xml", b"<head", b"<body")


def refuse_foreign(where: str, head: bytes) -> None:
    """Raise Unreadable where the first bytes are of a kind that holds no rows."""
    for magic, code, detail, what, hint in _MAGIC:
        if head.startswith(magic):
            raise Unreadable(code, what, where=where, hint=hint, detail=detail)
    if head[257:262] == b"ustar":
        raise Unreadable(
            "binary_file", "it is a tar archive", where=where, hint="Unpack it: tar xf FILE", detail="tar"
        )
    start = head[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(_PAGES):
        xml = start.startswith(b"<?xml")
        what = "an XML document" if xml else "a web page"
        raise Unreadable("html_not_data", f"it is {what}, not data", where=where, detail="xml" if xml else "")
    if sniff_encoding(head).wide:
        return
    # Text has hardly any control bytes; a torn write leaves a block of NULs, which is one bad row, not a binary.
    control = len(head) - len(head.translate(None, _CONTROL))
    opened = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"["))
    # In bytes drawn at random one in 18 is one of these, and they are hardly ever UTF-8.
    many = 20 if _is_utf8(head) else 40
    if control >= 16 and control * many > len(head) and not opened:
        raise Unreadable("binary_file", "it is a binary file", where=where, hint=READABLE)


def _is_utf8(head: bytes) -> bool:
    """Whether the bytes are UTF-8, but for a character cut off at their end."""
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3
    return True
