"""How the bytes of a file stand for text: UTF-8, UTF-16, or cp1252 where nothing else fits."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

ReadAt = Callable[[int, int], bytes]
_CHUNK = 4 << 20
# Bytes that Western text in cp1252 uses: letters with accents, typographic quotes and dashes, a few signs.
_SIGNS = b"\x80\x85\x8c\x91\x92\x93\x94\x95\x96\x97\x99\x9c\xa0\xa1\xa3\xa7\xa9\xab\xae\xb0\xb7\xba\xbb\xbf"
_LETTERS = frozenset(range(0xC0, 0xFF)) - {0xD0, 0xD7, 0xDD, 0xDE, 0xF0, 0xF7, 0xFD, 0xFE}
_WESTERN = frozenset(_SIGNS) | _LETTERS
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding by its Python name; `wide` where a character takes two bytes at least."""

    name: str
    bom: bool = False
    wide: bool = False

    def stream(self, read: ReadAt, size: int) -> Iterator[str]:
        """The text of the file, piece by piece, without its byte-order mark; bad bytes become U+FFFD."""
        decoder = codecs.getincrementaldecoder(self.name)("replace")
        position = 2 if self.bom else 0
        while position < size:
            chunk = read(position, min(size, position + _CHUNK))
            if not chunk:
                break
            position += len(chunk)
            yield decoder.decode(chunk)
        yield decoder.decode(b"", True)


def sniff_encoding(head: bytes) -> Encoding:
    """The encoding, as far as the first bytes tell."""
    if head.startswith(b"\xef\xbb\xbf"):
        return Encoding("utf-8", bom=True)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Encoding("utf-16-le" if head[:1] == b"\xff" else "utf-16-be", bom=True, wide=True)
    pairs = len(head[:4096]) // 2
    if pairs >= 2:
        data = np.frombuffer(head[: pairs * 2], np.uint8).reshape(-1, 2)
        low, high = (int(np.count_nonzero(data[:, side] == 0)) for side in (0, 1))
        # Mostly ASCII text in UTF-16 has a NUL in nearly every pair, always on the same side.
        if high > 0.6 * pairs and low == 0:
            return Encoding("utf-16-le", wide=True)
        if low > 0.6 * pairs and high == 0:
            return Encoding("utf-16-be", wide=True)
    return Encoding("utf-8")


def legacy_encoding(read: ReadAt, start: int, size: int) -> str | None:
    """``cp1252`` where the whole file reads as Western text in it and nothing in it as UTF-8, else None.

    Bad bytes on one line alone are damage, not an encoding, unless that line is the whole file.
    """
    lines = touched = high = western = 0
    for position in range(start, size, _CHUNK):
        chunk = read(position, min(size, position + _CHUNK))
        data = np.frombuffer(chunk, np.uint8)
        lines += int(np.count_nonzero(data == 10))
        bytes_above = data[data >= 0x80]
        if not len(bytes_above):
            continue
        if _MULTIBYTE.search(chunk):
            return None
        high += len(bytes_above)
        counts = np.bincount(bytes_above, minlength=256)
        western += int(sum(counts[code] for code in _WESTERN))
        touched += sum(not line.isascii() for line in chunk.split(b"\n"))
    if not high or western < 0.95 * high:
        return None
    return "cp1252" if touched >= 2 or lines <= 1 else None
