"""One thing that the doctor looked at."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["ok", "warn", "fail", "info"]


@dataclass(frozen=True, slots=True)
class Check:
    """A finding. value: what is there. advice: what to do, with lines to type where there are any; may be empty.

    warn: something will not work as well as it could, or only by luck. fail: runs will not work.
    """

    name: str
    status: Status
    value: str
    advice: str = ""


def human_size(size: int) -> str:
    """Bytes as people read them, in powers of 1024."""
    number = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def ask_python(code: str, *arguments: str, timeout: float = 120) -> tuple[dict[str, Any] | None, str]:
    """Run `code` in a Python of its own, whose last line of output is a JSON object.

    Returns:
        The object, or None where it failed, and the last line of what it complained of.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer within {timeout:.0f} s"
    except OSError as error:
        return None, error.strerror or str(error)
    complaints = done.stderr.strip().splitlines()
    complaint = complaints[-1].strip() if complaints else ""
    if done.returncode < 0:
        complaint = complaint or f"killed by signal {-done.returncode}"
    try:
        value = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return None, complaint or f"exit code {done.returncode}"
    return (value if isinstance(value, dict) else None), complaint
