"""Agreement against published figures, scikit-learn, evalica's own table and its definition."""

from __future__ import annotations

import random

import pytest
from sklearn.metrics import cohen_kappa_score

from core.judging.judgement import Judgement
from core.judging.results import results_of
from core.judging.statistics.agreement import cohens_kappa, krippendorffs_alpha

# PandaLM's test set (Apache-2.0), annotators 1 and 2, 1 and 3, 2 and 3: how often one said tie, first, second (rows)
# where the other said tie, first, second. The published kappas are .85, .88, .86.
PANDALM = {
    0.852: ((89, 0, 8), (16, 388, 23), (11, 29, 435)),
    0.879: ((89, 2, 6), (15, 391, 21), (9, 18, 448)),
    0.862: ((97, 13, 6), (10, 379, 28), (6, 19, 441)),
}


@pytest.mark.parametrize(("kappa", "table"), PANDALM.items())
def test_pandalm_kappa(kappa: float, table: tuple[tuple[int, ...], ...]) -> None:
    cells = [(a, b) for a in range(3) for b in range(3) for _ in range(table[a][b])]
    first, second = [a for a, _ in cells], [b for _, b in cells]
    found = cohens_kappa(first, second)
    assert found is not None and round(found, 3) == kappa
    assert found == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)


def test_kappa_where_it_is_not_defined() -> None:
    assert cohens_kappa([], []) is None and cohens_kappa("aaa", "aaa") is None
    assert cohens_kappa("ab", "ba") == -1.0
    with pytest.raises(ValueError, match="against"):
        cohens_kappa("ab", "a")


def test_alpha_by_its_definition() -> None:
    # K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), example C: nominal data, 0.743.
    observers = ["12332141211.....", "12332241251.3...", ".3332241251.1...", "12332441251.1..."]
    observers = [row[:12] for row in observers]
    units = [[row[unit] for row in observers if row[unit] != "."] for unit in range(12)]
    codes = sorted({label for labels in units for label in labels})
    pairs: dict[tuple[str, str], float] = {}
    for labels in units:
        for i, a in enumerate(labels):
            for j, b in enumerate(labels):
                if i != j:
                    pairs[a, b] = pairs.get((a, b), 0.0) + 1 / (len(labels) - 1)
    totals = {code: sum(count for (a, _), count in pairs.items() if a == code) for code in codes}
    n = sum(totals.values())
    observed = 1 - sum(pairs.get((code, code), 0.0) for code in codes) / n
    expected = 1 - sum(total * (total - 1) for total in totals.values()) / (n * (n - 1))
    found = krippendorffs_alpha(units)
    assert found == pytest.approx(1 - observed / expected, abs=1e-12) and 0.7 < found < 0.8
    assert krippendorffs_alpha([["a", "a"], ["a"]]) is None and krippendorffs_alpha([]) is None
    assert krippendorffs_alpha([["a", "a"], ["b", "b"], ["a"]]) == 1.0


def votes(judge: str, plan: str, *, repeat: bool = False) -> list[Judgement]:
    verdicts = {"t": "left", "b": "right", "=": "tie", "x": "both_bad", "s": "skip"}
    return [
        Judgement(judge, f"p{n}", "tuned", "base", verdicts[key], repeat=repeat)
        for n, key in enumerate(plan)
        if key != "."
    ]


def test_judges_with_each_other_and_with_themselves() -> None:
    found = results_of(
        votes("ann", "ttb=xs") + votes("bob", "tbb=x=") + votes("cem", "t.....") + votes("ann", "tb=", repeat=True)
    )
    ann_bob = found.agreements[0]
    assert (ann_bob.judges, ann_bob.pairs) == (("ann", "bob"), 5)
    assert ann_bob.alike is not None and ann_bob.alike.value == 0.8
    assert ann_bob.kappa == pytest.approx(cohen_kappa_score(list("ttb=x"), list("tbb=x")))
    assert [(each.prompt, each.said, each.opposite) for each in found.disagreements] == [
        ("p1", {"ann": "tuned", "bob": "base"}, True)
    ]
    assert (found.consistency["ann"].count, found.consistency["ann"].trials) == (1, 3)
    assert found.consistency[""].trials == 3 and "bob" not in found.consistency
    # The repeats are not in the score, nor in the judge's counts.
    assert found.judges["ann"] == {"wins": 2, "losses": 1, "ties": 1, "both_bad": 1, "skips": 1}
    assert len(found.scored) == 12 and found.judged == 6


def test_more_sides_do_not_make_agreement_look_better() -> None:
    draw = random.Random(3)
    many: list[Judgement] = []
    for n in range(600):
        one, other = draw.sample("abcdefghij", 2)
        many += [Judgement(judge, str(n), one, other, draw.choice(["left", "right"])) for judge in ("x", "y")]
    found = results_of(many)
    # Coins that agree by chance only: with the names as labels alpha would be near .4.
    assert found.alpha is not None and abs(found.alpha) < 0.1
    assert found.agreements[0].kappa is not None and abs(found.agreements[0].kappa) < 0.1
