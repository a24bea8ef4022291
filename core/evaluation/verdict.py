"""Is tuning better than a good prompt, by how much, is it significant, and what does each cost? Standard library."""

from __future__ import annotations

from dataclasses import dataclass

from core.evaluation.result import ArmResult, Comparison, EvaluationResult, MetricInfo

_UNITS = ("prompt tokens", "written tokens", "s")


@dataclass(frozen=True, slots=True)
class Answer:
    """Tuned against the best arm that is not tuned, on the primary metric.

    better: True where surely better, False where surely worse, None where nothing is shown. rivals: how many arms
    the rival is the best of. others: what is said of other tuned runs, such as the one that a round began with.
    """

    tuned: ArmResult
    rival: ArmResult
    rivals: int
    metric: str
    info: MetricInfo
    comparison: Comparison
    better: bool | None
    others: tuple[str, ...] = ()

    @property
    def headline(self) -> str:
        """The answer in one line."""
        return _told(self.comparison, self.info, self.better)

    @property
    def lines(self) -> list[str]:
        """The answer in full: how sure, and what stands against it."""
        gap, d = self.comparison, self.info.decimals
        sure = {True: "Yes", False: "No", None: "Not shown"}[self.better]
        best = f"the best of {self.rivals} arms without tuning" if self.rivals > 1 else "the only arm without tuning"
        label = self.info.label
        lines = [
            f"{sure}: on {label} tuned reaches {self._figure(self.tuned)}, {self.rival.name}, {best}, "
            f"{self._figure(self.rival)}.",
            f"Difference {signed(gap.difference, d)} [{signed(gap.low, d)}, {signed(gap.high, d)}], "
            f"{p_words(gap.p_corrected)} ({gap.method}{', corrected by Holm' if gap.family else ''}).",
        ]
        if self.rivals > 1:
            lines.append("The rival was picked by its score on these same rows, which favours it.")
        if self.better is None and self.comparison.difference:
            lines.append("More test rows would narrow the interval.")
        return [*lines, *self.others]

    def _figure(self, arm: ArmResult) -> str:
        value, d = arm.metrics[self.metric], self.info.decimals
        return f"{value.value:.{d}f} [{value.low:.{d}f}, {value.high:.{d}f}]"


def answer(result: EvaluationResult) -> Answer | None:
    """Tuned against the best arm without tuning; None where one of them was not evaluated."""
    tuned, metric = result.tuned, result.primary
    rivals = [arm for arm in result.arms if arm.untuned and metric in arm.metrics]
    if tuned is None or metric not in tuned.metrics or not rivals or metric not in result.infos:
        return None
    info = result.infos[metric]
    rival = max(rivals, key=lambda arm: arm.metrics[metric].value * (1 if info.higher_is_better else -1))
    gap = next(
        (item for item in result.comparisons
         if (item.arm, item.against, item.metric) == (tuned.name, rival.name, metric)), None,
    )  # fmt: skip
    if gap is None:
        return None
    runs = {arm.name for arm in result.arms if arm.kind == "run"}
    others = tuple(
        f"{_told(item, info, result.better(item))}."
        for item in result.comparisons
        if item.arm == tuned.name and item.against in runs and item.metric == metric
    )
    return Answer(tuned, rival, len(rivals), metric, info, gap, result.better(gap), others)


def headline(result: EvaluationResult) -> str:
    """The answer in one line, also where the question cannot be answered."""
    found = answer(result)
    if found is not None:
        return found.headline
    if not result.metrics:
        return "nothing was measured"
    gaps = [item for item in result.comparisons if item.metric == result.primary]
    if len(gaps) == 1:
        return _told(gaps[0], result.infos[result.primary], result.better(gaps[0]))
    return f"{len(result.arms)} arms on {result.rows} rows" if len(result.arms) > 1 else ""


def _told(gap: Comparison, info: MetricInfo, better: bool | None) -> str:
    word = {True: "better than", False: "worse than", None: "not shown to differ from"}[better]
    return (
        f"{gap.arm} is {word} {gap.against}: {signed(gap.difference, info.decimals)} {info.label}, "
        f"{p_words(gap.p_corrected)}"
    )


def cost_of(arm: ArmResult, *, memory: bool = True) -> str:
    """What a thousand answers of an arm cost, in words; empty for a result from before it was measured."""
    if not arm.per_1000:
        return ""
    parts = [f"{_short(arm.per_1000.get(name))} {unit}" for name, unit in zip(COST_FIELDS, _UNITS, strict=True)]
    if memory and arm.peak_memory_bytes:
        parts.append(f"{arm.peak_memory_bytes / 2**30:.2f} GiB at most")
    money = arm.per_1000.get("money")
    if money is not None:
        parts.append(f"{money:.2f} {arm.currency or 'in money'}")
    return ", ".join(parts)


COST_FIELDS = ("prompt_tokens", "tokens", "seconds")


def _short(value: float | None) -> str:
    if value is None:
        return "–"
    if value >= 1_000_000:
        return f"{value / 1e6:.1f}M"
    return f"{value / 1000:.1f}k" if value >= 10_000 else f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def signed(value: float, decimals: int) -> str:
    """A difference with its sign, a real minus among them."""
    return f"{value:+.{decimals}f}".replace("-", "−")


def p_words(p: float) -> str:
    """`p` as it is written: p < .0001, p = .003, p = .21."""
    if p < 0.0001:
        return "p < .0001"
    return "p = " + (f"{p:.1g}" if p < 0.01 else f"{p:.2f}").removeprefix("0")
