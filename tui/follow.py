"""Follow a run in plain lines until it ends: for `--follow`, and for a terminal without the app."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from core.runs.folder import RunFolder
from core.runs.series import number, whole
from core.runs.tail import Tail
from core.runs.view import RunView
from core.text import visible
from tui.bell import ring_here
from tui.format import DASH, count, duration, loss, size, small
from tui.warning_text import Told

_POLL = 0.25
# Seconds between two lines of progress; what happens rarely is shown at once.
_PACE = 2.0
_WORDS = {"evaluate": "evaluation", "generate": "answers to judge", "train": "training"}

Out = Callable[[str], None]


def follow(folder: RunFolder, out: Out | None = None) -> bool:
    """Print what happens in `folder` and in the jobs that follow it, until all have ended. True: all completed.

    Whoever interrupts this (Ctrl-C) interrupts only the watching.
    """
    say = out or _print
    ended = _one(folder, say)
    ring_here(RunView(folder))
    for job in folder.jobs() if folder.parent is None else []:
        view = RunView(job)
        if ended and not view.final:
            say(f"{_WORDS.get(job.kind, job.kind)}: job {job.id}")
            ended = _one(job, say)
        elif "follows" in job.spec() and view.status != "completed":
            ended = False
    return ended


def _print(line: str) -> None:
    print(line, flush=True)


def _one(folder: RunFolder, say: Out) -> bool:
    view, events, said = RunView(folder), Tail(folder.events), ""
    shown, waiting, told = 0.0, None, Told()
    while True:
        final = view.final
        last: dict[str, Any] | None = None
        for event in events.read():
            if event.get("event") in ("step", "progress"):
                waiting = event
                continue
            if waiting is not None and event.get("event") == "eval":
                say(_line(waiting, view))
                waiting = None
            last = event
            if line := _line(event, view):
                say(line)
        if waiting is not None and (final or last or time.monotonic() - shown >= _PACE):
            say(_line(waiting, view))
            waiting, shown = None, time.monotonic()
        for line in told.lines(view):
            say(line)
        if view.reason and view.reason != said and not final:
            said = view.reason
            say(visible(f"{view.status}: {said}"))
        if final or view.status == "interrupted":
            break
        time.sleep(_POLL)
        view.refresh()
    for line in ending(view):
        say(line)
    return view.status == "completed"


def _line(event: dict[str, Any], view: RunView) -> str:
    """An event as one line; empty for what is not worth one."""
    name = event.get("event")
    if name == "start":
        return _start(event)
    if name == "preflight":
        peak = size(number(event.get("peak_memory_bytes")))
        eta = duration(number(event.get("eta_seconds")))
        longest = count(number(event.get("longest_tokens")))
        return f"preflight: peak memory {peak}, longest row {longest} tokens, ETA {eta}"
    if name == "step":
        step, total = whole(event.get("step")), view.total_steps
        speed = count(number(event.get("tokens_per_second")))
        rate = small(number(event.get("learning_rate")))
        return (
            f"step {step:>{len(str(total))}}/{total}  loss {loss(number(event.get('loss')))}  lr {rate}  "
            f"{speed} tok/s  ETA {duration(view.eta_seconds)}"
        )
    if name == "eval":
        best = ", the best so far" if event.get("best") else ""
        return f"validation at step {whole(event.get('step'))}: loss {loss(number(event.get('loss')))}{best}"
    if name == "checkpoint":
        return f"checkpoint sealed at step {whole(event.get('step'))}"
    if name == "progress":
        return visible(f"{event.get('phase', 'working')}: {event.get('done', '?')} of {event.get('total', '?')}")
    if name == "log":
        return visible(f"{event.get('level', 'info')}: {event.get('message', '')}")
    return ""


def _start(event: dict[str, Any]) -> str:
    back = event.get("resumed_from")
    attempt = whole(event.get("attempt"), 1)
    if back or attempt > 1:
        return f"attempt {attempt} goes on from step {whole(back)}"
    if not event.get("total_steps"):
        return ""
    rows = count(number(event.get("train_rows")))
    weights = count(number(event.get("trainable_parameters")))
    device = visible(str(event.get("device", "")))
    return f"training on {device}: {whole(event.get('total_steps'))} steps, {rows} rows, {weights} trained weights"


def ending(view: RunView) -> list[str]:
    """How a run ended, and what to do next, as lines."""
    what = _WORDS.get(view.kind, view.kind)
    lines = [f"{what} {view.status} after {duration(view.elapsed_seconds)}"]
    if view.reason:
        lines[0] += f": {visible(view.reason)}"
    if view.best and view.kind == "train":
        step, value = view.best
        lines.append(f"best validation loss {loss(value)} at step {step}")
    if view.status == "completed" and view.kind == "train":
        result = view.folder.adapter if view.folder.adapter.is_dir() else view.folder.model
        lines.append(visible(f"the tuned {result.name} is in {result}"))
    if view.hint:
        lines.append(f"  {visible(view.hint)}")
    return lines


def progress_text(view: RunView) -> str:
    """How far a run is, in a few words."""
    if view.kind == "train":
        return f"{view.step}/{view.total_steps}" if view.total_steps else DASH
    found = view.progress or {}
    return f"{found.get('done', 0)}/{found.get('total', '?')}" if found else DASH


def mirror_line(view: RunView) -> str:
    """How far the run is copied to its mirror, in a few words, not yet inert; empty where there is none."""
    found = view.mirror
    if found is None:
        return ""
    status, step = str(found.get("status")), whole(found.get("step"))
    if status == "failing":
        return f"fails: {found.get('reason') or 'see its log'} ({view.folder.logs / 'mirror.log'})"
    return f"copying, step {step}" if status == "copying" else f"copied, step {step}"


def note_left(folder: RunFolder) -> None:
    """Say, after Ctrl-C, that the run goes on."""
    print(
        f"\nThe run goes on. `diapason logs {folder.id} -f` follows it, `diapason stop {folder.id}` ends it.",
        file=sys.stderr,
    )
