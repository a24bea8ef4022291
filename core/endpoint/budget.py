"""What may be spent, and how fast: no request begins that could pass the budget."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

# A token has two bytes or more in nearly every tokenizer and language, so this guesses high.
_BYTES = 2
_AROUND = 16
_MINUTE = 60.0


def guess_tokens(text: str) -> int:
    """How many tokens a text has at most, without its tokenizer."""
    return len(text.encode("utf-8", "surrogatepass")) // _BYTES + _AROUND


@dataclass(frozen=True, slots=True)
class Prices:
    """What a million tokens cost, in the endpoint's currency."""

    given: float = 0.0
    made: float = 0.0

    def cost(self, given: int, made: int) -> float:
        """What a request with `given` tokens in its prompt and `made` in its answer costs."""
        return (given * self.given + made * self.made) / 1e6


@dataclass(slots=True)
class Budget:
    """Tokens and money spent, against limits; None is no limit. For several threads."""

    tokens: int | None = None
    money: float | None = None
    prices: Prices = field(default_factory=Prices)
    used_given: int = 0
    used_made: int = 0
    _held: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reserve(self, key: int, given: int, made: int) -> bool | None:
        """Hold what a request may need. None where that waits for others to end, False where it never fits."""
        with self._lock:
            if not self._fits(given, made, []):
                return False
            if not self._fits(given, made, list(self._held.values())):
                return None
            self._held[key] = (given, made)
            return True

    def settle(self, key: int, given: int, made: int) -> None:
        """Count what a request really took, and let go of what was held for it."""
        with self._lock:
            self._held.pop(key, None)
            self.used_given += given
            self.used_made += made

    def spent(self) -> tuple[int, float]:
        """Tokens and money so far."""
        return self.used_given + self.used_made, self.prices.cost(self.used_given, self.used_made)

    def _fits(self, given: int, made: int, held: list[tuple[int, int]]) -> bool:
        ins = self.used_given + given + sum(pair[0] for pair in held)
        outs = self.used_made + made + sum(pair[1] for pair in held)
        if self.tokens is not None and ins + outs > self.tokens:
            return False
        return self.money is None or self.prices.cost(ins, outs) <= self.money


class Pace:
    """Lets at most `per_minute` requests begin in any minute (evenly spread); 0 is as fast as they come."""

    def __init__(self, per_minute: float) -> None:
        self._gap = _MINUTE / per_minute if per_minute > 0 else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def hold(self, seconds: float) -> None:
        """Let no request begin for so long."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def wait(self, stop: threading.Event) -> bool:
        """Wait for one's turn; False where `stop` was set meanwhile."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._gap
        return not stop.wait(turn - now)
