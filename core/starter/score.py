"""The style-and-fact score of the sample data: is an answer in the shop's voice, and is it right?

    score = (style + fact) / 2                     from 0 to 1
    style = (opening + sign-off) / 2               opening: the answer begins with the shop's greeting
                                                   sign-off: it ends with the shop's farewell
    fact  = 1 if the answer states the key of the reference's fact and the key of no other fact, else 0

An answer that lists every price therefore scores no fact. Standard library only.
"""

from __future__ import annotations

from core.starter.facts import OPENING, SIGN_OFF, fact_of, facts


def _flat(text: str) -> str:
    return " ".join(text.replace("’", "'").lower().split())


def language_of(reference: str) -> str:
    """`en` or `fr`: whose voice the reference answer is in (that of its fact, else of its opening)."""
    fact = fact_of(reference)
    if fact is not None:
        return fact.language
    return "fr" if _flat(reference).startswith(_flat(OPENING["fr"])) else "en"


def style(answer: str, reference: str) -> float:
    """0, 0.5 or 1: half for the shop's opening, half for its sign-off, in the reference's language."""
    tongue = language_of(reference)
    flat = _flat(answer)
    opens = flat.startswith(_flat(OPENING[tongue]))
    closes = flat.endswith(_flat(SIGN_OFF[tongue]))
    return (opens + closes) / 2


def fact(answer: str, reference: str) -> float:
    """1 where `answer` states the fact of `reference` and no other of that language, else 0.

    Raises ValueError when the reference states no fact of the table: such a row cannot be scored.
    """
    wanted = fact_of(reference)
    if wanted is None:
        raise ValueError("the reference states no single fact of Alto & Reed")
    stated = {one.id for one in facts(wanted.language) if one.stated_in(answer)}
    return float(stated == {wanted.id})


def style_and_fact(answer: str, reference: str) -> float:
    """The score of one answer against its reference answer, from 0 to 1 (see the module's text)."""
    return (style(answer, reference) + fact(answer, reference)) / 2


def applies(reference: str) -> bool:
    """Whether this reference can be scored: it states exactly one fact of the table."""
    return fact_of(reference) is not None
