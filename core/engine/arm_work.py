"""The arms of one job at work: each answers in its turn, and one that fails takes nothing from the others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from core.chat import final_answer
from core.data.example import Example
from core.engine.general_work import GENERAL, ask_general, general_rows
from core.engine.job import Job, JobError, Stopped, describe
from core.engine.locally import Decoding
from core.engine.models import Models, Owner
from core.engine.prompts import Asked, Prompter, fits, plain, spoken
from core.engine.sheet import Record, Sheet, earlier_answers, generate
from core.evaluation.arms import Arm
from core.evaluation.asking import Asking
from core.evaluation.resolve import arm_weights
from core.evaluation.result import ANSWERS
from core.files import read_jsonl
from core.runs.folder import find_run

# Failures of the machine: no other arm would fare better.
_FATAL = frozenset({"disk_full", "gpu_lost", "gpu_unusable", "host_oom", "peer"})


class Work:
    """What the arms answered, and what is to be told of each.

    Attributes:
        about: of each arm what `summarise` wants. told: what its entry in the result has beside that.
        failed: arms that could not answer, and why. too_long: rows left out as they fit no model.
        weights: the folder of the run's tuned weights.

    Raises:
        JobError: the run has no tuned weights.
    """

    def __init__(
        self,
        job: Job,
        owner: Owner,
        arms: Sequence[Arm],
        settings: dict[str, Any],
        train: Sequence[Example],
        *,
        scored: bool,
    ) -> None:
        self._job, self._owner, self._arms, self._settings, self._train = job, owner, list(arms), settings, train
        self._scored = scored
        self._models = Models(owner.run.path, owner.recipe, owner.info)
        self.weights = self._models.weights
        self.decoding = Decoding(
            **{name: settings[name] for name in ("max_new_tokens", "batch_size", "temperature", "top_p", "seed")}
        )
        self.about: dict[str, dict[str, Any]] = {}
        self.told: dict[str, dict[str, Any]] = {}
        self.failed: dict[str, str] = {}
        self.too_long = 0
        self._asked: dict[str, list[Asked]] = {}
        self._first_error: BaseException | None = None
        self._sheet = self._open(ANSWERS)
        self._peaks = _peaks(job, owner)

    def _open(self, name: str) -> Sheet:
        earlier = {} if self._job.spec.get("again") else earlier_answers(self._owner.run, name)
        return Sheet(self._job.folder / name, scored=self._scored, earlier=earlier)

    def records(self) -> dict[str, list[Record]]:
        """The records of each arm that answered, in the order asked for, each in the order of the test rows."""
        return {
            arm.name: self._sheet.finished(arm.name, self._asked[arm.name])
            for arm in self._arms
            if arm.name not in self.failed
        }

    @contextlib.contextmanager
    def failing(self, arm: Arm) -> Iterator[None]:
        """What fails in the block fails the arm alone; in a generate job, whose arms are shown in pairs, the job."""
        try:
            yield
        except Stopped:
            raise
        except Exception as error:
            record = describe(error)
            if not self._scored or record["kind"] in _FATAL:
                raise
            if record["traceback"]:
                print(record["traceback"], flush=True)
            # Its traceback would hold on to the memory of the model that failed.
            self._first_error = self._first_error or error.with_traceback(None)
            self.failed[arm.name] = str(record["message"])
            hint = f" {record['hint']}" if record["hint"] else ""
            self._job.log("warning", f"the arm {arm.name} failed: {record['message']}.{hint}")

    def answer(self, test: Sequence[Example]) -> None:
        """Have every arm answer the rows that no answer is there for yet.

        Raises:
            JobError: no row fits the models. Whatever the first arm failed of, where all did.
        """
        owners = self._owners()
        rows = self._fitting(test, owners)
        prompter = Prompter(
            self._owner,
            self._train,
            seed=self._settings["seed"],
            answer=self.decoding.max_new_tokens,
            rag=self._settings["rag"],
            tick=self._tick,
        )
        for arm in self._alive():
            with self.failing(arm):
                self._asked[arm.name], told = prompter.ask(arm, rows[owners[arm.name].run.id if arm.local else ""])
                self.told[arm.name] = told
        self._own()
        self._models.close()
        for arm in self._alive():
            if arm.kind in ("checkpoint", "run"):
                with self.failing(arm):
                    self._other(arm, owners[arm.name])
        for arm in self._alive():
            if not arm.local:
                with self.failing(arm):
                    self._endpoint(arm)
        if not self._alive() and self._first_error is not None:
            raise self._first_error

    def _tick(self) -> None:
        self._job.pulse("prompts", 0, 0)
        self._job.check_stop()

    def _alive(self) -> list[Arm]:
        return [arm for arm in self._arms if arm.name not in self.failed]

    def _owners(self) -> dict[str, Owner]:
        """Of each local arm the run whose model answers."""
        found: dict[str, Owner] = {}
        made = {self._owner.run.id: self._owner}
        for arm in self._alive():
            if not arm.local:
                continue
            with self.failing(arm):
                run = find_run(arm.run) if arm.run else self._owner.run
                found[arm.name] = made.setdefault(run.id, made.get(run.id) or Owner(run))
        return found

    def _fitting(self, test: Sequence[Example], owners: dict[str, Owner]) -> dict[str, list[Asked]]:
        """The rows that every model can read, as each run's model reads them; under "" as an endpoint does."""
        found = {owner.run.id: [plain(owner.chat, row) for row in test] for owner in owners.values()}
        limits = {owner.run.id: owner.limit for owner in owners.values()}
        good = [all(fits(rows[at], limits[run]) for run, rows in found.items()) for at in range(len(test))]
        self.too_long = good.count(False)
        if not any(good):
            most = min(limits.values())
            raise JobError(
                "refused",
                f"all {self.too_long} usable test rows are longer than the {most} tokens the model reads",
                where=str(self._settings["test"]["path"]),
            )
        found[""] = [spoken(row) for row in test]
        return {run: [row for row, fit in zip(rows, good, strict=True) if fit] for run, rows in found.items()}

    # -- arms on this machine -----------------------------------------------------------------------------

    def _own(self) -> None:
        """The arms of the run's own models: those of the base first, with one set of weights where that is so."""
        rows = sum(len(self._asked[arm.name]) for arm in self._alive() if arm.local)
        questions = None
        if self._scored:
            questions = general_rows(self._job, self._owner, rows, self._settings["general"])
        for tuned in (False, True):
            for arm in self._alive():
                if arm.kind not in ("checkpoint", "run", "endpoint") and arm.tuned == tuned:
                    with self.failing(arm):
                        self._locally(arm, self._owner, self._models, tuned)
            if questions is not None:
                name = "tuned" if tuned else "base"
                with self.failing(Arm(f"general {name}", name)):
                    ask_general(
                        self._job, self._owner, self._models, tuned, questions, self._open(GENERAL), self.decoding
                    )

    def _other(self, arm: Arm, owner: Owner) -> None:
        """A checkpoint, or another run's tuned model: its weights are loaded for this arm alone."""
        weights = arm_weights(arm, self._owner.run)
        device = self._models.device.type
        models = Models(owner.run.path, owner.recipe, owner.info, weights=weights, device=device)
        try:
            self._locally(arm, owner, models, True)
        finally:
            models.close()

    def _locally(self, arm: Arm, owner: Owner, models: Models, tuned: bool) -> None:
        asked = self._asked[arm.name]
        who = [models.identity(tuned), self.decoding.identity(), arm.sample]
        for item in asked:
            item.identify(who)
        todo = self._sheet.missing(arm.name, asked)
        self._tell(arm.name, len(asked) - len(todo), len(asked))
        peak = next((self._peaks[item.key] for item in asked if item.key in self._peaks), None)
        if todo:
            peak = generate(
                self._job,
                owner,
                models,
                tuned,
                todo,
                self._sheet,
                self._decoding(arm),
                name=arm.name,
                total=len(asked),
            )
            self._job.emit("arm", arm=arm.name, peak_memory_bytes=peak)
        info = owner.info
        self.about[arm.name] = {
            "kind": arm.kind,
            "model": info.name,
            "tokenizer": info.name,
            "peak_memory_bytes": peak,
            "price": None,
        }
        self.told[arm.name] |= {"peak_memory_of": "GPU" if models.device.type == "cuda" else "process"}

    def _decoding(self, arm: Arm) -> Decoding:
        values = {name: self._settings[name] for name in ("max_new_tokens", "batch_size", "temperature", "top_p")}
        return Decoding(**values, seed=self._settings["seed"] + arm.sample)

    def _tell(self, phase: str, done: int, total: int) -> None:
        self._job.emit("progress", phase=phase, done=done, total=total)

    # -- endpoints ----------------------------------------------------------------------------------------

    def _endpoint(self, arm: Arm) -> None:
        settings = self._settings["endpoint"]
        asked = self._asked[arm.name]
        for item in asked:
            item.identify([arm.url, arm.model, self.decoding.identity(), arm.sample])
        todo = self._sheet.missing(arm.name, asked)
        done, total = len(asked) - len(todo), len(asked)
        self._tell(arm.name, done, total)
        prices = settings.get("prices")
        self.about[arm.name] = {
            "kind": arm.kind,
            "model": arm.model,
            "tokenizer": None,
            "peak_memory_bytes": None,
            "price": {"given": prices[0], "made": prices[1]} if prices else None,
        }
        if todo:
            asking = Asking(
                arm.url, arm.model, settings, most=self.decoding.max_new_tokens, seed=self.decoding.seed + arm.sample,
                temperature=self.decoding.temperature, top_p=self.decoding.top_p,
            )  # fmt: skip

            def tick() -> None:
                self._job.pulse(arm.name, done, total)
                self._job.check_stop()

            for heard in asking.replies([item.messages for item in todo], tick):
                self._sheet.write(arm.name, todo[heard.index], _heard(heard, self._scored))
                done += 1
                self._tell(arm.name, done, total)
        refused = [one for one in self._sheet.finished(arm.name, asked) if one.get("refusal")]
        self.told[arm.name] |= {"url": arm.url, "refused": len(refused)}


