"""How far judges agree, with each other and with themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from core.judging.judgement import Judgement
from core.judging.statistics.prompts import Habit, habit
from core.judging.statistics.proportion import Share, wilson

Item = tuple[str, frozenset[str]]
"""A prompt and the two sides that were compared on it."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of two judges: pairs that both judged, the share said alike with Wilson's interval, Cohen's kappa or None."""

    judges: tuple[str, str]
    pairs: int
    alike: Share | None
    kappa: float | None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A pair on which judges said different things: judge → the side picked, ``tie`` or ``both_bad``."""

    prompt: str
    sides: tuple[str, ...]
    said: dict[str, str]

    @property
    def opposite(self) -> bool:
        """Whether two of them picked different sides."""
        return len(set(self.said.values()) & set(self.sides)) > 1


def label(judgement: Judgement) -> str:
    """What was said, whichever side stood where: the side picked, ``tie`` or ``both_bad``."""
    return judgement.winner or judgement.verdict


def by_item(judgements: Iterable[Judgement]) -> dict[Item, dict[str, str]]:
    """Prompt and sides → judge → what that judge said of it (the later, of two); without skips and repeats."""
    found: dict[Item, dict[str, str]] = {}
    for each in judgements:
        if each.judge and not each.repeat and not each.identical and each.verdict != "skip":
            found.setdefault((each.prompt, frozenset((each.left, each.right))), {})[each.judge] = label(each)
    return found


def coded(items: dict[Item, dict[str, str]]) -> dict[Item, dict[str, str]]:
    """The `items` that several judges saw, with each side as ``0`` or ``1`` by the alphabet of its pair, so that
    chance agreement is that within a pair."""
    found: dict[Item, dict[str, str]] = {}
    for item, said in items.items():
        if len(said) > 1:
            code = {side: str(number) for number, side in enumerate(sorted(item[1]))}
            found[item] = {judge: code.get(what, what) for judge, what in said.items()}
    return found


def cohens_kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Cohen's kappa of two raters' labels of the same items, (pₒ − pₑ) / (1 − pₑ); None where chance explains all.

    J. Cohen, "A coefficient of agreement for nominal scales", Educ. Psychol. Meas. 20 (1960) 37–46.

    Raises:
        ValueError: where the lists differ in length.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} labels against {len(second)}")
    n = len(first)
    ours, theirs = Counter(first), Counter(second)
    chance = sum(ours[key] * theirs[key] for key in ours)
    if n == 0 or chance == n * n:
        return None
    return (n * sum(a == b for a, b in zip(first, second)) - chance) / (n * n - chance)


def pairwise(items: dict[Item, dict[str, str]]) -> list[Agreement]:
    """The agreement of each two judges with a pair in common in `coded` items, most pairs first."""
    shared: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for said in items.values():
        for pair in combinations(sorted(said), 2):
            ours, theirs = shared.setdefault(pair, ([], []))
            ours.append(said[pair[0]])
            theirs.append(said[pair[1]])
    found: list[Agreement] = []
    for pair, (ours, theirs) in shared.items():
        alike = wilson(sum(a == b for a, b in zip(ours, theirs)), len(ours))
        found.append(Agreement(pair, len(ours), alike, cohens_kappa(ours, theirs)))
    return sorted(found, key=lambda each: (-each.pairs, each.judges))


def krippendorffs_alpha(items: Iterable[Iterable[str]]) -> float | None:
    """Krippendorff's alpha (nominal) of the labels given to each item, by evalica; None where nothing compares.

    K. Krippendorff, Content Analysis (4th ed., 2018), chapter 12. Items with one label are left out, as it asks.
    """
    units = [list(labels) for labels in items]
    units = [labels for labels in units if len(labels) > 1]
    codes = {each: code for code, each in enumerate(dict.fromkeys(each for labels in units for each in labels))}
    if len(codes) < 2:
        return None
    import numpy as np
    import pandas as pd
    from evalica import alpha

    # It depends on the labels of an item, not on who gave them, so that as many rows do as any item has labels.
    table = np.full((max(map(len, units)), len(units)), np.nan)
    for column, labels in enumerate(units):
        table[: len(labels), column] = [codes[each] for each in labels]
    return float(alpha(pd.DataFrame(table), distance="nominal").alpha)


def disagreements(items: dict[Item, dict[str, str]]) -> list[Disagreement]:
    """The pairs to talk about: those with opposite picks first, then in order of the prompts."""
    found = [
        Disagreement(prompt, tuple(sorted(sides)), said)
        for (prompt, sides), said in items.items()
        if len(set(said.values())) > 1
    ]
    return sorted(found, key=lambda each: not each.opposite)


def self_consistency(judgements: Iterable[Judgement]) -> dict[str, Habit]:
    """Judge → how often a pair that came back the other way round was judged alike; "" is all judges together."""
    first: dict[tuple[str, Item], str] = {}
    again: list[Judgement] = []
    for each in judgements:
        if each.verdict == "skip" or each.identical:
            continue
        if each.repeat:
            again.append(each)
        else:
            first[each.judge, (each.prompt, frozenset((each.left, each.right)))] = label(each)
    alike: dict[str, list[tuple[str, bool]]] = {}
    for each in again:
        before = first.get((each.judge, (each.prompt, frozenset((each.left, each.right)))))
        if before is not None:
            for key in {each.judge, ""}:
                alike.setdefault(key, []).append((each.prompt, before == label(each)))
    return {judge: habit(outcomes) for judge, outcomes in alike.items()}
