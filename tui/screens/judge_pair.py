"""One pair to judge: the prompt above, both answers in equal frames, side by side or one above the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll
from textual.widgets import Static

from core.text import visible
from tui.screens import judge_view
from tui.screens.base import DiapasonScreen

if TYPE_CHECKING:
    from core.judging.pairs import Pair

_ZOOMS = ("", "-zoom-left", "-zoom-right")
_SIDES = ("#left", "#right")


class Answers(Container):
    """Two frames of exactly the same size: what cannot be halved is left empty."""

    def on_resize(self) -> None:
        """Leave a row or column empty where the number is odd."""
        self.set_class(self.outer_size.width % 2 == 1, "-odd-width")
        self.set_class(self.outer_size.height % 2 == 1, "-odd-height")


class PairView(Vertical):
    """Shows a pair, equally on both sides; the answers scroll together."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._texts = ("", "")
        self._differences = False
        self._zoom = 0

    def compose(self) -> ComposeResult:
        """The prompt and the two answers; none takes the focus, so that every key goes to the screen."""
        with VerticalScroll(id="prompt", can_focus=False):
            yield Static(id="prompt-text", markup=False)
        with Answers(id="answers"):
            for side, title in (("left", "◀ 1"), ("right", "2 ▶")):
                with VerticalScroll(id=side, classes="panel answer", can_focus=False) as panel:
                    panel.border_title = title
                    yield Static(classes="answer-text", markup=False)

    def show(self, pair: Pair) -> None:
        """Show `pair` from its beginning, both sides, without marks."""
        self._texts = (pair.answers[pair.left or ""], pair.answers[pair.right or ""])
        self._differences = False
        self._draw()
        self.query_one("#prompt-text", Static).update(judge_view.prompt_content(pair.prompt))
        for name in ("#prompt", *_SIDES):
            self.query_one(name).scroll_home(animate=False)
        self.set_zoom(0)

    def toggle_differences(self) -> None:
        """Mark the words that the other answer lacks, or show both plain again."""
        self._differences = not self._differences
        self._draw()

    def _draw(self) -> None:
        parts = None
        if self._differences:
            from core.judging.diff import word_diff

            parts = word_diff(*(visible(text, newlines=True) for text in self._texts))
        for place, side in enumerate(_SIDES):
            content = judge_view.answer_content(self._texts[place], parts[place] if parts else None)
            self.query_one(f"{side} > .answer-text", Static).update(content)

    @property
    def zoom(self) -> int:
        """0: both answers; 1: the left one alone; 2: the right one alone."""
        return self._zoom

    def set_zoom(self, zoom: int) -> None:
        """Show both answers (0) or one; 3 is 0 again."""
        self._zoom = zoom % len(_ZOOMS)
        for place, name in enumerate(_ZOOMS[1:], 1):
            self.set_class(place == self._zoom, name)
        self.mark_more()

    def scroll_answers(self, lines: int, *, pages: bool = False) -> None:
        """Scroll both answers by `lines`, or by as many pages less one line."""
        if pages:
            shown = max(self.query_one(name).scrollable_content_region.height for name in _SIDES)
            lines *= max(1, shown - 1)
        for name in _SIDES:
            self.query_one(name).scroll_relative(y=lines, animate=False)
        self.mark_more()

    def scroll_prompt(self, lines: int) -> None:
        """Scroll the prompt by `lines`."""
        self.query_one("#prompt").scroll_relative(y=lines, animate=False)

    def mark_more(self) -> None:
        """Say on the frame where an answer goes on below, once the layout is known."""
        self.call_after_refresh(self._mark_more)

    def _mark_more(self) -> None:
        for name in _SIDES:
            panel = self.query_one(name)
            panel.border_subtitle = "pgdn for more ▼" if panel.scroll_offset.y < panel.max_scroll_y else ""

    def on_resize(self) -> None:
        """The frames hold more or less now."""
        self.mark_more()


class PairScreen(DiapasonScreen):
    """A screen that shows a pair, or a page of text in its place: what one can do to see more of it."""

    def __init__(self) -> None:
        super().__init__()
        self.pair: Pair | None = None

    @property
    def view(self) -> PairView:
        """Where the pair is shown."""
        return self.query_one(PairView)

    def action_zoom(self) -> None:
        """Left alone, right alone, both."""
        self.view.set_zoom(self.view.zoom + 1)

    def action_diff(self) -> None:
        """Mark the words that differ, or show both plain again."""
        self.view.toggle_differences()

    def action_down(self) -> None:
        """A line down."""
        self._scroll(1)

    def action_up(self) -> None:
        """A line up."""
        self._scroll(-1)

    def action_page_down(self) -> None:
        """A page down."""
        self._scroll(1, pages=True)

    def action_page_up(self) -> None:
        """A page up."""
        self._scroll(-1, pages=True)

    def _scroll(self, lines: int, *, pages: bool = False) -> None:
        if self.pair is not None:
            self.view.scroll_answers(lines, pages=pages)
        else:
            page = self.query_one("#page")
            page.scroll_relative(y=lines * (page.size.height - 1 if pages else 1), animate=False)

    def action_prompt_down(self) -> None:
        """The prompt a line down."""
        self.view.scroll_prompt(1)

    def action_prompt_up(self) -> None:
        """The prompt a line up."""
        self.view.scroll_prompt(-1)
