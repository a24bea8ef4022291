"""Where the answers to judge come from: an evaluation, or a job that generates them beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import DiapasonError
from core.judging.pairs import ARMS
from core.judging.session import COUNT, find_answers, judging_folder

if TYPE_CHECKING:
    from core.runs.folder import RunFolder

_UNDER_WAY = ("queued", "running", "paused", "unsupervised")


def ready(run: Path) -> bool:
    """Whether the run folder `run` has something to show: a session, or answers for a new one."""
    return (judging_folder(run) / "session.json").exists() or find_answers(run) is not None


def generate(run: RunFolder, count: int | None = None) -> RunFolder:
    """The job that makes the answers: an evaluation or generation of `run` under way, else one submitted here.

    Args:
        count: rows to answer; None: as many as a new session asks about.

    Raises:
        DiapasonError: where the run has no tuned model yet, or the job cannot be submitted.
    """
    job = under_way(run)
    if job is not None:
        return job
    if not run.adapter.is_dir() and not run.model.is_dir():
        from core.runs.view import RunView

        status = RunView(run).status
        waiting = "It is judged once it is done: `diapason logs " + run.name + " -f` follows it."
        failed = f"`diapason show {run.name}` says why; `diapason resume {run.name}` goes on with it."
        raise DiapasonError(
            f"{run.name} has no tuned model yet: it is {status}",
            hint=waiting if status in _UNDER_WAY else failed,
        )
    from core.submit import submit_job

    return submit_job("generate", run, arms=list(ARMS), max_rows=count or COUNT)


def under_way(run: RunFolder) -> RunFolder | None:
    """The newest job of `run` that makes answers and has not ended, or None."""
    from core.runs.status import status_of

    for job in reversed(run.jobs()):
        if job.kind in ("evaluate", "generate") and status_of(job) in _UNDER_WAY:
            return job
    return None
