"""Made-up courses of fine-tuning runs, healthy or with one fault, from a seed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Values = NDArray[np.float64]
FAULTS: tuple[str, ...] = ("spike", "slow divergence", "NaN", "overfitting", "stall", "slow-down")


@dataclass(slots=True)
class Course:
    """A run as its events tell it. `losses` a logged step; `evals`: step → fields of the event; `onset`: the step of
    the fault, 0 without one; `gaps`: seconds without an event after a step, evaluations and checkpoints."""

    losses: Values
    speeds: Values
    seconds: float
    evals: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    gaps: dict[int, float] = field(default_factory=dict[int, float])
    onset: int = 0
    until: int = 0
    loudness: float = 0.0

    def events(self) -> Iterator[dict[str, Any]]:
        """The events of the run, in order."""
        moment = 0.0
        yield {"event": "start", "m": moment, "total_steps": len(self.losses), "resumed_from": None, "device": "cuda"}
        for step, (loss, speed) in enumerate(zip(self.losses.tolist(), self.speeds.tolist()), 1):
            moment += self.seconds + self.gaps.get(step, 0.0)
            value = loss if math.isfinite(loss) else None
            yield {"event": "step", "step": step, "loss": value, "tokens_per_second": speed, "m": moment}
            if step in self.evals:
                yield {"event": "eval", "step": step, "m": moment, **self.evals[step]}


def made(seed: int, fault: str | None) -> Course:
    """The course of run number `seed`; `fault` is one of `FAULTS` or None for a healthy run."""
    rng = np.random.default_rng([seed, FAULTS.index(fault) + 1 if fault else 0])
    shortest = {None: 60, "slow divergence": 200}.get(fault, 100)
    count = int(_between(rng, shortest, 20_000))
    level, noise = _level(rng, count), _noise(rng, count)
    onset = int(count * rng.uniform(0.3, 0.7)) if fault else 0
    course = Course(level * noise, _speeds(rng, count), _between(rng, 0.05, 30.0), onset=onset, until=count)
    spread = float(np.median(np.abs(noise - np.median(noise)))) * 1.4826
    if fault == "spike":
        _spike(rng, course, spread)
    elif fault == "slow divergence":
        length = min(count - onset, rng.uniform(100, 2000))
        rise = np.clip((np.arange(count) - onset) / length, 0, 1) ** rng.choice([1.0, 2.0])
        course.loudness = rng.uniform(0.6, 4.0)
        course.losses *= 1 + course.loudness * rise
    elif fault == "NaN":
        course.losses[onset - 1 :] = np.nan
    elif fault == "overfitting":
        after = np.clip((np.arange(count) - onset) / (count - onset), 0, 1)
        course.losses *= 1 - rng.uniform(0.2, 0.7) * after
    elif fault == "slow-down":
        last = rng.choice([count, min(count, onset + int(_between(rng, 40, 2000)))])
        course.until, course.loudness = int(last), rng.uniform(0.2, 0.6)
        course.speeds[onset : course.until] *= course.loudness
    elif fault == "stall":
        course.losses, course.speeds = course.losses[:onset], course.speeds[:onset]
    _evaluations(rng, course, level, count, overfits=fault == "overfitting")
    return course


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    """Uniform in the logarithm."""
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))


def _level(rng: np.random.Generator, count: int) -> Values:
    """The noiseless loss in nats: steep at first, then slow, with plateaus, drops at epochs, a slow swell."""
    x = np.arange(count) / count
    top = rng.uniform(0.8, 5.0)
    floor = top * rng.uniform(0.1, 0.85)
    if rng.random() < 0.7:
        shape = np.exp(-x / _between(rng, 0.005, 0.5))
    else:
        shape = (1 + x / _between(rng, 0.002, 0.1)) ** -rng.uniform(0.3, 1.0)
    level = floor + (top - floor) * shape
    if rng.random() < 0.3:  # a plateau at first, then it falls
        begin = rng.uniform(0.05, 0.4)
        level = np.where(x < begin, top, np.interp(x - begin, x, level))
    if rng.random() < 0.4:  # rows that are seen again are known better
        for epoch in range(1, int(rng.integers(2, 6))):
            level = np.where(x > epoch / 5, level * rng.uniform(0.75, 1.0), level)
    if rng.random() < 0.2:  # the warm-up begins too high
        level *= 1 + rng.uniform(0.03, 0.15) * np.exp(-(((x - 0.03) / 0.02) ** 2))
    swell = rng.uniform(0, 0.04) * np.sin(2 * np.pi * (x * rng.uniform(1, 8) + rng.random()))
    return np.asarray(level * (1 + swell))


def _noise(rng: np.random.Generator, count: int) -> Values:
    """Factors of batch noise about 1: heavy-tailed, or normal and correlated from step to step, and odd batches."""
    size = _between(rng, 0.01, 0.3)
    if rng.random() < 0.4:
        raw = rng.standard_t(rng.uniform(2.5, 6), count)
    else:
        keep = rng.choice([0.0, rng.uniform(0, 0.5)])
        raw = np.asarray(lfilter([math.sqrt(1 - keep * keep)], [1, -keep], rng.standard_normal(count)))
    noise = np.exp(np.clip(size * raw, -2, 2))
    if rng.random() < 0.3:
        odd = rng.random(count) < 0.002
        noise[odd] *= rng.uniform(1.5, 3.0, int(odd.sum()))
    return np.asarray(noise)


def _speeds(rng: np.random.Generator, count: int) -> Values:
    """Tokens a second: noise of batch lengths, a slow start, single hiccups, a card that warms."""
    speeds = _between(rng, 200, 50_000) * np.exp(rng.uniform(0.01, 0.3) * rng.standard_normal(count))
    speeds[: int(rng.integers(1, 4))] *= rng.uniform(0.05, 0.5)
    speeds[rng.random(count) < 0.005] *= rng.uniform(0.1, 0.5)
    return np.asarray(speeds * np.linspace(1.0, rng.uniform(0.88, 1.0), count))


def _spike(rng: np.random.Generator, course: Course, spread: float) -> None:
    """A jump of at least 8 times the noise and 60 %, which decays within 3 to 40 steps (constant of time)."""
    height = max(rng.uniform(8, 40) * spread, rng.uniform(0.6, 4.0))
    decay = rng.uniform(4, 40)
    after = np.arange(len(course.losses)) - course.onset
    course.losses *= np.where(after >= 0, 1 + height * np.exp(-np.maximum(after, 0) / decay), 1.0)
    course.loudness, course.until = height, min(len(course.losses), course.onset + int(4 * decay) + 10)


def _evaluations(rng: np.random.Generator, course: Course, level: Values, count: int, *, overfits: bool) -> None:
    """Evaluations over 20 to 500 rows: each row has a loss of its own, which wanders from one to the next; the mean
    falls with the training loss, stays on a plateau, or, where it overfits, rises by 8 to 80 %."""
    number = int(rng.choice([10, 10, 10, 20, 40]))
    steps = sorted({max(1, round(count * at / number)) for at in range(1, number + 1)})
    rows = int(_between(rng, 20, 500))
    own = rng.gamma(4.0, 0.25, rows)
    tokens = rng.integers(5, 200, rows).astype(np.float64)
    weights = tokens / tokens.sum()
    flat = rng.uniform(0.2, 1.0) if rng.random() < 0.6 else 1.0
    wander, common = _between(rng, 0.01, 0.15), _between(rng, 0.001, 0.005)
    keep = rng.uniform(0.0, 0.9)
    drift = rng.standard_normal(rows)
    worse, rise = rng.gamma(2.0, 0.5, rows), rng.uniform(0.08, 0.8)
    lowest = np.minimum.accumulate(level)
    best: tuple[float, Values] | None = None
    for step in steps:
        drift = keep * drift + math.sqrt(1 - keep * keep) * rng.standard_normal(rows)
        mean = float(lowest[min(step, course.onset if overfits else max(1, int(flat * count))) - 1])
        later = max(0, step - course.onset) / (count - course.onset) if overfits else 0.0
        losses = mean * (own * (1 + common * rng.standard_normal() + rise * later * worse) + wander * drift)
        loss = float(weights @ losses)
        event: dict[str, Any] = {"loss": loss, "best": best is None or loss < best[0]}
        if best is not None:
            above = losses - best[1]
            event["above_best"] = loss - best[0]
            spread = weights * (above - event["above_best"])
            event["standard_error"] = math.sqrt(rows / (rows - 1) * float(spread @ spread))
        if event["best"]:
            best = (loss, losses)
        if step <= len(course.losses):
            course.evals[step] = event
            course.gaps[min(step + 1, count)] = rng.uniform(1, 200)  # the longest silence: a validation pulses
