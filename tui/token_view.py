"""What training will see of a row: its tokens as pieces of text, each with whether it carries loss."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.text import visible
from tui.format import count

if TYPE_CHECKING:
    from core.chat import ChatModel, Encoded
    from core.data.example import Example

_BYTES = re.compile(r"(?:<0x([0-9A-F]{2})>)+")
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text for showing (inert). `loss`: its tokens carry loss. `cut`: beyond the length limit."""

    text: str
    loss: bool
    cut: bool


@dataclass(frozen=True, slots=True)
class TokenView:
    """A row as tokens, one piece each (a character of several tokens is one piece), and the figures below it."""

    pieces: list[Piece]
    tokens: int
    carrying: int
    cut: int
    max_length: int | None
    ends_with_stop: bool
    method: str

    def summary(self) -> str:
        """The line below the tokens."""
        share = f" ({100 * self.carrying / self.tokens:.0f} %)" if self.tokens else ""
        parts = [f"{count(self.tokens)} tokens", f"{count(self.carrying)} carry loss{share}"]
        parts.append("ends with end-of-turn ✓" if self.ends_with_stop else "no end-of-turn ✗")
        if self.max_length is not None:
            lost = f"yes, {count(self.cut)} tokens lost" if self.cut else "no"
            parts.append(f"cut at {count(self.max_length)}: {lost}")
        return " · ".join(parts)


def view_tokens(chat: ChatModel, example: Example, max_length: int | None) -> TokenView:
    """Render `example` with the model's template. Raises DiapasonError where the template or the masks refuse it."""
    encoded = chat.encode(example, max_length=max_length, keep_all=True)
    kept = len(encoded.input_ids) - encoded.cut
    carrying = sum(label >= 0 for label in encoded.labels[:kept])
    return TokenView(
        _pieces(chat, encoded, kept), len(encoded.input_ids), carrying, encoded.cut, max_length,
        encoded.ends_with_stop, encoded.method,
    )  # fmt: skip


def _pieces(chat: ChatModel, encoded: Encoded, kept: int) -> list[Piece]:
    pieces: list[Piece] = []
    pending, pending_loss, pending_cut = b"", False, False
    for position, (token, label) in enumerate(zip(encoded.input_ids, encoded.labels, strict=True)):
        text, loss, cut = chat.piece(token), label >= 0, position >= kept
        if _BYTES.fullmatch(text):
            pending += bytes(int(code, 16) for code in _BYTE.findall(text))
            pending_loss, pending_cut = pending_loss or loss, cut
            try:
                pieces.append(Piece(visible(pending.decode()), pending_loss, pending_cut))
            except UnicodeDecodeError:
                continue
            pending, pending_loss = b"", False
            continue
        if pending:
            pieces.append(Piece(_hex(pending), pending_loss, pending_cut))
            pending, pending_loss = b"", False
        pieces.append(Piece(visible(text), loss, cut))
    if pending:
        pieces.append(Piece(_hex(pending), pending_loss, pending_cut))
    return pieces


def _hex(data: bytes) -> str:
    return "".join(f"<0x{byte:02X}>" for byte in data)
