"""The evaluation room: answers and answer losses of each arm on the test rows, then the result."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

from core.data.dataset import examples, fingerprint
from core.data.example import Example
from core.engine.arm_work import Work
from core.engine.general_work import GENERAL, forgetting
from core.engine.job import Job, JobError
from core.engine.models import Owner
from core.engine.scoring import summarise
from core.evaluation.arms import parse_arms
from core.evaluation.request import asked as all_asked
from core.evaluation.result import ANSWERS, RESULT, weights_fingerprint
from core.files import write_atomic, write_json
from core.judging.used import prompt_id, unseen
from core.rounds import ancestors, trained_on, used_for_training
from core.runs.folder import RunFolder, find_run


def answer_and_score(job: Job) -> str:
    """Do an evaluate or generate job: answer every test row with every arm; for evaluate, measure them too.

    Rows that answers.jsonl already holds are not done again, nor those that an earlier job of the run answered.
    An arm of an evaluation that fails is named in the result (``failed``) and takes nothing from the others.

    Raises:
        DiapasonError: the run has no tuned weights, no test row can be used, or no arm could answer.
    """
    run = RunFolder(job.spec["run"])
    try:
        spec = run.spec()
        owner = Owner(run)
    except KeyError as error:
        raise JobError("refused", f"the run's spec.json lacks {error}", where=str(run.spec_file)) from error
    scored = job.spec["kind"] == "evaluate"
    settings = _settings(job, spec, owner)
    arms = parse_arms(job.spec["arms"])
    train = [row for part in trained_on(run) for row in _read(part)]
    work = Work(job, owner, arms, settings, train, scored=scored)
    known = _prompts(job, run)
    for arm in arms:
        if arm.run:
            # A row that the other run was trained on would favour it.
            with work.failing(arm):
                known |= _prompts(job, find_run(arm.run))
    test, refused = _test_rows(job, settings, known)
    work.answer(test)
    if scored:
        job.emit("progress", phase="score", done=0, total=1)
        facts = {
            "run": run.id,
            **{key: settings[key] for key in ("task", "seed", "max_rows", "max_new_tokens", "metrics", "primary")},
            "decoding": {"greedy": work.decoding.greedy, **{key: settings[key] for key in ("temperature", "top_p")}},
            "asked": all_asked(run, {**settings, "arms": job.spec["arms"], "data": {"test": settings["test"]}}),
            "refused": refused,
            "too_long": work.too_long,
            "failed": work.failed,
            "weights": weights_fingerprint(work.weights),
            "data": {**fingerprint(Path(settings["test"]["path"])), "format": settings["test"].get("format")},
            "created": time.time(),
        }
        document = summarise(job.folder.name, work.records(), {row.kind for row in test}, facts, work.about)
        document["arms"] = [{**work.told.get(arm["name"], {}), **arm} for arm in document["arms"]]
        document["forgetting"] = forgetting(job.folder)
        write_json(job.folder / RESULT, document)
    _publish(job, run.path / str(job.spec.get("into") or ("evaluation" if scored else "judging")))
    return "completed"


def _prompts(job: Job, run: RunFolder) -> set[str]:
    """The prompts (`core.judging.used.prompt_id`) that `run` or a run before it learned from: those of their training
    rows, bad answers of KTO's among them, and those whose judgements were handed to training."""
    _, gone = ancestors(run)
    if gone is not None:
        job.log("warning", f"{run.name} goes back to {gone}, which is gone: test rows that it was trained on count.")
    rows = (
        row
        for part in trained_on(run)
        for row in examples(part["path"], part.get("format"), part.get("map"), bad=True)
    )
    return {prompt_id(row) for row in rows} | used_for_training(run)


def _read(part: dict[str, Any]) -> list[Example]:
    return list(examples(Path(part["path"]), part.get("format"), part.get("map")))


def _settings(job: Job, run_spec: dict[str, Any], owner: Owner) -> dict[str, Any]:
    """What the job's spec leaves open, from the run that it belongs to."""
    recipe = owner.recipe
    wanted = recipe.evaluation
    test = (job.spec.get("data") or {}).get("test") or run_spec["data"].get("test")
    if not test:
        raise JobError(
            "refused",
            "the run has no test rows",
            where=str(job.spec["run"]),
            hint="Name a file of them: diapason evaluate RUN --data FILE.",
        )
    names = ("max_rows", "max_new_tokens", "batch_size", "temperature", "top_p", "metrics", "primary", "general")
    defaults: dict[str, Any] = {name: getattr(wanted, name) for name in names}
    rag = {
        "top_k": wanted.rag_top_k, "chunk_size": wanted.rag_chunk_size, "chunk_overlap": wanted.rag_chunk_overlap,
        "template": wanted.rag_template,
    }  # fmt: skip
    defaults |= {"task": recipe.task, "seed": recipe.data.split_seed, "rag": rag, "endpoint": {}}
    given = {key: job.spec[key] for key in defaults if job.spec.get(key) is not None}
    return {**defaults, **given, "test": test}


def _test_rows(job: Job, settings: dict[str, Any], known: set[str]) -> tuple[list[Example], int]:
    """Test rows whose prompt is not among the `known`, at most max_rows of them, drawn by seed; and how many were.

    A generate job may ask for rows that were trained on (``trained_too``): its answers are not counted as a test.
    """
    part = settings["test"]
    rows, refused = unseen(_read(part), () if job.spec.get("trained_too") else known)
    if not rows:
        why = f"all {refused} prompts were trained on" if refused else "there is no usable row"
        raise JobError(
            "refused",
            f"nothing to evaluate on: {why}",
            where=str(part["path"]),
            hint="Give rows that the model has not been trained on: diapason evaluate RUN --data FILE.",
        )
    if refused:
        job.log("warning", f"{refused} test rows are left out: their prompt, or a judgement of it, was trained on.")
    wanted = settings["max_rows"]
    if wanted and len(rows) > wanted:
        chosen = sorted(random.Random(settings["seed"]).sample(range(len(rows)), wanted))
        job.log("info", f"{wanted} of {len(rows)} test rows are used, drawn by seed.")
        rows = [rows[index] for index in chosen]
    return rows, refused


def _publish(job: Job, target: Path) -> None:
    """Copy the answers, then the result, to the run's folder: whole or not at all, and the result last."""
    target.mkdir(mode=0o700, exist_ok=True)
    for name in (ANSWERS, GENERAL, RESULT):
        if (job.folder / name).is_file():
            write_atomic(target / name, (job.folder / name).read_bytes())
        elif name == GENERAL:
            (target / name).unlink(missing_ok=True)
