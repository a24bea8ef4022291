"""The metrics by name: which there are, which a task is measured with, and which is the primary one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.errors import UsageError
from core.evaluation import checks, classes, metrics, overlap
from core.evaluation.metrics import Table
from core.evaluation.own import OwnMetric
from core.evaluation.result import METRICS, MetricInfo
from core.home import expand


@dataclass(frozen=True, slots=True)
class Rows:
    """What one arm gave. nll: of each row the summed nats of its reference; None where they were not measured."""

    answers: list[str]
    references: list[list[str]]
    nll: list[float] | None = None
    tokens: list[int] = field(default_factory=list[int])
    size: list[int] = field(default_factory=list[int])


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric as it was asked for. infos: the scores that it gives, in order; for an own metric of several
    figures more of them come with its tables. module: the evaluate.Metric that gives the same, where there is one."""

    name: str
    infos: dict[str, MetricInfo]
    make: Callable[[Rows], dict[str, Table]]
    needs_loss: bool = False
    module: str | None = None
    needs_references: bool = True

    def tables(self, rows: Rows) -> dict[str, Table]:
        """The scores of these rows by name; none where it needs a loss that was not measured."""
        return {} if self.needs_loss and rows.nll is None else self.make(rows)

    def info(self, name: str) -> MetricInfo:
        """How the score `name` is called and read."""
        if name in self.infos:
            return self.infos[name]
        first = next(iter(self.infos.values()))
        return replace(first, label=f"{first.label} {name.rpartition('#')[2]}")


_LOSSES: dict[str, Callable[[Rows], Table]] = {
    "loss": lambda rows: metrics.loss_table(rows.nll or [], rows.tokens),
    "perplexity": lambda rows: metrics.perplexity_table(rows.nll or [], rows.tokens),
    "bits_per_byte": lambda rows: metrics.bits_per_byte_table(rows.nll or [], rows.size),
}
_SINGLE: dict[str, Callable[[Rows], Table]] = {
    "bleu": lambda rows: overlap.bleu_table(rows.answers, rows.references),
    "chrf": lambda rows: overlap.chrf_table(rows.answers, rows.references),
    "exact_match": lambda rows: classes.exact_match_table(rows.answers, rows.references),
    "accuracy": lambda rows: classes.accuracy_table(rows.answers, rows.references),
    "json_valid": lambda rows: checks.json_valid_table(rows.answers),
}
_GROUPS: dict[str, tuple[tuple[str, ...], Callable[[Rows], dict[str, Table]]]] = {
    "rouge": (overlap.ROUGE, lambda rows: overlap.rouge_tables(rows.answers, rows.references)),
    "f1": (
        ("macro_precision", "macro_recall", "macro_f1"),
        lambda rows: classes.class_tables(rows.answers, rows.references),
    ),
    "style_and_fact": (("style_and_fact", "right_fact"), lambda rows: _style_and_fact(rows)),
}
_OTHER_NAMES = {
    "json": "json_valid", "precision": "macro_precision", "recall": "macro_recall", "bpb": "bits_per_byte",
    "chrf2": "chrf", "ppl": "perplexity", "em": "exact_match", "rougel": "rougeL",
}  # fmt: skip
WITH_ARGUMENT = ("json_schema:FILE", "regex:PATTERN", "length:MIN-MAX", "FILE.py")


def names() -> list[str]:
    """The metrics that can be asked for by name alone."""
    return [*_LOSSES, *_SINGLE, *_GROUPS]


def split_names(values: Iterable[str]) -> list[str]:
    """The names in the values of an option that may be given several times, each with commas between names.

    ``regex:`` takes all the rest of its value, commas included.
    """
    found: list[str] = []
    for value in values:
        before, regex, pattern = value.partition("regex:")
        if before and not before.endswith(","):
            before, regex, pattern = value, "", ""
        found += [name.strip() for name in before.split(",") if name.strip()]
        if regex:
            found.append(regex + pattern)
    return list(dict.fromkeys(found))


def measure(name: str) -> Measure:
    """The metric called `name`: one of `names`, one of their scores (rougeL, macro_f1 …), or with an argument.

    Raises:
        UsageError: there is none, or its argument or file is no good.
    """
    kind, colon, argument = name.partition(":")
    if colon and kind == "json_schema":
        check = checks.json_schema(expand(argument))
        return _check(name, f"schema {Path(argument).stem}", f"share of answers that match {argument}", check)
    if colon and kind == "regex":
        found = checks.pattern(argument)
        return _check(name, f"/{argument}/", f"share of answers in which {argument} is found", found)
    if colon and kind == "length":
        check, told = checks.length(argument)
        return _check(name, told, f"share of answers of {told}", check)
    if name.endswith(".py"):
        return _own(name)
    plain = _OTHER_NAMES.get(name.lower(), name)
    if plain in _LOSSES:
        return _one(plain, _LOSSES[plain], needs_loss=True)
    if plain in _SINGLE:
        return _one(plain, _SINGLE[plain])
    for group, (scores, make) in _GROUPS.items():
        if plain == group:
            return Measure(name, {score: METRICS[score] for score in scores}, make, module=group)
        if plain in scores:
            return Measure(name, {plain: METRICS[plain]}, lambda rows, make=make: {plain: make(rows)[plain]})
    known = [*names(), *(score for scores, _ in _GROUPS.values() for score in scores), *_OTHER_NAMES]
    near = difflib.get_close_matches(name, known, 1)
    raise UsageError(
        f"`{name}` is no metric" + (f"; is it {near[0]}?" if near else ""),
        hint=f"There are {', '.join(names())}, {', '.join(WITH_ARGUMENT)}.",
    )


