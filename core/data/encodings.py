"""How the bytes of a file stand for text: UTF-8, UTF-16 and UTF-32, or what older programs wrote."""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

ReadAt = Callable[[int, int], bytes]
_CHUNK = 4 << 20
# Enough to tell an encoding; further bytes are read in it without asking again.
_LOOKED_AT = 64 << 20
_SAMPLE = 64 << 10
# Bytes that Western text in cp1252 uses: letters with accents, typographic quotes and dashes, a few signs.
_SIGNS = b"\x80\x85\x8c\x91\x92\x93\x94\x95\x96\x97\x99\x9c\xa0\xa1\xa3\xa7\xa9\xab\xae\xb0\xb7\xba\xbb\xbf"
_LETTERS = frozenset(range(0xC0, 0xFF)) - {0xD0, 0xD7, 0xDD, 0xDE, 0xF0, 0xF7, 0xFD, 0xFE}
_WESTERN = frozenset(_SIGNS) | _LETTERS
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\0\0", "utf-32-le"), (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"),
)  # fmt: skip
# What charset-normalizer may answer. In the first group a character may take several bytes, some of them ASCII
# brackets or backslashes, so that the rows cannot be told apart before the text is decoded.
MULTIBYTE = frozenset({"gb18030", "big5", "cp932", "euc_jp", "cp949"})
_CANDIDATES = [*sorted(MULTIBYTE), "cp1251", "koi8_r", "cp1250", "cp1253", "cp1254", "cp1255", "cp1256", "cp1252"]


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding by its Python name; `mark`: bytes of its byte-order mark; `wide`: it is read through a copy."""

    name: str
    mark: int = 0
    wide: bool = False

    @property
    def bom(self) -> bool:
        """Whether a byte-order mark stands at the start."""
        return self.mark > 0

    def stream(self, read: ReadAt, size: int) -> Iterator[tuple[int, str]]:
        """The text of the file without its mark as (bytes done, piece); bad bytes become U+FFFD."""
        decoder = codecs.getincrementaldecoder(self.name)("replace")
        position = self.mark
        while position < size:
            chunk = read(position, min(size, position + _CHUNK))
            if not chunk:
                break
            position += len(chunk)
            yield position, decoder.decode(chunk)
        yield position, decoder.decode(b"", True)


def sniff_encoding(head: bytes) -> Encoding:
    """UTF-8, UTF-16 or UTF-32, as far as the first bytes tell."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return Encoding(name, len(mark), name != "utf-8")
    pairs = len(head[:4096]) // 2
    if pairs >= 2:
        data = np.frombuffer(head[: pairs * 2], np.uint8).reshape(-1, 2)
        low, high = (int(np.count_nonzero(data[:, side] == 0)) for side in (0, 1))
        # Mostly ASCII text in UTF-16 has a NUL in nearly every pair, always on the same side.
        if high > 0.6 * pairs and low == 0:
            return Encoding("utf-16-le", wide=True)
        if low > 0.6 * pairs and high == 0:
            return Encoding("utf-16-be", wide=True)
        # Text of other scripts has fewer; JSON still begins with a bracket.
        for name, zeros, others, opening in (
            ("utf-16-le", high, low, head[:2]),
            ("utf-16-be", low, high, head[1::-1]),
        ):
            if (
                opening in (b"{\0", b"[\0")
                and zeros > 0.1 * pairs
                and not others
                and _decodes(head[: pairs * 2], name)
            ):
                return Encoding(name, wide=True)
    return Encoding("utf-8")


def is_utf8(head: bytes) -> bool:
    """Whether the first bytes of a file are UTF-8; the last character may be cut off."""
    return _decodes(head, "utf-8")


