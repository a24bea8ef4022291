"""Messages that background threads post to the screens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.message import Message


class WorkDone(Message):
    """A piece of background work is done: `then` wants its result on the app's own thread."""

    def __init__(self, then: Callable[[Any], None], result: Any) -> None:
        super().__init__()
        self.then = then
        self.result = result


class WorkFailed(Message):
    """A piece of background work raised `error`; `otherwise` wants it, or nobody does."""

    def __init__(self, error: BaseException, otherwise: Callable[[BaseException], None] | None) -> None:
        super().__init__()
        self.error = error
        self.otherwise = otherwise
