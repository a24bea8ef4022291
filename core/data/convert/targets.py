"""One row in another format, and what that format cannot hold of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from core.data.columns import LABELS
from core.data.convert.messages import openai_turns, sharegpt_turns
from core.data.convert.reading import Read, Value
from core.data.example import Example, Message
from core.data.formats import build, detect
from core.data.keys import tidy
from core.errors import UsageError

Turns = tuple[Message, ...]
Lost = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Target:
    """What to write.

    Args:
        format: one of core.recipe.FORMATS.
        messages: prompts and answers as lists of messages (TRL: conversational), where the format has both forms.
        implicit: preference without a prompt of its own: both answers begin with it (as messages).
        template: the text of a row with ``{prompt}`` and ``{answer}``, for the format text; ``{{`` is a brace.
    """

    format: str
    messages: bool = False
    implicit: bool = False
    template: str | None = None


def check_template(template: str, where: str = "--template") -> str:
    """The template itself. Raises UsageError where a row would not be put into it as it says."""
    hint = "Fields: {prompt} and {answer}; {{ and }} are plain braces. For example: 'Q: {prompt} A: {answer}'"
    rest = _PLACES.sub("", template)
    unknown = re.search(r"\{([^{}]*)\}", rest)
    if unknown:
        raise UsageError(f"there is no field `{{{unknown[1][:40]}}}`", where=where, hint=hint)
    if "{" in rest or "}" in rest:
        what = "closed" if "{" in rest else "opened"
        raise UsageError(f"a brace is never {what}", where=where, hint=hint)
    if not any(match[1] for match in _PLACES.finditer(template)):
        raise UsageError("the template puts nothing of a row into the text", where=where, hint=hint)
    return template


@dataclass(slots=True)
class Written:
    """The rows that one row became (none where it is left out), and what was lost as (kind, name)."""

    values: list[Value] = field(default_factory=list[Value])
    lost: Lost = field(default_factory=list[tuple[str, str]])


def convert_row(given: Read, target: Target) -> Written:
    """`given` in the format of `target`. Whatever is lost is named: what is written is read again and compared."""
    example = given.example
    made = Written(lost=list(given.lost))
    why = _no_place(example, target)
    if why:
        made.lost.append((why, ""))
        return made
    shaped = _SHAPES[target.format](given, target, made.lost)
    if len(shaped) > 1:
        made.lost.append(("pairs", ""))
    for value in shaped:
        exact = len(made.lost) == len(given.lost)
        back = _read_back(value, target.format)
        if back is None or (exact and _core(back, target.format) != _core(example, target.format)):
            made.lost.append(("shape", ""))
            if back is None:
                continue
        made.values.append(_with_extra(value, given.extra, target, made.lost if value is shaped[0] else []))
    if target.format not in ("alpaca", "text") and _has_input(given):
        made.lost.append(("input", ""))
    return made


def _no_place(example: Example, target: Target) -> str:
    """Why a row cannot become one of the target's format at all, or nothing."""
    if example.text is not None and target.format == "text":
        return ""
    if example.text is not None:
        return "no_answer"
    if target.format == "preference":
        return "" if example.rejected else "no_rejected"
    return "bad_answers" if example.verdict is False and target.format != "kto" else ""


def _has_input(given: Read) -> bool:
    """Whether the prompt was made of two parts."""
    value = given.value
    return isinstance(value.get("instruction"), str) and bool(value.get("input")) and "input" not in given.extra


def _read_back(value: Value, fmt: str) -> Example | None:
    value = tidy(value, [])
    return build(value, fmt, 0, 0, []) if detect(value) == fmt else None


def _core(example: Example, fmt: str) -> tuple[Any, ...]:
    """What two examples of one meaning share, whatever format they came in."""
    verdict = example.verdict is not False if fmt == "kto" else None
    return example.prompt, example.completion, example.rejected, example.text, example.tools, verdict


def _with_extra(value: Value, extra: Value, target: Target, lost: Lost) -> Value:
    """`value` with the fields that no format reads, but for those that would change how the row reads."""
    free = {key: item for key, item in extra.items() if key not in value}
    lost += [("fields", key) for key in extra.keys() - free.keys()]
    if not free:
        return value
    alone = _read_back(value, target.format)
    if _read_back({**value, **free}, target.format) == alone:
        return {**value, **free}
    for key, item in free.items():
        if _read_back({**value, key: item}, target.format) == alone:
            value = {**value, key: item}
        else:
            lost.append(("fields", key))
    return value


# -- formats ----------------------------------------------------------------------------------------------


def _chat(given: Read, target: Target, lost: Lost) -> list[Value]:
    return [{"messages": openai_turns(_talk(given.example, lost)), **_tools(given.example)}]


def _sharegpt(given: Read, target: Target, lost: Lost) -> list[Value]:
    return [{"conversations": sharegpt_turns(_talk(given.example, lost)), **_tools(given.example)}]


def _talk(example: Example, lost: Lost) -> Turns:
    if example.rejected:
        lost.append(("rejected", ""))
    if len(example.completion) > 1:
        lost.append(("answer_turns", ""))
    return example.messages


def _alpaca(given: Read, target: Target, lost: Lost) -> list[Value]:
    example = given.example
    if example.rejected:
        lost.append(("rejected", ""))
    if example.tools:
        lost.append(("tools", ""))
    system, turns = _plain_turns(example, lost)
    question, history = _paired(turns, lost)
    value: Value = {"instruction": question, "input": "", "output": _answer(example.completion, lost)}
    if given.format == "alpaca":
        value |= {"instruction": given.value["instruction"], "input": given.value.get("input") or ""}
    if system:
        value["system"] = system
    if history:
        value["history"] = history
    return [value]


def _pairs(given: Read, target: Target, lost: Lost) -> list[Value]:
    example = given.example
    if example.rejected:
        lost.append(("rejected", ""))
    return [_pair(example, example.completion, target, lost)]


def _pair(example: Example, answer: Turns, target: Target, lost: Lost) -> Value:
    if target.messages:
        return {"prompt": openai_turns(example.prompt), "completion": openai_turns(answer), **_tools(example)}
    return {**_asked(example, lost), "completion": _answer(answer, lost), **_tools(example)}


def _kto(given: Read, target: Target, lost: Lost) -> list[Value]:
    example = given.example
    good = {**_pair(example, example.completion, target, lost), "label": example.verdict is not False}
    if not example.rejected:
        return [good]
    return [good, {**_pair(example, example.rejected, target, []), "label": False}]


def _preference(given: Read, target: Target, lost: Lost) -> list[Value]:
    example = given.example
    if target.implicit:
        chosen, rejected = (
            openai_turns((*example.prompt, *turns)) for turns in (example.completion, example.rejected)
        )
        return [{"chosen": chosen, "rejected": rejected, **_tools(example)}]
    if target.messages:
        answers = {"chosen": openai_turns(example.completion), "rejected": openai_turns(example.rejected)}
        return [{"prompt": openai_turns(example.prompt), **answers, **_tools(example)}]
    answers = {"chosen": _answer(example.completion, lost), "rejected": _answer(example.rejected, lost)}
    return [{**_asked(example, lost), **answers, **_tools(example)}]


def _classification(given: Read, target: Target, lost: Lost) -> list[Value]:
    example = given.example
    if given.format == "classification":
        kept = {key: item for key, item in given.value.items() if key not in given.extra}
        text, label = (
            next(item for key, item in kept.items() if (key in LABELS) is wanted) for wanted in (False, True)
        )
        return [{"text": text, "label": label}]
    if example.rejected:
        lost.append(("rejected", ""))
    if example.tools:
        lost.append(("tools", ""))
    asked = _asked(example, lost)
    if "system" in asked:
        lost.append(("system", ""))
    return [{"text": asked["prompt"], "label": _answer(example.completion, lost)}]


def _text(given: Read, target: Target, lost: Lost) -> list[Value]:
    example = given.example
    if example.text is not None:
        return [{"text": example.text}]
    lost.append(("roles", ""))
    if example.rejected:
        lost.append(("rejected", ""))
    if example.tools:
        lost.append(("tools", ""))
    parts = {"prompt": example.prompt_text, "answer": example.answer}
    # Not str.format: braces of the data stay what they are.
    template = target.template or "{prompt}\n\n{answer}"
    text = _PLACES.sub(lambda match: parts[match[1]] if match[1] else match[0][0], template)
    return [{"text": text}]


def _tools(example: Example) -> Value:
    return {"tools": list(example.tools)} if example.tools else {}


def _asked(example: Example, lost: Lost) -> Value:
    """A prompt as one text, its system message apart."""
    system, turns = _plain_turns(example, lost)
    if len(turns) == 1 and turns[0].role == "user":
        asked = turns[0].content
    else:
        lost.append(("turns", ""))
        asked = "\n\n".join(f"{turn.role}: {turn.text()}" for turn in turns)
    return {"prompt": asked, **({"system": system} if system else {})}


def _plain_turns(example: Example, lost: Lost) -> tuple[str, Turns]:
    """The system message and the other turns of a prompt; what plain text cannot hold of them is lost."""
    turns = example.prompt
    system = turns[0].content if turns and turns[0].role == "system" else ""
    if turns and turns[0].role == "system":
        if not system or turns[0].name is not None:
            lost.append(("names" if system else "system", ""))
        turns = turns[1:]
    _plain(turns, lost)
    return system, turns


def _answer(turns: Turns, lost: Lost) -> str:
    _plain(turns, lost)
    if len(turns) > 1:
        lost.append(("answer_turns", ""))
    return "\n\n".join(turn.text() for turn in turns)


def _plain(turns: Turns, lost: Lost) -> None:
    found = set[str]()
    for turn in turns:
        if turn.tool_calls or turn.role == "tool":
            found.add("tool_calls")
        if turn.name is not None:
            found.add("names")
        if turn.weight is not None:
            found.add("weights")
    lost += [(kind, "") for kind in sorted(found) if (kind, "") not in lost]


def _paired(turns: Turns, lost: Lost) -> tuple[str, list[list[str]]]:
    """The last question, and the turns before it as pairs."""
    roles = [turn.role for turn in turns]
    if roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]:
        texts = [turn.content for turn in turns]
        return texts[-1], [[texts[place], texts[place + 1]] for place in range(0, len(texts) - 1, 2)]
    lost.append(("turns", ""))
    return "\n\n".join(f"{turn.role}: {turn.text()}" for turn in turns), []


_PLACES = re.compile(r"\{\{|\}\}|\{(prompt|answer)\}")
_SHAPES: dict[str, Callable[[Read, Target, Lost], list[Value]]] = {
    "alpaca": _alpaca, "chat": _chat, "sharegpt": _sharegpt, "prompt-completion": _pairs, "preference": _preference,
    "kto": _kto, "classification": _classification, "text": _text,
}  # fmt: skip
