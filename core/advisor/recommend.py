"""From a task, a file, a model and a machine to advice, and from the advice to a recipe."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.advisor import budget, hyperparameters, memory
from core.advisor.approach import Answers, Option, approaches, chosen
from core.advisor.device import Device, device_for
from core.advisor.lengths import Lengths
from core.advisor.method import Plan, Setting, methods
from core.advisor.shape import Shape, shape_of
from core.advisor.sources import GUIDE_A, GUIDE_E, YOU, short
from core.advisor.tasks import NO_FIGURE, TaskSize, size_for
from core.advisor.values import Recommendation
from core.hardware import Hardware
from core.models import ModelInfo
from core.origin import Origin
from core.preferring import FEW_PREFERENCES, few_preferences
from core.recipe import PREFERENCE_METHODS, TUNING_METHODS, Recipe, dump_recipe, fields, make_recipe

if TYPE_CHECKING:
    from core.data.report import Report

# Tokens and rows assumed where no file is named, so that methods can still be compared.
_ASSUMED_ROWS = 1_000
_MANY_CUT = 0.02
# What learns from judged rows, by their format, the recommended one first.
_JUDGED = {"preference": ("dpo", "kto"), "kto": ("kto",)}
_BY_FORMAT = {"classification": "classification", "text": "domain", "preference": "preference", "kto": "preference"}


@dataclass(frozen=True, slots=True)
class SizeVerdict:
    """The rows at hand against the rows asked for: ``ok``, ``note``, ``warning`` or ``unknown``, in words."""

    level: str
    message: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    """All that is recommended, each with reason and source. `rows`: usable rows, None where no file is named."""

    task: str
    model: ModelInfo
    device: Device
    shape: Shape
    rows: int | None
    lengths: Lengths | None
    size: SizeVerdict
    options: list[Option]
    methods: list[Plan]
    hyperparameters: dict[str, Recommendation]
    warnings: list[str]
    origin: Origin | None = None

    @property
    def approach(self) -> Option:
        """The recommended approach."""
        return chosen(self.options)

    @property
    def plan(self) -> Plan:
        """The recommended method, as planned for this machine."""
        return next(plan for plan in self.methods if plan.recommended)

    @property
    def memory(self) -> memory.MemoryEstimate:
        """The memory of the recommended method."""
        return self.plan.memory

    @property
    def seconds(self) -> float:
        """The estimated time of the recommended method, evaluations included."""
        return self.plan.time.seconds

    def to_json(self) -> dict[str, Any]:
        """The document of `diapason advise --json`, schema 1 (docs/json.md)."""
        size = size_for(self.task)
        lengths = self.lengths
        return {
            "schema": 1,
            "task": self.task,
            "model": {"name": self.model.name, "parameters": self.model.parameters},
            "device": {
                "kind": self.device.kind,
                "name": self.device.name,
                "memory_total": self.device.memory_total,
                "memory_free": self.device.memory_free,
            },
            "data": {
                "rows": self.rows,
                "verdict": self.size.level,
                "message": self.size.message,
                "sources": list(self.size.sources),
                "minimum": size.minimum if size else None,
                "good": size.good if size else None,
                "tokens": _lengths_json(lengths) if lengths and lengths.tokens else None,
            },
            "approach": self.approach.key,
            "approaches": [option.to_json() for option in self.options],
            "method": self.plan.method,
            "methods": [plan.to_json() for plan in self.methods],
            "hyperparameters": {path: value.to_json() for path, value in self.hyperparameters.items()},
            "warnings": self.warnings,
        }


def _lengths_json(lengths: Lengths) -> dict[str, Any]:
    return {
        "mean": round(lengths.mean, 1),
        "median": lengths.at(0.5),
        "p99": lengths.at(0.99),
        "longest": lengths.longest,
        "whole": lengths.whole,
    }


def task_for(format: str | None) -> str:
    """The task that a data format suggests: its own where it has one, else style."""
    return _BY_FORMAT.get(format or "", "style")


def advise(
    task: str,
    *,
    report: Report | None,
    model: ModelInfo,
    hardware: Hardware,
    lengths: Lengths | None = None,
    answers: Answers | None = None,
    method: str | None = None,
    held_out: float = 0.2,
    validation: float = 0.1,
    cpu: bool = False,
    origin: Origin | None = None,
) -> Advice:
    """What to do for `task` with this data, model and machine.

    Args:
        task: one of core.recipe.TASKS.
        report: what the check found in the training file; None where no file is named.
        lengths: token counts of its rows (core.advisor.lengths); without them TRL's default length is taken.
        answers: the person's answers to core.advisor.approach.QUESTIONS.
        method: the method asked for; the advice then says what it would have taken.
        held_out, validation: shares of the rows kept from training, and kept for validation.
        cpu: plan for the CPU even where there is a GPU.
        origin: the tuned weights that the training shall begin with.
    """
    device, shape = device_for(hardware, cpu=cpu), shape_of(model)
    rows = report.rows_valid if report else None
    train_rows = None if rows is None else max(1, round(rows * (1 - held_out)))
    facts = hyperparameters.Facts(
        task=task,
        parameters=model.parameters,
        max_positions=model.max_positions,
        rows=train_rows,
        lengths=lengths,
        gpu_without_bf16=device.kind == "cuda" and not device.bf16,
        expert_adapters=shape.expert_adapters,
    )
    length = hyperparameters.max_length(facts)
    setting = Setting(
        shape=shape,
        device=device,
        rows=train_rows or _ASSUMED_ROWS,
        validation_rows=round((rows or _ASSUMED_ROWS) * validation),
        length=length.value,
        lengths=lengths,
        effective=hyperparameters.effective_batch(facts).value,
        rank=hyperparameters.rank(facts).value,
        stored_bytes=model.bytes_on_disk if model.quantised else None,
        four_bit=bool(origin and origin.quantised),
    )
    if origin and origin.lora:
        setting = replace(setting, rank=origin.lora["r"])
    judged = _JUDGED.get(report.format or "", ()) if report else ()
    if method in PREFERENCE_METHODS and method not in judged:
        judged = (*judged, method)
    names = (*judged, *TUNING_METHODS)
    passes = {name: hyperparameters.epochs(facts, name).value for name in names}
    plans = methods(setting, passes, quantised=model.quantised, wanted=method, judged=judged)
    plan = next(plan for plan in plans if plan.recommended)
    size = size_verdict(task, rows)
    return Advice(
        task=task,
        model=model,
        device=device,
        shape=shape,
        rows=rows,
        lengths=lengths,
        size=size,
        options=approaches(task, answers or Answers(), rows),
        methods=plans,
        hyperparameters=hyperparameters.values(facts, plan, length, origin.lora if origin else None),
        origin=origin,
        warnings=_warnings(task, report, model, shape, lengths, plan, length.value, size),
    )


def size_verdict(task: str, rows: int | None) -> SizeVerdict:
    """Whether `rows` are enough for `task`: below guide A's minimum a warning, below guide E's a note."""
    size = size_for(task)
    if size is None:
        return SizeVerdict("unknown", NO_FIGURE, ())
    if rows is None:
        return SizeVerdict(
            "unknown", f"asked for: {size.minimum:,} rows at least, {size.good:,} to do well", size.sources
        )
    return _verdict(size, rows)


def _verdict(size: TaskSize, rows: int) -> SizeVerdict:
    if rows < size.minimum:
        return SizeVerdict("warning", f"{rows:,} usable rows, {size.minimum:,} asked for at least", (GUIDE_A,))
    if rows < size.other_minimum:
        text = f"{rows:,} usable rows: above guide A's {size.minimum:,}, below guide E's {size.other_minimum:,}"
        return SizeVerdict("note", text, (GUIDE_A, GUIDE_E))
    if rows < size.good:
        return SizeVerdict("note", f"{rows:,} usable rows: enough to begin, {size.good:,} do better", (GUIDE_A,))
    return SizeVerdict("ok", f"{rows:,} usable rows, {size.good:,} asked for to do well", (GUIDE_A,))


def _warnings(
    task: str,
    report: Report | None,
    model: ModelInfo,
    shape: Shape,
    lengths: Lengths | None,
    plan: Plan,
    length: int,
    size: SizeVerdict,
) -> list[str]:
    found: list[str] = []
    if size.level == "warning":
        found.append(f"{size.message} ({', '.join(size.sources)})")
    if report and report.count("error"):
        lost = report.rows_total - report.rows_valid
        found.append(f"the check found errors; {lost:,} of {report.rows_total:,} rows cannot be used")
    if lengths and lengths.refused:
        found.append(f"some rows cannot be trained on: {lengths.refused}")
    cut = sum(count > length for count in lengths.tokens) / len(lengths.tokens) if lengths and lengths.tokens else 0
    if cut > _MANY_CUT:
        found.append(f"{cut:.0%} of the rows are longer than {length:,} tokens and would lose their end")
    if plan.fit == "no":
        found.append("by the estimate this does not fit the memory that is free; the preflight will measure it")
    if shape.fused_experts:
        covered = "adapters cover them" if shape.expert_adapters else "adapters pass them over too"
        found.append(f"a mixture of experts: its fused experts stay in 16 bits with qlora; {covered}")
    if not model.has_chat_template and task != "domain":
        found.append("the model has no chat template: rows are trained as plain text, prompt then answer")
    if task == "preference" and plan.method in TUNING_METHODS:
        found.append(f"{plan.method} trains on the chosen answers; dpo and kto use the rejected ones too")
    if plan.method in PREFERENCE_METHODS and report and report.rows_valid < FEW_PREFERENCES:
        found.append(few_preferences(report.rows_valid, plan.method))
    return found


def cost(advice: Advice, recipe: Recipe) -> tuple[memory.MemoryEstimate, budget.TimeEstimate]:
    """The memory and the time of `recipe` as it stands, which a person may have changed since the advice."""
    train = recipe.train
    load = memory.Load(
        recipe.method, train.micro_batch_size, train.max_length, recipe.lora.r, train.gradient_checkpointing,
        train.optimizer, advice.device.kind, recipe.gpus, train.parallel == "fsdp", recipe.quantises,
    )  # fmt: skip
    stored = advice.model.bytes_on_disk if advice.model.quantised else None
    parts, usable = recipe.data, advice.rows or _ASSUMED_ROWS
    chosen = 0.0 if parts.validation else parts.validation_fraction
    kept = chosen + (0.0 if parts.test else parts.test_fraction)
    lengths = advice.lengths
    work = budget.Work(
        rows=max(1, round(usable * (1 - kept))),
        validation_rows=round(usable * parts.validation_fraction),
        row_tokens=(
            lengths.padded_mean(train.micro_batch_size, train.max_length)
            if lengths and lengths.tokens
            else train.max_length / 2
        ),
        epochs=train.epochs,
        micro_batch=train.micro_batch_size,
        accumulation=train.accumulation,
        method=recipe.method,
        rank=recipe.lora.r,
        checkpointing=train.gradient_checkpointing,
        max_steps=train.max_steps if train.max_steps > 0 else None,
        gpus=recipe.gpus,
        four_bit=recipe.quantises,
    )
    need = memory.estimate(advice.shape, load, stored_bytes=stored)
    return need, budget.estimate(advice.shape, work, advice.device)


def to_recipe(
    advice: Advice,
    *,
    train: Path | str,
    validation: Path | str | None = None,
    test: Path | str | None = None,
    format: str | None = None,
    map: str | None = None,
    name: str = "",
    device: str = "auto",
) -> Recipe:
    """The recipe that follows from `advice` for the files named."""
    values: dict[str, Any] = {
        "name": name,
        "task": advice.task,
        "model": advice.model.name,
        "method": advice.plan.method,
        "start": advice.origin.run or str(advice.origin.folder) if advice.origin else None,
        "device": device,
        "data": {
            "train": str(train),
            "validation": str(validation) if validation else None,
            "test": str(test) if test else None,
            "format": format,
            "map": map,
        },
    }
    for path, recommended in advice.hyperparameters.items():
        section, _, field = path.partition(".")
        values.setdefault(section, {})[field] = recommended.value
    return make_recipe(values)


def comments(advice: Advice, recipe: Recipe) -> dict[str, str]:
    """For each field of `recipe`, the comment written behind it: why, and where the reason comes from."""
    plan = advice.plan
    said = {
        "task": advice.size.message,
        "method": f"{plan.reason} [{short(plan.source)}]",
    }
    values = recipe.model_dump()
    bare = {"data.train", "data.validation", "data.test", "data.format"}
    for field in fields():
        if field.path in said or field.path in bare:
            continue
        section, _, leaf = field.path.rpartition(".")
        value = values[section][leaf] if section else values[leaf]
        recommended = advice.hyperparameters.get(field.path)
        if recommended and recommended.value == value:
            said[field.path] = f"{recommended.reason} [{short(recommended.source)}]"
        elif recommended:
            said[field.path] = f"{YOU}; recommended: {recommended.value}"
        else:
            said[field.path] = field.help
    return said


def recipe_text(advice: Advice, recipe: Recipe) -> str:
    """The recipe as YAML with its reasons as comments; empty sections' data fields stay bare."""
    need, time = cost(advice, recipe)
    head = [
        "# Written by `diapason`; every field: `diapason recipe fields`.",
        f"# Estimate for {advice.device.name}: {need.total / 1e9:.1f} GB ± {need.error:.0%}, "
        f"{time.steps:,} steps, {_span(time.low)} to {_span(time.high)}.",
    ]
    head += [f"# ! {warning}" for warning in advice.warnings]
    return "\n".join(head) + "\n" + dump_recipe(recipe, comments=comments(advice, recipe))


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
