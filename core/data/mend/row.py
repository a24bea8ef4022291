"""One row mended: fixes in their fixed order, round after round until nothing changes, then what is to be dropped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from core.data.dataset import Dataset, Row
from core.data.findings import RowFinding
from core.data.mend.catalogue import FIXES, ORDER
from core.data.mend.editable import Editable
from core.data.mend.long import Shortener
from core.data.mend.plan import Plan, RowPlan
from core.data.mend.shapes import reshape, shape_codes
from core.data.mend.texts import splices, text_codes
from core.data.mend.tree import NotEditable, split_joined
from core.data.pii.spans import PLACEHOLDERS

_ROUNDS = 12
_SHORT = 60
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_TEXTS, _SHAPES = text_codes(), shape_codes()
EDIT, DROPPED = "edit", "drop"


@dataclass(frozen=True, slots=True)
class Change:
    """One place that a fix changed. `around` is up to 30 characters of the text on either side."""

    code: str
    place: str
    before: str
    after: str
    around: tuple[str, str] = ("", "")


@dataclass(slots=True)
class Mended:
    """What became of a row: `raws` holds no row where it was dropped, several where joined objects were parted.

    changed: whether anything is other than in the source. why: the code for which it was dropped, `review` where a
    person dropped it.
    """

    raws: list[bytes]
    changed: bool = False
    changes: list[Change] = field(default_factory=list[Change])
    why: str = ""

    @property
    def codes(self) -> list[str]:
        """The codes that were acted on."""
        return list(dict.fromkeys([change.code for change in self.changes] + ([self.why] if self.why else [])))


class Mender:
    """Applies a plan to single rows of a data set. It is of no use to several threads at once."""

    def __init__(self, dataset: Dataset, plan: Plan) -> None:
        self.dataset = dataset
        self.plan = plan
        self._long = Shortener(dataset, plan.model, plan.max_length) if _wants(plan, "too_long") else None

    def mend(self, row: Row, decided: RowPlan | None = None) -> Mended:
        """What the plan makes of `row`. Fixes whose finding the row does not have leave it alone."""
        fixes = {**self.plan.fixes, **decided.fixes} if decided and decided.fixes else self.plan.fixes
        if decided is None and self._long is None and not any(finding.code in fixes for finding in row.findings):
            return Mended([row.raw])
        made = Mended([row.raw])
        if decided is not None:
            if decided.drop:
                return Mended([], True, why="review")
            if decided.edits:
                row = self._edited(row, decided.edits, made)
        kept = decided is not None and decided.keep
        rows = [self._fixed(part, fixes, made) for part in self._parted(row, fixes, made)]
        made.raws = []
        for part in rows:
            why = None if kept else self._doomed(part, fixes)
            if why is None:
                made.raws.append(part.raw)
            else:
                made.why = why
        made.changed = made.raws != [row.raw] or bool(made.changes)
        return made

    # -- steps --------------------------------------------------------------------------------------------

    def _read(self, like: Row, raw: bytes) -> Row:
        return self.dataset.read(like.index, like.line, raw)

    def _edited(self, row: Row, edits: Mapping[str, str], made: Mended) -> Row:
        """The row with the texts that a person wrote."""
        if "" in edits:
            made.changes.append(Change(EDIT, "", row.raw.decode("utf-8", "replace"), edits[""]))
            return self._read(row, self._as_the_file(edits[""]))
        editable = Editable(self.dataset.source, row.raw)
        for place, text in editable.texts():
            new, old = edits.get(place), text.value
            if new is None or new == old:
                continue
            start = _common(old, new)
            end = _common(old[start:][::-1], new[start:][::-1])
            made.changes.append(_change(EDIT, place, old, start, len(old) - end, new[start : len(new) - end]))
            text.splice([(start, len(old) - end, new[start : len(new) - end])])
        return self._read(row, editable.render())

    def _as_the_file(self, text: str) -> bytes:
        """`text` in the encoding of the file, where that can write it."""
        legacy = None if text.isascii() else self.dataset.source.legacy
        try:
            return text.encode(legacy or "utf-8")
        except UnicodeEncodeError:
            return text.encode("utf-8", "surrogatepass")

    def _parted(self, row: Row, fixes: Mapping[str, str], made: Mended) -> list[Row]:
        """The rows that one line of several objects makes."""
        if self.dataset.layout != "jsonl" or "bad_json" not in fixes or not _has(row, "bad_json"):
            return [row]
        parts = split_joined(row.raw.decode("utf-8", "replace")) if _is_utf8(row.raw) else []
        if not parts:
            return [row]
        made.changes.append(Change("bad_json", "", "1 line", f"{len(parts)} objects"))
        return [self._read(row, part.encode("utf-8")) for part in parts]

    def _fixed(self, row: Row, fixes: Mapping[str, str], made: Mended) -> Row:
        for _ in range(_ROUNDS):
            raw = self._round(row, fixes, made)
            if raw == row.raw:
                break
            row = self._read(row, raw)
        if self._long is not None and row.example is not None and fixes.get("too_long") == "truncate":
            raw = self._long.shorten(row, made.changes)
            if raw is not None:
                row = self._read(row, raw)
        return row

    def _round(self, row: Row, fixes: Mapping[str, str], made: Mended) -> bytes:
        """The row's bytes after each fix that one of its findings asks for."""
        wanted: dict[str, list[RowFinding]] = {}
        for finding in row.findings:
            if finding.code in fixes and fixes[finding.code] != "drop":
                wanted.setdefault(finding.code, []).append(finding)
        if not wanted:
            return row.raw
        raw = self._recoded(row, wanted, made)
        try:
            editable = Editable(self.dataset.source, raw)
        except NotEditable:
            return raw
        changed = False
        for code in ORDER:
            if code not in wanted:
                continue
            if code in _TEXTS:
                changed |= _mend_texts(code, editable, made.changes)
            elif code in _SHAPES and editable.document is not None:
                before = editable.document.render()
                if reshape(code, editable.document, wanted[code], self.plan.roles):
                    changed = True
                    made.changes.append(_differing(code, wanted[code][0].field, before, editable.document.render()))
        return editable.render() if changed else raw

    def _recoded(self, row: Row, wanted: Mapping[str, list[RowFinding]], made: Mended) -> bytes:
        """The row in UTF-8, where it shall be."""
        name = ""
        if "encoding" in wanted:
            name = self.dataset.source.legacy or ""
        elif "invalid_utf8" in wanted:
            name = wanted["invalid_utf8"][0].detail
        if not name or _is_utf8(row.raw):
            return row.raw
        code = "encoding" if "encoding" in wanted else "invalid_utf8"
        made.changes.append(Change(code, "", name, "utf-8"))
        return row.raw.decode(name, "replace").encode("utf-8")

    def _doomed(self, row: Row, fixes: Mapping[str, str]) -> str | None:
        """The code for which the row is dropped."""
        for finding in row.findings:
            choice = fixes.get(finding.code)
            if choice is None or FIXES[finding.code].scope != "row":
                continue
            if choice == "drop" or (finding.code, choice) in _ELSE_DROP:
                return finding.code
        if self._long is not None and "too_long" in fixes and self._long.is_long(row):
            return "too_long"
        return None


