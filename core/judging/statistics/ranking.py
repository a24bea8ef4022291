"""Strengths of more than two sides, from judgements of two at a time: Bradley-Terry with a term for the order.

The log-odds that the answer on the left is preferred are βₗ − βᵣ + γ: R. A. Bradley and M. E. Terry, Biometrika 39
(1952) 324–345, with the additive effect of order of R. R. Davidson and R. J. Beaver, Biometrics 33 (1977) 693–702. A
tie and both-bad are half a win for each side, as in evalica's `bradley_terry` and the Chatbot Arena (W.-L. Chiang et
al., ICML 2024). The β sum to 0. Without the term for the order e^β is what evalica gives, whose scores have the
geometric mean 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.judging.judgement import Judgement

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RESAMPLES = 1000
_SEED = 20
# Log-odds beyond this (1 in 160,000) come of resamples in which a side never lost: there is no bound.
_BOUNDLESS = 12.0
# Keeps a resample without a maximum solvable; far below what any judgement weighs.
_RIDGE = 1e-7
# Resampling fewer prompts than this shows too little of how they differ.
_LEAST_PROMPTS = 10
_STEPS, _CLOSE, _LONGEST = 100, 1e-10, 2.0
_CELLS = 1_000_000


@dataclass(frozen=True, slots=True)
class Bound:
    """A log-odds with its 95 % interval over prompts; a bound is None where resamples do not bound it."""

    value: float
    low: float | None
    high: float | None

    def to_json(self) -> dict[str, float | None]:
        """``{"value", "low", "high"}``."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Ranking:
    """The order of the sides.

    Attributes:
        strengths: side → β, strongest first; empty where the sides have no common scale.
        order: γ, the advantage of the left; None where sides and order cannot be told apart.
        rates: (side, other) → (score of the side against the other with ties at ½, judgements).
        problems: why there is no estimate, or on what it rests, one sentence each.
        prompts: resampled for the intervals.
    """

    strengths: dict[str, Bound]
    order: Bound | None
    rates: dict[tuple[str, str], tuple[float, int]]
    problems: tuple[str, ...]
    prompts: int


@dataclass(frozen=True, slots=True)
class _Table:
    """Judgements by prompt and cell (left · sides + right): how many, and the score of the left in them."""

    sides: list[str]
    prompt: NDArray[np.int64]
    cell: NDArray[np.int64]
    score: Floats
    prompts: int

    def sums(self, weights: Floats | None = None) -> tuple[Floats, Floats]:
        """Scores and counts by (left, right), each judgement weighing as its prompt does; (…, sides, sides)."""
        import numpy as np
        from scipy.sparse import csr_array

        m = len(self.sides)
        if weights is None:
            weights = np.ones((1, self.prompts))
        shape = (self.prompts, m * m)
        counts = csr_array((np.ones_like(self.score), (self.prompt, self.cell)), shape=shape)
        scores = csr_array((self.score, (self.prompt, self.cell)), shape=shape)
        return (
            np.asarray(weights @ scores).reshape(-1, m, m),
            np.asarray(weights @ counts).reshape(-1, m, m),
        )  # fmt: skip


def ranking(judgements: Sequence[Judgement], resamples: int = RESAMPLES) -> Ranking:
    """The strengths of all sides in `judgements` (repeats and skips aside), with a bootstrap over prompts.

    Args:
        resamples: of the prompts, with replacement, by a fixed seed; 0 for no intervals.
    """
    import numpy as np

    table = _table(judgements)
    if not table.sides:
        return Ranking({}, None, {}, (), 0)
    score, count = table.sums()
    rates = _rates(table.sides, score[0], count[0])
    parts = _parts(count[0] > 0, directed=False)
    if len(parts) > 1:
        groups = "; ".join(", ".join(table.sides[each] for each in part) for part in parts)
        told = f"the sides fall into groups that never met, so that they have no common scale: {groups}"
        return Ranking({}, None, rates, (told,), table.prompts)
    problems: list[str] = []
    ordered = _tells_order(count[0])
    if not ordered:
        problems.append("no advantage of the left can be told apart: sides that met always stood the same way round")
    extra = np.zeros_like(score[0])
    beaten = score[0] + (count[0] - score[0]).T
    value = fit(score, count, order=ordered)[0]
    if len(_parts(beaten > 0, directed=True)) > 1 or np.abs(value).max() > _BOUNDLESS:
        problems += _one_sided(table.sides, beaten)
        extra = ((count[0] + count[0].T) > 0) / 2
        value = fit(score + extra / 2, count + extra, order=ordered)[0]
    if resamples and table.prompts < _LEAST_PROMPTS:
        problems.append(f"{table.prompts} prompts are too few for intervals, which need {_LEAST_PROMPTS}")
        resamples = 0
    spread = _bootstrap(table, extra, ordered, resamples) if resamples else None
    bounds = [_bound(value[k], None if spread is None else spread[:, k]) for k in range(len(value))]
    strongest = sorted(range(len(table.sides)), key=lambda k: -bounds[k].value)
    strengths = {table.sides[k]: bounds[k] for k in strongest}
    return Ranking(strengths, bounds[-1] if ordered else None, rates, tuple(problems), table.prompts)


