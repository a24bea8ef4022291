"""The evaluation room: answers and answer losses of each arm on the test rows, then the result."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.chat import NO_LOSS, ChatModel, final_answer, load_chat
from core.data.dataset import examples, fingerprint
from core.data.example import Example
from core.engine.answering import answers, losses
from core.engine.encode import uses_thinking
from core.engine.job import Job, JobError
from core.engine.loading import load_adapter, load_model, pick_device, pick_dtype
from core.engine.scoring import summarise
from core.evaluation.arms import Arm, parse_arm, pick_shots, unseen, with_shots
from core.evaluation.result import ANSWERS, RESULT, weights_fingerprint
from core.files import JsonlWriter, read_json, read_jsonl, write_atomic, write_json
from core.models import ModelInfo, read_model
from core.recipe import Recipe, make_recipe


@dataclass(slots=True)
class Asked:
    """One test row as one arm gets it. ids, labels: prompt and answer, for the loss."""

    example: Example
    prompt: list[int]
    ids: list[int]
    labels: list[int]


def answer_and_score(job: Job) -> str:
    """Do an evaluate or generate job: answer every test row with every arm; for evaluate, measure them too.

    Rows that answers.jsonl already holds are not done again.

    Raises:
        DiapasonError: where the run has no tuned weights, or no test row can be used.
    """
    run = Path(job.spec["run"])
    run_spec = read_json(run / "spec.json")
    if not isinstance(run_spec, dict):
        raise JobError("refused", "the run's spec.json is missing or damaged", where=str(run))
    recipe = make_recipe(run_spec["recipe"], str(run / "spec.json"))
    info = read_model(Path(run_spec["model"]["path"]), run_spec["model"].get("name"))
    arms = [parse_arm(name) for name in job.spec["arms"]]
    scored = job.spec["kind"] == "evaluate"
    models = Models(run, recipe, info)
    chat = load_chat(info)
    trained = run_spec["data"]["train"]
    chat.thinking = uses_thinking(Path(trained["path"]), trained.get("format"), trained.get("map"))
    train = list(_read(trained))
    settings = _settings(job, run_spec, recipe)
    test, refused = _test_rows(job, settings, train)
    shots = pick_shots(train, max(arm.shots for arm in arms), settings["seed"])
    asked, too_long = _ask(chat, test, arms, shots, info)
    if not asked[arms[0].name]:
        raise JobError(
            "refused",
            f"all {too_long} usable test rows are longer than the {info.max_positions} tokens the model reads",
            where=str(settings["test"]["path"]),
        )
    room = Room(job, settings, chat, models, info, scored)
    for arm in sorted(arms, key=lambda arm: arm.tuned):
        room.answer(arm, asked[arm.name])
    if scored:
        job.emit("progress", phase="score", done=0, total=1)
        rows = {arm.name: room.finished(arm, asked[arm.name]) for arm in arms}
        facts = {
            "run": run.name,
            **{key: settings[key] for key in ("task", "seed", "max_rows", "max_new_tokens")},
            "refused": refused,
            "too_long": too_long,
            "weights": weights_fingerprint(models.weights),
            "data": {**fingerprint(Path(settings["test"]["path"])), "format": settings["test"].get("format")},
            "created": time.time(),
        }
        kinds = {item.example.kind for items in asked.values() for item in items}
        about = {
            arm.name: {"kind": arm.name.partition(":")[0], "model": info.name, "tokenizer": info.name} for arm in arms
        }
        write_json(job.folder / RESULT, summarise(job.folder.name, rows, kinds, facts, about))
    _publish(job, run / ("evaluation" if scored else "judging"))
    return "completed"


def _read(part: dict[str, Any]) -> Iterator[Example]:
    return examples(Path(part["path"]), part.get("format"), part.get("map"))


def _settings(job: Job, run_spec: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    """What the job's spec leaves open, from the run that it belongs to."""
    wanted = recipe.evaluation
    test = (job.spec.get("data") or {}).get("test") or run_spec["data"].get("test")
    if not test:
        raise JobError(
            "refused",
            "the run has no test rows",
            where=str(job.spec["run"]),
            hint="Name a file of them: diapason evaluate RUN --data FILE.",
        )
    defaults = {
        "task": recipe.task,
        "seed": recipe.data.split_seed,
        "max_rows": wanted.max_rows,
        "max_new_tokens": wanted.max_new_tokens,
        "batch_size": wanted.batch_size,
    }
    given = {key: job.spec[key] for key in defaults if job.spec.get(key) is not None}
    return {**defaults, **given, "test": test}