# What these leave is dropped: a role that nobody mapped, bytes that no encoding explains.
_ELSE_DROP = {("bad_role", "map"), ("invalid_utf8", "decode")}


def _mend_texts(code: str, editable: Editable, changes: list[Change]) -> bool:
    changed = False
    for place, text in editable.texts():
        value = text.value
        found = splices(code, place, value)
        if found:
            changes += [_change(code, place, value, start, end, new) for start, end, new in found]
            text.splice(found)
            changed = True
    return changed


def _change(code: str, place: str, text: str, start: int, end: int, new: str) -> Change:
    return Change(code, place, text[start:end], new, (text[max(0, start - 30) : start], text[end : end + 30]))


def _differing(code: str, place: str, before: str, after: str) -> Change:
    """What differs between two texts of the whole row; names, roles and short values are shown whole."""
    start = _common(before, after)
    end = _common(before[start:][::-1], after[start:][::-1])
    start -= _rest_of_value(before[:start], before[:start][::-1])
    end -= _rest_of_value(before[: len(before) - end], before[len(before) - end :])
    left = (before[max(0, start - 30) : start], before[len(before) - end :][:30])
    return Change(code, place, before[start : len(before) - end], after[start : len(after) - end], left)


def _rest_of_value(behind: str, onward: str) -> int:
    """How many characters of `onward` still belong to the JSON text that is open where `behind` ends."""
    if _ESCAPED.sub("", behind).count('"') % 2 == 0:
        return 0
    place = onward.find('"', 0, _SHORT)
    return max(place, 0)


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    most = min(len(one), len(other))
    if one[:most] == other[:most]:
        return most
    return next(place for place in range(most) if one[place] != other[place])


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _has(row: Row, code: str) -> bool:
    return any(finding.code == code for finding in row.findings)


def _wants(plan: Plan, code: str) -> bool:
    return code in plan.fixes or any(code in row.fixes for row in plan.rows.values())


def masked(changes: list[Change]) -> Iterator[Change]:
    """The changes without the personal data and secrets that were taken out, for a log that is kept."""
    from dataclasses import replace

    from core.data.pii.spans import redact

    for change in changes:
        before = "…" if change.code in PLACEHOLDERS else redact(change.before)
        around = (redact(change.around[0]), redact(change.around[1]))
        yield replace(change, before=before, after=redact(change.after), around=around)
