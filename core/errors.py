"""Errors meant for a person: what went wrong, where, and what to do about it."""

from __future__ import annotations


class DiapasonError(Exception):
    """Something failed in a way that we can explain.

    Args:
        message: what went wrong, one sentence without the place.
        where: the place, as ``file:line`` or ``file: field``.
        hint: what the person can do next.
    """

    exit_code = 1

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\n  {self.hint}" if self.hint else text


class UsageError(DiapasonError):
    """The command line or a file written by the person is wrong; the command exits with 2."""

    exit_code = 2
