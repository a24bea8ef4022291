"""What is left of a text when all is taken away that folding may change: equal folds have equal skeletons."""

from __future__ import annotations

import re

import numpy as np

from core.data.checks.repeats import fold_words

_KEPT, _LOOKED_AT = 200, 400
_LOWER = bytes(range(256)).lower()
_DROPPED = bytes(code for code in range(256) if not (code < 128 and chr(code).isalnum()))
# Scripts without case, whose words no case folding touches; of their texts little else would be left.
_CASELESS = "\u0e01-\u0e2e\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
# Characters outside of ASCII whose case folding has ASCII letters (CaseFolding.txt of Unicode).
_TO_ASCII = "\u00df\u0130\u0149\u017f\u01f0\u1e96-\u1e9b\u1e9e\u212a\ufb00-\ufb06"
_RARE_FROM = 0x0E01
_FEW = "\u00df\u0130\u0149\u017f\u01f0"
_UNUSUAL = re.compile(f"[{_TO_ASCII}{_CASELESS}]").search
_WITHOUT_CASE = re.compile(f"[{_CASELESS}]").search


def skeleton(text: str) -> bytes:
    """The last 200 ASCII letters and digits of `text` without case; in a script without case all its words.

    Two texts with the same `core.data.checks.repeats.fold` or `fold_words` have the same skeleton; the other way
    round nothing follows. It costs a tenth of folding.
    """
    if text.isascii():
        return ascii_tail(text) or _letters(text.encode())
    try:
        said = text.encode("latin-1")
    except UnicodeEncodeError:
        return _wide(text)
    # Of these letters only the sharp s folds to ASCII.
    return _letters(text.casefold().encode()) if b"\xdf" in said else _letters(said)


def ascii_tail(text: str) -> bytes:
    """The skeleton of any ASCII text that ends in `text`, where that is long enough to tell; else nothing."""
    tail = text[-_LOOKED_AT:].encode().translate(_LOWER, _DROPPED)
    return tail[-_KEPT:] if len(tail) >= _KEPT else b""


def _letters(said: bytes) -> bytes:
    return said.translate(_LOWER, _DROPPED)[-_KEPT:]


def _wide(text: str) -> bytes:
    codes = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), np.uint16)
    # Punctuation from U+2000 on, arrows and signs behind the Kelvin sign are the commonest; they need no look.
    rare = (codes >= _RARE_FROM) & ((codes < 0x2000) | (codes == 0x212A) | (codes >= 0x3041))
    if (rare.any() or any(char in text for char in _FEW)) and _UNUSUAL(text):
        if _WITHOUT_CASE(text):
            return fold_words(text)
        text = text.casefold()
    return _letters(text.encode("utf-8", "surrogatepass"))
