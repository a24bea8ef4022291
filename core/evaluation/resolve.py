"""Look behind the names of arms: is the run, checkpoint, folder or endpoint there, and what exactly is it?"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.errors import DiapasonError, UsageError
from core.evaluation.arms import Arm
from core.evaluation.documents import document_files, folder_fingerprint
from core.evaluation.result import weights_fingerprint
from core.home import runs_dir
from core.runs import checkpoints
from core.runs.folder import FINAL, RunFolder, find_run
from core.runs.status import status_of

_PROBE_SECONDS = 20.0


def tuned_weights(run: RunFolder) -> Path:
    """The run's adapter/ or model/.

    Raises:
        DiapasonError: where there is neither yet.
    """
    for folder in (run.adapter, run.model):
        if folder.is_dir():
            return folder
    status = status_of(run)
    raise DiapasonError(
        f"{run.name} has no tuned model yet: it is {status}",
        hint=f"`diapason show {run.id}` says why; `diapason resume {run.id}` goes on with it."
        if status in FINAL
        else f"It has one once it is done: `diapason logs {run.id} -f` follows it.",
    )


def arm_run(arm: Arm, run: RunFolder) -> RunFolder:
    """The run whose weights answer as `arm`: the one that it names, else `run`. Raises DiapasonError."""
    return find_run(arm.run) if arm.run else run


def arm_weights(arm: Arm, run: RunFolder) -> Path | None:
    """The folder of the tuned weights that answer as `arm` in an evaluation of `run`; None for a base or endpoint.

    Raises:
        DiapasonError: there are none, or the checkpoint is not whole.
    """
    if not arm.tuned:
        return None
    owner = arm_run(arm, run)
    if arm.step is None:
        return tuned_weights(owner)
    path = checkpoints.at(owner.checkpoints, arm.step)
    if problem := checkpoints.problem(path) if path.is_dir() else "there is none":
        there = ", ".join(str(step) for step in checkpoints.sealed(owner.checkpoints))
        raise DiapasonError(
            f"{owner.name} has no whole checkpoint of step {arm.step}: {problem}",
            where=arm.name,
            hint=f"There are those of the steps {there}."
            if there
            else "Its checkpoints are gone, or none is sealed.",
        )
    return path


def resolve(arms: Sequence[Arm], run: RunFolder | None, format: str | None) -> list[Arm]:
    """The arms with the whole ids of the runs that they name, once all that they name is found.

    Args:
        run: whose evaluation it is; None where it is not trained yet: then its own weights are not looked for.
        format: of the test rows.

    Raises:
        DiapasonError: there is no such run or checkpoint, it has no weights, a folder holds no documents, or the rows
            have no questions that could be asked, or that examples or documents could stand before.
    """
    found: list[Arm] = []
    for arm in arms:
        if format == "text" and (arm.shots or arm.folder or not arm.local):
            raise UsageError(
                "the test rows are plain texts: there is no question to ask, or to put examples or documents before",
                where=arm.name, hint="Leave this arm out.",
            )  # fmt: skip
        if arm.folder:
            document_files(Path(arm.folder))
        if arm.run:
            other = find_run(arm.run)
            if run is not None and other == run and arm.step is None:
                raise UsageError("is the run that is evaluated", where=arm.name, hint="Its own arm is `tuned`.")
            at_home = other.path.parent == runs_dir().absolute()
            arm = dataclasses.replace(arm, run=other.id if at_home else str(other.path))
            arm_weights(arm, other)
        elif arm.tuned and run is not None:
            arm_weights(arm, run)
        found.append(arm)
    return found


def identity(arm: Arm, run: RunFolder) -> dict[str, Any]:
    """What makes the arm's answers its own, beside its name: checksums of its weights and documents.

    Raises:
        DiapasonError: as `arm_weights` and `document_files`.
    """
    weights = arm_weights(arm, run)
    return {
        "weights": weights_fingerprint(weights) if weights else None,
        "documents": folder_fingerprint(Path(arm.folder)) if arm.folder else None,
    }


def probe(arm: Arm) -> None:
    """Ask the endpoint for one token, so that a wrong address, key or model is told at once.

    Raises:
        DiapasonError: it does not answer, or refuses.
    """
    from core.endpoint.client import Client, NoAnswer, RowRefused

    client = Client(
        arm.url, arm.model, temperature=0.0, seed=0, timeout=_PROBE_SECONDS, stop=threading.Event(), tries=1
    )
    try:
        client.ask([{"role": "user", "content": "Hi"}], 0, 1, lambda: True, lambda: None, lambda _: None)
    except NoAnswer as error:
        raise DiapasonError(
            f"the endpoint cannot be reached ({error.message.rpartition(': ')[2]})", where=error.where,
            hint="Is it up, and is the address right?",
        ) from error  # fmt: skip
    except RowRefused as error:
        raise DiapasonError(
            f"the endpoint refuses to answer ({error.message})", where=error.where,
            hint=f"Does it know the model `{arm.model}`?",
        ) from error  # fmt: skip
