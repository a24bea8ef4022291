"""The language of a text, where there is enough of it to tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from core.data.example import Example

LEAST_CHARACTERS = 60
LOOKED_AT = 300
"""So many rows of a file are looked at, at even distances: one takes about a millisecond."""
_CHARACTERS = 600
# The lead in log-likelihood over the second language below which the verdict is left open. At 10 the texts of gsm8k,
# banking77 and glaive are all told right, and code and tables are left open.
_LEAD = 10.0


def language_of(text: str) -> str | None:
    """The language of `text` as an ISO 639-1 code by py3langid; None where it is too short or in doubt."""
    text = text.strip()[:_CHARACTERS]
    if len(text) < LEAST_CHARACTERS:
        return None
    from py3langid import rank

    ranked = sorted(rank(text), key=lambda pair: pair[1], reverse=True)[:2]
    (name, best), (_, second) = ranked
    # zxx: what is no language.
    return None if best - second < _LEAD or name == "zxx" else str(name)


def languages_of(examples: Iterable[Example]) -> Counter[str]:
    """How many rows are in which language: their answers where these are long enough, else their prompts."""
    found: Counter[str] = Counter()
    for example in examples:
        text = example.answer or example.text or ""
        name = language_of(text if len(text) >= LEAST_CHARACTERS else example.prompt_text)
        if name:
            found[name] += 1
    return found
