"""The answers of a job, one line each, written as they come; and those of earlier jobs that can be used again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from core.engine.job import Job
from core.engine.locally import Decoding, answer_rows
from core.engine.models import Models, Owner
from core.engine.peak import measured
from core.engine.prompts import Asked
from core.files import JsonlWriter, read_jsonl
from core.runs.folder import RunFolder

Record = dict[str, Any]
_NEEDED = frozenset({"arm", "row", "answer", "reference", "key"})


def earlier_answers(run: RunFolder, name: str) -> dict[str, Record]:
    """What the jobs of `run` have answered, by key; of one key the newest. Answers that were refused are left out.

    Args:
        name: of the file in which they are.
    """
    found: dict[str, Record] = {}
    for folder in (run.judging, run.evaluation, *(job.path for job in run.jobs())):
        for record in read_jsonl(folder / name)[0]:
            if record.keys() >= _NEEDED and not record.get("refusal"):
                # A generate job measures no loss: it does not take the place of an answer that has one.
                if "nll" not in record and "nll" in found.get(str(record["key"]), {}):
                    continue
                found[str(record["key"])] = record
    return found


class Sheet:
    """The answers in one file.

    Args:
        scored: whether each has to have its loss.
        earlier: of `earlier_answers`.
    """

    def __init__(self, path: Path, *, scored: bool, earlier: dict[str, Record]) -> None:
        self.path = path
        self.scored = scored
        self._earlier = earlier
        self._done: dict[tuple[str, int], Record] = {}
        for record in read_jsonl(path)[0]:
            if record.keys() >= _NEEDED:
                self._done[record["arm"], record["row"]] = record
        self._writer = JsonlWriter(path)

    def missing(self, arm: str, asked: Sequence[Asked]) -> list[Asked]:
        """The rows that have no answer yet; what an earlier job answered is copied first."""
        todo: list[Asked] = []
        for item in asked:
            record = self._done.get((arm, item.example.row))
            if record is not None and record["key"] == item.key:
                continue
            known = self._earlier.get(item.key)
            if known is None or (self.scored and "nll" not in known):
                todo.append(item)
                continue
            place = {"row": item.example.row, "line": item.example.line, "arm": arm}
            self._keep({**known, **place, "reused": True})
        return todo

    def write(self, arm: str, item: Asked, fields: Record) -> None:
        """Keep an answer: ``answer``, ``prompt_tokens``, ``generated_tokens``, ``ended``, ``seconds``, and more."""
        example = item.example
        reference = example.answer or (example.text or "")
        record: Record = {
            "row": example.row,
            "line": example.line,
            "arm": arm,
            "prompt": [message.to_dict() for message in example.prompt],
            "reference": reference,
            "references": [reference],
            **fields,
            **item.shown,
            "key": item.key,
        }
        if self.scored:
            record["answer_bytes"] = len(reference.encode("utf-8", "surrogatepass"))
        self._keep(record)

    def finished(self, arm: str, asked: Iterable[Asked]) -> list[Record]:
        """The records of the arm, in the order of the test rows."""
        return [self._done[arm, item.example.row] for item in asked]

    def _keep(self, record: Record) -> None:
        self._writer.write(record)
        self._done[record["arm"], record["row"]] = record


def generate(
    job: Job,
    owner: Owner,
    models: Models,
    tuned: bool,
    todo: list[Asked],
    sheet: Sheet,
    decoding: Decoding,
    *,
    name: str,
    total: int,
    phase: str = "",
) -> int | None:
    """Have a model answer `todo` and keep each batch at once; the most memory that it took, in bytes.

    Args:
        name: the arm, as its records have it. total: its rows, those answered before included.
        phase: what the progress is called, where not by `name`.

    Raises:
        Stopped: the job was asked to stop.
    """
    phase = phase or name
    done = total - len(todo)

    def tell(what: str, count: int, of: int) -> None:
        job.emit("progress", phase=f"{phase} {what}".strip(), done=count, total=of)
        job.check_stop()

    job.check_stop()
    with measured(models.device) as peak, models.ready(tuned) as model:
        for batch in answer_rows(model, owner, todo, decoding, scored=sheet.scored, tell=tell):
            for item, fields in batch:
                sheet.write(name, item, fields)
            done += len(batch)
            print(f"{phase}: {done} of {total} rows", flush=True)
            tell("", done, total)
    return peak.bytes
