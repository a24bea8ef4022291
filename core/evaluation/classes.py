"""Answers as classes: exact match, accuracy, precision, recall, F1, the confusion matrix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.evaluation.metrics import Floats, References, Table, all_references, binary_table

MOST_CLASSES = 100
"""So many classes of a confusion matrix are kept, the most frequent ones: banking77 has 77."""
OTHER = "(other)"


def label_of(text: str) -> str:
    """The class that an answer names: its first line without white space, final full stop and case."""
    lines = text.strip().splitlines()
    return lines[0].strip().rstrip(".").strip().casefold() if lines else ""


def exact_match_table(predictions: Sequence[str], references: References) -> Table:
    """Share of answers equal to a reference, white space aside."""
    pairs = zip(predictions, all_references(references), strict=True)
    return binary_table([_flat(said) in map(_flat, wanted) for said, wanted in pairs])


def _flat(text: str) -> str:
    return " ".join(text.split())


def accuracy_table(predictions: Sequence[str], references: References) -> Table:
    """Share of answers that name the right class."""
    return binary_table([said == wanted for said, wanted in _labels(predictions, references)])


def _labels(predictions: Sequence[str], references: References) -> list[tuple[str, str]]:
    """Of each row the class named and the right one: of several that are right the named one, else the first."""
    found: list[tuple[str, str]] = []
    for text, texts in zip(predictions, all_references(references), strict=True):
        said, wanted = label_of(text), [label_of(one) for one in texts]
        found.append((said, said if said in wanted else wanted[0]))
    return found


def class_tables(predictions: Sequence[str], references: References) -> dict[str, Table]:
    """Macro means over the classes of the references, 0 to 1: macro_precision, macro_recall, macro_f1.

    An answer that names no class counts against its own. Where a class is never named, its precision is 0; in a
    resample, classes that neither occur nor are named are left out of the mean.
    """
    pairs = _labels(predictions, references)
    classes = {label: at for at, label in enumerate(sorted({wanted for _, wanted in pairs}))}
    # Per class: true positives, false positives, false negatives.
    rows = np.zeros((len(pairs), 3, len(classes)))
    for at, (said, wanted) in enumerate(pairs):
        if said == wanted:
            rows[at, 0, classes[wanted]] = 1
            continue
        rows[at, 2, classes[wanted]] = 1
        if said in classes:
            rows[at, 1, classes[said]] = 1
    flat = rows.reshape(len(pairs), 3 * len(classes))

    def macro(weights: tuple[float, float, float]) -> Table:
        def combine(sums: Floats) -> Floats:
            hits, wrong, missed = sums.reshape(len(sums), 3, len(classes)).transpose(1, 0, 2)
            own, under, over = weights
            denominator = own * hits + under * wrong + over * missed
            score = np.divide(own * hits, denominator, out=np.zeros_like(hits), where=denominator > 0)
            seen = hits + wrong + missed > 0
            return (score * seen).sum(1) / np.maximum(seen.sum(1), 1)

        return Table(flat, combine)

    return {"macro_precision": macro((1, 1, 0)), "macro_recall": macro((1, 0, 1)), "macro_f1": macro((2, 1, 1))}


def confusion(predictions: Sequence[str], references: References, labels: Sequence[str]) -> dict[str, Any]:
    """What the result keeps of one arm's classes.

    Returns:
        ``matrix``: of each label the answers that name each label and, last, anything else; ``classes``: of each
        label precision, recall, f1 (0 to 1) and support (rows).
    """
    at = {label: place for place, label in enumerate(labels)}
    matrix = [[0] * (len(labels) + 1) for _ in labels]
    named: Counter[str] = Counter()
    for said, wanted in _labels(predictions, references):
        named[said] += 1
        if wanted in at:
            matrix[at[wanted]][at.get(said, len(labels))] += 1
    classes: list[dict[str, Any]] = []
    for label, place in at.items():
        hits, support, said = matrix[place][place], sum(matrix[place]), named[label]
        classes.append(
            {
                "label": label,
                "precision": hits / said if said else 0.0,
                "recall": hits / support if support else 0.0,
                "f1": 2 * hits / (said + support) if said + support else 0.0,
                "support": support,
            }
        )
    return {"matrix": matrix, "classes": classes}


def labels_of(references: References) -> tuple[list[str], int]:
    """The `MOST_CLASSES` most frequent classes of the first references, in order, and how many there are in all."""
    counts = Counter(label_of(texts[0]) for texts in all_references(references))
    kept = sorted(label for label, _ in counts.most_common(MOST_CLASSES))
    return kept, len(counts)
