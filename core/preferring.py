"""How much judged data a preference training asks for."""

from __future__ import annotations

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
