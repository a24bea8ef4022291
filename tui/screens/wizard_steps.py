"""The rows of each of the wizard's questions, and the reason that stands under the row at the cursor."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from textual.content import Content

from core.text import visible
from tui.columns import Part, left, right
from tui.format import count, duration, size
from tui.screens.wizard_state import Candidate, WizardState, value_of, written
from tui.widgets.rows import Row

if TYPE_CHECKING:
    from core.advisor.method import Plan

_LEVELS = {"ok": ("✓", "$success"), "note": ("·", "$text-muted"), "warning": ("!", "$warning"), "unknown": ("?", "")}
_SEVERITIES = {"error": ("✗", "$error"), "warning": ("!", "$warning"), "note": ("·", "$text-muted")}
_VERDICTS = {"recommended": "bold $accent", "possible": "", "not now": "$text-muted"}
_FITS = {"fits": ("✓ fits", "$success"), "tight": ("! tight", "$warning"), "no": ("✗ does not fit", "$error")}
_PARTS = (
    ("train", "training file", "none yet: e chooses one"),
    ("validation", "validation", "a tenth of the training file's prompts is split off"),
    ("test", "test", "a tenth of the training file's prompts is split off"),
)


def rows(state: WizardState, step: str, expert: bool) -> list[Row]:
    """The rows of the question `step`."""
    return {
        "task": lambda: _tasks(state),
        "approach": lambda: _approaches(state),
        "data": lambda: _data(state),
        "model": lambda: _models(state),
        "method": lambda: _methods(state),
        "settings": lambda: _settings(state, expert),
        "review": lambda: _review(state),
    }[step]()


def why(state: WizardState, step: str, key: str | None) -> Content:
    """Why the row `key` is as it is, and who says so."""
    if key is None:
        return Content()
    kind, _, name = key.partition(":")
    if kind == "task":
        return _why_task(state, name)
    if kind == "question":
        return _why_question(name)
    if kind == "approach":
        options = state.advice.options if state.advice else []
        return next((_reason(o.reason, o.source) for o in options if o.key == name), Content())
    if kind == "file":
        return _muted("e chooses another file. Training, validation and test must be three different files.")
    if kind == "finding":
        return _why_finding(state, int(name))
    if kind == "model":
        found = next((c for c in state.candidates if c.name == name), None)
        return _why_model(state, found)
    if kind == "method":
        plans = state.advice.methods if state.advice else []
        return next((_why_plan(plan) for plan in plans if plan.method == name), Content())
    if kind == "field":
        return _why_field(state, name)
    return _muted(_REVIEW_HELP.get(name, ""))


def _reason(reason: str, source: str) -> Content:
    return Content.assemble(visible(reason), "\n", (f"[{visible(source)}]", "$text-muted"))


def _muted(text: str) -> Content:
    return Content.styled(text, "$text-muted")


def _heading(text: str, style: str = "$text-muted") -> Row:
    return Row(None, text, lambda width: Content.assemble(left(text, width, style)))


def _line(key: str | None, parts: Iterable[Part]) -> Row:
    """A row of parts that do not depend on the width; the list cuts it."""
    made = tuple(parts)
    return Row(key, made, lambda _: Content.assemble(*made))


def _blank() -> Row:
    return Row(None, "", lambda _: Content())


# -- task -------------------------------------------------------------------------------------------------


def _tasks(state: WizardState) -> list[Row]:
    from core.advisor.tasks import TASK_HELP, size_for

    found: list[Row] = []
    for task, text in TASK_HELP.items():
        asked = size_for(task)
        amount = f"{asked.minimum:,} to {asked.good:,} rows" if asked else "no figure"
        own = task == state.task_now
        title = left(text.title, 20, "bold $accent" if own else "")
        parts = [title, left(amount, 22), (visible(text.help), "$text-muted")]
        found.append(_line(f"task:{task}", parts))
    return found


def _why_task(state: WizardState, task: str) -> Content:
    from core.advisor.tasks import NO_FIGURE, TASK_HELP, size_for

    asked = size_for(task)
    lines = [TASK_HELP[task].help, "\n"]
    lines.append((f"Rows: {asked.note}." if asked else f"Rows: {NO_FIGURE}.", "$text-muted"))  # pyright: ignore[reportArgumentType]
    if state.task is None and state.report is not None and task == state.task_now:
        lines.append(f"\nSuggested by the file's format, {state.report.format or 'unknown'}.")
    return Content.assemble(*lines)


# -- approach ---------------------------------------------------------------------------------------------


def _approaches(state: WizardState) -> list[Row]:
    from core.advisor.approach import QUESTIONS

    found: list[Row] = []
    for question in QUESTIONS:
        given = state.answers.get(question.key)
        said = "yes" if given else "no" if given is not None else f"not said: {question.assumed}"
        style = "bold" if given is not None else "$text-muted"
        parts = [left(question.text, 46), (said, style)]
        found.append(_line(f"question:{question.key}", parts))
    found += [_blank()]
    for option in state.advice.options if state.advice else []:
        style = _VERDICTS[option.verdict]
        parts = [left(option.title, 46, style), (option.verdict, style)]
        found.append(_line(f"approach:{option.key}", parts))
    if state.advice is None:
        found.append(_heading("waiting for the model and the machine …"))
    return found


def _why_question(key: str) -> Content:
    from core.advisor.approach import QUESTIONS

    question = next(item for item in QUESTIONS if item.key == key)
    return Content.assemble(
        ("space", "bold $accent"), " answers yes, no, or leaves it open.\n", _reason(question.why, question.source)
    )


# -- data -------------------------------------------------------------------------------------------------


def _data(state: WizardState) -> list[Row]:
    found: list[Row] = []
    for (part, title, without), path in zip(_PARTS, (state.path, state.validation, state.test), strict=True):
        named = (visible(path.name), "bold") if path else (without, "$text-muted")
        found.append(_line(f"file:{part}", [left(title, 16), named]))
    report = state.report
    if report is None:
        return found
    usable = f"{report.rows_valid:,} usable of {report.rows_total:,} rows"
    found += [_blank(), _line(None, [left("format", 16), report.format or "unknown"])]
    found.append(_line(None, [left("rows", 16), usable]))
    if state.advice:
        sign, style = _LEVELS[state.advice.size.level]
        words = [left("enough?", 16), (f"{sign} {state.advice.size.message}", style)]
        found.append(_line(None, words))
    if state.lengths and state.lengths.tokens:
        lengths = state.lengths
        text = f"{lengths.at(0.5):,} in the middle, {lengths.at(0.99):,} for 99 %, {lengths.longest:,} at most"
        found.append(_line(None, [left("tokens a row", 16), text]))
    found.append(_blank())
    for number, finding in enumerate(report.findings):
        sign, style = _SEVERITIES[finding.severity]
        name = finding.code + (f" {finding.detail}" if finding.detail else "")
        parts = [
            (f"{sign} ", style),
            left(name, 26),
            right(count(finding.count), 8),
            ("  ", ""),
            visible(finding.message),
        ]
        found.append(_line(f"finding:{number}", parts))
    if not report.findings:
        found.append(_heading("✓ no findings", "$success"))
    return found


def _why_finding(state: WizardState, number: int) -> Content:
    findings = state.report.findings if state.report else []
    if number >= len(findings):
        return Content()
    finding = findings[number]
    lines = ", ".join(str(line) for line in finding.lines[:12])
    where = f"\nlines {lines}" + (" …" if finding.count > 12 else "") if lines else ""
    return Content.assemble(visible(f"{finding.title}. {finding.hint}"), (where, "$text-muted"))


# -- model ------------------------------------------------------------------------------------------------


def _models(state: WizardState) -> list[Row]:
    found = [_model(state, item) for item in state.candidates]
    if not found:
        found.append(_heading("looking for models …"))
    found += [_blank(), _line("model:", [("another: a folder or a hub id", "$text-muted")])]
    return found


def _model(state: WizardState, item: Candidate) -> Row:
    style = "bold $accent" if item.name == state.model_name else ""
    if item.info is None:
        problem = (f"✗ {visible(item.problem or '')}", "$error")
        return Row(
            f"model:{item.name}",
            (item.name, style, problem),
            lambda width: Content.assemble(left(item.name, _name_width(width), style), problem),
        )
    parts: list[Part] = [right(_parameters(item.info.parameters), 8)]
    parts.append(left("  chat" if item.info.has_chat_template else "  base", 7))
    if (plan := state.plan_for(item)) is not None:
        word, fit_style = _FITS[plan.fit]
        parts += [left(plan.method, 6), right(size(plan.memory.total), 8), (f"  {word}", fit_style)]
    return Row(
        f"model:{item.name}",
        (item.name, style, tuple(parts)),
        lambda width: Content.assemble(left(item.name, _name_width(width), style), *parts),
    )


def _name_width(width: int) -> int:
    """Cells for a model's name: what the columns after it leave."""
    return max(12, min(48, width - 46))


