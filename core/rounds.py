"""Rounds of training: a run, the one that it began with, and so on; what each learned from, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import DiapasonError
from core.evaluation.result import read_result
from core.home import runs_dir
from core.judging.place import judging_of
from core.judging.session import load
from core.judging.used import used_prompts
from core.judging.votes import read_votes
from core.runs.folder import RunFolder
from core.runs.view import RunView


def began_with(run: RunFolder) -> str | None:
    """The id of the run whose weights `run` began with (a fork, or `start` in its recipe), or None."""
    spec = run.spec()
    for name in ("start", "origin"):
        found = spec.get(name)
        if isinstance(found, dict) and found.get("run"):
            return str(found["run"])
    return None


def ancestors(run: RunFolder) -> tuple[list[RunFolder], str | None]:
    """The runs that `run` goes back to, the first of them first and `run` last; and the id of one that is gone."""
    found = [run]
    seen = {run.id}
    while (earlier := began_with(found[0])) is not None and earlier not in seen:
        folder = RunFolder(_beside(run, earlier))
        if not folder.spec_file.is_file():
            return found, earlier
        seen.add(earlier)
        found.insert(0, folder)
    return found, None


def _beside(run: RunFolder, name: str) -> Path:
    """The folder of the run with the id `name`: where `run` lies, else in the home."""
    beside = run.path.parent / name
    return beside if beside.is_dir() else runs_dir() / name


def trained_on(run: RunFolder) -> list[dict[str, Any]]:
    """The training rows of `run` and of all that it goes back to, each as a spec names them (path, format, map)."""
    parts = (each.spec().get("data") or {} for each in ancestors(run)[0])
    return [part["train"] for part in parts if isinstance(part.get("train"), dict)]


def used_for_training(run: RunFolder) -> set[str]:
    """The prompts (`core.judging.used.prompt_id`) whose judgements in any of these runs were handed to training."""
    return set[str]().union(*(used_prompts(each.path) for each in ancestors(run)[0]))


@dataclass(frozen=True, slots=True)
class Round:
    """One round, and what came of it.

    Attributes:
        rows: training rows. loss: lowest validation loss, in the method's own unit.
        metric, value, low, high: the evaluation's metric that decides, for the tuned model, with its interval.
        wins, decisive: pairs that the tuned model won, of those that one side won; repeats are not counted.
        win_low, win_high: Wilson's interval of their share.
        used: prompts whose judgements were handed to training.
    """

    id: str
    name: str
    method: str
    rows: int
    loss: float | None = None
    metric: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    wins: int = 0
    decisive: int = 0
    win_low: float | None = None
    win_high: float | None = None
    used: int = 0

    def to_json(self) -> dict[str, Any]:
        """The round as documents have it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def told(self) -> str:
        """The round in a line, from its data to its judgement."""
        parts = [f"{self.rows:,} {'pairs' if self.method == 'dpo' else 'rows'}", self.method]
        if self.value is not None and self.low is not None and self.high is not None:
            parts.append(f"{self.metric} {self.value:.3f} ({self.low:.3f}–{self.high:.3f})")
        if self.win_low is not None and self.win_high is not None:
            share = f"{self.wins / self.decisive:.0%} ({self.win_low:.0%}–{self.win_high:.0%})"
            parts.append(f"judged: won {share} of {self.decisive}")
        if self.used:
            parts.append(f"{self.used} prompts handed on to training")
        return " → ".join(parts)


def rounds(run: RunFolder) -> list[Round]:
    """The rounds that led to `run`, the first one first; figures that cannot be read are None."""
    return [_round(each) for each in ancestors(run)[0]]


def chain(run: RunFolder) -> list[str]:
    """The rounds that led to `run` as lines for a person, one each; empty where there is only one."""
    runs, gone = ancestors(run)
    if len(runs) == 1 and gone is None:
        return []
    lost = [f"–  {gone}: gone"] if gone is not None else []
    return lost + [f"{number}  {one.name}: {one.told()}" for number, one in enumerate(map(_round, runs), 1)]


def _round(run: RunFolder) -> Round:
    spec = run.spec()
    train = (spec.get("data") or {}).get("train") or {}
    best = RunView(run).best
    return Round(
        id=run.id,
        name=run.name,
        method=str((spec.get("recipe") or {}).get("method", "")),
        rows=int(train.get("rows") or 0),
        loss=best[1] if best else None,
        used=len(used_prompts(run.path)),
        **_evaluated(run),
        **_judged(run),
    )


def _evaluated(run: RunFolder) -> dict[str, Any]:
    try:
        result = read_result(run)
    except DiapasonError:
        return {}
    tuned = result.arm("tuned") if result else None
    if result is None or tuned is None:
        return {}
    primary = result.document.get("primary")
    name = primary if isinstance(primary, str) else next(iter(tuned.metrics), None)
    found = tuned.metrics.get(name) if name else None
    if found is None:
        return {}
    return {"metric": name, "value": found.value, "low": found.low, "high": found.high}


def _judged(run: RunFolder) -> dict[str, Any]:
    from core.judging.preferences import consensus
    from core.judging.statistics import wilson

    try:
        session = load(judging_of(run))
    except DiapasonError:
        return {}
    if session is None or "tuned" not in session.arms:
        return {}
    asked = {pair.id for pair in session.asked if "tuned" in pair.answers}
    verdicts = [consensus(given) for pair, given in read_votes(session).by_pair().items() if pair in asked]
    won = [verdict for verdict in verdicts if verdict in session.arms]
    share = wilson(wins := won.count("tuned"), len(won))
    if share is None:
        return {}
    return {"wins": wins, "decisive": len(won), "win_low": share.low, "win_high": share.high}
