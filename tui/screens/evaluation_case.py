"""One test row of an evaluation: what was asked and wanted, and two arms' answers side by side with a word diff."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content

from core.judging.diff import word_diff
from core.text import shorten, visible
from tui.columns import Part
from tui.format import loss
from tui.screens.evaluation_state import Case
from tui.widgets.page import Page


class CaseView(Vertical):
    """Shows a case; words that the other answer lacks are bold and underlined."""

    def compose(self) -> ComposeResult:
        """The question above the two answers."""
        yield Page("asked", id="asked")
        with Horizontal(id="pair"):
            yield Page("", id="left")
            yield Page("", id="right")

    def show(self, case: Case | None, left: str, right: str) -> None:
        """Show `case` as the arms `left` and `right` answered it, from its beginning."""
        asked, *sides = (self.query_one(f"#{name}", Page) for name in ("asked", "left", "right"))
        if case is None:
            for page in (asked, *sides):
                page.show(Content.styled("no row", "$text-muted"))
            return
        asked.show(_asked(case))
        texts = [visible(case.answers.get(arm, ""), newlines=True) for arm in (left, right)]
        for page, arm, parts in zip(sides, (left, right), word_diff(*texts), strict=True):
            page.border_title = shorten(arm, 40)
            measured = case.losses.get(arm)
            page.border_subtitle = f"answer loss {loss(measured)}" if measured is not None else ""
            styled: list[Part] = [(part, "bold underline" if changed else "") for part, changed in parts]
            styled = styled or [("(an empty answer)", "italic $text-muted")]
            if given := case.given.get(arm):
                styled.append((f"\n\n{visible(given)}", "$text-muted"))
            page.show(Content.assemble(*styled))
            page.scroll_home(animate=False)
        asked.scroll_home(animate=False)


def _asked(case: Case) -> Content:
    parts: list[Part] = []
    if case.turns > 1:
        plural = "" if case.turns == 2 else "s"
        parts.append((f"after {case.turns - 1} earlier message{plural}\n", "$text-muted"))
    parts += [(visible(case.prompt, newlines=True), "bold"), "\n"]
    for place, reference in enumerate(case.references):
        parts += [("wanted  " if place == 0 else "or      ", "$text-muted"), visible(reference, newlines=True), "\n"]
    return Content.assemble(*parts).rstrip()
