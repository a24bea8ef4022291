"""The arms of an evaluation, by name: which model answers, and what stands in its prompt beside the question."""

from __future__ import annotations

import dataclasses
import os
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.data.example import Example, Message
from core.endpoint.client import base_url
from core.errors import UsageError
from core.home import expand

#: Every kind of arm, and how it is written.
KINDS = {
    "base": "base",
    "few-shot": "few-shot:K",
    "bm25": "bm25:K",
    "rag": "rag:FOLDER",
    "rag-tuned": "rag-tuned:FOLDER",
    "tuned": "tuned",
    "checkpoint": "checkpoint:STEP",
    "run": "run:ID or run:ID@STEP",
    "endpoint": "endpoint:URL#MODEL",
}
MOST_SHOTS = 64
_HINT = "There are " + ", ".join(list(KINDS.values())[:-1]) + f" and {KINDS['endpoint']}; K: examples in the prompt."
# A run's id: a ULID and a name.
_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{26}-(.+)")
_SAMPLE = re.compile(r"(.+)~([1-9]\d?)")


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to answer.

    Attributes:
        name: as answers and results call it; no two arms of an evaluation share it.
        kind: a key of `KINDS`.
        shots: training examples in the prompt, at most.
        folder: of the documents; absolute.
        run: id of another run. step: of a checkpoint, of that run or of this one.
        url, model: of an endpoint.
        sample: which of several drawn answers (``tuned~2``); 0 is the only one.
    """

    name: str
    kind: str
    shots: int = 0
    folder: str = ""
    run: str = ""
    step: int | None = None
    url: str = ""
    model: str = ""
    sample: int = 0

    @property
    def tuned(self) -> bool:
        """Whether weights that this project tuned answer."""
        return self.kind in ("tuned", "rag-tuned", "checkpoint", "run")

    @property
    def local(self) -> bool:
        """Whether a model on this machine answers."""
        return self.kind != "endpoint"


def parse_arm(text: str, *, base: Path | None = None, endpoint_model: str = "") -> Arm:
    """The arm that `text` names, in the syntax of `KINDS`; ``ARM~N`` is its N-th drawn answer.

    Args:
        base: what a relative folder starts at; the working folder without one.
        endpoint_model: the model of an endpoint whose address names none.

    Raises:
        UsageError: it names none.
    """
    text = text.strip()
    if found := _SAMPLE.fullmatch(text):
        arm = parse_arm(found[1], base=base, endpoint_model=endpoint_model)
        return dataclasses.replace(arm, name=f"{arm.name}~{found[2]}", sample=int(found[2]))
    kind, colon, rest = text.partition(":")
    if text in ("base", "tuned"):
        return Arm(text, text)
    if colon and rest.strip() and kind in KINDS:
        rest = rest.strip()
        if kind in ("few-shot", "bm25") and 0 < _number(rest) <= MOST_SHOTS:
            return Arm(f"{kind}:{int(rest)}", kind, _number(rest))
        if kind == "checkpoint" and _number(rest) > 0:
            return Arm(f"{kind}:{int(rest)}", kind, step=_number(rest))
        if kind in ("rag", "rag-tuned"):
            folder = (base or Path.cwd()) / expand(rest)
            return Arm(text, kind, folder=os.path.normpath(folder))
        if kind == "run":
            return _run(text, rest)
        if kind == "endpoint":
            return _endpoint(rest, endpoint_model)
    limit = f" K is at most {MOST_SHOTS}." if kind in ("few-shot", "bm25") and _number(rest) > MOST_SHOTS else ""
    raise UsageError(f"`{text}` is no arm", where="--arms", hint=_HINT + limit)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def _run(text: str, rest: str) -> Arm:
    run, at, step = rest.rpartition("@")
    if not at:
        return Arm(text, "run", run=rest)
    if not run or _number(step) < 1:
        raise UsageError(f"`{text}` names no step", where="--arms", hint="Write run:ID@STEP, or run:ID for its end.")
    return Arm(text, "run", run=run, step=_number(step))


def _endpoint(rest: str, model: str) -> Arm:
    url, _, named = rest.partition("#")
    model = named or model
    url = base_url(url, "--arms")
    if not model:
        raise UsageError(
            "the endpoint's model is not named", where=f"endpoint:{url}",
            hint="Write endpoint:URL#MODEL, or give --endpoint-model.",
        )  # fmt: skip
    return Arm(f"endpoint:{model}", "endpoint", url=url, model=model)


def parse_arms(texts: Iterable[str], *, base: Path | None = None, endpoint_model: str = "") -> list[Arm]:
    """Several arms, each with a name of its own: a folder or model that two share by name is named in full.

    Raises:
        UsageError: one is none, is named twice, or there is none.
    """
    arms = [parse_arm(text, base=base, endpoint_model=endpoint_model) for text in texts]
    if not arms:
        raise UsageError("no arm is named", where="--arms", hint=_HINT)
    short = [_short(arm) for arm in arms]
    named = [name if short.count(name) == 1 else full_name(arm) for name, arm in zip(short, arms, strict=True)]
    for name in named:
        if named.count(name) > 1:
            raise UsageError(f"the arm `{name}` is named twice", where="--arms", hint="Name each arm once.")
    return [dataclasses.replace(arm, name=name) for arm, name in zip(arms, named, strict=True)]


def _sample(arm: Arm) -> str:
    return f"~{arm.sample}" if arm.sample else ""


def _short(arm: Arm) -> str:
    if arm.folder:
        return f"{arm.kind}:{Path(arm.folder).name}{_sample(arm)}"
    if arm.kind == "run" and (found := _ID.fullmatch(Path(arm.run).name)):
        return f"run:{found[1]}" + (f"@{arm.step}" if arm.step else "") + _sample(arm)
    return arm.name


def full_name(arm: Arm) -> str:
    """The arm as `parse_arm` reads it anywhere: with the whole folder, id or address."""
    whole = {
        "few-shot": f"few-shot:{arm.shots}",
        "bm25": f"bm25:{arm.shots}",
        "checkpoint": f"checkpoint:{arm.step}",
        "run": f"run:{arm.run}" + (f"@{arm.step}" if arm.step else ""),
        "endpoint": f"endpoint:{arm.url}#{arm.model}",
    }
    if arm.folder:
        return f"{arm.kind}:{arm.folder}{_sample(arm)}"
    return whole.get(arm.kind, arm.kind) + _sample(arm)


def split_arms(text: str) -> list[str]:
    """What ``--arms`` lists, between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def prompt_key(example: Example) -> str:
    """Two rows with the same key ask the same thing, case and white space aside."""
    return text_key(example.prompt_text)


