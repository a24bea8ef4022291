"""Defects that only the model's own tokenizer and template tell: cut rows, lost answers and ends, tokens not learnt.

The model is the bundled starter, as it is or changed as people change or convert models.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from _planted import ROOT, Row
from _planted_files import Made, Pair, json_lines, plants_file, saved

from core.models import find_model

_STARTER = ROOT / "core" / "starter" / "model"
_ANSWER = "{{- message['content'] or '' }}"
_END = "{{- '<|im_end|>' }}"
_ALTERNATING = (
    "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user/assistant/user/assistant') }}{% endif %}{% endfor %}"
)


def _model(folder: Path, before: str = "", after: str = "", *, front: str = "", bos: str = "") -> Path:
    """A copy of the starter whose template has `after` where it has `before`, `front` first; with a token `bos`."""
    path = folder / "model"
    path.mkdir()
    for file in _STARTER.iterdir():
        if file.name == "model.safetensors":
            (path / file.name).symlink_to(file)
            continue
        text = file.read_text(encoding="utf-8")
        if file.name == "chat_template.jinja":
            if before not in text:
                raise RuntimeError(f"the starter's template has no {before} any more")
            text = front + text.replace(before, after, 1)
        elif bos:
            text = text.replace("<|pad|>", bos)
            if file.name == "tokenizer_config.json":
                text = json.dumps(json.loads(text) | {"bos_token": bos})
        (path / file.name).write_text(text, encoding="utf-8")
    return path


def _with(made: Made, model: Path | str, max_length: int | None = None) -> Made:
    """The file, checked for a model."""
    return replace(made, options={"model": find_model(str(model)), "max_length": max_length})


def _placed(folder: Path, pairs: Sequence[Pair], change: dict[int, Pair], model: Path | str = "starter") -> Made:
    """The pairs with some changed, which are the defects."""
    rows = [change.get(number, pair) for number, pair in enumerate(pairs)]
    lines = tuple(sorted(number + 1 for number in change))
    return _with(saved(folder, "rows.jsonl", json_lines(rows), lines), model)


def _long(pairs: Sequence[Pair], rng: random.Random) -> str:
    """More than a thousand tokens of plain text."""
    text = " ".join(said for _, said in rng.sample(pairs, len(pairs) // 2))
    return " ".join([text] * 4)


@plants_file("")
def fitting(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Rows that the starter takes as they are."""
    return _placed(folder, pairs, {})


@plants_file("too_long", "missing_eos")
def cut(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Answers of which the end is cut off, or prompts behind which the answer is."""
    change: dict[int, Pair] = {}
    way = rng.randrange(2)
    for place in rng.sample(range(len(pairs)), 3):
        asked, said = pairs[place]
        change[place] = (asked, _long(pairs, rng)) if way else (f"{asked} {_long(pairs, rng)}", said)
    return _placed(folder, pairs, change)


@plants_file("missing_eos", "too_long")
def end_cut(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Answers of which the end is behind the cut."""
    change = {place: (pairs[place][0], _long(pairs, rng)) for place in rng.sample(range(len(pairs)), 2)}
    return _placed(folder, pairs, change)


@plants_file("too_long")
def beyond_the_model(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A limit that the model itself does not reach."""
    return _with(saved(folder, "rows.jsonl", json_lines(pairs)), "starter", rng.choice([1025, 2048, 8192]))


@plants_file("missing_eos")
def open_end(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A template that ends no answer."""
    return replace(_placed(folder, pairs, {}, _model(folder, _END, "")), lines=tuple(range(1, len(pairs) + 1)))


@plants_file("fully_masked")
def unseen(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A template that leaves the answers out."""
    return replace(_placed(folder, pairs, {}, _model(folder, _ANSWER, "")), lines=tuple(range(1, len(pairs) + 1)))


@plants_file("double_bos", "special_token", "template_mismatch")
def begun_twice(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Prompts that begin with the token that the template writes, as rows do that were rendered before."""
    change = {place: ("<s>" + pairs[place][0], pairs[place][1]) for place in rng.sample(range(len(pairs)), 3)}
    return _placed(folder, pairs, change, _model(folder, front="{{- bos_token }}", bos="<s>"))


@plants_file("template_mismatch", "special_token")
def rendered(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Prompts in the marks of this template or of another family's."""
    frame = rng.choice([
        "<|im_start|>user\n{}<|im_end|>", "[INST] {} [/INST]", "<start_of_turn>user\n{}<end_of_turn>",
        "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>", "<|user|>\n{}<|end|>", "### x <|im_start|>{}",
    ])  # fmt: skip
    change = {place: (frame.format(pairs[place][0]), pairs[place][1]) for place in rng.sample(range(len(pairs)), 3)}
    return _placed(folder, pairs, change)


@plants_file("template_mismatch")
def refused(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """System messages for a template that takes none."""
    places = rng.sample(range(len(pairs)), 3)
    rows: list[Row] = [
        {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}
        for asked, said in pairs
    ]
    for place in places:
        rows[place]["messages"].insert(0, {"role": "system", "content": "You are a patient teacher."})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    made = saved(folder, "rows.jsonl", text, tuple(sorted(place + 1 for place in places)))
    return _with(made, _model(folder, front=_ALTERNATING))


@plants_file("untrained_template_token")
def unlearnt(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A base model whose embeddings of the chat tokens are zero, or all the same."""
    model = _model(folder)
    (model / "model.safetensors").unlink()
    raw = bytearray((_STARTER / "model.safetensors").read_bytes())
    length = struct.unpack("<Q", raw[:8])[0]
    info = json.loads(raw[8 : 8 + length])["model.embed_tokens.weight"]
    start, size = 8 + length + info["data_offsets"][0], 2 * info["shape"][1]
    rows = [start + size * token for token in (1, 2)]  # <|im_start|> and <|im_end|>
    learnt = bytes(size) if rng.random() < 0.5 else bytes(raw[rows[0] : rows[0] + size])
    for row in rows:
        raw[row : row + size] = learnt
    (model / "model.safetensors").write_bytes(raw)
    return _with(saved(folder, "rows.jsonl", json_lines(pairs)), model)