def _parameters(number: int) -> str:
    return f"{number / 1e9:.1f} B" if number >= 1e9 else f"{number / 1e6:.1f} M"


def _why_model(state: WizardState, found: Candidate | None) -> Content:
    if found is None:
        return _muted("Type a folder, or a Hugging Face hub id that is in the cache (`hf download ID` fetches one).")
    if found.info is None:
        return Content.styled(visible(found.problem or ""), "$error")
    info = found.info
    words = f"{info.architecture or info.model_type}, vocabulary {info.vocab_size:,}, {info.dtype}"
    if found.name == "starter":
        words += ". The bundled tiny model: to try everything with, not to serve anybody."
    if not info.has_chat_template:
        words += ". No chat template: rows are trained as plain text, prompt then answer."
    source = "a small tuned model can beat a large zero-shot one [guide A; guide D; guide E]"
    return Content.assemble(visible(words), "\n", (source, "$text-muted"))


# -- method -----------------------------------------------------------------------------------------------


def _methods(state: WizardState) -> list[Row]:
    if state.advice is None:
        return [_heading("waiting for the model and the machine …")]
    found: list[Row] = []
    for plan in state.advice.methods:
        word, style = _FITS[plan.fit]
        parts = [
            left(plan.title, 16, "bold $accent" if plan.recommended else ""), right(size(plan.memory.total), 9),
            left(f" ± {plan.memory.error:.0%}", 7, "$text-muted"), left(word, 15, style),
            left("about " + duration(plan.time.seconds), 16), ("recommended" if plan.recommended else "", "$accent"),
        ]  # fmt: skip
        found.append(_line(f"method:{plan.method}", parts))
    return found


