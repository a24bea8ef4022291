"""What a watcher has seen, as JSON and back, so that a later look at a long run need not feed it all again."""

from __future__ import annotations

from collections import deque
from typing import Any


def plain(watcher: object) -> dict[str, Any]:
    """The attributes of `watcher` that are numbers, texts or collections of them; deques as lists."""
    return {
        name: list(value) if isinstance(value, deque) else value
        for name, value in vars(watcher).items()
        if value is None or isinstance(value, bool | int | float | str | list | tuple | deque)
    }


def restore(watcher: object, kept: dict[str, Any]) -> None:
    """Give a fresh `watcher` back what `plain` gave, read from JSON.

    Raises:
        TypeError: where `kept` is not what `plain` gives for such a watcher.
    """
    fresh = plain(watcher)
    if kept.keys() != fresh.keys():
        raise TypeError("these are another watcher's attributes")
    for name, value in kept.items():
        # JSON knows no tuples; a list of them holds lists.
        items = [tuple(one) if isinstance(one, list) else one for one in value] if isinstance(value, list) else value
        now = getattr(watcher, name)
        if isinstance(now, deque):
            items = deque(items, maxlen=now.maxlen)
        elif isinstance(items, list) and not isinstance(now, list):
            items = tuple(items)
        setattr(watcher, name, items)
