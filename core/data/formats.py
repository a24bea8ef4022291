"""Which format a row has, and the row in the one shape of `Example`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

from core.data.calls import check_calls
from core.data.columns import CONVERSATIONS, LABELS, PAIRS, TEXTS
from core.data.example import Example, Message
from core.data.findings import RowFinding
from core.data.pairs import implicit_prompt, part_prompt
from core.data.turns import check_order, kind_of, read_content, read_tools, read_turns

Value = dict[str, Any]
KINDS = {"alpaca": "completion", "prompt-completion": "completion", "chat": "chat", "sharegpt": "chat",
         "preference": "preference", "kto": "kto", "classification": "classification", "text": "text"}  # fmt: skip
ANSWERS = ("output", "response", "completion", "answer")


def detect(value: Value) -> str | None:
    """The format whose fields the row has, or None."""
    if "chosen" in value and "rejected" in value:
        return "preference"
    for key in CONVERSATIONS:
        turns = value.get(key)
        if isinstance(turns, list):
            first = next((turn for turn in cast("list[Any]", turns) if isinstance(turn, dict)), None)
            if type(value.get("label")) is bool:
                return "kto"
            return "sharegpt" if first is not None and "from" in first else "chat"
    if "instruction" in value:
        return "alpaca" if any(key in value for key in ANSWERS) else None
    if _pair(value):
        return "kto" if type(value.get("label")) is bool else "prompt-completion"
    if _first(value, TEXTS):
        return "classification" if _first(value, LABELS) else "text" if "text" in value else None
    return None


def majority(values: Iterable[Any]) -> str | None:
    """The format of most of the rows; None where no row has a known one."""
    counts = Counter(detect(cast(Value, value)) for value in values if isinstance(value, dict))
    counts.pop(None, None)
    return counts.most_common(1)[0][0] if counts else None


def fits_csv(columns: tuple[str, ...]) -> str | None:
    """The format of a CSV file with these columns, or None."""
    return detect(dict.fromkeys(columns, ""))


def lacking(value: Value, fmt: str, other: str) -> bool:
    """Whether a row that looks like one of format `other` is one of `fmt` that lacks a part: its label, its roles."""
    if (fmt, other) == ("classification", "text"):
        return True
    if (fmt, other) != ("sharegpt", "chat"):
        return False
    turns = next((value[key] for key in CONVERSATIONS if isinstance(value.get(key), list)), [])
    return not any(isinstance(turn, dict) and "role" in turn for turn in cast("list[Any]", turns))


def mixes(fmt: str, other: str) -> bool:
    """Whether rows of format `other` can train beside rows of `fmt`: both are prompts with answers."""
    talk = ("completion", "chat")
    return KINDS[fmt] == KINDS[other] or (KINDS[fmt] in talk and KINDS[other] in talk)


def build(value: Any, fmt: str, row: int, line: int, found: list[RowFinding]) -> Example | None:
    """The row as an example of format `fmt`; None where an error was added to `found`."""
    if not isinstance(value, dict):
        found.append(RowFinding("not_object", f"the row is {kind_of(value)}, not an object", detail=kind_of(value)))
        return None
    seen = len(found)
    example = _BUILDERS[fmt](cast(Value, value), row, line, found)
    if example is None or (len(found) > seen and any(finding.severity == "error" for finding in found[seen:])):
        return None
    return example


def _pair(value: Value) -> tuple[str, str] | None:
    for prompt, answer in PAIRS:
        if prompt in value and answer in value:
            return prompt, answer
    return None


def _first(value: Value, names: Iterable[str]) -> str | None:
    for name in names:
        if name in value:
            return name
    return None


def _missing(name: str, found: list[RowFinding], told: str | None = None) -> None:
    found.append(RowFinding("missing_field", f"there is no `{told or name}`", detail=name, field=name))


def _not_text(key: str, given: Any, found: list[RowFinding]) -> None:
    found.append(RowFinding("wrong_type", f"`{key}` is {kind_of(given)}, not text", detail=key, field=key))


def _text(value: Value, key: str, found: list[RowFinding], code: str) -> str | None:
    """The text of a field; `code` is the finding where it is blank."""
    text = value[key]
    if not isinstance(text, str):
        _not_text(key, text, found)
        return None
    if not text.strip():
        found.append(RowFinding(code, f"`{key}` is empty", field=key))
    return text


def _system(value: Value, found: list[RowFinding]) -> tuple[Message, ...]:
    text = value.get("system")
    if text is None or text == "":
        return ()
    if not isinstance(text, str):
        _not_text("system", text, found)
        return ()
    return (Message("system", text),)


def _alpaca(value: Value, row: int, line: int, found: list[RowFinding]) -> Example | None:
    answer_key = _first(value, ANSWERS)
    if "instruction" not in value:
        _missing("instruction", found)
    if answer_key is None:
        _missing("output", found, "output` or `response")
    if "instruction" not in value or answer_key is None:
        return None
    extra = value.get("input")
    if extra is not None and not isinstance(extra, str):
        _not_text("input", extra, found)
        return None
    filled = bool(extra and extra.strip())
    # An empty instruction is fine where the input says it all.
    quiet = filled and isinstance(value["instruction"], str)
    question = _text(value, "instruction", [] if quiet else found, "empty_input")
    answer = _text(value, answer_key, found, "empty_output")
    if question is None or answer is None:
        return None
    if filled:
        question = f"{question}\n\n{extra}" if question.strip() else str(extra)
    turns = [*_system(value, found), *_history(value, found), Message("user", question)]
    return Example("completion", row, line, tuple(turns), (Message("assistant", answer),))


def _history(value: Value, found: list[RowFinding]) -> list[Message]:
    """Earlier turns of an Alpaca row, as pairs (LLaMA-Factory's `history`)."""
    history = value.get("history")
    if not history:
        return []
    messages: list[Message] = []
    for pair in cast("list[Any]", history) if isinstance(history, list) else [None]:
        texts = cast("list[Any]", pair) if isinstance(pair, list) else []
        if len(texts) != 2 or not all(isinstance(text, str) for text in texts):
            found.append(RowFinding("wrong_type", "`history` is not a list of pairs of texts", "history", "history"))
            return []
        messages += [Message("user", texts[0]), Message("assistant", texts[1])]
    return messages


def _prompt_completion(value: Value, row: int, line: int, found: list[RowFinding]) -> Example | None:
    pair = _pair(value)
    if pair is None:
        prompt = _first(value, [name for name, _ in PAIRS])
        answers = [answer for name, answer in PAIRS if name == prompt] if prompt else []
        if prompt is None:
            _missing("prompt", found)
        if prompt is not None or not _first(value, [name for _, name in PAIRS]):
            _missing(answers[0] if answers else "completion", found)
        return None
    prompt_key, answer_key = pair
    prompt = _prompt_turns(value, prompt_key, found)
    answer = _answer_turns(value, answer_key, found)
    if prompt is None or answer is None:
        return None
    return Example("completion", row, line, (*_system(value, found), *prompt), answer,
                   tools=read_tools(value.get("tools"), found))  # fmt: skip


def _kto(value: Value, row: int, line: int, found: list[RowFinding]) -> Example | None:
    """A prompt with one answer, or a conversation, and whether it is good (TRL's unpaired preference)."""
    verdict = value.get("label")
    if isinstance(verdict, str) and verdict.strip().casefold() in ("true", "false"):
        verdict = verdict.strip().casefold() == "true"
    elif isinstance(verdict, int | float) and verdict in (0, 1):
        verdict = bool(verdict)
    if "label" not in value:
        _missing("label", found)
    elif not isinstance(verdict, bool):
        told = f"`label` is {kind_of(value['label'])}, not true or false"
        found.append(RowFinding("wrong_type", told, detail="label", field="label"))
    talk = _pair(value) is None and _first(value, CONVERSATIONS) is not None
    example = (_sharegpt if talk else _prompt_completion)(value, row, line, found)
    if example is None or not isinstance(verdict, bool):
        return None
    return replace(example, kind="kto", verdict=verdict)


def _prompt_turns(value: Value, key: str, found: list[RowFinding]) -> tuple[Message, ...] | None:
    """A prompt given as text or as messages."""
    if not isinstance(value[key], list):
        text = _text(value, key, found, "empty_input")
        return None if text is None else (Message("user", text),)
    messages = read_turns(value[key], key, True, found)
    if messages is None:
        return None
    if not messages:
        found.append(RowFinding("empty_input", f"`{key}` is empty", field=key))
    check_order(messages, key, found, to_answer=True)
    return tuple(messages)


def _answer_turns(value: Value, key: str, found: list[RowFinding]) -> tuple[Message, ...] | None:
    """An answer given as text, as one message or as messages."""
    answer = value[key]
    if isinstance(answer, dict):
        answer = [answer]
    if not isinstance(answer, list):
        text = _text(value, key, found, "empty_output")
        return None if text is None else (Message("assistant", text),)
    messages = read_turns(answer, key, True, found)
    if messages is None:
        return None
    if not messages or messages[-1].role != "assistant":
        found.append(RowFinding("no_assistant", f"`{key}` has no assistant message", field=key))
        return None
    if not messages[-1].text().strip():
        found.append(RowFinding("empty_output", f"`{key}` is empty", field=key))
    return tuple(messages)


def _chat(value: Value, row: int, line: int, found: list[RowFinding], native: bool = False) -> Example | None:
    key = _first(value, CONVERSATIONS)
    if key is None:
        _missing("conversations" if native else "messages", found)
        return None
    messages = read_turns(value[key], key, native or key != "messages", found)
    if messages is None or any(finding.severity == "error" for finding in found):
        return None
    if not messages or messages[0].role != "system":
        messages = [*_system(value, found), *messages]
    _check_conversation(messages, key, found)
    last = max((n for n, message in enumerate(messages) if message.role == "assistant"), default=None)
    if last is None:
        return None
    given = value.get("tools") or value.get("functions")
    tools = read_tools(given, found)
    if not value.get("tools") and value.get("functions"):
        found.append(RowFinding("legacy_function_call", "`functions` is read as `tools`", "functions", "functions"))
    turns = cast("list[Any]", value[key])
    offered = None if given and not tools else tools
    check_calls(turns, messages[len(messages) - len(turns) :], offered, key, found)
    return Example("chat", row, line, tuple(messages[:last]), (messages[last],), tools=tools)


def _check_conversation(messages: list[Message], key: str, found: list[RowFinding]) -> None:
    answers = [message for message in messages if message.role == "assistant"]
    if not answers:
        found.append(RowFinding("no_assistant", f"`{key}` has no assistant message", field=key))
    check_order(messages, key, found)
    if answers and messages[-1].role != "assistant":
        found.append(RowFinding("last_not_assistant", f"`{key}` ends with {messages[-1].role}",
                                detail=messages[-1].role, field=key))  # fmt: skip
    if answers and all(answer.weight == 0 for answer in answers):
        found.append(RowFinding("weight_all_zero", f"every assistant message in `{key}` has the weight 0", field=key))
    if any(not answer.text().strip() for answer in answers):
        found.append(RowFinding("empty_output", f"an assistant message in `{key}` is empty", field=key))
    if any(message.role == "user" and not message.content.strip() for message in messages):
        found.append(RowFinding("empty_input", f"a user message in `{key}` is empty", field=key))


def _sharegpt(value: Value, row: int, line: int, found: list[RowFinding]) -> Example | None:
    return _chat(value, row, line, found, native=True)


def _preference(value: Value, row: int, line: int, found: list[RowFinding]) -> Example | None:
    for key in ("chosen", "rejected"):
        if key not in value:
            _missing(key, found)
    if "chosen" not in value or "rejected" not in value:
        return None
    value = implicit_prompt(value)
    prompt = _preference_prompt(value, found)
    chosen, rejected = _answer_turns(value, "chosen", found), _answer_turns(value, "rejected", found)
    if prompt is None or chosen is None or rejected is None:
        return None
    prompt, chosen, rejected = part_prompt(prompt, chosen, rejected, found)
    if not prompt and not any(finding.code == "prompt_mismatch" for finding in found):
        _missing("prompt", found)
    if chosen == rejected:
        found.append(RowFinding("chosen_equals_rejected", "`chosen` and `rejected` say the same", field="chosen"))
    return Example("preference", row, line, prompt, chosen, rejected, tools=read_tools(value.get("tools"), found))


def _preference_prompt(value: Value, found: list[RowFinding]) -> tuple[Message, ...] | None:
    """What both answers reply to; empty where they carry it themselves."""
    if "instruction" in value and isinstance(value["instruction"], str):
        built = _alpaca({**value, "output": "-"}, 0, 0, found)
        return None if built is None else built.prompt
    key = _first(value, ("prompt", *CONVERSATIONS, "question", "query", "input"))
    if key is None:
        return _system(value, found)
    prompt = _prompt_turns(value, key, found)
    return None if prompt is None else (*_system(value, found), *prompt)


def _classification(value: Value, row: int, line: int, found: list[RowFinding]) -> Example | None:
    text_key, label_key = _first(value, TEXTS), _first(value, LABELS)
    if text_key is None:
        _missing("text", found)
    if label_key is None:
        _missing("label", found)
    if text_key is None or label_key is None:
        return None
    text = _text(value, text_key, found, "empty_input")
    label = value[label_key]
    if isinstance(label, int | float) and not isinstance(label, bool):
        label = str(label)
    elif isinstance(label, bool):
        label = "true" if label else "false"
    if not isinstance(label, str):
        _not_text(label_key, label, found)
        return None
    label = label.strip()
    if not label:
        found.append(RowFinding("empty_output", f"`{label_key}` is empty", field=label_key))
    if text is None:
        return None
    return Example("classification", row, line, (Message("user", text),), (Message("assistant", label),), label=label)


def _plain(value: Value, row: int, line: int, found: list[RowFinding]) -> Example | None:
    if "text" not in value:
        _missing("text", found)
        return None
    text = read_content(value["text"], "text", found)
    if text is None:
        return None
    if not text.strip():
        found.append(RowFinding("empty_output", "`text` is empty", field="text"))
    return Example("text", row, line, (), (), text=text)


_BUILDERS = {"alpaca": _alpaca, "chat": _chat, "sharegpt": _sharegpt, "prompt-completion": _prompt_completion,
             "preference": _preference, "kto": _kto, "classification": _classification, "text": _plain}  # fmt: skip