def _decodes(head: bytes, name: str) -> bool:
    try:
        codecs.getincrementaldecoder(name)().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def legacy_encoding(read: ReadAt, start: int, size: int) -> str | None:
    """The encoding that older programs wrote the file in, where the whole file is: cp1252, gb18030, cp1251 …

    None where some lines are UTF-8 (the others are then damaged, or of another file), and where bad bytes are on
    one line alone, unless that line is the whole file.
    """
    lines = bad = good = 0
    sample: list[bytes] = []
    room = _SAMPLE
    rest = b""
    size = min(size, start + _LOOKED_AT)
    for position in range(start, size, _CHUNK):
        chunk = rest + read(position, min(size, position + _CHUNK))
        whole, newline, rest = chunk.rpartition(b"\n")
        if not newline and position + _CHUNK < size:
            # A line longer than a chunk: what was read of it tells as much.
            whole, rest = rest, b""
        elif position + _CHUNK >= size:
            whole, rest = chunk, b""
        lines += chunk.count(b"\n")
        if whole.isascii():
            continue
        for line in whole.split(b"\n"):
            if line.isascii():
                continue
            if is_utf8(line):
                good += 1
                continue
            bad += 1
            if room > 0:
                sample.append(_around(line, room))
                room -= len(sample[-1])
    if not bad or good > 0.02 * bad or (bad < 2 and lines > 1):
        return None
    return _guess(sample)


def line_encoding(line: bytes) -> str | None:
    """What encoding a single line that is not UTF-8 may be in: cp1252 or gb18030, else None."""
    if _is_western([line]):
        return "cp1252"
    try:
        text = line.decode("gb18030")
    except UnicodeDecodeError:
        return None
    above = [char for char in text if char > "\x7f"]
    common = sum("\u4e00" <= char <= "\u9fff" or "\u3000" <= char <= "\u303f" or char >= "\uff00" for char in above)
    return "gb18030" if len(above) >= 4 and common > 0.9 * len(above) else None


def _around(line: bytes, room: int) -> bytes:
    """As much of a long line as there is room for, from its first byte above ASCII on."""
    if len(line) <= room:
        return line
    data = np.frombuffer(line, np.uint8)
    first = int(np.argmax(data >= 0x80))
    return line[first : first + room]


def _guess(sample: list[bytes]) -> str | None:
    if _is_western(sample):
        return "cp1252"
    # Imported here: most files are UTF-8, and it takes a quarter of a second.
    from charset_normalizer import from_bytes

    text = b"\n".join(sample)
    above = len(text) - len(text.translate(None, bytes(range(128, 256))))
    if above < 16:
        return None
    best = from_bytes(text, cp_isolation=_CANDIDATES).best()
    if best is None or best.encoding == "utf_8":
        return None
    return best.encoding if _reads(sample, best.encoding) else None


def _reads(sample: list[bytes], name: str) -> bool:
    """Whether nearly all lines decode, and what is above ASCII in them are letters and their marks."""
    strict = letters = others = 0
    for line in sample:
        try:
            text = line.decode(name)
            strict += 1
        except UnicodeDecodeError:
            text = line.decode(name, "ignore")
        kinds = [unicodedata.category(char)[0] for char in text if char > "\x7f"]
        letters += sum(kind in "LMP" for kind in kinds)
        others += sum(kind not in "LMP" for kind in kinds)
    return strict >= 0.9 * len(sample) - 1 and letters >= 4 * others


def _is_western(lines: list[bytes]) -> bool:
    """Whether the bytes above ASCII are those of Western text in cp1252: known ones, mostly alone among ASCII."""
    data = np.frombuffer(b"\n".join(lines), np.uint8)
    high = data >= 0x80
    total = int(np.count_nonzero(high))
    if not total:
        return False
    counts = np.bincount(data[high], minlength=256)
    western = int(sum(counts[code] for code in _WESTERN))
    # Cyrillic or Greek words, and characters of several bytes, are runs of such bytes.
    together = int(np.count_nonzero(high[1:-1] & high[:-2] & high[2:]))
    return western >= 0.95 * total and together <= 0.1 * total
