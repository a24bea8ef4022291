"""How soon the browse screen answers a key while it checks a large file, beside a bare Textual list at rest.

Rows of 2 kB of chat JSON Lines are written to a temporary folder and opened in the app, in a pseudo-terminal of
160x48. While the check runs j, k and page down are pressed in turn, at moments of chance; the clock runs from the
key until the record of another row has been painted, which is told by a mark in each row's answer. Then x stops the
check, and the clock runs until the screen says so. The peer is a list of five thousand of the same rows with the
chosen one beside it, which does nothing else.

Printed: p50, p95 and the slowest of both, the ratio, and the time to stop. Exit code 0 where 95 of 100 keys are
answered in 50 ms (issue 3).

    python bench/keys.py [--bytes 1e9] [--keys 100]
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pty
import random
import re
import select
import signal
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GOAL_MS = 50.0
_DEADLINE = 120.0
_ROW_BYTES = 2000
_MARK = re.compile(rb"said-(\d{9})")
_ESCAPE = re.compile(rb"\x1b\[[0-9;:?<=>]*[ -/]*[@-~]")
_BARE = """
import json, sys
from itertools import islice
from textual.app import App
from textual.containers import Horizontal
from textual.widgets import OptionList, Static

rows = [json.loads(line)["messages"] for line in islice(open(sys.argv[1]), 5000)]

class Bare(App):
    CSS = "OptionList, Static { width: 1fr; height: 1fr; }"
    BINDINGS = [("j", "step('down')", ""), ("k", "step('up')", ""), ("space", "step('page_down')", "")]

    def compose(self):
        with Horizontal():
            yield OptionList(*[row[0]["content"][:60] for row in rows], markup=False)
            yield Static(markup=False)

    def action_step(self, way):
        getattr(self.query_one(OptionList), "action_" + ("cursor_" + way if way != "page_down" else way))()

    def on_option_list_option_highlighted(self, event):
        self.query_one(Static).update("\\n\\n".join(turn["content"] for turn in rows[event.option_index]))

Bare().run()
"""


def write_rows(path: Path, size: int) -> None:
    """Chat rows of about 2 kB, each with a mark in its answer, behind what a list shows of it."""
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(4000)]
    texts = [" ".join(draw.choices(words, k=130)) for _ in range(2000)]
    with path.open("wb") as file:
        for number in range(size // _ROW_BYTES):
            asked, said = texts[number % 2000][:300], texts[(number * 7 + 1) % 1999]
            said = f"{said[:200]} said-{number:09d} {said[200:]}{said}"
            row = {"messages": [{"role": "user", "content": f"ask {number} {asked}"},
                                {"role": "assistant", "content": said[:1600]}]}  # fmt: skip
            file.write(json.dumps(row).encode() + b"\n")


class Screen:
    """A command in a pseudo-terminal, and the bytes that it has painted since the last key."""

    def __init__(self, command: list[str], home: str) -> None:
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(ROOT)
            os.execvpe(command[0], command, {**os.environ, "DIAPASON_HOME": home, "TERM": "xterm-256color"})
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 48, 160, 0, 0))
        self._seen = b""

    def press(self, keys: bytes) -> None:
        """Type; what was painted before is forgotten."""
        self._seen = b""
        os.write(self._terminal, keys)

    def painted(self) -> Iterator[bytes]:
        """What has been painted since the last key, without escape sequences, each time that there is more.

        Raises:
            RuntimeError: where nothing comes any more.
        """
        while True:
            yield _ESCAPE.sub(b"", self._seen)
            ready, _, _ = select.select([self._terminal], [], [], _DEADLINE)
            part = b""
            if ready:
                with contextlib.suppress(OSError):
                    part = os.read(self._terminal, 1 << 16)
            if not part:
                raise RuntimeError(f"nothing came any more; last: {self._seen[-500:]!r}")
            self._seen += part

    def rest(self, seconds: float) -> None:
        """Read what comes in so many seconds."""
        until = time.perf_counter() + seconds
        while (left := until - time.perf_counter()) > 0:
            if select.select([self._terminal], [], [], left)[0]:
                self._seen += os.read(self._terminal, 1 << 16)

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGTERM)
        self.rest_until_closed()
        os.close(self._terminal)
        os.waitpid(self._pid, 0)

    def rest_until_closed(self) -> None:
        """Read to the end, or kill it after three seconds."""
        until = time.perf_counter() + 3
        with contextlib.suppress(OSError):
            while time.perf_counter() < until:
                if select.select([self._terminal], [], [], 0.1)[0] and not os.read(self._terminal, 1 << 16):
                    return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)


def latencies(screen: Screen, count: int) -> list[float]:
    """Milliseconds from each of `count` keys until another row's record is there."""
    draw, row, found = random.Random(1), -1, list[float]()
    for number in range(count):
        screen.rest(draw.uniform(0.02, 0.09))
        # Not up from the first row, where nothing would change.
        key = b"j" if number < 2 or row < 2 else draw.choice([b"j", b"j", b"k", b" "])
        began = time.perf_counter()
        screen.press(key)
        for text in screen.painted():
            marks = [int(mark) for mark in _MARK.findall(text)]
            if marks and marks[-1] != row:
                row = marks[-1]
                break
            if time.perf_counter() - began > 5:
                raise RuntimeError(f"the key {key!r} was never answered; last: {text[-500:]!r}")
        found.append((time.perf_counter() - began) * 1000)
    return found


def shown(screen: Screen, words: bytes) -> None:
    """Wait until `words` are painted."""
    for text in screen.painted():
        if words in text:
            return


def report(name: str, found: list[float]) -> float:
    """Print the figures; the 95th of a hundred."""
    ordered = sorted(found)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    middle = ordered[len(ordered) // 2]
    print(f"{name:<28} p50 {middle:6.1f} ms   p95 {p95:6.1f} ms   slowest {ordered[-1]:6.1f} ms   of {len(found)}")
    return p95


def main() -> int:
    """Measure both; 0 where the bar is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=float, default=1e9, help="size of the file (1e9)")
    parser.add_argument("--keys", type=int, default=100, help="keys pressed in each (100)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "rows.jsonl"
        write_rows(path, int(args.bytes))
        print(f"{path.stat().st_size / 1e9:.2f} GB")
        bare = Screen([sys.executable, "-c", _BARE, str(path)], name)
        try:
            shown(bare, b"said-")
            peer = report("bare Textual list, at rest", latencies(bare, args.keys))
        finally:
            bare.close()
        ours = Screen([sys.executable, "-m", "tui", "data", "open", str(path)], name)
        try:
            shown(ours, b"checking")
            mine = report("browse screen, checking", latencies(ours, args.keys))
            began = time.perf_counter()
            ours.press(b"x")
            shown(ours, b"check stopped")
            print(f"x stops the check in {(time.perf_counter() - began) * 1000:.0f} ms")
        finally:
            ours.close()
    print(f"ratio {mine / peer:.2f} (p95)   goal {GOAL_MS:.0f} ms: {'met' if mine <= GOAL_MS else 'MISSED'}")
    return 0 if mine <= GOAL_MS else 1


if __name__ == "__main__":
    sys.exit(main())
