"""The monitor in words: top line, progress, facts, notes, samples, machine."""

from __future__ import annotations

import math
from typing import Any

from textual.content import Content

from core.runs.series import whole
from core.text import cells, shorten, visible
from tui.columns import Part
from tui.format import DASH, count, duration, gigabytes, loss, size, small
from tui.screens.monitor_state import JobState, Shown
from tui.widgets.machine import card_line

WORDS = {"running": "training", "completed": "done", "interrupted": "cut off", "queued": "waiting"}
_STYLES = {
    "running": "$accent",
    "unsupervised": "$warning",
    "interrupted": "$warning",
    "failed": "$error",
    "completed": "$success",
}
_JOBS = {"evaluate": "evaluation", "generate": "answers to judge"}


def headline(shown: Shown, width: int) -> tuple[Content, Content]:
    """The top line: is it learning, is it well, when is it done? What matters least goes first where it is narrow."""
    if shown.left is not None:
        end = Content.assemble(duration(shown.left), (" left", "$text-muted"))
    elif shown.final and not shown.partial:
        end = Content.assemble(("took ", "$text-muted"), duration(shown.elapsed))
    else:
        end = Content()
    word = WORDS.get(shown.status, shown.status)
    # (importance, part): the least important are left out until the line fits.
    parts: list[tuple[int, Content]] = [
        (9, Content.styled(shorten(shown.name, max(12, width // 3)), "bold")),
        (8, Content.styled(word, _STYLES.get(shown.status, "$text-muted"))),
    ]
    if shown.total:
        parts.append((7, Content.assemble(("step ", "$text-muted"), f"{count(shown.step)} / {count(shown.total)}")))
    if shown.epoch > 0:
        parts.append((2, Content.assemble(("epoch ", "$text-muted"), f"{shown.epoch:.2f}")))
    if shown.evals:
        parts.append((6, Content.assemble(("eval ", "$text-muted"), loss(shown.evals[-1][1]))))
    if shown.best and shown.evals and not shown.partial:
        if shown.best[0] == shown.evals[-1][0]:
            parts.append((4, Content.styled("best so far", "$text-muted")))
        else:
            parts.append((4, Content.assemble(("best ", "$text-muted"), loss(shown.best[1]))))
            parts.append((3, Content.styled(f"at step {count(shown.best[0])}", "$text-muted")))
    while len(parts) > 2 and sum(part.cell_length + 2 for _, part in parts) + end.cell_length > width:
        parts.remove(min(parts, key=lambda item: item[0]))
    return Content("  ").join([part for _, part in parts]), end


def progress_line(shown: Shown, width: int) -> Content:
    """How far it is, as a thin line."""
    share = shown.step / shown.total if shown.total else 0.0
    job = running_job(shown)
    if job is not None:
        share = job.done / job.total if job.total else 0.0
    full = min(width, max(0, round(share * width)))
    return Content.assemble(("━" * full, "$accent"), ("─" * (width - full), "$text-disabled"))


def facts_line(shown: Shown, narrow: bool) -> Content:
    """The latest figures in a line; with the machine where it has no panel of its own."""
    parts: list[Part] = []
    figures = [
        ("lr ", small(shown.rate)),
        ("grad norm ", small(shown.norm)),
        ("", f"{count(shown.speed)} tok/s"),
    ]
    if math.isfinite(shown.mfu):
        figures.append(("MFU ", f"{shown.mfu:.1f} %"))
    if not narrow:
        figures.append(("seen ", f"{_millions(shown.tokens)} tok"))
        if not shown.final and not shown.partial:
            figures.append(("took ", duration(shown.elapsed)))
        if math.isfinite(shown.peak):
            figures.append(("peak memory ", size(shown.peak)))
    for label, value in figures:
        parts += [("   " if parts else "", ""), (label, "$text-muted"), value]
    copied = {"ok": "copied", "copying": "copying"}.get(str((shown.mirror or {}).get("status")))
    if copied and not narrow:
        parts += ["   ", ("mirror ", "$text-muted"), f"{copied} {count(whole((shown.mirror or {}).get('step')))}"]
    if narrow and (machine := machine_short(shown.machine)):
        parts += ["   ", (machine, "$text-muted")]
    return Content.assemble(*parts)


def notes(shown: Shown) -> list[Content]:
    """What a person should know now, most urgent first; none where all is well."""
    found: list[Content] = []
    if shown.partial:
        found.append(_note("…", "a sample of its steps; all of them are being read", "$text-muted"))
    for warning in shown.warnings:
        found.append(_note("!", warning.message, "$error" if warning.severity == "error" else "$warning"))
        if warning.checkpoint is not None and not shown.final:
            found.append(_next(("s", f"stop here and get checkpoint-{warning.checkpoint}, its best")))
    if (shown.mirror or {}).get("status") == "failing":
        found.append(
            _note("!", f"the mirror fails: {(shown.mirror or {}).get('reason') or 'see its log'}", "$warning")
        )
    if shown.restarts:
        times = "once" if len(shown.restarts) == 1 else f"{len(shown.restarts)} times"
        last = shown.restarts[-1]
        where = f"from the checkpoint of step {count(last)}" if last else "from the beginning"
        found.append(_note("↻", f"was restarted {times}, the last time {where}", "$text-muted"))
    if shown.margin:
        found.append(_note("≷", f"margin {shown.margin}", "$text-muted"))
    job = running_job(shown)
    if job is not None:
        what = _JOBS.get(job.kind, job.kind)
        done = (
            f": {job.phase} {count(job.done)} / {count(job.total)}" if job.total else f": {job.phase or job.status}"
        )
        found.append(_note("●", what + done, "$accent"))
    elif (
        broken := next((item for item in shown.jobs[::-1] if item.status == "failed"), None)
    ) and not shown.evaluated:
        found.append(
            _note("✗", f"{_JOBS.get(broken.kind, broken.kind)} failed: {broken.reason or 'see its log'}", "$error")
        )
    found += _ending(shown)
    return found


def _ending(shown: Shown) -> list[Content]:
    """What happened in one sentence, and what is next."""
    best = f"; best validation loss {loss(shown.best[1])} at step {count(shown.best[0])}" if shown.best else ""
    at = f"at step {count(shown.step)} of {count(shown.total)}" if shown.total else "before its first step"
    if shown.status == "completed":
        early = f"Stopped early {at}" if shown.step < shown.total else "Trained to the end"
        lines = [_note("✓", f"{early} in {duration(shown.elapsed)}{best}.", "$success")]
        if running_job(shown) is None:
            lines.append(
                _next(("e", "evaluate"), ("j", "judge"))
                if not shown.evaluated
                else _next(("e", "results"), ("j", "judge"))
            )
        return lines
    if shown.status == "stopped":
        return [_note("■", f"Was stopped {at}{best}.", "$text-muted"), _next(("r", "resume"))]
    if shown.status == "failed":
        lines = [_note("✗", f"Failed {at}: {shown.reason or 'no reason was written'}", "$error")]
        if shown.hint:
            lines.append(Content.assemble(("  ", ""), visible(shown.hint)))
        return [*lines, _next(("r", "resume"), ("l", "log"))]
    if shown.status in ("interrupted", "unsupervised"):
        return [_note("!", f"Was cut off {at}: {shown.reason}", "$warning"), _next(("r", "resume"))]
    if shown.status == "queued" and shown.reason:
        return [_note("○", f"waits: {shown.reason}", "$text-muted")]
    return []


def running_job(shown: Shown) -> JobState | None:
    """The job that works or waits now, if any."""
    return next((job for job in shown.jobs if job.status in ("running", "queued", "unsupervised")), None)


def _note(sign: str, text: str, style: str) -> Content:
    return Content.assemble((sign + " ", style), visible(text))


def _next(*keys: tuple[str, str]) -> Content:
    parts: list[Part] = [("  Next: ", "$text-muted")]
    for key, label in keys:
        parts += [(key, "bold $accent"), f" {label}  "]
    return Content.assemble(*parts)


def _millions(value: float) -> str:
    if not math.isfinite(value):
        return DASH
    return count(value) if value < 1e6 else f"{value / 1e6:.1f} M"


# -- samples, machine --------------------------------------------------------------------------------------


def samples_text(shown: Shown, step: int | None) -> Content:
    """The untuned model's answers beside those of `step`, prompt by prompt."""
    if step is None:
        return Content.styled("answers to a few validation prompts appear at the first evaluation", "$text-muted")
    before = {answer.index: answer for answer in shown.answers.get(0, ())}
    parts: list[Part] = []
    label = f"step {count(step)}"
    width = max(cells(label), 6)
    for answer in shown.answers.get(step, ()):
        parts += [("asked".ljust(width) + "  ", "$text-muted"), (visible(answer.prompt), "bold"), "\n"]
        if step and answer.index in before:
            parts += [
                ("base".ljust(width) + "  ", "$text-muted"),
                (visible(before[answer.index].answer), "$text-muted"),
                "\n",
            ]
        parts += [(label.ljust(width) + "  ", "$accent"), visible(answer.answer), "\n"]
        if answer.reference:
            parts += [("wanted".ljust(width) + "  ", "$text-muted"), (visible(answer.reference), "$text-muted"), "\n"]
        parts.append("\n")
    return Content.assemble(*parts).rstrip()


def machine_short(sample: dict[str, Any]) -> str:
    """The machine as the runner last saw it, in a few words."""
    cards = [card for card in sample.get("gpus") or [] if isinstance(card, dict)]
    if cards:
        return card_line(cards[0])
    cpu, used = sample.get("cpu_percent"), sample.get("ram_used")
    return f"CPU {cpu:.0f} %  RAM {gigabytes(used)} GB" if isinstance(cpu, int | float) else ""


def machine_text(shown: Shown) -> Content:
    """The machine as the runner last saw it."""
    sample = shown.machine
    if not sample:
        return Content.styled("not measured yet", "$text-muted")
    lines: list[Part] = []
    for card in [card for card in sample.get("gpus") or [] if isinstance(card, dict)]:
        power = card.get("power_w")
        lines += [card_line(card), f"  {power:.0f} W" if isinstance(power, int | float) else "", "\n"]
    cpu = sample.get("cpu_percent")
    lines += [("CPU ", "$text-muted"), f"{cpu:.0f} %" if isinstance(cpu, int | float) else DASH]
    lines += [
        ("   RAM ", "$text-muted"),
        f"{gigabytes(sample.get('ram_used'))} / {gigabytes(sample.get('ram_total'))} GB",
    ]
    job = sample.get("job")
    if isinstance(job, dict) and isinstance(job.get("rss"), int | float):
        lines += [("\nthis run ", "$text-muted"), size(job["rss"])]
        if isinstance(job.get("cpu_percent"), int | float):
            lines += [("   ", ""), f"{job['cpu_percent']:.0f} % of a core"]
    return Content.assemble(*lines)
