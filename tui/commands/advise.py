"""`diapason advise`: whether to tune, how, and what it costs here."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.text import visible

if TYPE_CHECKING:
    from core.advisor.consult import Consultation

TASKS = ("style", "classification", "extraction", "complex", "generation", "code", "domain", "preference")
FORMATS = ("alpaca", "chat", "prompt-completion", "sharegpt", "preference", "kto", "classification", "text")
METHODS = ("lora", "qlora", "full", "dpo", "kto")
_QUESTIONS = (
    ("--facts-change", "facts_change", "whether the facts in the answers change often (default: no)"),
    ("--cite-sources", "cite_sources", "whether answers must cite their sources (default: no)"),
    ("--prompts-tried", "prompts_tried", "whether good prompts have been tried already (default: yes)"),
)
_MARKS = {"recommended": "▸", "possible": " ", "not now": " "}
_LEVELS = {"ok": "✓", "note": "·", "warning": "!", "unknown": "?"}


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser("advise", help="say whether to tune, how, and what it costs on this machine")
    parser.add_argument("file", metavar="FILE", nargs="?", help="training file the advice is for")
    parser.add_argument("--task", choices=TASKS, metavar="T", help="what to learn: " + ", ".join(TASKS))
    parser.add_argument("--model", default="starter", metavar="M", help="model to tune (default: starter)")
    parser.add_argument("--format", choices=FORMATS, metavar="F", help="layout of the rows, where not recognised")
    parser.add_argument(
        "--map", metavar="NAME=FIELD,...", help="which field is which: prompt=premise,completion=target"
    )
    for flag, name, text in _QUESTIONS:
        parser.add_argument(flag, dest=name, choices=("yes", "no"), metavar="yes|no", help=text)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the advice."""
    from core.advisor.approach import Answers
    from core.advisor.consult import consult
    from core.errors import UsageError

    if args.file is None and args.task is None:
        raise UsageError("name a file, or a task with --task", hint="Tasks: " + ", ".join(TASKS))
    said = {name: None if getattr(args, name) is None else getattr(args, name) == "yes" for _, name, _ in _QUESTIONS}
    answers = Answers(**said)
    found = consult(args.file, task=args.task, model=args.model, format=args.format, map=args.map, answers=answers)
    if args.json:
        print(json.dumps(found.advice.to_json(), ensure_ascii=False, indent=2))
    else:
        print("\n".join(advice_lines(found, args.file)))
    return 0


def advice_lines(found: Consultation, file: str | None) -> Iterator[str]:
    """The advice as lines for a terminal."""
    from core.advisor.sources import short
    from tui.format import count, duration, size

    advice = found.advice
    model, device = advice.model, advice.device
    head = f"{visible(model.name)}, {count(model.parameters)} parameters, on {visible(device.name)}"
    yield f"{advice.task} · {head} · {size(device.memory_free)} of {size(device.memory_total)} free"
    yield ""
    best = advice.approach
    yield f"Approach: {best.title}" + ("" if best.tunes else ", do not tune yet")
    for option in advice.options:
        verdict = f" {_MARKS[option.verdict]} {option.title:<26} {option.verdict:<12}"
        yield f"{verdict} {option.reason} [{short(option.source)}]"
    yield ""
    yield f"Data: {_LEVELS[advice.size.level]} {advice.size.message}" + _cited(advice.size.sources)
    if advice.lengths and advice.lengths.tokens:
        lengths = advice.lengths
        yield f"  tokens a row: {lengths.at(0.5):,} in the middle, 99 % have {lengths.at(0.99):,} at most"
    yield ""
    yield "Method"
    for plan in advice.methods:
        sign = "▸" if plan.recommended else " "
        time = f"{duration(plan.time.low)} to {duration(plan.time.high)}"
        memory = f"{size(plan.memory.total)} ± {plan.memory.error:.0%}"
        yield f" {sign} {plan.title:<15} {memory:<16} {_fit(plan.fit):<13} {time}"
        yield f"     {plan.reason} [{short(plan.source)}]"
    yield "  memory: " + ", ".join(f"{part} {size(value)}" for part, value in advice.memory.parts.items() if value)
    yield ""
    yield "Settings"
    for path, value in advice.hyperparameters.items():
        yield f"  {path:<28} {value.value!s:<12} {visible(value.reason)} [{short(value.source)}]"
    if advice.warnings:
        yield ""
        yield from (f"! {visible(warning)}" for warning in advice.warnings)
    yield ""
    name = visible(file) if file else "TRAIN"
    yield f"Next: diapason recipe new {name} --task {advice.task} -o run.yaml"


def _cited(sources: tuple[str, ...]) -> str:
    from core.advisor.sources import short

    return f" [{'; '.join(short(source) for source in sources)}]" if sources else ""


def _fit(fit: str) -> str:
    return {"fits": "fits", "tight": "tight", "no": "does not fit"}[fit]