def fit(score: Floats, count: Floats, *, order: bool) -> Floats:
    """The maximum-likelihood β of each side, and γ last (0 without `order`), for each table of a stack.

    Args:
        score: (tables, sides, sides), what the left side (second index) scored against the right one (third).
        count: the judgements behind it, same shape.
    """
    import numpy as np

    tables, m, _ = score.shape
    at = np.zeros((tables, m + 1))
    # β and γ may move by the ridge alone; the sum of the β is held at 0 by a term of its own.
    held = np.zeros((m + 1, m + 1))
    held[:m, :m] = 1.0 / m
    ridge = _RIDGE * np.eye(m + 1)
    for _ in range(_STEPS):
        odds = at[:, :m, None] - at[:, None, :m] + at[:, m, None, None]
        chance = 0.5 * (1 + np.tanh(odds / 2))
        residual = score - count * chance
        weight = count * chance * (1 - chance)
        slope = np.concatenate(
            [residual.sum(2) - residual.sum(1), residual.sum((1, 2))[:, None] * order], axis=1
        ) - _RIDGE * at  # fmt: skip
        curve = np.zeros((tables, m + 1, m + 1)) + held + ridge
        both = weight + weight.transpose(0, 2, 1)
        curve[:, :m, :m] -= both
        index = np.arange(m)
        curve[:, index, index] += both.sum(2)
        tilt = (weight.sum(2) - weight.sum(1)) * order
        curve[:, :m, m] += tilt
        curve[:, m, :m] += tilt
        curve[:, m, m] += weight.sum((1, 2)) * order + (0.0 if order else 1.0)
        move = np.linalg.solve(curve, slope[:, :, None])[:, :, 0]
        # Far from the maximum a Newton step overshoots.
        move *= np.minimum(1.0, _LONGEST / np.maximum(np.abs(move).max(1, keepdims=True), 1e-300))
        at += move
        if np.abs(move).max() < _CLOSE:
            break
    at[:, :m] -= at[:, :m].mean(1, keepdims=True)
    return at


def _table(judgements: Sequence[Judgement]) -> _Table:
    import numpy as np

    used = [each for each in judgements if not each.repeat and each.verdict != "skip"]
    sides = sorted({side for each in used for side in (each.left, each.right)})
    place = {side: number for number, side in enumerate(sides)}
    prompts: dict[str, int] = {}
    numbers = [prompts.setdefault(each.prompt, len(prompts)) for each in used]
    points = {"left": 1.0, "right": 0.0}
    return _Table(
        sides,
        np.array(numbers, dtype=np.int64),
        np.array([place[each.left] * len(sides) + place[each.right] for each in used], dtype=np.int64),
        np.array([points.get(each.verdict, 0.5) for each in used], dtype=np.float64),
        len(prompts),
    )


def _bootstrap(table: _Table, extra: Floats, order: bool, resamples: int) -> Floats:
    """The estimates (resamples, sides + 1) from prompts drawn with replacement."""
    import numpy as np

    random = np.random.default_rng(_SEED)
    even = np.full(table.prompts, 1 / table.prompts)
    size = max(1, _CELLS // max(table.prompts, len(table.sides) ** 2))
    found: list[Floats] = []
    for begin in range(0, resamples, size):
        drawn = random.multinomial(table.prompts, even, size=min(size, resamples - begin)).astype(np.float64)
        score, count = table.sums(drawn)
        found.append(fit(score + extra / 2, count + extra, order=order))
    return np.concatenate(found)


def _bound(value: float, spread: Floats | None) -> Bound:
    if spread is None:
        return Bound(float(value), None, None)
    import numpy as np

    low, high = (float(each) for each in np.percentile(spread, (2.5, 97.5)))
    return Bound(float(value), low if low > -_BOUNDLESS else None, high if high < _BOUNDLESS else None)


def _rates(sides: Sequence[str], score: Floats, count: Floats) -> dict[tuple[str, str], tuple[float, int]]:
    won = score + (count - score).T
    met = count + count.T
    return {
        (one, other): (float(won[i, j] / met[i, j]), int(met[i, j]))
        for i, one in enumerate(sides)
        for j, other in enumerate(sides)
        if i != j and met[i, j] > 0
    }


def _parts(edges: NDArray[np.bool_], *, directed: bool) -> list[list[int]]:
    """The connected components (strongly connected, where `directed`), each a list of places."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    number, labels = connected_components(csr_array(edges), directed=directed, connection="strong")
    return [[place for place, own in enumerate(labels) if own == part] for part in range(number)]


def _tells_order(count: Floats) -> bool:
    """Whether γ is more than a shift of the β: not where sides that met always stood the same way round."""
    import numpy as np

    m = len(count)
    lefts, rights = np.nonzero(count)
    rows = np.zeros((len(lefts), m + 1))
    rows[np.arange(len(lefts)), lefts] += 1
    rows[np.arange(len(lefts)), rights] -= 1
    rows[:, m] = 1
    return bool(np.linalg.matrix_rank(rows) > np.linalg.matrix_rank(rows[:, :m]))


def _one_sided(sides: Sequence[str], beaten: Floats) -> list[str]:
    """Which sides won, or lost, everything against the rest, and what the estimate rests on then."""
    told: list[str] = []
    for k, side in enumerate(sides):
        won, lost = beaten[k].sum(), beaten[:, k].sum()
        if lost == 0 or won == 0:
            told.append(f"{side} {'won' if lost == 0 else 'lost'} every judgement, so that its strength has no limit")
    told = told or ["some sides, or the left ones, won all there was to win, so that the distance has no limit"]
    rest = "the estimates count one further tie between each two sides that met, which makes them finite"
    return [*told, rest]