def check_metrics(wanted: Sequence[str] | None, primary: str | None = None) -> None:
    """Make sure of a recipe's or a command's metrics before anything begins.

    Raises:
        UsageError: a metric is not known, or `primary` names none of those measured.
    """
    found = [measure(name) for name in wanted or ()]
    if primary is not None and not _named(primary, found or [measure(primary)]):
        raise UsageError(
            f"the primary metric `{primary}` is not among those measured",
            hint=f"Add it to the metrics: {', '.join([*(wanted or ()), primary])}.",
        )


def _named(name: str, found: Iterable[Measure]) -> str | None:
    """The score that `name` means among these: its own, or the last of its group (rouge: rougeL, f1: macro_f1)."""
    plain = _OTHER_NAMES.get(name.lower(), name)
    for item in found:
        if plain in item.infos:
            return plain
        if name == item.name or plain == item.name:
            return "style_and_fact" if plain == "style_and_fact" else list(item.infos)[-1]
    return None


def default_names(task: str, kinds: set[str], references: Sequence[Sequence[str]]) -> list[str]:
    """What rows are measured with where nobody says: the losses, and what fits the task and the references."""
    if kinds == {"text"}:
        return [*_LOSSES]
    found = [*_LOSSES]
    if references and all(_ours(row[0]) for row in references):
        found.append("style_and_fact")
    if task == "classification" or kinds == {"classification"}:
        found += ["accuracy", "f1"]
    elif references and all(checks.is_json_object(row[0]) for row in references):
        found.append("json_valid")
    return [*found, "exact_match", "bleu", "chrf", "rouge"]


def primary_of(wanted: str | None, found: Sequence[Measure], task: str, everywhere: Iterable[str]) -> tuple[str, str]:
    """The primary metric and who named it.

    By default accuracy where classes are named, else the sample data's own score, else chrF, which reads any
    language and script (M. Popovic, WMT 2015), else what there is first.

    Args:
        wanted: the name in the recipe or on the command line.
        everywhere: the scores that every arm has; the default is one of them.
    """
    if wanted is not None:
        return _named(wanted, found) or wanted, "named beforehand"
    order = ["accuracy", "style_and_fact", "chrf"] if task == "classification" else ["style_and_fact", "chrf"]
    shared = list(everywhere)
    for name in [*order, "rougeL", "exact_match", "accuracy", *shared]:
        if name in shared:
            return name, f"the default for {task}"
    return "", "nothing was measured"


def _ours(reference: str) -> bool:
    from core.starter.score import applies

    return applies(reference)


def _one(name: str, make: Callable[[Rows], Table], *, needs_loss: bool = False) -> Measure:
    info = {name: METRICS[name]}
    return Measure(name, info, lambda rows: {name: make(rows)}, needs_loss, name, name != "json_valid")


def _check(name: str, label: str, definition: str, check: checks.Check) -> Measure:
    info = MetricInfo(label, True, 3, definition)
    return Measure(name, {name: info}, lambda rows: {name: check(rows.answers)}, needs_references=False)


def _own(name: str) -> Measure:
    own = OwnMetric(expand(name))
    info = MetricInfo(own.label, own.higher_is_better, 3, own.definition)

    def make(rows: Rows) -> dict[str, Table]:
        found = own.tables(rows.answers, rows.references)
        return {f"{name}#{key}" if key else name: table for key, table in found.items()}

    return Measure(name, {name: info}, make)


def _style_and_fact(rows: Rows) -> dict[str, Table]:
    """Mean style-and-fact score of the sample data, and the share of right facts (core/starter/score.py)."""
    from core.starter import score

    wrong = next((at for at, row in enumerate(rows.references) if not score.applies(row[0])), None)
    if wrong is not None:
        raise UsageError(
            f"style_and_fact cannot score reference {wrong + 1}: it states no fact of the sample data",
            hint="It is the sample data's own metric.",
        )
    pairs = [(said, wanted[0]) for said, wanted in zip(rows.answers, rows.references, strict=True)]
    return {
        "style_and_fact": metrics.mean_table([score.style_and_fact(said, wanted) for said, wanted in pairs]),
        "right_fact": metrics.binary_table([score.fact(said, wanted) == 1 for said, wanted in pairs]),
    }
