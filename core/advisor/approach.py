"""Whether to tune at all: prompts, examples in the prompt, retrieval, tuning, both, or continued training.

The ladder is guide A's (prompt, retrieval, tuning, continued training), the questions are guide C's and E's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.advisor.sources import GUIDE_A, GUIDE_B, GUIDE_C, GUIDE_D, GUIDE_E
from core.advisor.tasks import NO_FIGURE, size_for

APPROACHES = ("prompt", "few-shot", "rag", "tune", "both", "continue")
TITLES = {
    "prompt": "Better prompts",
    "few-shot": "Examples in the prompt",
    "rag": "Retrieval (RAG)",
    "tune": "Fine-tuning",
    "both": "Fine-tuning and retrieval",
    "continue": "Continued training",
}
_TUNES = {"tune", "both", "continue"}
# Tasks whose gain is a manner of answering, which tuning gives; what the others need most is knowledge.
_MANNER = {"style", "classification", "extraction", "code", "preference"}


@dataclass(frozen=True, slots=True)
class Question:
    """A question whose answer decides the approach, and what is assumed while it is not answered."""

    key: str
    text: str
    assumed: str
    why: str
    source: str


QUESTIONS = (
    Question(
        "facts_change",
        "Do the facts in the answers change often?",
        "no",
        "A tuned model keeps what it saw; facts that change are looked up instead.",
        GUIDE_E,
    ),
    Question(
        "cite_sources",
        "Must answers cite their sources?",
        "no",
        "Weights cannot name a source; retrieval can.",
        GUIDE_E,
    ),
    Question(
        "prompts_tried",
        "Have good prompts, with examples, been tried?",
        "yes",
        "Prompts cost nothing and are the measure that tuning has to beat.",
        f"{GUIDE_A}; {GUIDE_C}",
    ),
)


@dataclass(frozen=True, slots=True)
class Answers:
    """The person's answers to QUESTIONS; None where a question was not answered."""

    facts_change: bool | None = None
    cite_sources: bool | None = None
    prompts_tried: bool | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One approach: its key, ``recommended``, ``possible`` or ``not now``, and why."""

    key: str
    verdict: str
    reason: str
    source: str

    @property
    def title(self) -> str:
        """The approach's name for a person."""
        return TITLES[self.key]

    @property
    def tunes(self) -> bool:
        """Whether a recipe follows from it."""
        return self.key in _TUNES

    def to_json(self) -> dict[str, Any]:
        """The option as a JSON object."""
        return {
            "key": self.key,
            "title": self.title,
            "verdict": self.verdict,
            "reason": self.reason,
            "source": self.source,
        }


def approaches(task: str, answers: Answers, rows: int | None) -> list[Option]:
    """Each approach with its verdict for `task`, exactly one of them recommended, in the order of effort.

    Args:
        rows: usable rows at hand; None where no file is named.
    """
    best, why, source = _best(task, answers, rows)
    options = {
        "prompt": ("free, at once, needs no data; the baseline to keep", GUIDE_A),
        "few-shot": ("a handful of rows in the prompt, bounded by the context window; the second baseline", GUIDE_B),
        "rag": ("days to weeks, needs documents and an index; answers can name their source", GUIDE_A),
        "tune": (
            "a manner of answering, a narrow repeated task, house vocabulary; to be redone when it changes",
            GUIDE_E,
        ),
        "both": ("tuned for the manner, retrieval for the facts, as in a legal assistant", GUIDE_E),
        "continue": ("plain text of the domain; the most effort, where the return justifies it", GUIDE_A),
    }
    listed: list[Option] = []
    for key in APPROACHES:
        reason, cited = options[key]
        if key == best:
            listed.append(Option(key, "recommended", why, source))
        else:
            listed.append(Option(key, _other(key, best, task, rows), reason, cited))
    return listed


def chosen(options: list[Option]) -> Option:
    """The recommended one of `options`."""
    return next(option for option in options if option.verdict == "recommended")


def _best(task: str, answers: Answers, rows: int | None) -> tuple[str, str, str]:
    size = size_for(task)
    short = rows is not None and size is not None and rows < size.minimum
    if answers.facts_change or answers.cite_sources:
        what = "facts change often" if answers.facts_change else "answers must cite their sources"
        if rows and not short and task in _MANNER:
            return "both", f"{what}: retrieval brings them, tuning brings the manner of the {rows:,} rows", GUIDE_E
        return "rag", f"{what}: look them up instead of training them in", f"{GUIDE_B}; {GUIDE_E}"
    if answers.prompts_tried is False:
        return "prompt", "always first: prompts have not been tried yet, and may be enough", GUIDE_A
    if rows is None:
        if size is None:
            return "prompt", f"no data is named yet; {NO_FIGURE}", GUIDE_A
        asked = f"tuning would ask for {size.minimum:,} rows at least, {size.good:,} to do well"
        return "prompt", f"no data is named yet: begin with prompts and collect rows; {asked}", GUIDE_A
    if rows == 0:
        return "prompt", "the file has no usable row yet", GUIDE_A
    if short and size is not None:
        return "few-shot", f"{rows:,} usable rows are below the {size.minimum:,} that this task asks for", GUIDE_A
    if task == "domain":
        return "continue", "plain text teaches vocabulary and manner; keep a chat model's answers in view", GUIDE_A
    if task == "classification":
        why = f"{rows:,} rows with fixed labels: a narrow, repeated task; a small encoder with a head may do it too"
        return "tune", why, f"{GUIDE_E}; {GUIDE_D} names BERT"
    return "tune", f"{rows:,} usable rows of one behaviour; the evaluation keeps the prompts as baselines", GUIDE_E


def _other(key: str, best: str, task: str, rows: int | None) -> str:
    if key in _TUNES and (not rows or best not in _TUNES):
        return "not now"
    if key == "continue" and task != "domain":
        return "not now"
    return "possible"