def _heard(heard: Any, scored: bool) -> dict[str, Any]:
    """The fields of a record of what an endpoint said; a refusal counts as an empty answer."""
    reply = heard.reply
    fields: dict[str, Any] = {
        "answer": final_answer(reply.text) if reply else "",
        "prompt_tokens": reply.given if reply else 0,
        "generated_tokens": reply.made if reply else 0,
        "ended": reply.ended if reply else True,
        "seconds": heard.seconds,
    }
    if not reply:
        fields["refusal"] = heard.refusal
    return fields | ({"nll": None, "answer_tokens": None} if scored else {})


def _peaks(job: Job, owner: Owner) -> dict[str, int]:
    """The peaks of memory that jobs of the run measured, by the keys of the answers: of one key the first."""
    found: dict[str, int] = {}
    for folder in dict.fromkeys((*(Path(other.path) for other in owner.run.jobs()), job.folder)):
        peaks = {
            event.get("arm"): event["peak_memory_bytes"]
            for event in read_jsonl(folder / "events.jsonl")[0]
            if event.get("event") == "arm" and isinstance(event.get("peak_memory_bytes"), int)
        }
        for record in read_jsonl(folder / ANSWERS)[0] if peaks else ():
            if record.get("arm") in peaks:
                found.setdefault(str(record.get("key")), peaks[record["arm"]])
    return found
