"""What is wrong with a recipe, in words: pydantic's findings with the line, the right name, the value given."""

from __future__ import annotations

import difflib
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from core.text import shorten, visible

# Names that other tools give to our fields, so that a recipe brought from there finds its way.
_ELSEWHERE = {
    "base_model": "model", "model_name": "model", "model_name_or_path": "model", "adapter": "method",
    "num_train_epochs": "train.epochs", "num_epochs": "train.epochs", "lr": "train.learning_rate",
    "per_device_train_batch_size": "train.micro_batch_size", "batch_size": "train.micro_batch_size",
    "gradient_accumulation_steps": "train.accumulation", "max_seq_length": "train.max_length",
    "sequence_len": "train.max_length", "cutoff_len": "train.max_length", "warmup_ratio": "train.warmup",
    "warmup_steps": "train.warmup", "lr_scheduler": "train.schedule", "lr_scheduler_type": "train.schedule",
    "optim": "train.optimizer", "bf16": "train.dtype", "fp16": "train.dtype", "precision": "train.dtype",
    "lora_r": "lora.r", "rank": "lora.r", "lora_rank": "lora.r", "lora_alpha": "lora.alpha",
    "lora_dropout": "lora.dropout", "target_modules": "lora.targets", "lora_target": "lora.targets",
    "dataset": "data.train", "datasets": "data.train", "train_file": "data.train", "val": "data.validation",
    "validation_file": "data.validation", "eval_steps": "train.eval_every", "save_steps": "train.save_every",
    "save_total_limit": "train.keep_checkpoints", "logging_steps": "train.log_every",
    "early_stopping_patience": "train.early_stopping", "patience": "train.early_stopping",
    "max_new_tokens": "evaluation.max_new_tokens", "num_gpus": "gpus", "n_gpus": "gpus", "num_processes": "gpus",
    "nproc_per_node": "gpus", "world_size": "gpus", "fsdp": "train.parallel", "strategy": "train.parallel",
}  # fmt: skip

_WORDS = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be above {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be below {lt}",
    "string_too_long": "must have at most {max_length} characters",
    "finite_number": "must be a finite number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of fewer digits",
    "int_type": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_unicode": "must be UTF-8 text",
    "list_type": "must be a list of texts",
}


def no_booleans(cls: type[BaseModel], values: Any) -> Any:
    """A validator before others: refuses true and false where a number is wanted (pydantic takes true for 1)."""
    if isinstance(values, dict):
        for name, value in values.items():
            info = cls.model_fields.get(name)
            kinds = (info.annotation, *get_args(info.annotation)) if info else ()
            if isinstance(value, bool) and bool not in kinds and (int in kinds or float in kinds):
                raise PydanticCustomError("boolean_for_number", "{field}", {"field": name, "given": value})
    return values


def problems(
    error: ValidationError, known: list[str], sections: list[str], where: str, lines: dict[str, int]
) -> list[str]:
    """One line for each thing that is wrong, in the order of the file, each with ``where:line`` where known."""
    found: dict[str, tuple[int, str]] = {}
    for item in error.errors():
        # A union reports each of its branches: pydantic puts the branch's name into the place.
        location = [str(part) for part in item["loc"] if part != "str" and not str(part).startswith("list[")]
        if item["type"] == "boolean_for_number":
            location.append(str(item.get("ctx", {}).get("field")))
        path = ".".join(location)
        line = next((lines[p] for p in (path, path.rpartition(".")[0]) if p in lines), 0)
        place = f"{where}:{line}" if line else where
        said = _said(item, path, known, sections)
        if item["type"] == "string_type" and isinstance(item["input"], list | tuple) and "str" in item["loc"]:
            continue  # It is a list, where a list may stand: the other branch says what is wrong inside.
        if path not in found or item["type"] == "list_type":
            found[path] = (line, f"{place}: {said}")
    return [text for _, text in sorted(found.values(), key=lambda pair: pair[0])]


def _said(item: ErrorDetails, path: str, known: list[str], sections: list[str]) -> str:
    kind, given, context = item["type"], item["input"], item.get("ctx", {})
    name = f"`{visible(path)}`"
    if kind in ("extra_forbidden", "invalid_key"):
        near = _nearest_field(path, known, sections)
        return f"unknown field {name}" + (f"; did you mean `{near}`?" if near else "")
    if kind == "model_type":
        return f"{name} holds fields, one a line below it, and not {_shown(given)}"
    if kind == "boolean_for_number":
        return f"{name} must be a number, and not {_shown(context.get('given'))}"
    if kind == "string_type" and isinstance(given, int | float) and not isinstance(given, bool):
        return f"{name} must be text: write it in quotes, '{_plain(given)}'"
    if kind == "string_type":
        return f"{name} must be text, and not {_shown(given)}"
    if kind == "literal_error":
        return _not_a_choice(name, given, str(context.get("expected", "")))
    if kind == "list_type":
        return f"{name} must be text or a list of texts, and not {_shown(given)}"
    words = _WORDS.get(kind)
    said = words.format(**context) if words else visible(item["msg"].removeprefix("Value error, "))
    if not path:
        return said
    return f"{name} {said}, and not {_shown(given)}"


def _not_a_choice(name: str, given: Any, expected: str) -> str:
    choices = [part.strip().strip("'") for part in expected.replace(" or ", ", ").split(",")]
    text = _plain(given).lower()
    near = difflib.get_close_matches(text, choices, 1, 0.5) or [c for c in choices if text and c.startswith(text)]
    meant = f"; did you mean `{near[0]}`?" if near else ""
    return f"{name} cannot be {_shown(given)}: choose {', '.join(choices[:-1])} or {choices[-1]}{meant}"


def _nearest_field(path: str, known: list[str], sections: list[str]) -> str | None:
    last = path.rpartition(".")[2]
    folded = last.replace("-", "_").lower()
    if path.lower() in sections:
        return path.lower()
    if folded in _ELSEWHERE and not any(p.rpartition(".")[2] == folded for p in known):
        return _ELSEWHERE[folded]
    same = [p for p in known if p.rpartition(".")[2] == folded]
    if same:
        return same[0]
    near = difflib.get_close_matches(path, [*known, *sections], 1, 0.7)
    if near:
        return near[0]
    tails = {p.rpartition(".")[2]: p for p in reversed(known)} | {section: section for section in sections}
    close = difflib.get_close_matches(folded, list(tails), 1, 0.7)
    return tails[close[0]] if close else None


def _plain(value: Any) -> str:
    return shorten(str(value), 60)


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list | tuple | set):
        return "a list" if isinstance(value, list | tuple) else "fields"
    return f"'{_plain(value)}'" if isinstance(value, str) else _plain(value)
