"""Rows that say the same: exact and folded copies, and one prompt with several answers.

Only hashes are kept, 80 bytes a row; the groups are found at the end by sorting.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.data.example import Example
from core.data.turns import canonical

Ids = np.ndarray[Any, np.dtype[np.int64]]
_SIZE = 16
_LOWER = bytes(range(256)).lower()
# Sentence marks and quotes; signs that carry a meaning (+ - $ / : brackets) stay.
_MARKS = bytes(32 if chr(code) in ".,!?;'\"" else _LOWER[code] for code in range(256))
_WORDS = bytes(_LOWER[code] if code >= 128 or chr(code).isalnum() or code == 95 else 32 for code in range(256))
_HYPHEN = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])")
_WIDE_MARKS = re.compile(r"[.,!?;'\"’‘“”«»…¿¡。，！？；]")
_NO_WORD = re.compile(r"\W+")


def fold(text: str) -> bytes:
    """`text` without case, spacing and sentence marks; two texts with the same fold ask the same thing."""
    if "-" in text:
        text = _HYPHEN.sub(" ", text)
    if text.isascii():
        return b" ".join(text.encode().translate(_MARKS).split())
    return " ".join(_WIDE_MARKS.sub(" ", text.casefold()).split()).encode("utf-8", "surrogatepass")


def fold_words(text: str) -> bytes:
    """The words of `text` alone, without case; coarser than `fold`."""
    if text.isascii():
        return b" ".join(text.encode().translate(_WORDS).split())
    return _NO_WORD.sub(" ", text.casefold()).strip().encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Repeated:
    """Rows of a file that belong together by groups: in order, each with the first row of its group."""

    rows: array[int]
    firsts: array[int]
    groups: int


class Repeats:
    """Takes examples one by one, then tells the copies and contradictions among them."""

    def __init__(self) -> None:
        self._rows: array[int] = array("q")
        self._whole, self._words, self._near = bytearray(), bytearray(), bytearray()
        self._prompt, self._folded, self._answer = bytearray(), bytearray(), bytearray()

    def add(self, example: Example, verdict: object = None) -> None:
        """Remember an example by its hashes; answers of unlike `verdict` (KTO's good and bad) do not contradict."""
        self._rows.append(example.row)
        prompt, answer, rejected = example.prompt_text, example.answer, example.rejected_answer
        tools = canonical(list(example.tools)) if example.tools else ""
        asked, said = _bytes(prompt), _bytes(answer)
        extra = [_bytes(rejected), _bytes(tools)] if rejected or tools else []
        self._whole += _hash(example.kind.encode(), asked, said, *extra)
        near = words = fold_words(prompt)
        if example.kind == "classification":
            # The same text with another label is no copy; which of the two is right, nobody can tell.
            near = b"\xff".join((words, said))
        else:
            near = words = b"\xff".join((words, fold_words(answer), *extra))
        self._words += _hash(words)
        self._near += _hash(near)
        folded = fold(prompt)
        if not folded or example.kind == "text":
            # Nothing is asked, so nothing can be contradicted: this row is alone.
            asked = folded = b"\xff%d" % example.row
        elif rejected:
            # Pairs contradict each other where one prefers what the other rejects, not by naming other answers.
            pair = b"\xff".join(sorted((said, extra[0])))
            asked, folded = b"\xff".join((asked, pair)), b"\xff".join((folded, pair))
        if verdict is not None:
            asked, folded = b"%b\xff%r" % (asked, verdict), b"%b\xff%r" % (folded, verdict)
        self._prompt += _hash(asked)
        self._folded += _hash(folded)
        if example.kind != "classification" and not rejected:
            # Answers do not contradict each other that differ by case, spaces and marks; they are near copies.
            said = fold(answer) or said
        self._answer += _hash(said)

    def exact(self) -> Repeated:
        """The rows that are extra copies of an earlier one."""
        ids = group_ids(self._whole)
        return self._named(_extras(ids), ids)

    def folded(self) -> Repeated:
        """The rows that copy an earlier one but for case, spaces and punctuation, exact copies left out."""
        ids = group_ids(self._near)
        return self._named(np.setdiff1d(_extras(ids), _extras(group_ids(self._whole))), ids)

    def heads(self) -> Ids:
        """For each example in turn the place of the first one that has the same words, whatever its label."""
        ids = group_ids(self._words)
        _, first = np.unique(ids, return_index=True)
        return first[ids].astype(np.int64)

    def contradictions(self) -> Repeated:
        """All rows that share their prompt with a row of another answer."""
        ids = group_ids(self._prompt)
        return self._named(_conflicts(ids, group_ids(self._answer)), ids)

    def folded_contradictions(self) -> Repeated:
        """The same for prompts that are equal but for case, spaces and sentence marks, exact ones left out."""
        answers = group_ids(self._answer)
        exact = _conflicts(group_ids(self._prompt), answers)
        folded = group_ids(self._folded)
        known = np.isin(folded, folded[exact])
        where = _conflicts(folded, answers)
        return self._named(where[~known[where]], folded)

    def _named(self, places: Ids, ids: Ids) -> Repeated:
        rows = np.frombuffer(self._rows, np.int64) if self._rows else np.zeros(0, np.int64)
        _, first = np.unique(ids, return_index=True)
        firsts = first[ids[places]]
        return Repeated(_array(rows[places]), _array(rows[firsts]), len(np.unique(firsts)))


def _array(numbers: Ids) -> array[int]:
    return array("q", np.ascontiguousarray(numbers, np.int64).tobytes())


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _hash(*parts: bytes) -> bytes:
    # The byte FF is in no UTF-8 text, so it parts them without doubt.
    return hashlib.blake2b(b"\xff".join(parts), digest_size=_SIZE).digest()


def group_ids(hashes: bytearray) -> Ids:
    """A number from 0 for each hash of 16 bytes, the same for equal ones."""
    pairs = np.frombuffer(bytes(hashes), np.uint64).reshape(-1, 2)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    ids = np.zeros(len(pairs), np.int64)
    if len(pairs):
        ordered = pairs[order]
        ids[order[1:]] = np.cumsum((ordered[1:] != ordered[:-1]).any(axis=1))
    return ids


def _extras(ids: Ids) -> Ids:
    """The places of all but the first of each group, in order."""
    order = np.argsort(ids, kind="stable")
    same = np.zeros(len(ids), bool)
    same[1:] = ids[order][1:] == ids[order][:-1]
    return np.sort(order[same])


def _conflicts(prompts: Ids, answers: Ids) -> Ids:
    """The places whose prompt has more than one answer, in order."""
    if not len(prompts):
        return prompts
    order = np.lexsort((answers, prompts))
    sorted_prompts, sorted_answers = prompts[order], answers[order]
    new = np.ones(len(order), bool)
    new[1:] = (sorted_prompts[1:] != sorted_prompts[:-1]) | (sorted_answers[1:] != sorted_answers[:-1])
    several = np.bincount(sorted_prompts[new]) > 1
    return np.flatnonzero(several[prompts]).astype(np.int64)
