"""Where the answers to judge come from: an evaluation, or a job that generates them beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import DiapasonError
from core.judging.place import Judging, judging_of
from core.judging.session import COUNT, NothingToJudge, find_answers

if TYPE_CHECKING:
    from core.runs.folder import RunFolder

_UNDER_WAY = ("queued", "running", "paused", "unsupervised")


def ready(place: Path | Judging) -> bool:
    """Whether the judging (or that of a run folder) has something to show: a session, or answers for a new one."""
    judging = judging_of(place) if isinstance(place, Path) else place
    return judging.begun or find_answers(judging) is not None


def generate(judging: Judging, count: int | None = None) -> RunFolder:
    """The job that makes the answers: an evaluation or generation of the run under way, else one submitted here.

    Args:
        count: rows to answer; None: as many as a new session asks about.

    Raises:
        DiapasonError: where the judging has no run, the run no tuned model yet, or the job cannot be submitted.
    """
    if judging.run is None:
        raise NothingToJudge(judging)
    from core.runs.folder import RunFolder

    run = RunFolder(judging.run)
    job = under_way(run, judging.arms or ())
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

    asked = {"arms": list(judging.arms or ()), "max_rows": count or COUNT, **judging.request}
    return submit_job("generate", run, **asked)


def under_way(run: RunFolder, arms: Sequence[str] = ()) -> RunFolder | None:
    """The newest job of `run` that lets all of `arms` answer and has not ended, or None."""
    from core.runs.status import status_of

    for job in reversed(run.jobs()):
        answers = job.kind in ("evaluate", "generate") and set(arms) <= set(job.spec().get("arms") or arms)
        if answers and status_of(job) in _UNDER_WAY:
            return job
    return None
