"""A stand-in for trackio that loses its disk at the third report."""

from __future__ import annotations

from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

__version__ = "0.43.0"
context_vars = SimpleNamespace(current_space_id=ContextVar("space", default=None), current_run=ContextVar("run"))
config: Any = None
_reports: list[Any] = []


class _Config(dict[str, Any]):
    def update(self, *values: Any, allow_val_change: bool = False) -> None:  # type: ignore[override]
        super().update(*values)


def init(*, project: str, name: str, space_id: str | None, resume: str, **options: Any) -> None:
    """As trackio.init."""
    global config
    assert project == "diapason" and name and space_id is None and resume == "allow"
    config = _Config()
    context_vars.current_run.set(SimpleNamespace(name=name, _next_step=0))


def log(values: dict[str, Any], step: int | None = None) -> None:
    """As trackio.log."""
    _reports.append(step)
    if len(_reports) == 3:
        raise OSError("no room for the third report\nand a second line")


def finish() -> None:
    """As trackio.finish."""
    raise AssertionError("nothing more is asked of it")
