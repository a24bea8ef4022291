"""Numbers as a person reads them: units always, digits aligned, no more of them than mean something."""

from __future__ import annotations

import math
import time

DASH = "–"


def count(value: float | None) -> str:
    """A whole number with its thousands apart: 1 204. A dash where it is unknown."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{round(value):,}".replace(",", " ")


def loss(value: float | None) -> str:
    """A loss: three decimals, fewer from 100 on."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.3g}"


def small(value: float | None) -> str:
    """A number of any size with three significant digits: 2.0e-4, 0.871, 12.3."""
    if value is None or not math.isfinite(value):
        return DASH
    if value == 0:
        return "0"
    if 0.001 <= abs(value) < 10_000:
        return f"{value:.3g}"
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def duration(seconds: float | None) -> str:
    """Seconds as a person says them: 42 s, 12 m 05 s, 1 h 12 m, 2 d 4 h."""
    if seconds is None or not math.isfinite(seconds):
        return DASH
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} m"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def ago(moment: float | None, now: float | None = None) -> str:
    """How long ago the unix time `moment` was, in one unit: just now, 5 m ago, yesterday, 12 d ago."""
    if not moment or not math.isfinite(moment):
        return DASH
    seconds = (time.time() if now is None else now) - moment
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{int(seconds // 60)} m ago"
    if seconds < 86400:
        return f"{int(seconds // 3600)} h ago"
    days = int(seconds // 86400)
    return "yesterday" if days == 1 else f"{days} d ago"


def gigabytes(value: float | None) -> str:
    """Bytes in GB (10^9) with one decimal, without the unit."""
    return DASH if value is None or not math.isfinite(value) else f"{value / 1e9:.1f}"


def size(value: float | None) -> str:
    """Bytes with the unit that fits: 812 B, 3.1 MB, 41.2 GB (powers of 1000)."""
    if value is None or not math.isfinite(value):
        return DASH
    for unit in ("B", "kB", "MB"):
        if abs(value) < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def bar(part: float, width: int) -> str:
    """A progress bar of `width` cells for a share from 0 to 1, in eighths of a cell."""
    share = min(1.0, max(0.0, part)) if math.isfinite(part) else 0.0
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    partial = " ▏▎▍▌▋▊▉"[rest] if rest else ""
    return ("█" * full + partial).ljust(width)
