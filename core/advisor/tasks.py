"""How many rows each task asks for, as the guides give it.

The guides disagree by five to ten times: guide A's minimum is a warning, guide E's a note, both cited. No guide
gives a figure for code, domain adaptation or preference pairs: there the advice is to measure.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.advisor.sources import GUIDE_A, GUIDE_E

NO_FIGURE = "no guide gives a figure for this task; measure: train on half of the rows and on all, and compare"


@dataclass(frozen=True, slots=True)
class TaskSize:
    """The rows a task asks for. `minimum` and `good` are guide A's, `other_minimum` and `other_good` guide E's."""

    minimum: int
    good: int
    other_minimum: int
    other_good: int
    sources: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class TaskHelp:
    """A task as a person chooses it: what it is for, and an example of a row."""

    title: str
    help: str


TASK_HELP: dict[str, TaskHelp] = {
    "style": TaskHelp("Style, tone", "Answer in a certain voice: a brand, a person, a manner of writing."),
    "classification": TaskHelp("Classification", "Give each text one label out of a fixed set."),
    "extraction": TaskHelp("Extraction", "Pull fields out of a text: names, amounts, dates, JSON."),
    "complex": TaskHelp("Complex analysis", "Reason over a document or a problem and give a worked answer."),
    "generation": TaskHelp("Creative generation", "Write longer texts: descriptions, articles, stories."),
    "code": TaskHelp("Code", "Write code the way your house does."),
    "domain": TaskHelp("Domain text", "Go on with plain text of a domain: vocabulary and manner, not answers."),
    "preference": TaskHelp("Preference", "Prefer the chosen answer of each pair over the rejected one."),
}

# A and E give ranges; the lower end is kept as the number that is compared, the range stands in the note.
_SIMPLE = TaskSize(
    100, 1_000, 500, 2_000, (GUIDE_A, GUIDE_E),
    "guide A: 100-200 at least, 1,000-2,000 ideally; guide E: 500 at least, 2,000-5,000 good, 10,000 best",
)  # fmt: skip
_STYLE = TaskSize(
    50, 500, 500, 2_000, (GUIDE_A, GUIDE_E),
    "guide A: 50-100 at least, 500-1,000 ideally; guide E: 500 at least, 2,000-5,000 good, 10,000 best",
)  # fmt: skip
_COMPLEX = TaskSize(
    500, 5_000, 2_000, 10_000, (GUIDE_A, GUIDE_E),
    "guide A: 500-1,000 at least, 5,000-10,000 ideally; guide E: 2,000 at least, 10,000-50,000 good, 100,000 best",
)  # fmt: skip
_GENERATION = TaskSize(
    1_000, 10_000, 2_000, 10_000, (GUIDE_A, GUIDE_E),
    "guide A: 1,000-2,000 at least, 10,000 ideally; guide E: 2,000 at least, 10,000-50,000 good, 100,000 best",
)  # fmt: skip

_SIZES: dict[str, TaskSize] = {
    "style": _STYLE,
    "classification": _SIMPLE,
    "extraction": _SIMPLE,
    "complex": _COMPLEX,
    "generation": _GENERATION,
}


def size_for(task: str | None) -> TaskSize | None:
    """The rows that `task` asks for, or None where no guide gives a figure (see ``NO_FIGURE``)."""
    return _SIZES.get(task or "")
