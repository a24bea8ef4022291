"""A run's folder: the only place where anything about a run is kept."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from core.errors import DiapasonError
from core.files import read_json
from core.home import runs_dir

#: Statuses after which nothing happens by itself any more.
FINAL = frozenset({"completed", "stopped", "failed"})
#: Folders in a run's: the weights that it begins with, and the adapter that its answers are held against (dpo, kto).
START, REFERENCE = "start", "reference"


class RunFolder:
    """The files of one run, or of one job of a run: names, paths, spec and state."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()
        self._spec: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunFolder) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)

    @property
    def id(self) -> str:
        """The identifier: the folder's own name, ``<ulid>-<slug>``."""
        return self.path.name

    @property
    def name(self) -> str:
        """The name that a person gave, else the end of the folder's name."""
        return str(self._peek().get("name") or self.id.partition("-")[2] or self.id)

    @property
    def kind(self) -> str:
        """train, evaluate or generate."""
        return str(self._peek().get("kind", "train"))

    def spec(self) -> dict[str, Any]:
        """The immutable specification (spec.json).

        Raises:
            DiapasonError: where it is missing or is not JSON.
        """
        if self._spec is None:
            found = read_json(self.spec_file)
            if not isinstance(found, dict):
                raise DiapasonError(
                    "this is not a run folder: its spec.json is missing or damaged",
                    where=str(self.path),
                    hint="`diapason runs` lists the runs.",
                )
            self._spec = found
        return self._spec

    def _peek(self) -> dict[str, Any]:
        try:
            return self.spec()
        except DiapasonError:
            return {}

    def state(self) -> dict[str, Any]:
        """The last state.json that was written, or an empty one."""
        found = read_json(self.state_file)
        return found if isinstance(found, dict) else {}

    def exit_record(self, attempt: int) -> dict[str, Any] | None:
        """The job's own verdict on `attempt`, or None where it left none."""
        found = read_json(self.path / f"exit.{attempt}.json")
        return found if isinstance(found, dict) else None

    @property
    def recipe_file(self) -> Path:
        """run.yaml, as the person wrote it."""
        return self.path / "run.yaml"

    @property
    def spec_file(self) -> Path:
        """spec.json."""
        return self.path / "spec.json"

    @property
    def notify_file(self) -> Path:
        """Who is told of the run's end: the person's own, with addresses that are nobody else's business."""
        return self.path / "notify.json"

    @property
    def state_file(self) -> Path:
        """state.json, written by the runner."""
        return self.path / "state.json"

    @property
    def lock_file(self) -> Path:
        """runner.lock, held by the runner as long as it lives."""
        return self.path / "runner.lock"

    @property
    def runner_events(self) -> Path:
        """runner.jsonl, what the runner did."""
        return self.path / "runner.jsonl"

    @property
    def events(self) -> Path:
        """events.jsonl, written by the job."""
        return self.path / "events.jsonl"

    @property
    def samples(self) -> Path:
        """samples.jsonl, answers to validation prompts."""
        return self.path / "samples.jsonl"

    @property
    def gpu(self) -> Path:
        """gpu.jsonl, samples of the hardware."""
        return self.path / "gpu.jsonl"

    @property
    def inbox(self) -> Path:
        """inbox.json, what the runner tells the job."""
        return self.path / "inbox.json"

    @property
    def control(self) -> Path:
        """The folder into which anyone drops commands for the runner."""
        return self.path / "control"

    @property
    def logs(self) -> Path:
        """The folder of logs: runner.log, attempt-N.log."""
        return self.path / "logs"

    @property
    def runner_log(self) -> Path:
        """What the runner printed."""
        return self.logs / "runner.log"

    def attempt_log(self, attempt: int) -> Path:
        """What the job printed in `attempt`."""
        return self.logs / f"attempt-{attempt}.log"

    @property
    def checkpoints(self) -> Path:
        """The folder of sealed checkpoints."""
        return self.path / "checkpoints"

    @property
    def adapter(self) -> Path:
        """The tuned adapter: a plain PEFT folder."""
        return self.path / "adapter"

    @property
    def model(self) -> Path:
        """The tuned model, where all weights were trained."""
        return self.path / "model"

    @property
    def data(self) -> Path:
        """The rows used, where we split them."""
        return self.path / "data"

    @property
    def evaluation(self) -> Path:
        """Results of the last evaluation."""
        return self.path / "evaluation"

    @property
    def judging(self) -> Path:
        """Answers to judge, and the votes."""
        return self.path / "judging"

    @property
    def jobs_folder(self) -> Path:
        """The folder of this run's jobs."""
        return self.path / "jobs"

    def jobs(self) -> list[RunFolder]:
        """This run's jobs, oldest first."""
        return folders_in(self.jobs_folder)

    @property
    def parent(self) -> RunFolder | None:
        """The run that this job belongs to; None for a run."""
        if self.path.parent.name != "jobs":
            return None
        owner = RunFolder(self.path.parent.parent)
        return owner if owner.spec_file.is_file() else None


def folders_in(parent: Path) -> list[RunFolder]:
    """The run or job folders in `parent`, oldest first; none where it is missing."""
    try:
        with os.scandir(parent) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except OSError:
        return []
    return [RunFolder(parent / name) for name in names if (parent / name / "spec.json").is_file()]


def list_runs() -> list[RunFolder]:
    """Every run of the home, newest first."""
    return folders_in(runs_dir())[::-1]


def find_run(text: str) -> RunFolder:
    """The run that `text` names: an id, a unique prefix of an id or a name, a run folder's path, or ``last``.

    Raises:
        DiapasonError: where there is none, with the nearest names, or more than one.
    """
    import difflib  # only here: a runner, which imports this module, is to stay small

    runs = list_runs()
    wanted = text.strip()
    if not runs and "/" not in wanted:
        raise DiapasonError("there are no runs yet", hint="`diapason train run.yaml` starts one.")
    if wanted == "last":
        return runs[0]
    if "/" in wanted and RunFolder(wanted).spec_file.is_file():
        return RunFolder(wanted)
    low = wanted.casefold()
    named = [(run, run.name.casefold()) for run in runs]
    for matches in (
        [run for run in runs if run.id == low],
        [run for run, name in named if low and name == low],
        [run for run, name in named if low and (run.id.startswith(low) or name.startswith(low))],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            listed = ", ".join(f"{short_id(run, runs)} ({run.name})" for run in matches[:5])
            more = f" and {len(matches) - 5} more" if len(matches) > 5 else ""
            raise DiapasonError(f"`{text}` names {len(matches)} runs: {listed}{more}", hint="Give more of the id.")
    known = {run.name: run for run in runs} | {short_id(run, runs): run for run in runs}
    near = difflib.get_close_matches(wanted, known, 3, 0.5)
    hint = f"Did you mean {', '.join(near)}?" if near else "`diapason runs` lists the runs."
    raise DiapasonError(f"no run is called `{text}`", hint=hint)


def short_id(run: RunFolder, among: list[RunFolder]) -> str:
    """The shortest prefix of `run`'s id, of 8 characters or more, that no other run in `among` has."""
    size = 8
    others = [other.id for other in among if other.id != run.id]
    while size < len(run.id) and any(other.startswith(run.id[:size]) for other in others):
        size += 1
    return run.id[:size]


def slug(text: str) -> str:
    """`text` as the end of a folder's name: lower-case ASCII letters, digits and dashes, at most 40."""
    import unicodedata

    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "run"
