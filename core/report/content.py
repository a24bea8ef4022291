"""What a report says of a run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from core.evaluation.result import read_result
from core.judging import wording
from core.judging.results import Results, results
from core.judging.session import load
from core.judging.statistics import p_value
from core.judging.votes import read_votes
from core.report.blocks import Block, Figure, Heading, Table, Text, Verbatim
from core.report.curves import Line, curves
from core.report.evaluation import evaluation_blocks
from core.rounds import began_with, chain
from core.runs.series import number, whole
from core.runs.usage import usage
from core.runs.view import RunView

_SAMPLES = 3
_COLUMNS = (
    ("loss", "training loss", "nats a token"),
    ("learning_rate", "learning rate", ""),
    ("grad_norm", "gradient norm", ""),
    ("tokens_per_second", "speed", "tokens a second"),
    ("mfu", "model FLOPs utilisation (MFU)", "share of the cards' peak"),
)


def content(view: RunView, *, price: float | None = None) -> Iterator[Block]:
    """The blocks of the report of a run.

    Args:
        price: of an hour of its machine, in whatever currency the reader thinks.
    """
    spec = view.folder.spec()
    yield Heading(view.name, 1)
    yield Text(f"{view.status}{f': {view.reason}' if view.reason else ''}", strong=True)
    yield Table(("", ""), tuple(_facts(view, spec, price)), right=False)
    for line in spec.get("warnings") or ():
        yield Text(f"Warning: {line}")
    if began_with(view.folder):
        yield Heading("Rounds")
        for line in chain(view.folder):
            yield Text(line)
    yield from _course(view)
    result = read_result(view.folder)
    if result is not None:
        yield Heading("Evaluation")
        yield from evaluation_blocks(result)
    yield from _judgements(view)
    yield from _samples(view)
    yield Heading("Recipe")
    yield Verbatim(_read(view, "run.yaml") or json.dumps(spec.get("recipe"), indent=2, ensure_ascii=False))
    if spec.get("changes"):
        yield Verbatim("\n".join(str(change) for change in spec["changes"]))
    if card := _read(view, "data/card.md"):
        yield Heading("Data card")
        yield Verbatim(card)
    yield Heading("Versions")
    versions = spec.get("versions") or {}
    yield Table(("package", "version"), tuple((str(name), str(found)) for name, found in versions.items()), False)


def _facts(view: RunView, spec: dict[str, Any], price: float | None) -> Iterator[tuple[str, str]]:
    recipe, data = spec.get("recipe") or {}, spec.get("data") or {}
    used = usage(view.folder)
    hours = view.elapsed_seconds / 3600
    yield "run", view.id
    if isinstance(start := spec.get("start"), dict):
        step = "" if start.get("step") is None else f"step {start['step']} of "
        yield "begins with", f"{step}{start.get('run') or (spec.get('origin') or {}).get('folder')}"
    yield "model", str((spec.get("model") or {}).get("name"))
    yield "method", str(recipe.get("method"))
    rows = ((role, (data.get(role) or {}).get("rows")) for role in ("train", "validation", "test"))
    yield "rows", ", ".join(f"{role} {count if count is not None else 'none'}" for role, count in rows)
    yield "steps", f"{view.step} of {view.total_steps}"
    processes = whole((view.start or {}).get("world_size"), 1)
    together = f" x {processes} processes" if processes > 1 else ""
    yield "batch", f"{view.state.get('micro_batch')} x {view.state.get('accumulation')}{together}"
    if view.best:
        yield "best validation loss", f"{view.best[1]:.4f} at step {view.best[0]}"
    yield "device", str((view.start or {}).get("device") or "")
    yield "training time", f"{hours:.2f} h in {view.attempt} attempt{'s' if view.attempt != 1 else ''}"
    if view.restarts:
        yield "went on from steps", ", ".join(map(str, view.restarts))
    if view.gpu_hours is not None:
        yield "GPU-hours", f"{view.gpu_hours:.2f}"
    if shares := view.steps.shares():
        yield "a step's time", ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares.items())
    if "peak_flops" in (view.start or {}):
        mfu = view.steps.mean_mfu()
        yield "mean MFU", f"{100 * mfu:.1f} %" if math.isfinite(mfu) else "not known: it needs a known card"
    if used.gpus:
        yield "peak GPU memory", f"{used.peak_gpu_bytes / 2**30:.1f} GiB"
    if used.peak_ram_bytes:
        yield "peak memory of the job", f"{used.peak_ram_bytes / 2**30:.1f} GiB"
    energy = used.kilowatt_hours
    yield "energy of the cards", "not measured: no card told its power" if energy is None else f"{energy:.3f} kWh"
    if price is not None:
        yield "cost", f"{hours * price:.2f} at {price:g} an hour"


def _course(view: RunView) -> Iterator[Block]:
    steps = view.steps
    if not len(steps):
        return
    yield Heading("Course")
    for column, title, unit in _COLUMNS:
        lines = [Line(title, steps.step, getattr(steps, column))]
        if column == "loss" and view.evals:
            xs = [float(whole(event.get("step"))) for event in view.evals]
            lines.append(Line("validation loss", xs, [number(event.get("loss")) for event in view.evals], marks=True))
        if svg := curves(lines, unit):
            yield Figure(svg, title + (", and the loss on the validation rows" if len(lines) > 1 else ""))


def _judgements(view: RunView) -> Iterator[Block]:
    session = load(view.folder.path)
    if session is None:
        return
    found = results(session, read_votes(session))
    if not found.judged:
        return
    yield Heading("Judgements")
    yield Text(found.verdict(), strong=True)
    yield from _ranked(found) if found.ranking else _two_sides(found)
    for sentence in (wording.stopping(found), wording.length(found), *found.cautions()):
        if sentence:
            yield Text(sentence)


def _ranked(found: Results) -> Iterator[Block]:
    strengths = found.ranking.strengths if found.ranking else {}
    rows = [(found.label(side), f"{bound.value:+.2f}", wording.bounds(bound)) for side, bound in strengths.items()]
    if rows:
        yield Table(("", "strength (log-odds)", "95 % interval"), tuple(rows))


def _two_sides(found: Results) -> Iterator[Block]:
    candidate, baseline = found.label(found.candidate), found.label(found.baseline)
    yield Table(
        ("", "pairs"),
        (
            (f"{candidate} won", str(found.wins)), (f"{baseline} won", str(found.losses)), ("ties", str(found.ties)),
            ("both bad", str(found.both_bad)), ("not judged", str(found.left)),
        ),
    )  # fmt: skip
    if found.share is not None:
        share = f"{candidate}'s share of decisive pairs: {wording.share_text(found.share)}"
        yield Text(f"{share[:1].upper()}{share[1:]}, sign test p {p_value(found.p)}.")


def _samples(view: RunView) -> Iterator[Block]:
    last = max((whole(sample.get("step")) for sample in view.samples), default=0)
    if not last:
        return
    yield Heading("Samples")
    first = {sample.get("index"): sample for sample in view.samples if whole(sample.get("step")) == 0}
    for sample in [one for one in view.samples if whole(one.get("step")) == last][:_SAMPLES]:
        prompt: Any = sample.get("prompt")
        asked = prompt[-1].get("content") if isinstance(prompt, list) and prompt else prompt
        before = (first.get(sample.get("index")) or {}).get("answer")
        yield Verbatim(f"prompt       {asked}\nat the start {before}\nat step {last:<5} {sample.get('answer')}")


def _read(view: RunView, name: str) -> str:
    try:
        return (view.folder.path / name).read_text("utf-8", "replace")
    except OSError:
        return ""
