"""What a judge adds to a verdict: reason tags, a flag, a note."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from textual import on
from textual.content import Content
from textual.widgets import Input

from core.errors import DiapasonError
from core.text import shorten, visible
from tui.actions import COMMON, Action
from tui.screens.judge_generate import GeneratingScreen

_REASON = "reason:"
_TAG_WIDTH = 20


class MarkingScreen(GeneratingScreen):
    """Tags are toggled before the verdict and saved with it; flag and note are saved at once."""

    def draw_top(self, more: str = "") -> None:
        """The top line of a pair; the subclass gives it."""
        raise NotImplementedError

    # -- reason tags -----------------------------------------------------------------------------------------

    _tags: tuple[str, ...] = ()

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that the next verdict carries."""
        return self._tags

    def clear_tags(self, tags: tuple[str, ...] = ()) -> None:
        """Begin a pair without tags, or with those of a vote that was taken back."""
        self._tags = tags

    def tag_of(self, letter: str) -> str | None:
        """The tag that the capital `letter` gives, or None."""
        reasons = self.desk.reasons if self.desk is not None else {}
        return next((tag for tag, key in reasons.items() if key == letter), None)

    def toggle_tag(self, tag: str) -> None:
        """Give the next verdict `tag`, or take it away again."""
        if self.pair is None:
            self.warn(f"{tag}: {self.why_no_pair()}")
            return
        self._tags = tuple(each for each in self._tags if each != tag) if tag in self._tags else (*self._tags, tag)
        self.draw_top()

    def reason_actions(self) -> list[Action]:
        """A key for each tag, as help and palette show it."""
        reasons = self.desk.reasons if self.desk is not None else {}
        return [
            Action(
                letter,
                _REASON + tag,
                shorten(tag, _TAG_WIDTH),
                f"Tag the next verdict: {visible(tag)}. Pressed again: not.",
                enabled="why_no_pair",
                shown=f"⇧{letter.lower()}",
                group="Reasons, before the verdict",
            )
            for tag, letter in reasons.items()
        ]

    def all_actions(self) -> Iterable[Action]:
        """The screen's actions, a key for each reason, and the common ones."""
        return (*self.ACTIONS, *self.reason_actions(), *COMMON)

    async def action_act(self, name: str) -> None:
        """Run the action called `name`; that of a reason toggles its tag."""
        if name.startswith(_REASON):
            self.toggle_tag(name.removeprefix(_REASON))
        else:
            await super().action_act(name)

    def marks(self) -> Content:
        """Tags, flag and note of the pair on the screen, for the top line."""
        assert self.desk is not None and self.pair is not None
        parts: list[tuple[str, str]] = [(f" · {shorten(tag, _TAG_WIDTH)}", "$accent") for tag in self._tags]
        if self.desk.is_flagged(self.pair):
            parts.append((" · flagged", "$warning"))
        if self.desk.note_of(self.pair):
            parts.append((" · has a note", "$text-muted"))
        return Content.assemble(*parts)

    # -- a flag ----------------------------------------------------------------------------------------------

    async def action_flag(self) -> None:
        """Mark the pair to be looked at again, or take the mark away."""
        if self.desk is None or self.pair is None:
            return
        await asyncio.to_thread(self.desk.flag, self.pair, not self.desk.is_flagged(self.pair))
        self.draw_top()

    # -- a note ----------------------------------------------------------------------------------------------

    def note_field(self) -> Input:
        """The line for a note, out of the way until it is asked for."""
        note = Input(id="note", placeholder="a note on this pair: enter keeps it, esc leaves", compact=True)
        # Only `n` gives it the focus: until then letters are verdicts.
        note.can_focus = False
        return note

    def action_note(self) -> None:
        """Open the line for a note."""
        field = self.query_one("#note", Input)
        self.add_class("-noting")
        field.can_focus = True
        field.focus()

    def close_note(self) -> None:
        """Let letters be verdicts again."""
        self.remove_class("-noting")
        self.set_focus(None)
        self.query_one("#note", Input).can_focus = False

    @on(Input.Submitted, "#note")
    async def _note_written(self, event: Input.Submitted) -> None:
        if self.desk is None or self.pair is None:
            return
        try:
            await asyncio.to_thread(self.desk.note, self.pair, event.value.strip())
        except DiapasonError as error:
            self.fail(error)
            return
        self.close_note()
        self.draw_top()
