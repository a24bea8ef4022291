"""The machine in one line: its cards, or where there is none its cores and memory."""

from __future__ import annotations

from typing import Any

from core.text import visible
from tui.format import DASH, gigabytes


def machine_line() -> str:
    """Measure the machine and say it in one line. Slow the first time (NVML): for a thread."""
    from core.hardware import sample

    return describe(sample())


def describe(sample: dict[str, Any]) -> str:
    """A hardware sample (`core.hardware.sample`) in one line, sizes in GB of 10^9 bytes."""
    cards = [card for card in sample.get("gpus") or [] if isinstance(card, dict)]
    if cards:
        return "   ".join(card_line(card) for card in cards[:2]) + (f"  +{len(cards) - 2}" if len(cards) > 2 else "")
    cpu = sample.get("cpu_percent")
    used, total = sample.get("ram_used"), sample.get("ram_total")
    return f"no GPU  CPU {_percent(cpu)}  RAM {gigabytes(used)} / {gigabytes(total)} GB"


def card_line(card: dict[str, Any]) -> str:
    """One card: memory, use, temperature."""
    name = visible(str(card.get("name") or ""))
    parts = [f"gpu{card.get('index', '?')}{' ' + name if name else ''}"]
    parts.append(f"{gigabytes(card.get('memory_used'))} / {gigabytes(card.get('memory_total'))} GB")
    parts.append(_percent(card.get("utilisation")))
    if card.get("temperature") is not None:
        parts.append(f"{card['temperature']} °C")
    return "  ".join(parts)


def _percent(value: Any) -> str:
    return f"{value:3.0f} %" if isinstance(value, int | float) else DASH
