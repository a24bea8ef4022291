"""How far an answer's wording is its reference's: BLEU and chrF of sacrebleu, ROUGE of rouge-score."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import regex

from core.data.languages import language_of
from core.evaluation.metrics import Floats, References, Table, all_references, mean_table

ROUGE = ("rouge1", "rouge2", "rougeL")
TOKENS = "words: rouge-score's own for English, else of any script; characters where a script has no spaces"


def by_place(references: Sequence[Sequence[str]]) -> list[list[str | None]]:
    """References as sacrebleu takes them: the first of each row, the second of each, …; None where there is none."""
    most = max((len(row) for row in references), default=1)
    return [[row[place] if place < len(row) else None for row in references] for place in range(most)]


def bleu() -> Any:
    """sacrebleu's BLEU with its default settings (13a, exponential smoothing)."""
    from sacrebleu.metrics.bleu import BLEU

    # force: an answer may well end in " ."; that is no reason to warn about tokenised input.
    return BLEU(force=True)


def chrf() -> Any:
    """sacrebleu's chrF2 with its default settings."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def bleu_table(predictions: Sequence[str], references: References) -> Table:
    """Corpus BLEU, 0 to 100."""
    return _sacrebleu_table(bleu(), predictions, references)


def chrf_table(predictions: Sequence[str], references: References) -> Table:
    """Corpus chrF2, 0 to 100."""
    return _sacrebleu_table(chrf(), predictions, references)


def signature(metric: Any, references: References) -> str:
    """sacrebleu's signature of `metric` for so many references: what another needs to find the same score."""
    counts = {len(row) for row in all_references(references)}
    metric.num_refs = counts.pop() if len(counts) == 1 else -1
    return str(metric.get_signature())


def _sacrebleu_table(metric: Any, predictions: Sequence[str], references: References) -> Table:
    # sacrebleu's own significance test works on these statistics; it has no public name for them.
    rows = metric._extract_corpus_statistics(list(predictions), by_place(all_references(references)))

    def combine(sums: Floats) -> Floats:
        scores = [metric._compute_score_from_stats([int(round(x)) for x in line]).score for line in sums]
        return np.asarray(scores, np.float64)

    return Table(np.asarray(rows, np.float64), combine)


class Words:
    """The words of a text for ROUGE.

    English is read by rouge-score's own tokenizer, which keeps a-z and 0-9 only. Of other languages a word is a run
    of letters, marks and digits of any script, lower-cased and composed (NFC); an apostrophe ends a word (l'été:
    two words), but in aujourd'hui. In scripts without spaces each character is one.
    """

    _ALONE = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
    _PATTERN = regex.compile(rf"aujourd['’]hui\b|[{_ALONE}]\p{{M}}*|(?:(?![{_ALONE}])[\p{{L}}\p{{M}}\p{{N}}])+")

    def __init__(self, language: str | None) -> None:
        self._english = language == "en"

    def tokenize(self, text: str) -> list[str]:
        """The words of `text`, lower-cased."""
        if self._english:
            from rouge_score.tokenize import tokenize

            return tokenize(text, None)
        import unicodedata

        return self._PATTERN.findall(unicodedata.normalize("NFC", text).lower().replace("’", "'"))


@lru_cache(maxsize=2)
def _scorer(english: bool) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(ROUGE), tokenizer=Words("en" if english else None))


def rouge_tables(
    predictions: Sequence[str], references: References, *, language: str | None = None
) -> dict[str, Table]:
    """Mean F-measures of rouge1, rouge2 and rougeL, 0 to 1; of several references the best counts, for each of them.

    Args:
        language: ISO 639-1, of all rows; None: of each row that of its first reference, where it can be told.
    """
    found: dict[str, list[float]] = {name: [] for name in ROUGE}
    for said, wanted in zip(predictions, all_references(references), strict=True):
        # Both tokenizers read ASCII alike, so that only other texts need a language.
        plain = said.isascii() and all(text.isascii() for text in wanted)
        scorer = _scorer(not plain and (language or language_of(wanted[0])) == "en")
        scores = [scorer.score(text, said) for text in wanted]
        for name in ROUGE:
            found[name].append(max(score[name].fmeasure for score in scores))
    return {name: mean_table(values) for name, values in found.items()}
