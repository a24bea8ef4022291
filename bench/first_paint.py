"""How long until the first screen is painted: diapason's home beside a bare Textual app.

Each start is a fresh process in a pseudo-terminal of 80x24; the clock runs from the fork until the screen's own
text has arrived. The two take turns, so that a busy moment of the machine hits both.

    python bench/first_paint.py [--times 10]
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

GOAL_MS = 300.0
ROOT = Path(__file__).resolve().parent.parent
DEADLINE_SECONDS = 60.0
_BARE = """
from textual.app import App
from textual.widgets import Static

class Bare(App):
    def compose(self):
        yield Static("bare textual")

Bare().run()
"""
# What is started, and the text that its first paint shows.
SUBJECTS = {
    "diapason": ([sys.executable, "-m", "tui"], b"diapason"),
    "bare textual": ([sys.executable, "-c", _BARE], b"bare textual"),
}


def first_paint(command: list[str], text: bytes, environment: dict[str, str]) -> tuple[float, float]:
    """Milliseconds, of the clock and of processor time, from the start of `command` until `text` is painted.

    Raises:
        RuntimeError: where the text never comes; with what came instead.
    """
    began = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execvpe(command[0], command, environment)
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        seen = b""
        while text not in seen:
            ready, _, _ = select.select([terminal], [], [], DEADLINE_SECONDS)
            part = b""
            if ready:
                with contextlib.suppress(OSError):
                    part = os.read(terminal, 65536)
            if not part:
                raise RuntimeError(f"{command[:3]} never showed {text!r}: {seen[-2000:]!r}")
            seen += part
        clock = (time.perf_counter() - began) * 1000
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.close(terminal)
        used = os.wait4(pid, 0)[2]
    return clock, (used.ru_utime + used.ru_stime) * 1000


def main() -> int:
    """Measure both and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10, help="starts of each (10)")
    times = max(1, parser.parse_args().times)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in SUBJECTS}
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "DIAPASON_HOME": home, "TERM": "xterm-256color"}
        for command, text in SUBJECTS.values():
            first_paint(command, text, environment)  # fills the caches of bytecode and of the disk
        for _ in range(times):
            for name, (command, text) in SUBJECTS.items():
                found[name].append(first_paint(command, text, environment))
    medians = {name: statistics.median(clock for clock, _ in values) for name, values in found.items()}
    cpu = {name: statistics.median(used for _, used in values) for name, values in found.items()}
    for name, values in found.items():
        fastest = min(clock for clock, _ in values)
        print(
            f"{name:<14} median {medians[name]:5.0f} ms   fastest {fastest:5.0f} ms   "
            f"cpu {cpu[name]:5.0f} ms   of {times}"
        )
    ours, bare = SUBJECTS
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    print(f"ratio {medians[ours] / medians[bare]:.2f} (cpu {cpu[ours] / cpu[bare]:.2f})   load a core {load:.1f}")
    met = medians[ours] <= GOAL_MS
    print(f"goal {GOAL_MS:.0f} ms on a quiet machine: {'met' if met else 'missed'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
