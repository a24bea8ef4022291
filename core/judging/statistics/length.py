"""What is left of a preference when both answers are thought equally long."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.judging.judgement import Judgement
from core.judging.statistics.proportion import Share

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# Under this many decisive verdicts two coefficients are guesswork.
LEAST = 40
# The 95 % point of the χ² distribution with one degree of freedom.
_CHI2 = 3.841458820694124
_STEPS, _CLOSE, _FARTHEST = 60, 1e-9, 30.0


@dataclass(frozen=True, slots=True)
class Adjusted:
    """The share of decisive verdicts for the candidate at equal length.

    Attributes:
        share: with its 95 % interval.
        slope: log-odds for the candidate that its being longer by much (far over one standard deviation) adds.
        prompts: that it rests on.
    """

    share: Share
    slope: float
    prompts: int


def differences(judgements: Iterable[Judgement], candidate: str) -> dict[str, float]:
    """Prompt → by how many characters the candidate's answer is longer, as a mean over what was judged there."""
    found: dict[str, list[int]] = {}
    for each in judgements:
        if each.left_length is not None and each.right_length is not None and not each.repeat:
            longer = each.left_length - each.right_length
            if candidate in (each.left, each.right):
                found.setdefault(each.prompt, []).append(longer if each.left == candidate else -longer)
    return {prompt: math.fsum(values) / len(values) for prompt, values in found.items()}


def adjusted(verdicts: Mapping[str, str], lengths: Mapping[str, float]) -> Adjusted | None:
    """The length-adjusted share over the prompts with a decisive verdict and known lengths.

    The model is that of length-controlled AlpacaEval without its terms for models and instructions, which one pair
    of sides does not tell apart: P(win) = σ(θ + φ · tanh(d / sd(d))), d the difference in length; the adjusted
    share is σ(θ), at d = 0 (Y. Dubois et al., "Length-Controlled AlpacaEval", COLM 2024, arXiv:2404.04475).
    Fitted by D. Firth's penalised likelihood (Biometrika 80 (1993) 27–38), which is finite where length and side
    go together wholly; the interval is the profile of that likelihood (G. Heinze and M. Schemper, Statistics in
    Medicine 21 (2002) 2409–2419). Each prompt counts once.

    Args:
        verdicts: prompt → ``win``, ``loss``, …
        lengths: prompt → characters by which the candidate's answer is longer.

    Returns:
        None with fewer than 40 such prompts, or where lengths do not differ in it.
    """
    used = [prompt for prompt, verdict in verdicts.items() if verdict in ("win", "loss") and prompt in lengths]
    if len(used) < LEAST:
        return None
    import numpy as np

    gaps = np.array([lengths[prompt] for prompt in used], dtype=np.float64)
    spread = float(gaps.std())
    if spread == 0.0:
        return None
    fit = _Firth(np.tanh(gaps / spread), np.array([verdicts[prompt] == "win" for prompt in used], dtype=np.float64))
    theta, slope = fit.best
    share = Share(_sigmoid(theta), _sigmoid(fit.bound(-1)), _sigmoid(fit.bound(+1)))
    return Adjusted(share, slope, len(used))


class _Firth:
    """A logistic regression of `y` on 1 and `x` with Jeffreys' penalty ½ ln |I|."""

    def __init__(self, x: Floats, y: Floats) -> None:
        self._x, self._y = x, y
        self.best = self._climb(0.0, 0.0, free=True)
        self._top = self._height(*self.best)

    def bound(self, direction: int) -> float:
        """The intercept at which the profile has fallen to the edge of the 95 % interval, on that side."""
        theta, slope = self.best
        wanted, far = math.sqrt(_CHI2), 1.0
        for _ in range(_STEPS):
            at = theta + direction * far
            if abs(at) > _FARTHEST:
                return _FARTHEST * direction
            _, slope = self._climb(at, slope, free=False)
            # The root of the fall is nearly proportional to the distance.
            fallen = math.sqrt(max(1e-12, 2 * (self._top - self._height(at, slope))))
            if abs(fallen - wanted) < 1e-5:
                break
            far *= min(2.0, max(0.5, wanted / fallen))
        return theta + direction * far

    def _height(self, theta: float, slope: float) -> float:
        import numpy as np

        at = theta + slope * self._x
        weight, determinant = self._information(at)[3:]
        if determinant <= 0 or not weight:
            return -math.inf
        # ln σ(z) for the outcome that came, without overflow.
        return float(-np.logaddexp(0.0, np.where(self._y == 1, -at, at)).sum()) + 0.5 * math.log(determinant)

    def _information(self, at: Floats) -> tuple[Floats, float, float, float, float]:
        """The variances of the outcomes, and of the information matrix: I₀₁, I₁₁, I₀₀, |I|."""
        import numpy as np

        chance = 0.5 * (1 + np.tanh(at / 2))
        variance = chance * (1 - chance)
        a, b, c = float(variance.sum()), float(variance @ self._x), float(variance @ self._x**2)
        return variance, b, c, a, a * c - b * b

    def _climb(self, theta: float, slope: float, *, free: bool) -> tuple[float, float]:
        """The maximum, over the slope alone or over both, from this start by damped Newton steps."""
        import numpy as np

        height = self._height(theta, slope)
        for _ in range(_STEPS):
            at = theta + slope * self._x
            variance, b, c, a, determinant = self._information(at)
            if determinant <= 0:
                break
            chance = 0.5 * (1 + np.tanh(at / 2))
            hat = variance * (c - 2 * b * self._x + a * self._x**2) / determinant
            residual = self._y - chance + hat * (0.5 - chance)
            up, along = float(residual.sum()), float(residual @ self._x)
            move = (
                ((c * up - b * along) / determinant, (a * along - b * up) / determinant) if free else (0.0, along / c)
            )
            scale = min(1.0, 3.0 / max(1e-12, abs(move[0]), abs(move[1])))
            while scale > 1e-6:
                new = theta + scale * move[0], slope + scale * move[1]
                if (reached := self._height(*new)) >= height:
                    break
                scale /= 2
            else:
                break
            gained = reached - height
            theta, slope = new
            height = reached
            if gained < _CLOSE and max(abs(move[0]), abs(move[1])) < 1e-6:
                break
        return theta, slope


def _sigmoid(x: float) -> float:
    return 0.5 * (1 + math.tanh(x / 2))