def _test_rows(job: Job, settings: dict[str, Any], train: list[Example]) -> tuple[list[Example], int]:
    """Test rows whose prompt was not trained on, at most max_rows of them, drawn by seed; and how many were."""
    part = settings["test"]
    rows, refused = unseen(_read(part), train)
    if not rows:
        why = f"all {refused} prompts were trained on" if refused else "there is no usable row"
        raise JobError(
            "refused",
            f"nothing to evaluate on: {why}",
            where=str(part["path"]),
            hint="Give rows that the model has not been trained on: diapason evaluate RUN --data FILE.",
        )
    if refused:
        job.log("warning", f"{refused} test rows are left out: their prompt was trained on.")
    wanted = settings["max_rows"]
    if wanted and len(rows) > wanted:
        chosen = sorted(random.Random(settings["seed"]).sample(range(len(rows)), wanted))
        job.log("info", f"{wanted} of {len(rows)} test rows are used, drawn by seed.")
        rows = [rows[index] for index in chosen]
    return rows, refused


def _ask(
    chat: ChatModel, test: list[Example], arms: list[Arm], shots: list[Example], info: ModelInfo
) -> tuple[dict[str, list[Asked]], int]:
    """Each arm's rows; a row too long for the model is left out of all arms, examples in a prompt that do not
    fit are left out of that prompt."""
    limit = info.max_positions or 1 << 30
    asked: dict[str, list[Asked]] = {arm.name: [] for arm in arms}
    too_long = 0
    for example in test:
        plain = _encode(chat, example)
        if len(plain.ids) > limit or len(plain.prompt) >= limit:
            too_long += 1
            continue
        for arm in arms:
            given = plain
            for count in range(min(arm.shots, len(shots)), 0, -1):
                longer = _encode(chat, with_shots(example, shots[:count]))
                if len(longer.ids) <= limit and len(longer.prompt) < limit:
                    given = longer
                    break
            asked[arm.name].append(given)
    return asked, too_long


def _encode(chat: ChatModel, example: Example) -> Asked:
    encoded = chat.encode(example, loss="last-answer")
    prompt: list[int] = []
    if example.prompt:
        messages = [message.to_dict() for message in example.prompt]
        prompt = chat.prompt_ids(messages, tools=list(example.tools) or None)
    # What the generation prompt gives (an empty think block, say) is trained on but no part of the answer.
    given = encoded.prompt_length
    return Asked(example, prompt, encoded.input_ids, [NO_LOSS] * given + encoded.labels[given:])


class Models:
    """The base model and the tuned one, loaded when first needed; one set of base weights for both with LoRA."""

    def __init__(self, run: Path, recipe: Recipe, info: ModelInfo) -> None:
        self._recipe = recipe
        self._info = info
        self.weights = run / ("model" if recipe.method == "full" else "adapter")
        if not self.weights.is_dir():
            raise JobError(
                "refused",
                "this run has no tuned weights yet",
                where=run.name,
                hint="Wait until it is completed, or stop it: what it has learned by then is kept.",
            )
        if not any(self.weights.glob("*.safetensors")):
            raise JobError(
                "refused",
                "the folder of the tuned weights holds no weights",
                where=str(self.weights),
                hint=f"`diapason resume {run.name}` writes them again from the checkpoints.",
            )
        self.device = pick_device(recipe.device)
        self._model: Any = None
        self._whole_tuned = False

    @contextlib.contextmanager
    def ready(self, tuned: bool) -> Iterator[Any]:
        """The base model or the tuned one, in evaluation mode."""
        if self._recipe.method == "full":
            if self._model is None or self._whole_tuned != tuned:
                self._model = None
                self._model = self._load(self.weights if tuned else self._info.path)
                self._whole_tuned = tuned
            yield self._model
            return
        if self._model is None:
            self._model = load_adapter(self._load(self._info.path), self.weights)
        if tuned:
            yield self._model
        else:
            with self._model.disable_adapter():
                yield self._model

    def _load(self, folder: Path) -> Any:
        dtype = pick_dtype(self._recipe.train.dtype, self.device)
        quantise = self._recipe.quantises and not self._info.quantised
        return load_model(folder, self.device, dtype, quantise=quantise).eval()


