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


def ask_python(code: str, *arguments: str, timeout: float = 120) -> tuple[list[dict[str, Any]], str]:
    """Run `code` in a Python of its own, which prints JSON objects, one a line.

    Returns:
        The objects, of which some may lack where it died, and the last line of what it complained of.
    """
    command = [sys.executable, "-c", code, *arguments]
    complaint = ""
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL)
        output, errors = done.stdout, done.stderr
        if done.returncode:
            code_or_signal = done.returncode
            complaint = f"exit code {code_or_signal}" if code_or_signal > 0 else f"killed by signal {-code_or_signal}"
    except subprocess.TimeoutExpired as late:
        output, errors, complaint = late.stdout or b"", b"", f"no answer within {timeout:g} s"
    except OSError as error:
        return [], error.strerror or str(error)
    lines = errors.decode("utf-8", "replace").strip().splitlines()
    objects: list[dict[str, Any]] = []
    for line in output.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            objects.append(value)
    return objects, lines[-1].strip() if lines else complaint
