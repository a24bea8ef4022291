"""A whole block of rows at once: which rows hold bytes that the checks of text have to look at, and how many keys.

What passes is clean for sure: each test here lets through less than the row's own gate (core.data.checks.gate and
core.data.checks.characters), at the price of looking at some rows in vain.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]
Places = np.ndarray[Any, np.dtype[np.int64]]
_QUOTE, _COLON, _BACKSLASH, _AT = 0x22, 0x3A, 0x5C, 0x40
# An opening bracket and what may follow it in a mark; EF begins DeepSeek's wide bar.
_OPENINGS = {
    opening: np.isin(np.arange(256), [*range(65, 91), *range(97, 123), *rest])
    for opening, rest in ((0x3C, b"/|<\xef"), (0x5B, b"/"), (0x7B, b"{ "))
}
# One pass that says for each byte whether it is one of them.
_RARE = bytes(
    (code < 0x20 and code not in b"\r\n") or code in (0x7F, _BACKSLASH, _AT, *_OPENINGS) for code in range(256)
)
_OF_RUNS = bytes(chr(code).isascii() and (chr(code).isalnum() or code in b"_-+:") for code in range(256))
_RUN, _LEAST_DIGITS = 20, 7


def sieve(data: bytes, starts: Places, ends: Places) -> tuple[Bools, Bools, Places]:
    """For the rows from `starts` to `ends` in `data`: whose characters and whose text to look at, and their keys.

    Returns:
        Two arrays of truth values and one of numbers, one item a row. A number of keys is that of quotes before a
        colon that no backslash escapes; -1 where a blank stands between some quote and a colon.
    """
    # Three bytes more, so that what follows a byte can be looked up without asking where the block ends.
    block = np.frombuffer(data + bytes(3), np.uint8)
    rows = _Rows(starts, ends)
    characters, text = np.zeros(len(starts), bool), np.zeros(len(starts), bool)
    _rare(data, block, rows, characters, text)
    if not data.isascii():
        _wide(block, rows, characters, text)
    places = np.flatnonzero(block == _COLON)
    rows.mark(text, places[block[places + 1] == _COLON])
    runs = _runs(data)
    if runs.any():
        rows.mark(text, np.flatnonzero(runs))
    digits = np.flatnonzero(block - np.uint8(48) < 10)
    # Two separators at most stand between the digits of a number, of three bytes each outside of ASCII.
    reach = (_LEAST_DIGITS - 1) * (3 if data.isascii() else 7)
    rows.mark(text, digits[: 1 - _LEAST_DIGITS][digits[_LEAST_DIGITS - 1 :] - digits[: 1 - _LEAST_DIGITS] <= reach])
    return characters, text, _keys(block, rows, places)


class _Rows:
    """The rows of a block, by the places in it."""

    def __init__(self, starts: Places, ends: Places) -> None:
        self.starts, self.ends = starts, ends

    def of(self, places: Places) -> Places:
        """The row in which each place is, or the one after it."""
        return np.minimum(np.searchsorted(self.ends, places, side="right"), len(self.ends) - 1)

    def mark(self, marks: Bools, places: Places) -> None:
        """Set the marks of the rows with these places."""
        if len(places):
            marks[self.of(places)] = True

    def count(self, places: Places) -> Places:
        """How many of the places (in order) are in each row."""
        return np.searchsorted(places, self.ends) - np.searchsorted(places, self.starts)


def _rare(data: bytes, block: Bytes, rows: _Rows, characters: Bools, text: Bools) -> None:
    """What stands in ASCII text now and then: escapes, control characters, addresses, the openings of marks."""
    places = np.flatnonzero(np.frombuffer(data.translate(_RARE), np.bool_))
    sign, after = block[places], block[places + 1]
    escaped = sign == _BACKSLASH
    unicode = escaped & (after == 0x75)
    rows.mark(characters, places[unicode | (escaped & ((after == 0x62) | (after == 0x66)))])
    rows.mark(characters, places[(sign < 0x20) | (sign == 0x7F)])
    odd = unicode | (sign == _AT)
    for opening, follows in _OPENINGS.items():
        odd |= (sign == opening) & follows[after]
    rows.mark(text, places[odd])


def _wide(block: Bytes, rows: _Rows, characters: Bools, text: Bools) -> None:
    """Control and zero-width characters, replacement characters, and two wide characters side by side."""
    at = np.flatnonzero(block >= 0xC2)
    first, second, third, after = block[at], block[at + 1], block[at + 2], block[np.minimum(at + 3, len(block) - 1)]
    e2, ef = first == 0xE2, first == 0xEF
    controls = (first == 0xC2) & (second < 0xA0)
    in80, in81 = e2 & (second == 0x80), e2 & (second == 0x81)
    hidden = (in80 & (((third >= 0x8B) & (third <= 0x8D)) | ((third >= 0xAA) & (third <= 0xAE)))) | (
        in81 & (third >= 0xA0) & (third <= 0xA9)
    )
    rows.mark(characters, at[controls | hidden | (ef & (second == 0xBB) & (third == 0xBF))])
    # Punctuation from U+2010 to U+2044 stands beside other wide characters everywhere.
    plain = (in80 & (third >= 0x90) & (third != 0x9A)) | (in81 & (third <= 0x84))
    two = (first >= 0xC3) & (first <= 0xDF) & (third >= 0x80)
    three = ((first & 0xFE) == 0xE0) | (e2 & (second < 0xBA)) | (ef & ((second == 0xAC) | (second == 0xAD)))
    lost = ef & (second == 0xBF) & (third == 0xBD)
    spaced = (first == 0xC3) & ((second & 0xFE) == 0x82) & (third == 0x20)
    rows.mark(text, at[controls | two | (three & (after >= 0x80) & ~plain) | lost | spaced])


def _runs(data: bytes) -> Bools:
    """The places at which a run begins, or goes on, that is as long as the shortest key."""
    run = np.frombuffer(data.translate(_OF_RUNS), np.bool_)
    length = 1
    while length * 2 <= _RUN:
        run = run[:-length] & run[length:]
        length *= 2
    return run[: length - _RUN] & run[_RUN - length :] if length < _RUN else run


def _keys(block: Bytes, rows: _Rows, colons: Places) -> Places:
    before = block[colons - 1]
    quoted = colons[before == _QUOTE]
    counts = rows.count(quoted[block[quoted - 2] != _BACKSLASH])
    blank = colons[(before == 0x20) | (before == 0x09)]
    blank = blank[block[blank - 2] == _QUOTE]
    if len(blank):
        counts[rows.of(blank)] = -1
    return counts
