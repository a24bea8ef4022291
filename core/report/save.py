"""A run's report as a file."""

from __future__ import annotations

from pathlib import Path

from core.errors import DiapasonError, UsageError
from core.files import write_atomic
from core.report.content import content
from core.report.write import as_html, as_markdown
from core.runs.folder import RunFolder
from core.runs.view import RunView


def save_report(run: RunFolder, out: Path, *, price: float | None = None, replace: bool = False) -> None:
    """Write the report of `run` to `out`, which is .html or .md. `price`: of an hour of the machine.

    Raises:
        UsageError: `out` is neither .html nor .md, or exists and is not to be replaced.
        DiapasonError: it cannot be written.
    """
    kind = out.suffix.lower()
    if kind not in (".html", ".htm", ".md"):
        raise UsageError("a report is .html or .md", where=str(out))
    if out.exists() and not replace:
        raise UsageError("is there already", where=str(out), hint="Choose another name, or add --force.")
    view = RunView(run)
    blocks = list(content(view, price=price))
    text = as_markdown(blocks) if kind == ".md" else as_html(view.name, blocks)
    try:
        write_atomic(out, text.encode("utf-8", "backslashreplace"), mode=0o644)
    except OSError as error:
        raise DiapasonError(f"cannot be written: {error.strerror}", where=str(out)) from error
