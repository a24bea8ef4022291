"""Which finding can be mended, how, and whether that is safe without a look."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from core.data.findings import CODES
from core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Fix:
    """What can be done about one code: by the first of `choices` unless another is named.

    safe: the fix by its first choice loses nothing, or what it takes out has no business there, so that
    ``--all-safe`` does it. `scope` is row, file (what is around the rows) or group (rows that belong together).
    """

    choices: tuple[str, ...]
    does: str
    safe: bool = False
    scope: str = "row"


_DROP = Fix(("drop",), "drop the row")
_REDACT = Fix(("redact", "drop"), "put a placeholder such as `<EMAIL>` in its place; `drop` drops the row")
_GROUP = ("first", "longest")

FIXES: dict[str, Fix] = {
    # The file.
    "bom": Fix(("strip",), "leave the mark out", True, "file"),
    "crlf": Fix(("lf",), "end lines with a line feed alone", True, "file"),
    "cr_only": Fix(("lf",), "end lines with a line feed (done in any case)", True, "file"),
    "blank_lines": Fix(("remove",), "leave them out", True, "file"),
    "no_final_newline": Fix(("end",), "end the last line", True, "file"),
    "pretty_printed_jsonl": Fix(("lines",), "write each object on a line of its own", True, "file"),
    "wrapped_list": Fix(("unwrap",), "write the list alone; what else the object holds is left out", False, "file"),
    "encoding": Fix(("utf-8",), "write UTF-8", True),
    "invalid_utf8": Fix(("decode", "drop"), "read the line in the encoding that it fits, else drop it"),
    # JSON and CSV.
    "bad_json": Fix(("split", "drop"), "part objects joined on one line (`split` does no more); else drop the row"),
    "duplicate_key": Fix(("last", "drop"), "keep the last value, as JSON readers do"),
    "nonfinite_number": Fix(("null", "drop"), "write null", True),
    "lone_surrogate": _DROP, "too_deep": _DROP, "big_int": _DROP, "not_object": _DROP, "bad_csv": _DROP,
    "ragged_row": _DROP, "huge_line": _DROP,
    # Fields and roles.
    "key_case": Fix(("rename",), "write the usual name", True),
    "key_space": Fix(("rename",), "write the usual name", True),
    "role_alias": Fix(("rename",), "write the usual role", True),
    "bad_role": Fix(("map", "drop"), "write the role that `--roles` names, else drop the row"),
    "content_parts": Fix(("join",), "join parts that are all text into one text", True),
    "legacy_function_call": Fix(("convert",), "write tool_calls, tools and the role tool", True),
    "tool_args_not_json": Fix(("repair", "drop"), "write as JSON what reads as a Python value; the rest stays", True),
    "last_not_assistant": Fix(("cut", "drop"), "cut what follows the last answer"),
    "missing_field": _DROP, "wrong_type": _DROP, "mixed_formats": _DROP,
    "role_order": _DROP, "no_assistant": _DROP, "multimodal": _DROP, "bad_weight": _DROP, "weight_all_zero": _DROP,
    "tool_id_mismatch": _DROP, "tools_missing": _DROP, "prompt_mismatch": _DROP, "chosen_equals_rejected": _DROP,
    # Text.
    "terminal_escape": Fix(("strip", "drop"), "take the sequences out", True),
    "control_chars": Fix(("strip", "drop"), "take them out; between two words a space stays", True),
    "bidi_control": Fix(("strip", "drop"), "take them out", True),
    "zero_width": Fix(("strip", "drop"), "take them out", True),
    "mojibake": Fix(("repair", "drop"), "put back the characters that were meant, by ftfy's rules", True),
    "special_token": Fix(("strip", "drop"), "take the tokens out of the text"),
    "empty_input": _DROP, "empty_output": _DROP, "placeholder": _DROP, "template_placeholder": _DROP,
    "replacement_char": _DROP,
    "pii_email": _REDACT, "pii_phone": _REDACT, "pii_iban": _REDACT, "pii_card": _REDACT, "pii_nir": _REDACT,
    "pii_ssn": _REDACT, "pii_ip": _REDACT, "secret": _REDACT,
    # Tokens, with --model.
    "too_long": Fix(("truncate", "drop"), "cut the answer between two tokens, so that the row fits; else drop it"),
    # Groups of rows.
    "exact_duplicate": Fix(_GROUP, "keep the first of each", False, "group"),
    "near_duplicate": Fix(_GROUP, "keep the first, or the longest, of each group", False, "group"),
    "contradiction": Fix(("first", "longest", "drop"),
                         "keep the first answer, or the longest; `drop` drops the whole group", False, "group"),
    "leakage": Fix(("drop",), "drop the held-out row", False, "group"),
}  # fmt: skip

# The order in which fixes are applied to a row, whatever the order in which they are named. Rows are read anew after
# each round, until nothing changes; what is to be dropped is dropped last.
ORDER: tuple[str, ...] = (
    "encoding", "invalid_utf8", "bad_json", "nonfinite_number", "duplicate_key", "key_space", "key_case",
    "role_alias", "bad_role", "content_parts", "legacy_function_call", "tool_args_not_json", "last_not_assistant",
    "terminal_escape", "control_chars", "bidi_control", "zero_width", "mojibake", "special_token",
    "secret", "pii_email", "pii_iban", "pii_card", "pii_nir", "pii_ssn", "pii_ip", "pii_phone", "too_long",
)  # fmt: skip


def all_safe() -> dict[str, str]:
    """The fixes of ``--all-safe``: code → choice."""
    chosen = {code: fix.choices[0] for code, fix in FIXES.items() if fix.safe}
    # Parting joined objects loses nothing; dropping what cannot be parted does.
    return chosen | {"bad_json": "split"}


def is_safe(code: str, choice: str) -> bool:
    """Whether ``--all-safe`` does `code` by `choice`."""
    return all_safe().get(code) == choice


def default_choice(code: str, keep: str | None = None) -> str:
    """What naming `code` alone does; `keep` is the row of a group to keep: first or longest."""
    fix = FIXES[code]
    if keep in fix.choices:
        return keep
    # Who names the code wants it gone: what `split` leaves is dropped.
    return "drop" if code == "bad_json" else fix.choices[0]


def parse_only(text: str, keep: str | None = None) -> dict[str, str]:
    """The fixes that ``CODE[:CHOICE],...`` names, as code → choice; their order means nothing.

    Raises:
        UsageError: for a code that does not exist or has no fix, and for an unknown choice.
    """
    chosen: dict[str, str] = {}
    for part in text.split(","):
        code, colon, choice = (piece.strip() for piece in part.partition(":"))
        if not code and not colon:
            continue
        fix = FIXES.get(code)
        if fix is None:
            raise _unknown(code)
        if colon and choice not in fix.choices:
            raise UsageError(f"`{choice[:40]}` is no way to mend {code}", where="--only",
                             hint="Choices: " + ", ".join(fix.choices))  # fmt: skip
        wanted = choice or default_choice(code, keep)
        if chosen.setdefault(code, wanted) != wanted:
            raise UsageError(f"{code} is named twice, with different choices", where="--only", hint="Name it once.")
    if not chosen:
        raise UsageError("no code is named", where="--only", hint="For example: --only zero_width,bad_json:drop")
    return chosen


def _unknown(code: str) -> UsageError:
    if code in CODES:
        return UsageError(f"nothing can be done about {code} here", where="--only", hint=CODES[code].hint)
    near: Iterable[str] = difflib.get_close_matches(code, FIXES, 1)
    hint = "".join(f"Did you mean {name}?" for name in near) or "docs/findings.md lists the codes."
    return UsageError(f"`{code[:40]}` is no code", where="--only", hint=hint)
