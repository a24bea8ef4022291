"""What is measured on answers: each metric as figures of every row, added up, and a formula over the sums.

That form gives a score for any resample of the rows at the cost of a matrix product. BLEU and chrF are
sacrebleu's (its default signature: 13a, exponential smoothing; chrF2), ROUGE is rouge-score's F-measure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One metric over the rows of one arm.

    rows: (rows, k) figures that add up. combine: from sums, shape (resamples, k), to scores, shape (resamples,).
    """

    rows: Floats
    combine: Callable[[Floats], Floats]

    @property
    def value(self) -> float:
        """The score over all rows."""
        return float(self.combine(self.rows.sum(0, keepdims=True))[0])


def mean_table(values: Sequence[float]) -> Table:
    """The mean of one figure a row."""
    figures = np.asarray(values, np.float64)
    return Table(np.stack([figures, np.ones_like(figures)], 1), _ratio)


def loss_table(nll: Sequence[float], tokens: Sequence[int]) -> Table:
    """Mean negative log-likelihood of an answer token, in nats: all nats of all rows over all their tokens."""
    return Table(np.stack([np.asarray(nll, np.float64), np.asarray(tokens, np.float64)], 1), _ratio)


def perplexity_table(nll: Sequence[float], tokens: Sequence[int]) -> Table:
    """exp of the mean negative log-likelihood of an answer token."""
    return Table(loss_table(nll, tokens).rows, lambda sums: np.exp(np.minimum(_ratio(sums), 700.0)))


def _ratio(sums: Floats) -> Floats:
    return sums[:, 0] / np.maximum(sums[:, 1], 1e-300)


def bleu_table(predictions: Sequence[str], references: Sequence[str]) -> Table:
    """Corpus BLEU, 0 to 100."""
    from sacrebleu.metrics.bleu import BLEU

    # force: an answer may well end in " ."; that is no reason to warn about tokenised input.
    return _sacrebleu_table(BLEU(force=True), predictions, references)


def chrf_table(predictions: Sequence[str], references: Sequence[str]) -> Table:
    """Corpus chrF2, 0 to 100."""
    from sacrebleu.metrics.chrf import CHRF

    return _sacrebleu_table(CHRF(), predictions, references)


def _sacrebleu_table(metric: Any, predictions: Sequence[str], references: Sequence[str]) -> Table:
    # sacrebleu's own significance test works on these statistics; it has no public name for them.
    rows = metric._extract_corpus_statistics(list(predictions), [list(references)])

    def combine(sums: Floats) -> Floats:
        scores = [metric._compute_score_from_stats([int(round(x)) for x in line]).score for line in sums]
        return np.asarray(scores, np.float64)

    return Table(np.asarray(rows, np.float64), combine)


class _Words:
    """Lower-case words of any script; for English the same as rouge-score's own tokenizer, which drops é."""

    _PATTERN = re.compile(r"[^\W_]+")

    def tokenize(self, text: str) -> list[str]:
        """The words of `text`."""
        return self._PATTERN.findall(text.lower())


@lru_cache(maxsize=1)
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=_Words())


def rouge_tables(predictions: Sequence[str], references: Sequence[str]) -> dict[str, Table]:
    """Mean F-measures of rouge1, rouge2 and rougeL, 0 to 1."""
    scores = [_rouge().score(reference, said) for said, reference in zip(predictions, references, strict=True)]
    return {name: mean_table([score[name].fmeasure for score in scores]) for name in ("rouge1", "rouge2", "rougeL")}


def exact_match_table(predictions: Sequence[str], references: Sequence[str]) -> Table:
    """Share of answers equal to their reference, white space aside."""
    pairs = zip(predictions, references, strict=True)
    return mean_table([float(" ".join(said.split()) == " ".join(wanted.split())) for said, wanted in pairs])


def label_of(text: str) -> str:
    """The class that an answer names: its first line without white space, final full stop and case."""
    lines = text.strip().splitlines()
    return lines[0].strip().rstrip(".").strip().casefold() if lines else ""


def accuracy_table(predictions: Sequence[str], references: Sequence[str]) -> Table:
    """Share of answers that name the right class."""
    pairs = zip(predictions, references, strict=True)
    return mean_table([float(label_of(said) == label_of(wanted)) for said, wanted in pairs])


def macro_f1_table(predictions: Sequence[str], references: Sequence[str]) -> Table:
    """Mean F1 over the classes of the references, 0 to 1; an answer that names no class counts against its own.

    In a resample, classes that neither occur nor are named are left out of the mean.
    """
    said, wanted = [label_of(text) for text in predictions], [label_of(text) for text in references]
    classes = {label: at for at, label in enumerate(sorted(set(wanted)))}
    # Per class: true positives, false positives, false negatives.
    rows = np.zeros((len(said), 3, len(classes)))
    for at, (prediction, reference) in enumerate(zip(said, wanted, strict=True)):
        if prediction == reference:
            rows[at, 0, classes[reference]] = 1
            continue
        rows[at, 2, classes[reference]] = 1
        if prediction in classes:
            rows[at, 1, classes[prediction]] = 1

    def combine(sums: Floats) -> Floats:
        hits, wrong, missed = sums.reshape(len(sums), 3, len(classes)).transpose(1, 0, 2)
        denominator = 2 * hits + wrong + missed
        seen = denominator > 0
        f1 = np.divide(2 * hits, denominator, out=np.zeros_like(hits), where=seen)
        return f1.sum(1) / np.maximum(seen.sum(1), 1)

    return Table(rows.reshape(len(said), 3 * len(classes)), combine)


def style_and_fact_tables(predictions: Sequence[str], references: Sequence[str]) -> dict[str, Table]:
    """Mean style-and-fact score of the sample data, and the share of right facts alone (core/starter/score.py)."""
    from core.starter import score

    pairs = list(zip(predictions, references, strict=True))
    return {
        "style_and_fact": mean_table([score.style_and_fact(said, wanted) for said, wanted in pairs]),
        "right_fact": mean_table([score.fact(said, wanted) for said, wanted in pairs]),
    }


def bleu(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Corpus BLEU, 0 to 100."""
    return bleu_table(predictions, references).value


def chrf(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Corpus chrF2, 0 to 100."""
    return chrf_table(predictions, references).value


def rouge(predictions: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Mean F-measures of rouge1, rouge2 and rougeL."""
    return {name: table.value for name, table in rouge_tables(predictions, references).items()}


def exact_match(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Share of answers equal to their reference, white space aside."""
    return exact_match_table(predictions, references).value


def accuracy(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Share of answers that name the right class."""
    return accuracy_table(predictions, references).value


def macro_f1(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Mean F1 over the classes of the references."""
    return macro_f1_table(predictions, references).value


def style_and_fact(predictions: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Mean style-and-fact score of the sample data, and the share of right facts."""
    return {name: table.value for name, table in style_and_fact_tables(predictions, references).items()}
