"""A real terminal for tests: a command in a pty, its screen's text read as it comes, keys typed into it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

_ESCAPES = re.compile(
    r"\x1b(\[[0-9;:?<=>]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[()][A-Z0-9]|.)"
)


class Terminal:
    """`diapason ARGS` in a pty of its own session. `text` is all that it wrote, escape sequences left out."""

    def __init__(self, args: Sequence[str], env: dict[str, str], cwd: Path, size: tuple[int, int] = (80, 24)) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tui", *args],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env={**env, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(slave)
        self._raw = b""

    @property
    def text(self) -> str:
        """What was written so far."""
        return _ESCAPES.sub("", self._raw.decode("utf-8", "replace"))

    def wait_for(self, words: str, seconds: float = 60.0) -> None:
        """Read until `words` were written since the last key."""
        deadline = time.monotonic() + seconds
        while words not in self.text:
            left = deadline - time.monotonic()
            assert left > 0, f"{words!r} never came; last: {self.text[-2000:]!r}"
            if not self._read(min(left, 0.5)):
                assert words in self.text, f"ended without {words!r}: {self.text[-2000:]!r}"

    def press(self, keys: bytes) -> None:
        """Type `keys`; what was read before is forgotten."""
        self._raw = b""
        os.write(self._master, keys)

    def wait(self, seconds: float = 60.0) -> int:
        """Read until the process ends; its exit code."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"still running; last: {self.text[-2000:]!r}"
            self._read(0.1)
        return self.process.returncode

    def kill(self) -> None:
        """SIGKILL to the process, as a crash or the kernel would end it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def close_terminal(self) -> None:
        """Close the window: the process gets a hang-up, and its terminal is gone."""
        os.close(self._master)
        self._master = -1

    def close(self) -> None:
        """End what still runs and give the terminal back."""
        if self.process.poll() is None:
            self.kill()
        if self._master >= 0:
            self.close_terminal()

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], seconds)
        if not ready:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False
        self._raw += data
        return bool(data)
