"""Errors that belong to a whole file: each is also a finding, with a code of the catalogue."""

from __future__ import annotations

from core.data.findings import CODES
from core.errors import DiapasonError


class Unreadable(DiapasonError):
    """No row of the file can be read. `code` names the finding, `detail` what varies in it.

    Args:
        code: a code of core.data.findings.CODES.
        message: what is wrong with this file.
        where: its name.
        hint: what to do; the code's own where it is not given.
        detail: what varies, such as the kind of archive.
    """

    def __init__(self, code: str, message: str, *, where: str, hint: str | None = None, detail: str = "") -> None:
        super().__init__(message, where=where, hint=hint or CODES[code].hint)
        self.code = code
        self.detail = detail


class EmptyFile(Unreadable):
    """There is no row in the file."""

    def __init__(self, message: str, *, where: str) -> None:
        super().__init__("empty_file", message, where=where)
