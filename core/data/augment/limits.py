"""How much may be asked for at once: beyond it a number is a slip, and would wait or cost without end."""

from __future__ import annotations

from core.endpoint.budget import guess_tokens
from core.errors import UsageError

MOST_VARIANTS = 100
MOST_TOKENS = 1_000_000
LONGEST_SECONDS = 86_400.0
_LONGEST_WAIT = 3600.0
_MINUTE = 60.0
_LEAST_TOKENS, _USUAL_MOST = 256, 8192


def most_tokens(prompt: str, answer: str, n: int) -> int:
    """How many tokens an answer with `n` variants may have: each twice the row's own, within bounds."""
    each = 2 * (guess_tokens(prompt) + guess_tokens(answer))
    return max(_LEAST_TOKENS, min(n * each, _USUAL_MOST))


def check_limits(n: int, most: int | None, timeout: float, per_minute: float) -> None:
    """See that a wish can be granted.

    Args:
        n: variants of each row.
        most: tokens that an answer may have; None where the row's length says so.
        timeout: seconds to wait for an answer.
        per_minute: requests a minute; 0 for as many as come.

    Raises:
        UsageError: one of them is too large or too small.
    """
    if not 1 <= n <= MOST_VARIANTS:
        raise UsageError(f"{n:,} variants of a row cannot be asked for", hint=f"From 1 to {MOST_VARIANTS}.")
    if most is not None and not 1 <= most <= MOST_TOKENS:
        raise UsageError(f"an answer cannot have {most:,} tokens", hint=f"From 1 to {MOST_TOKENS:,}.")
    if not 0 < timeout <= LONGEST_SECONDS:
        raise UsageError(
            f"{timeout:g} seconds are no time to wait for an answer",
            hint=f"More than 0 and at most {LONGEST_SECONDS:,.0f}, which is a day.",
        )
    if not (per_minute == 0 or _MINUTE / _LONGEST_WAIT <= per_minute < float("inf")):
        raise UsageError(
            f"{per_minute:g} requests a minute cannot be kept to",
            hint="At least one an hour, which is 0.017 a minute; 0 for as many as come.",
        )
