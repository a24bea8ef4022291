"""How soon the monitor shows a run of a million steps, and how long a redraw takes, beside a bare Textual app.

A run of `--steps` steps is written to a temporary home, with a sample of two cards for every 50 steps. Then,
`--times` times in turn, headless at 200x50:

- first: from opening the monitor until its charts hold a sample of the run, of the clock, nothing kept in the cache.
- attach: from opening the monitor until its charts hold the run, of the clock, read from the cache. The peer opens
  a bare screen of as many plain widgets, which show the same lines once they are mounted.
- draw: all open charts drawn anew and rendered, of processor time. The peer's widgets are given the same lines.
- redraw: the same with half a percent more steps, where only what changed is rendered; the reading is not counted.
  The peer's widgets are given the same lines again. (With fewer steps, nothing is drawn.)

Exit code 0 where the medians are within 300 ms, 300 ms, 50 ms and 20 ms, and no redraw sends more than 40 kB to the
terminal (issue 4).

    python bench/monitor.py [--steps 1000000] [--times 10]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from textual._compositor import CompositorUpdate
from textual.app import App, ComposeResult
from textual.containers import Grid
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from core.home import runs_dir
from core.runs.course_cache import cache_file, open_run
from core.runs.folder import RunFolder
from core.runs.process import boot_id
from tui.app import DiapasonApp
from tui.screens.monitor import MonitorScreen
from tui.screens.monitor_state import Shown
from tui.widgets.chart import Chart

GOALS = {"first": 300.0, "attach": 300.0, "draw": 50.0, "redraw": 20.0}
MOST_BYTES = 40_000
_SIZE = (200, 50)
_WAIT = 30.0


def write_run(steps: int) -> RunFolder:
    """A run of that many steps, ten a second, which was stopped."""
    folder = RunFolder(runs_dir() / "01J00000000000000000000000-long")
    for sub in (folder.logs, folder.control, folder.checkpoints):
        sub.mkdir(parents=True)
    folder.spec_file.write_text(json.dumps({"kind": "train", "id": folder.id, "name": "long", "recipe": {}}))
    state = {"status": "stopped", "attempt": 1, "step": steps, "total_steps": steps, "runner": {"boot_id": boot_id()}}
    folder.state_file.write_text(json.dumps(state))
    folder.attempt_log(1).write_text("bench\n")
    began = time.time() - steps / 10
    with folder.events.open("w") as events, folder.gpu.open("w") as cards:
        _write(events, t=began, m=0.0, event="start", attempt=1, total_steps=steps, epochs=3.0)
        for step in range(1, steps + 1):
            moment = {"t": began + step / 10, "m": step / 10}
            loss = 0.8 + 2.4 * math.exp(-20 * step / steps) + 0.05 * math.sin(step * 1.7)
            _write(events, **moment, event="step", step=step, epoch=3 * step / steps, loss=loss, seconds=0.1,
                   grad_norm=1.5 + math.sin(step), learning_rate=2e-4 * (1 - step / steps), tokens=step * 2100,
                   tokens_per_second=21000.0, ram_bytes=900 << 20, gpu_bytes=None)  # fmt: skip
            if step % max(1, steps // 1000) == 0:
                _write(events, **moment, event="eval", step=step, loss=loss + 0.1, best=True)
            if step % 50 == 0:
                card = {"utilisation": 97, "memory_used": 41e9, "temperature": 61, "power_w": 640.0}
                _write(cards, **moment, gpus=[card, card], ram_used=8e9, ram_total=16e9, disk_free=9e10)
    return folder


def _write(file: Any, **values: Any) -> None:
    file.write(json.dumps(values) + "\n")


class Bare(App[None]):
    """As many plain widgets as the monitor has charts."""

    def __init__(self, lines: list[Content]) -> None:
        super().__init__()
        self.lines = lines


class BareScreen(Screen[None]):
    """Shows the lines once it is mounted."""

    CSS = "Grid { grid-size: 2; } Static { height: 1fr; width: 1fr; }"

    def __init__(self, lines: list[Content]) -> None:
        super().__init__()
        self.lines = lines
        self.shown = False

    def compose(self) -> ComposeResult:
        """The widgets."""
        with Grid():
            for _ in self.lines:
                yield Static(markup=False)

    def on_mount(self) -> None:
        """Show the lines after the first paint."""
        self.call_after_refresh(self.show)

    def show(self) -> None:
        """Show the lines."""
        for static, text in zip(self.query(Static), self.lines):
            static.update(text)
        self.shown = True


def charts(screen: MonitorScreen) -> list[Chart]:
    """Those that are open."""
    return [chart for chart in screen.query(Chart) if chart.display]


def lines_of(screen: MonitorScreen) -> list[Content]:
    """What each chart shows, as one text."""
    return [Content("\n").join(chart.lines) for chart in charts(screen)]


async def until(condition: Any) -> None:
    """Let the app run until `condition` holds.

    Raises:
        RuntimeError: where that takes too long.
    """
    began = time.perf_counter()
    while not condition():
        if time.perf_counter() - began > _WAIT:
            raise RuntimeError("never came true")
        await asyncio.sleep(0.001)


def rendered(screen: Screen[Any]) -> None:
    """Render all lines of the screen."""
    screen._compositor.render_strips()  # pyright: ignore[reportPrivateUsage]


async def painted(app: App[Any], pilot: Any, work: Callable[[], object]) -> tuple[float, int]:
    """The processor time, ms, of `work` and of painting what it changed, and the bytes that a terminal would get."""
    sent: list[int] = []

    def display(screen: Screen[Any], renderable: Any) -> None:
        if isinstance(renderable, CompositorUpdate):
            sent.append(len(renderable.render_segments(app.console).encode()))

    await pilot.pause()
    app._display = display  # pyright: ignore[reportPrivateUsage]
    began = time.process_time()
    work()
    await pilot.pause()
    return (time.process_time() - began) * 1000, sum(sent)


async def opened(app: DiapasonApp, folder: RunFolder) -> tuple[MonitorScreen, float]:
    """The monitor of the run, and the milliseconds until its charts hold it."""
    began = time.perf_counter()
    screen = MonitorScreen(folder)
    app.push_screen(screen)
    await until(lambda: screen.shown is not None and len(screen.query_one("#loss", Chart).lines) > 1)
    rendered(screen)
    return screen, (time.perf_counter() - began) * 1000


async def one(folder: RunFolder, found: dict[str, list[tuple[float, float]]]) -> int:
    """Measure each once, ours and the peer; gives the bytes of a redraw."""
    app = DiapasonApp()
    kept = cache_file(folder).rename(cache_file(folder).with_suffix(".kept"))
    async with app.run_test(size=_SIZE) as pilot:
        await pilot.pause()
        _, first = await opened(app, folder)
        app.pop_screen()
        await pilot.pause()
        kept.rename(cache_file(folder))
        screen, attach = await opened(app, folder)
        await pilot.pause()
        rendered(screen)
        draw = _cpu(lambda: (screen.draw_charts(), rendered(screen)))
        shown = screen.shown
        assert isinstance(shown, Shown)
        screen.shown = replace(shown, step=shown.step + shown.step // 200)
        redraw, sent = await painted(app, pilot, screen.draw_charts)
        lines = lines_of(screen)
    bare = Bare(lines)
    async with bare.run_test(size=_SIZE) as pilot:
        await pilot.pause()
        began = time.perf_counter()
        plain = BareScreen(lines)
        bare.push_screen(plain)
        await until(lambda: plain.shown)
        rendered(plain)
        peer = (time.perf_counter() - began) * 1000
        found["first"].append((first, peer))
        found["attach"].append((attach, peer))
        await pilot.pause()
        rendered(plain)
        found["draw"].append((draw, _cpu(lambda: (plain.show(), rendered(plain)))))
        found["redraw"].append((redraw, (await painted(bare, pilot, plain.show))[0]))
    return sent


def _cpu(work: Any) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


def main() -> int:
    """Measure all and print the medians; 0 where the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1_000_000, help="steps of the run (1000000)")
    parser.add_argument("--times", type=int, default=10, help="looks at it (10)")
    args = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in GOALS}
    with tempfile.TemporaryDirectory() as home:
        os.environ["DIAPASON_HOME"] = str(Path(home) / "home")
        folder = write_run(args.steps)
        began = time.perf_counter()
        open_run(folder)
        print(f"{args.steps} steps, {folder.events.stat().st_size / 1e6:.0f} MB; "
              f"all of it read: {time.perf_counter() - began:.1f} s")  # fmt: skip
        sent = max(asyncio.run(one(folder, found)) for _ in range(args.times))
    met = sent <= MOST_BYTES
    for name, values in found.items():
        ours, peer = (statistics.median(value[place] for value in values) for place in (0, 1))
        best = min(value[0] for value in values)
        met = met and ours <= GOALS[name]
        print(f"{name:<7} median {ours:6.1f} ms   fastest {best:6.1f} ms   bare Textual {peer:6.1f} ms   "
              f"ratio {ours / peer:5.2f}   goal {GOALS[name]:.0f} ms: "
              f"{'met' if ours <= GOALS[name] else 'MISSED'}")  # fmt: skip
    print(f"a redraw sends at most {sent} bytes, goal {MOST_BYTES}: {'met' if sent <= MOST_BYTES else 'MISSED'}")
    print(f"load a core {os.getloadavg()[0] / (os.cpu_count() or 1):.1f}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
