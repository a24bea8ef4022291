"""Where judgings lie: in a run's folder, or by a name of their own under the home."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import DiapasonError, UsageError
from core.home import home

if TYPE_CHECKING:
    from core.runs.folder import RunFolder

ARMS = ("base", "tuned")
SESSION = "session.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Judging:
    """One judging, whether it has begun or not.

    Attributes:
        folder: of session.json and the votes.
        name: what the commands call it: a run's name, or the judging's own.
        sources: files of answers that a new session may be made of, the first that has all arms wins.
        run: the run that it belongs to, or None.
        arms: who answers; None: all that the file of answers has. chosen: whether a person named them.
        options: what the command that goes on with it needs beside the name.
        request: further fields of the job that makes the answers, by `core.submit.submit_job`.
    """

    folder: Path
    name: str
    sources: tuple[Path, ...]
    run: Path | None = None
    arms: tuple[str, ...] | None = None
    chosen: bool = False
    options: str = ""
    request: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def begun(self) -> bool:
        """Whether there is a session."""
        return (self.folder / SESSION).exists()

    @property
    def command(self) -> str:
        """The command that goes on with it."""
        return f"diapason judge {self.name}{self.options}"


def judging_folder(run: Path) -> Path:
    """The folder of session.json and the votes in the run folder `run`."""
    return run / "judging"


def judging_of(run: RunFolder | Path, arms: Sequence[str] | None = None) -> Judging:
    """The judging of a run's answers, which its evaluation or a generate job made; `arms`: base and tuned.

    In a result base is the baseline and tuned the candidate, whichever of `arms` was named first.
    """
    path = run if isinstance(run, Path) else run.path
    folder = judging_folder(path)
    # A run folder is `<ulid>-<name>`; a path without a dash is its own name.
    name = path.name.partition("-")[2] or path.name if isinstance(run, Path) else run.name
    sources = (path / "evaluation" / "answers.jsonl", folder / "answers.jsonl")
    places = {ARMS[0]: -1, ARMS[1]: 1}
    ordered = tuple(sorted(arms or ARMS, key=lambda arm: places.get(arm, 0)))
    return Judging(folder, name, sources, path, ordered, chosen=arms is not None)


def judgings_dir() -> Path:
    """The folder of the judgings that belong to no run; it need not exist."""
    return home() / "judgings"


def named_judging(name: str) -> Judging:
    """The judging called `name`, which need not exist yet.

    Raises:
        UsageError: where `name` cannot be one.
    """
    if not _NAME.fullmatch(name) or name == "last":
        raise UsageError(
            f"`{name}` cannot name a judging",
            hint="A name has lower-case letters a to z, digits, dots, dashes and underscores, 64 at most; "
            "`last` is the newest run.",
        )
    folder = judgings_dir() / name
    return Judging(folder, name, (folder / "answers.jsonl",))


def list_judgings() -> list[Judging]:
    """The named judgings that have begun, the one with the latest vote first."""
    try:
        folders = [folder for folder in judgings_dir().iterdir() if _NAME.fullmatch(folder.name)]
    except OSError:
        return []
    found = [judging for judging in map(named_judging, (folder.name for folder in folders)) if judging.begun]
    return sorted(found, key=lambda judging: -last_change(judging))


def last_change(judging: Judging) -> float:
    """When its session or a vote was written last, in seconds since 1970; 0 where nothing was."""
    moments = [0.0]
    for path in (judging.folder / SESSION, *vote_files(judging.folder)):
        try:
            moments.append(path.stat().st_mtime)
        except OSError:
            continue
    return max(moments)


def vote_files(folder: Path) -> list[Path]:
    """The files of votes in a judging's folder: one a judge, and first the one that all once shared."""
    return [folder / "votes.jsonl", *sorted(folder.glob("votes-*.jsonl"))]


def find_judging(text: str) -> Judging:
    """The judging that `text` names: a named one by its whole name, else that of the run which `find_run` finds.

    Raises:
        DiapasonError: where there is neither.
    """
    from core.runs.folder import find_run

    wanted = text.strip()
    if _NAME.fullmatch(wanted) and wanted != "last" and (named := named_judging(wanted)).begun:
        return named
    try:
        return judging_of(find_run(wanted))
    except DiapasonError as error:
        known = ", ".join(judging.name for judging in list_judgings()[:5])
        if not known:
            raise
        raise DiapasonError(
            f"no judging and no run is called `{text}`",
            hint=f"The judgings are {known}; {error.hint or '`diapason runs` lists the runs.'}",
        ) from error
