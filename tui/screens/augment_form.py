"""What the form of the variants says, and what it begins with."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import DiapasonError, UsageError
from core.home import expand
from tui.names import beside

if TYPE_CHECKING:
    from core.data.augment.augment import Wish

FIELDS: tuple[tuple[str, str, str], ...] = (
    ("endpoint", "endpoint", "http://localhost:8000/v1 (vLLM), http://localhost:11434/v1 (Ollama) …"),
    ("model", "model", "its name there"),
    ("n", "variants", "of each row"),
    ("rows", "rows", "all; or numbers such as 1,5-9"),
    ("budget", "budget", "tokens to spend at most; empty for no limit"),
    ("out", "new file", "a name that ends in .jsonl"),
)
"""Name, what it is called, what stands in the empty field."""


def begin(path: Path) -> dict[str, str]:
    """The first values of the fields, and of the prompt: of a run that was not finished, where there is one."""
    from core.data.augment.augment import unfinished
    from core.data.augment.prompt import TEMPLATE
    from core.endpoint.client import URL_VARIABLE

    out = proposed(path)
    values = {"endpoint": os.environ.get(URL_VARIABLE, ""), "model": "", "n": "3", "rows": "", "budget": "",
              "out": str(out), "prompt": TEMPLATE}  # fmt: skip
    kept: Mapping[str, Any] = unfinished(out) or {}
    return values | {name: str(kept[name]) for name in ("endpoint", "model", "n", "prompt") if name in kept}


def proposed(path: Path) -> Path:
    """A name beside the source that is free, or that an unfinished run was to write: ``data.variants.jsonl``."""
    from core.data.augment.augment import unfinished

    return beside(path, "variants", ".jsonl", lambda out: not out.exists() or unfinished(out) is not None)


def wish_of(values: Mapping[str, str], listed: Collection[int] | None) -> tuple[Wish, Path]:
    """What the form asks for, and the file to write.

    Args:
        values: the texts of the fields and of the prompt.
        listed: the rows (from 0 on) to which the choice is narrowed, where no numbers are given.

    Raises:
        UsageError: a field says nothing that can be done.
    """
    from core.data.augment.augment import Wish
    from core.data.augment.choose import Choice, parse_spans
    from core.data.augment.prompt import check_template
    from core.endpoint.client import base_url

    texts = {name: text.strip() for name, text in values.items()}
    url = base_url(texts["endpoint"])
    if not texts["model"]:
        raise UsageError("no model is named", where="model", hint="As the endpoint calls it.")
    if not texts["out"]:
        raise UsageError("no file is named", where="new file")
    spans = parse_spans(texts["rows"]) if texts["rows"] else ()
    choice = Choice(spans, rows=frozenset(listed) if listed is not None and not spans else None)
    tokens = _number(texts["budget"], "budget") if texts["budget"] else None
    prompt = check_template(values["prompt"], "prompt")
    wish = Wish(url, texts["model"], _number(texts["n"], "variants"), choice, prompt, tokens)
    return wish, expand(texts["out"])


def _number(text: str, name: str) -> int:
    digits = text.replace(" ", "")
    if not digits.isdecimal() or len(digits) > 11 or not int(digits):
        raise DiapasonError(f"`{text[:20]}` is no number", where=name, hint="A whole number from 1 on.")
    return int(digits)
