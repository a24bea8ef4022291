"""Look at everything that a run depends on, and say what to do about what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from core.doctor.check import Check
from core.doctor.cuda import ask_both, check_cuda, find_cards, torch_checks
from core.doctor.place import (
    container,
    container_check,
    disk_checks,
    home_checks,
    hub_check,
    mounts,
    shm_check,
    temp_check,
)
from core.doctor.system import login_check, memory_check, package_check, python_check, terminal_check, tool_check

__all__ = ["Check", "check_cuda", "examine", "to_json"]


def examine() -> Iterator[Check]:
    """Every check, the slow ones (torch, cards, bitsandbytes) last: they take as long as importing torch does."""
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(ask_both)
        yield python_check()
        yield package_check()
        yield tool_check()
        yield memory_check()
        yield from disk_checks()
        found = mounts()
        yield from home_checks(found)
        yield temp_check()
        yield shm_check()
        yield hub_check()
        kind = container()
        yield container_check(kind, found)
        yield login_check(kind)
        yield terminal_check()
        torch, quantiser = asked.result()
        yield from torch_checks(find_cards(), torch)
        yield quantiser


def to_json(checks: list[Check]) -> dict[str, object]:
    """The document of `diapason doctor --json`; see docs/json.md."""
    listed = [
        {"name": check.name, "status": check.status, "value": check.value, "advice": check.advice} for check in checks
    ]
    return {"schema": 1, "ok": all(check.status != "fail" for check in checks), "checks": listed}