class Room:
    """Answers rows and keeps answers.jsonl."""

    def __init__(
        self, job: Job, settings: dict[str, Any], chat: ChatModel, models: Models, info: ModelInfo, scored: bool
    ) -> None:
        self._job = job
        self._settings = settings
        self._chat = chat
        self._models = models
        self._info = info
        self._scored = scored
        path = job.folder / ANSWERS
        self._done: dict[tuple[str, int], dict[str, Any]] = {}
        for record in read_jsonl(path)[0]:
            if {"arm", "row", "answer", "reference"} <= record.keys():
                self._done[record["arm"], record["row"]] = record
        self._writer = JsonlWriter(path)

    def finished(self, arm: Arm, asked: list[Asked]) -> list[dict[str, Any]]:
        """The records of the arm, in the order of the test rows."""
        return [self._done[arm.name, item.example.row] for item in asked]

    def answer(self, arm: Arm, asked: list[Asked]) -> None:
        """Answer, and score where asked to, every row that has no record yet."""
        job = self._job
        todo = [item for item in asked if (arm.name, item.example.row) not in self._done]
        total, done = len(asked), len(asked) - len(todo)
        job.emit("progress", phase=arm.name, done=done, total=total)
        if not todo:
            return
        job.check_stop()
        with self._models.ready(arm.tuned) as model:
            nll = self._losses(model, todo, arm.name) if self._scored else {}
            for batch, texts, seconds in self._answers(model, todo):
                for index in batch:
                    self._write(arm, todo[index], texts[index], nll.get(index), seconds / len(batch))
                done += len(batch)
                job.emit("progress", phase=arm.name, done=done, total=total)
                print(f"{arm.name}: {done} of {total} rows", flush=True)
                job.check_stop()

    def _losses(self, model: Any, todo: list[Asked], phase: str) -> dict[int, tuple[float, int, float]]:
        """Of each row: summed nats, answer tokens, seconds."""
        found: dict[int, tuple[float, int, float]] = {}
        began = time.monotonic()
        for batch in losses(model, [(item.ids, item.labels) for item in todo], self._chat.pad_id):
            now = time.monotonic()
            for index, nats, tokens in batch:
                found[index] = (nats, tokens, (now - began) / len(batch))
            began = now
            self._job.emit("progress", phase=f"{phase} loss", done=len(found), total=len(todo))
            self._job.check_stop()
        return found

    def _answers(self, model: Any, todo: list[Asked]) -> Iterator[tuple[list[int], dict[int, list[int]], float]]:
        """Batches of row indexes with their answers' ids and the seconds they took; texts get empty answers."""
        texts = [index for index, item in enumerate(todo) if not item.prompt]
        if texts:
            yield texts, {index: [] for index in texts}, 0.0
        rest = [index for index, item in enumerate(todo) if item.prompt]
        began = time.monotonic()
        batches = answers(
            model,
            [todo[index].prompt for index in rest],
            stop_ids=sorted(self._chat.stop_ids),
            pad_id=self._chat.pad_id,
            max_new_tokens=self._settings["max_new_tokens"],
            batch_size=self._settings["batch_size"],
            max_positions=self._info.max_positions,
        )
        for batch in batches:
            now = time.monotonic()
            yield [rest[at] for at, _ in batch], {rest[at]: ids for at, ids in batch}, now - began
            began = now

    def _write(
        self, arm: Arm, item: Asked, ids: list[int], loss: tuple[float, int, float] | None, seconds: float
    ) -> None:
        example = item.example
        record: dict[str, Any] = {
            "row": example.row,
            "line": example.line,
            "arm": arm.name,
            "prompt": [message.to_dict() for message in example.prompt],
            "reference": example.answer or (example.text or ""),
            "answer": final_answer(self._chat.decode(ids)),
            "prompt_tokens": len(item.prompt),
            "generated_tokens": len(ids),
            "seconds": seconds + (loss[2] if loss else 0.0),
        }
        if loss:
            record |= {"nll": loss[0], "answer_tokens": loss[1]}
        self._writer.write(record)
        self._done[arm.name, example.row] = record


def _publish(job: Job, target: Path) -> None:
    """Copy the answers, then the result, to the run's folder: whole or not at all, and the result last."""
    target.mkdir(mode=0o700, exist_ok=True)
    write_atomic(target / ANSWERS, (job.folder / ANSWERS).read_bytes())
    if (job.folder / RESULT).is_file():
        write_atomic(target / RESULT, (job.folder / RESULT).read_bytes())
