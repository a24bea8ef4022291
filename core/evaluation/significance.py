"""How sure a difference is: the test that fits the metric, and p-values corrected for how many were looked at.

- A metric that is 0 or 1 for each row: the exact McNemar test. Q. McNemar, "Note on the sampling error of the
  difference between correlated proportions or percentages", Psychometrika 12 (1947) 153-157; in its exact form the
  binomial test of the rows on which the two differ: M. W. Fagerland, S. Lydersen, P. Laake, BMC Medical Research
  Methodology 13:91 (2013).
- BLEU and chrF: sacrebleu's paired approximate randomisation (sacrebleu.significance.PairedTest, test_type "ar").
  S. Riezler, J. T. Maxwell, "On some pitfalls in automatic evaluation and significance testing for MT" (2005).
- Everything else: the paired bootstrap over rows (core/evaluation/bootstrap.py).

The comparisons of the primary metric, named beforehand, are one family, all others together another one; each is
corrected by Holm. S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
Statistics 6 (1979) 65-70.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from core.evaluation.bootstrap import difference, draws, interval
from core.evaluation.metrics import Floats, Table
from core.judging.statistics import sign_test, wilson

BOOTSTRAP, MCNEMAR, SACREBLEU = "paired bootstrap", "exact McNemar", "sacrebleu approximate randomisation"
Key = tuple[str, str]
"""(arm, metric)"""


def holm(values: Sequence[float]) -> list[float]:
    """The p-values of one family corrected by Holm's step-down procedure, in the order given.

    The i-th smallest of m (i from 1) is multiplied by m - i + 1, and is at least the one before it, at most 1.
    """
    order = sorted(range(len(values)), key=lambda at: values[at])
    found = [1.0] * len(values)
    highest = 0.0
    for place, at in enumerate(order):
        highest = max(highest, min(1.0, values[at] * (len(values) - place)))
        found[at] = highest
    return found


def mcnemar(ours: Floats, theirs: Floats) -> float:
    """The two-sided exact p-value that two arms are right equally often; each 0 or 1 for the same rows."""
    return sign_test(int(((ours > 0.5) & (theirs < 0.5)).sum()), int(((ours < 0.5) & (theirs > 0.5)).sum()))


def scored(tables: Mapping[Key, Table], *, seed: int = 0) -> tuple[dict[Key, dict[str, float]], dict[Key, Floats]]:
    """Each table's value with its 95 % interval, and the scores of the resamples.

    The interval of a share of rows is Wilson's, which holds at 0 and 1 too; all others are the bootstrap's.
    """
    drawn = draws(tables, seed=seed)
    return {key: value_of(table, interval(drawn[key])) for key, table in tables.items()}, drawn


def value_of(table: Table, bootstrapped: tuple[float, float]) -> dict[str, float]:
    """A score with its interval: Wilson's for a share of rows, else the bootstrap's."""
    low, high = bootstrapped
    if table.binary and (share := wilson(float(table.rows[:, 0].sum()), len(table.rows))) is not None:
        low, high = share.low, share.high
    return {"value": table.value, "low": low, "high": high}


def compare(
    tables: Mapping[Key, Table],
    drawn: Mapping[Key, Floats],
    pairs: Iterable[tuple[str, str]],
    *,
    primary: str | None,
    tested: Mapping[tuple[str, str, str], float] | None = None,
) -> list[dict[str, Any]]:
    """Each pair of arms on each metric that both have: difference, interval, p, p corrected by Holm.

    Args:
        drawn: the resamples' scores, from `scored`.
        pairs: (arm, against).
        primary: the metric whose comparisons are a family of their own; None: all are one family.
        tested: p by (arm, against, metric) where sacrebleu's own test was made.
    """
    found: list[dict[str, Any]] = []
    for arm, against in pairs:
        for owner, metric in tables:
            if owner != arm or (against, metric) not in tables:
                continue
            mine, other = tables[arm, metric], tables[against, metric]
            gap = difference(mine.value, other.value, drawn[arm, metric], drawn[against, metric])
            least = _least(mine, other, gap.value)
            p, method = max(gap.p, least), BOOTSTRAP
            if mine.binary and other.binary:
                p, method = mcnemar(mine.rows[:, 0], other.rows[:, 0]), MCNEMAR
            elif tested and (arm, against, metric) in tested:
                # sacrebleu counts larger differences alone, not the very one that was found and its mirror image.
                p, method = min(1.0, tested[arm, against, metric] + least), SACREBLEU
            found.append(
                {
                    "arm": arm,
                    "against": against,
                    "metric": metric,
                    "difference": gap.value,
                    "low": gap.low,
                    "high": gap.high,
                    "p": p,
                    "p_corrected": p,
                    "method": method,
                    "family": "primary" if metric == primary else "other",
                }
            )
    for family in ("primary", "other"):
        members = [item for item in found if item["family"] == family]
        for item, p in zip(members, holm([item["p"] for item in members]), strict=True):
            item["p_corrected"] = p
    return found


def _least(mine: Table, other: Table, gap: float) -> float:
    """2 / 2ⁿ of n rows that differ: no paired test by exchange goes below, while the bootstrap would on a handful."""
    differ = int((mine.rows != other.rows).any(1).sum())
    # The rows of an evaluate.Metric of the person's own tell nothing: they are numbers of rows.
    return min(1.0, 2.0 ** (1 - (differ or (len(mine.rows) if gap else 0))))


def randomisation(
    answers: Mapping[str, Sequence[str]], references: Sequence[Sequence[str]], metric: Any, baseline: str
) -> dict[str, float]:
    """sacrebleu's paired test of every other arm against `baseline`: p by arm.

    Args:
        references: all accepted answers of each row.
        metric: sacrebleu's BLEU or CHRF.
    """
    from sacrebleu.significance import PairedTest

    from core.evaluation.overlap import by_place

    others = [arm for arm in answers if arm != baseline]
    if not others or not references:
        return {}
    # Its memory grows with trials times rows; 10,000 are its default.
    trials = int(np.clip(20_000_000 // len(references), 1_000, 10_000))
    systems: Any = [(arm, list(answers[arm])) for arm in (baseline, *others)]
    streams: Any = by_place(references)
    _, scores = PairedTest(systems, {"score": metric}, streams, test_type="ar", n_samples=trials)()
    results: Any = next(values for name, values in scores.items() if name != "System")
    return {arm: float(result.p_value) for arm, result in zip(others, results[1:], strict=True)}
