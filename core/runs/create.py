"""Make a run's folder so that readers see it whole or not at all."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from core.errors import DiapasonError
from core.files import new_ulid, sync_dir, write_atomic, write_json
from core.runs.folder import RunFolder, slug

_OLD = 86400.0


class Draft:
    """A run folder in the making, hidden beside its place until `publish`.

    As a context manager it removes itself where it was not published.

    Args:
        parent: the folder of runs or of jobs that it will stand in.
        name: what the end of the folder's name is made of.

    Raises:
        DiapasonError: where the folder cannot be made.
    """

    def __init__(self, parent: Path, name: str) -> None:
        self.id = f"{new_ulid()}-{slug(name)}"
        self.final = parent.absolute() / self.id
        self.work = parent.absolute() / f".new-{self.id}"
        _clear(parent)
        try:
            self.work.mkdir(mode=0o700, parents=True)
            for sub in ("logs", "control"):
                (self.work / sub).mkdir(mode=0o700)
        except OSError as error:
            raise DiapasonError(
                f"cannot make the run's folder: {error.strerror}",
                where=str(parent),
                hint="Runs live in $DIAPASON_HOME: it must be a folder, on a disk, that you can write to.",
            ) from error

    def __enter__(self) -> Draft:
        return self

    def __exit__(self, *_: object) -> None:
        if self.work.exists():
            shutil.rmtree(self.work, ignore_errors=True)

    def here(self, path: Path) -> Path:
        """Where the file `path`, named as if published, lies until then; other paths as they are."""
        return self.work / path.relative_to(self.final) if path.is_relative_to(self.final) else path

    def publish(
        self, spec: dict[str, Any], *, recipe: str | None = None, notify: dict[str, Any] | None = None
    ) -> RunFolder:
        """Write spec.json, the first state.json, run.yaml and notify.json, and put the folder in its place.

        Raises:
            DiapasonError: where the disk is full or cannot be written to.
        """
        settings = (spec.get("recipe") or {}).get("train") or {}
        state = {
            "schema": 1,
            "status": "queued",
            "attempt": 0,
            "step": 0,
            "total_steps": 0,
            "reason": None,
            "hint": None,
            "micro_batch": settings.get("micro_batch_size"),
            "accumulation": settings.get("accumulation"),
            "submitted": time.time(),
            "started": None,
            "ended": None,
            "runner": None,
            "job": None,
        }
        try:
            if recipe is not None:
                write_atomic(self.work / "run.yaml", recipe)
            if notify is not None:
                write_json(self.work / "notify.json", notify)
            write_json(self.work / "state.json", state)
            write_json(self.work / "spec.json", {"schema": 1, "id": self.id, "marker": self.id, **spec})
            self.work.rename(self.final)
            sync_dir(self.final.parent)
        except OSError as error:
            raise DiapasonError(f"cannot write the run's folder: {error.strerror}", where=str(self.final)) from error
        return RunFolder(self.final)


def _clear(parent: Path) -> None:
    """Remove drafts of a day or more ago: whoever made them was killed."""
    for left in parent.glob(".new-*"):
        try:
            if time.time() - left.stat().st_mtime > _OLD:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            continue


def create_job(run: RunFolder, spec: dict[str, Any]) -> RunFolder:
    """A queued job of `run` from `spec`, whose ``kind`` names it; the job asks for what its run asked for, but
    for one card only.

    Raises:
        DiapasonError: where the folder cannot be written.
    """
    asked = run.spec().get("gpu_request") or {}
    size = asked.get("alone", asked.get("bytes"))
    with Draft(run.jobs_folder, str(spec["kind"])) as draft:
        values = {
            "name": f"{run.name} · {spec['kind']}",
            "created": time.time(),
            "run": str(run.path),
            "gpu_request": asked | {"gpus": 1} | ({} if size is None else {"bytes": size}),
            **spec,
        }
        return draft.publish(values)