def text_key(text: str) -> str:
    """A text, case and white space aside."""
    return " ".join(text.casefold().split())


def usable_shots(train: Iterable[Example], count: int) -> list[Example]:
    """The training rows that can be shown in a prompt: those of one question where there are `count` of them."""
    usable = [row for row in train if row.completion and _turns(row)[:1] == ["user"] and not _calls(row)]
    short = [row for row in usable if _turns(row) == ["user"]]
    return short if len(short) >= count else usable


def pick_shots(train: Sequence[Example], count: int, seed: int) -> list[Example]:
    """`count` training rows to show in a prompt, drawn by `seed`: rows of one question where there are enough."""
    pool = usable_shots(train, count)
    return random.Random(seed).sample(pool, min(count, len(pool)))


def with_shots(example: Example, shots: Sequence[Example]) -> Example:
    """`example` with the shots as earlier turns, behind its own system message; theirs are left out."""
    system = example.prompt[:1] if example.prompt and example.prompt[0].role == "system" else ()
    earlier: list[Message] = []
    for shot in shots:
        earlier += [message for message in shot.messages if message.role != "system"]
    return dataclasses.replace(example, prompt=(*system, *earlier, *example.prompt[len(system) :]))


def _turns(row: Example) -> list[str]:
    return [message.role for message in row.prompt if message.role != "system"]


def _calls(row: Example) -> bool:
    return any(message.tool_calls or message.role == "tool" for message in row.messages)
