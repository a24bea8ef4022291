"""What is wrong with rows as training sees them: too long, without loss or end, rendered twice, unknown tokens."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

import numpy as np

from core.chat import ChatModel
from core.data.checks.marks import special_tokens
from core.data.checks.tokens import TokenTally, opens_with_bos
from core.data.findings import RowFinding, grouped
from core.embeddings import untrained
from core.errors import DiapasonError
from core.models import ModelInfo

_OTHERS = 300
Found = tuple[RowFinding, "array[int]"]


def training_findings(tally: TokenTally, chat: ChatModel, model: ModelInfo, max_length: int) -> Iterator[Found]:
    """Each finding with the rows that it touches; none of them where it concerns the model alone."""
    yield from _lengths(tally, model, max_length)
    yield from _noted(tally, chat)
    if chat.tokenizer.prefix and chat.bos_id in chat.tokenizer.prefix and opens_with_bos(chat):
        piece = chat.piece(chat.bos_id)
        text = f"the template writes {piece} and so does the tokenizer; one is taken out here before training"
        yield RowFinding("double_bos", text, detail="template", level="note"), array("q")
    yield from _untrained(chat, model)


def _lengths(tally: TokenTally, model: ModelInfo, max_length: int) -> Iterator[Found]:
    rows, length = np.asarray(tally.rows), np.asarray(tally.length)
    first, stop = np.asarray(tally.first), np.asarray(tally.stop)
    limit = grouped(max_length)
    over = length > max_length
    lost = over & (first >= max_length)
    # A row may give several sequences: it loses its answer where all of them do.
    whole = np.setdiff1d(rows[lost], rows[(first >= 0) & (first < max_length)])
    cut = np.setdiff1d(rows[over], whole)
    endless = np.setdiff1d(rows[over & (stop >= max_length)], whole)
    longest = grouped(int(length.max())) if len(length) else ""
    if len(whole):
        text = f"the answer begins behind the cut at {limit} tokens; the longest row has {longest}"
        yield RowFinding("too_long", text, detail="answer_lost", level="error"), _array(whole)
    if len(cut):
        text = f"cut at {limit} tokens; the longest row has {longest}"
        yield RowFinding("too_long", text, detail="cut"), _array(cut)
    if len(endless):
        text = f"the end-of-turn token is behind the cut at {limit} tokens"
        yield RowFinding("missing_eos", text, detail="cut"), _array(endless)
    masked = np.setdiff1d(rows[first < 0], rows[first >= 0])
    if len(masked):
        yield RowFinding("fully_masked", "the template shows nothing of the answer"), _array(masked)
    if model.max_positions and max_length > model.max_positions:
        text = f"the model reads {grouped(model.max_positions)} tokens at most, and rows are cut at {limit}"
        yield RowFinding("too_long", text, detail="context"), array("q")


def _noted(tally: TokenTally, chat: ChatModel) -> Iterator[Found]:
    own = _families(chat)
    for (code, detail), noted in sorted(tally.notes.items()):
        text = noted.message
        if code == "missing_eos":
            stop = chat.piece(chat.turn_end_id)
            finding = RowFinding(code, f"{text}; training puts {stop} there", detail=detail, level="note")
        elif code == "template_mismatch" and detail == "refused":
            finding = RowFinding(code, text, detail=detail, level="error")
        elif code == "template_mismatch":
            whose = "the model's own template will write it again" if detail in own else "another family of models'"
            finding = RowFinding(code, f"{text}: {whose}", detail=detail)
        else:
            finding = RowFinding(code, text, detail=detail)
        yield finding, noted.rows


def _families(chat: ChatModel) -> set[str]:
    return {family for family, _, _ in special_tokens(_shown(chat))}


def _shown(chat: ChatModel) -> str:
    """A small conversation as the template writes it; empty without a template, or where it refuses this one."""
    try:
        return chat.render([{"role": "user", "content": "x"}, {"role": "assistant", "content": "x"}])
    except DiapasonError:
        return ""


def _untrained(chat: ChatModel, model: ModelInfo) -> Iterator[Found]:
    """The control tokens that the template writes and the model never learned."""
    if not chat.has_template or model.quantised:
        return
    used = sorted(set(chat.tokenizer.ids(_shown(chat))) & chat.tokenizer.added)
    # The last ones are what models keep in reserve.
    others = [token for token in sorted(chat.tokenizer.added)[-_OTHERS:] if token not in used]
    try:
        found = untrained(model.path, used, others)
    except DiapasonError:
        return
    if found:
        names = ", ".join(chat.piece(token) for token in found[:5])
        one = "is" if len(found) == 1 else "are"
        text = f"the embeddings of {names} {one} zero or like those of unused tokens"
        yield RowFinding("untrained_template_token", text), array("q")


def _array(rows: Iterable[int]) -> array[int]:
    return array("q", (int(row) for row in rows))