def _why_plan(plan: Plan) -> Content:
    batch = f"micro-batch {plan.micro_batch} × {plan.accumulation}, {plan.time.steps:,} steps"
    batch += ", gradient checkpointing" if plan.checkpointing else ""
    span = f"{duration(plan.time.low)} to {duration(plan.time.high)}"
    return Content.assemble(_reason(plan.reason, plan.source), (f"\n{batch}, {span}", "$text-muted"))


# -- settings ---------------------------------------------------------------------------------------------


def _settings(state: WizardState, expert: bool) -> list[Row]:
    if state.recipe is None or state.advice is None:
        return [_heading(state.why_not_ready() or "waiting …")]
    found: list[Row] = []
    for item in state.settings(expert=expert):
        value = written(value_of(state.recipe, item.path))
        own = item.path in state.edits
        recommended = state.advice.hyperparameters.get(item.path)
        reason = "yours" if own else recommended.reason if recommended else item.help
        if item.path == "start" and state.origin is not None:
            reason = f"begins with {state.origin.name}, which is the reference too"
        parts = [
            left(item.path, 28), left(value, 14, "bold $accent" if own else "bold"), (visible(reason), "$text-muted"),
        ]  # fmt: skip
        found.append(_line(f"field:{item.path}", parts))
    return found


def _why_field(state: WizardState, path: str) -> Content:
    item = state.field(path)
    if item is None:
        return Content()
    recommended = state.advice.hyperparameters.get(path) if state.advice else None
    kind = ", ".join(item.choices) if item.choices else item.type
    limits = f" ({item.limits})" if item.limits else ""
    parts: list[Part | Content] = [item.help, (f"  {kind}{limits}", "$text-muted"), "\n"]
    if recommended:
        parts.append(
            Content.assemble(
                f"recommended {written(recommended.value)}: ", _reason(recommended.reason, recommended.source)
            )
        )
    elif item.source:
        parts.append((f"[{item.source}]", "$text-muted"))
    return Content.assemble(*parts)


def costs(state: WizardState) -> str:
    """What the recipe takes as it stands, in a few words; empty while there is none."""
    from core.advisor.recommend import cost

    if state.advice is None or state.recipe is None:
        return ""
    need, time = cost(state.advice, state.recipe)
    return f"{size(need.total)} · {time.steps:,} steps · about {duration(time.seconds)}"


# -- review -----------------------------------------------------------------------------------------------

_REVIEW_HELP = {
    "start": "Writes the run's folder, starts its runner and shows the run. It trains on without the app.",
    "save": "Writes the recipe as YAML, with every reason as a comment: `diapason train run.yaml` trains by it.",
}


def _review(state: WizardState) -> list[Row]:
    from core.advisor.recommend import cost

    reason = state.why_not_ready()
    if reason or state.advice is None or state.recipe is None or state.report is None:
        return [_heading(f"! {reason or 'waiting …'}", "$warning")]
    advice, plan, recipe = state.advice, state.advice.plan, state.recipe
    found = [
        _line("review:start", [("Start training", "bold $accent"), ("  and watch it", "$text-muted")]),
        _line("review:save", [("Save the recipe", "bold"), ("  ctrl+s", "$text-muted")]),
        _blank(),
    ]
    cards = f" × {recipe.gpus}" if recipe.gpus > 1 else ""
    batch = f"{recipe.train.micro_batch_size} × {recipe.train.accumulation}{cards} rows"
    need, time = cost(advice, recipe)
    memory = f"{size(need.total)} ± {need.error:.0%} of {size(advice.device.memory_free)} free"
    lines = [
        ("data", f"{state.report.rows_valid:,} usable rows of {Path(recipe.data.train).name}"),
        ("task", recipe.task),
        ("model", f"{recipe.model}, {_parameters(advice.model.parameters)} parameters"),
        ("method", f"{plan.title}, learning rate {recipe.train.learning_rate:g}, {recipe.train.epochs:g} epochs"),
        ("batch", f"{batch} of {recipe.train.max_length:,} tokens at most"),
        ("memory", f"{memory}, on {advice.device.name}"),
        ("time", f"{duration(time.low)} to {duration(time.high)}, {time.steps:,} steps"),
    ]
    found += [_line(None, [left(name, 10, "$text-muted"), visible(text)]) for name, text in lines]
    if not advice.approach.tunes:
        first = f"! advice: {advice.approach.title.lower()} first: {advice.approach.reason}"
        found += [_blank(), _line(None, [(first, "$warning")])]
    if advice.warnings:
        found += [_blank(), *(_line(None, [(f"! {visible(text)}", "$warning")]) for text in advice.warnings)]
    return found
