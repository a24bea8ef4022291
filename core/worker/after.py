"""What follows a completed run: its own jobs, made once and started."""

from __future__ import annotations

from typing import Any

from core.errors import DiapasonError
from core.runs.create import create_job
from core.runs.folder import FINAL, RunFolder
from core.worker.desk import Desk
from core.worker.launch import launch


def follow_ups(folder: RunFolder, desk: Desk) -> None:
    """Make and start the jobs that ``then`` of the spec asks for; those that an earlier runner made are only started.

    A job that cannot be started is noted and fails nothing: the run itself is complete.
    """
    made = {job.spec().get("follows"): job for job in folder.jobs()}
    wanted: Any = folder.spec().get("then") or []
    for number, spec in enumerate(wanted):
        try:
            job = made.get(number) or create_job(folder, {**spec, "follows": number})
            if job.state().get("status") not in FINAL:
                launch(job)
            desk.note("then", kind=job.kind, job=job.id)
        except DiapasonError as error:
            desk.note("then", kind=str(spec.get("kind")), error=error.message)
