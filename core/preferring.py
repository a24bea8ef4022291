"""What judged data a preference training asks for, and how much of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from core.errors import UsageError

#: Formats of rows that a method learns from.
_SUITS = {"dpo": ("preference",), "kto": ("kto", "preference")}

#: Pairs below which a warning is due: a rule of thumb, not published. With 200 pairs a share of 60 % still has an
#: interval of ±7 points; published trainings have tens of thousands (arxiv.org/abs/2305.18290, section 6).
FEW_PREFERENCES = 200


def few_preferences(rows: int, method: str) -> str:
    """The warning about `rows` judged rows for `method`."""
    what = "pairs" if method == "dpo" else "judged answers"
    return (
        f"{rows} {what} are few for {method}: under {FEW_PREFERENCES} (a rule of thumb) its effect is hard to "
        "tell from chance. Judge more, and compare the result with its start before you use it."
    )


def refuse_format(method: str, format: str | None, where: Path | str) -> None:
    """Raise UsageError where rows of `format` hold no verdicts that `method` learns from; others take any format."""
    suits = _SUITS.get(method)
    if suits is None or format is None or format in suits:
        return
    raise UsageError(
        f"`method: {method}` learns from rows of the format {' or '.join(suits)}, and these are {format}",
        where=str(where),
        hint="`diapason preferences RUN` writes such rows from judgements; method: lora trains on answers.",
    )


def refuse_one_kind(verdicts: Collection[bool | None], where: Path | str) -> None:
    """Raise UsageError where all answers are good or all are bad; None among `verdicts`: pairs, which have both."""
    if None in verdicts or len(verdicts) != 1:
        return
    (good,) = verdicts
    raise UsageError(
        f"there is no answer that is {'bad' if good else 'good'}: kto learns from both kinds",
        where=str(where),
        hint=f"Add rows with label {'false' if good else 'true'}, or tune on good ones with method: lora.",
    )


def preference_line(evals: Sequence[dict[str, Any]]) -> str | None:
    """What the last evaluation of a dpo or kto training found beside its loss, from its eval events; else None."""
    last = next((event for event in reversed(evals) if isinstance(event.get("margin"), int | float)), None)
    if last is None:
        return None
    found = f"{last['margin']:+.3f} between good and bad validation answers (beta x log ratio to the reference)"
    if isinstance(last.get("accuracy"), int | float):
        found += f"; the chosen one leads in {last['accuracy']:.0%} of the pairs"
    return found
