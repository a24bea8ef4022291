"""One pair to judge: the prompt above, both answers in equal frames, side by side or one above the other."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual
from textual.widgets import Static

from core.text import visible
from tui.screens import judge_view
from tui.screens.base import DiapasonScreen
from tui.screens.judge_markdown import markdown_lines, marked_lines, plain_lines

if TYPE_CHECKING:
    from core.judging.diff import Parts
    from core.judging.pairs import Pair

_ZOOMS = ("", "-zoom-left", "-zoom-right")
_SIDES = ("left", "right")
_TITLES = ("◀ 1", "2 ▶")


class Answers(Container):
    """Two frames of exactly the same size: what cannot be halved is left empty."""

    def on_resize(self) -> None:
        """Leave a row or column empty where the number is odd."""
        self.set_class(self.outer_size.width % 2 == 1, "-odd-width")
        self.set_class(self.outer_size.height % 2 == 1, "-odd-height")


class AnswerView(ScrollView, can_focus=False):
    """One answer in its frame; only the lines in view are drawn.

    Attributes:
        seen: whether its end has been on the screen since `show`.
    """

    class LaidOut(Message):
        """The answer has lines for its present width."""

    def __init__(self, *, id: str, title: str) -> None:
        super().__init__(id=id, classes="panel answer")
        self.title = title
        self.seen = False
        self._text = ""
        self._parts: Parts | None = None
        self._plain = False
        self._lines: list[Content] = []

    def show(self, text: str) -> None:
        """Show another answer, from its beginning."""
        self._text = text
        self.seen = False
        self.draw(None, self._plain)
        self.scroll_home(animate=False, immediate=True)

    def draw(self, parts: Parts | None, plain: bool) -> None:
        """Show the words that the other lacks (`parts`), the text as written (`plain`), or its Markdown."""
        self._parts, self._plain = parts, plain
        self._lay_out()

    def _lay_out(self) -> None:
        width = self.scrollable_content_region.width
        self._lines = []
        if width <= 0:
            return
        if not self._text.strip():
            self._lines = [Content.styled("(an empty answer)", "italic $text-muted")]
        elif self._parts is not None:
            self._lines = marked_lines(self._parts, width)
        else:
            self._lines = plain_lines(self._text, width) if self._plain else markdown_lines(self._text, width)
        self.virtual_size = Size(width, len(self._lines))
        self.refresh()
        self.post_message(self.LaidOut())

    @property
    def laid_out(self) -> bool:
        """Whether there are lines to show; an answer that is zoomed away has none to wait for."""
        return bool(self._lines) or not self.display

    def mark_seen(self) -> None:
        """Note whether the end is in view, and say on the frame where it is not."""
        below = len(self._lines) - self.scroll_offset.y - self.scrollable_content_region.height
        if self._lines and self.display and self.scrollable_content_region.height > 0 and below <= 0:
            self.seen = True
        self.border_subtitle = f"pgdn: {below} more ▼" if below > 0 else ""

    def on_resize(self) -> None:
        """Lines of another width."""
        self._lay_out()

    def render_line(self, y: int) -> Strip:
        """One line of the view."""
        width = self.scrollable_content_region.width
        number = y + self.scroll_offset.y
        if not 0 <= number < len(self._lines):
            return Strip.blank(width, self.visual_style.rich_style)
        strips = Visual.to_strips(self, self._lines[number], width, 1, self.visual_style, pad=True)
        return strips[0] if strips else Strip.blank(width, self.visual_style.rich_style)


class PairView(Vertical):
    """Shows a pair, equally on both sides; the answers scroll together, or apart.

    Attributes:
        drawn_at: when the pair was first on the screen (`time.monotonic`), or None before that.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.drawn_at: float | None = None
        self._texts = ("", "")
        self._differences = False
        self._plain = False
        self._zoom = 0
        # Which side scrolls alone, or None where both do.
        self._alone: int | None = None

    def compose(self) -> ComposeResult:
        """The prompt and the two answers; none takes the focus, so that every key goes to the screen."""
        with VerticalScroll(id="prompt", can_focus=False):
            yield Static(id="prompt-text", markup=False)
        with Answers(id="answers"):
            for side, title in zip(_SIDES, _TITLES):
                yield AnswerView(id=side, title=title)

    @property
    def sides(self) -> tuple[AnswerView, AnswerView]:
        """The left (upper) and the right (lower) answer."""
        return self.query_one("#left", AnswerView), self.query_one("#right", AnswerView)

    @property
    def seen(self) -> bool:
        """Whether both answers have been on the screen to their ends."""
        return all(side.seen for side in self.sides)

    def show(self, pair: Pair) -> None:
        """Show `pair` from its beginning, both sides, without marks."""
        self._texts = (pair.answers[pair.left or ""], pair.answers[pair.right or ""])
        self._differences = False
        self._alone = None
        self.drawn_at = None
        for side, text in zip(self.sides, self._texts):
            side.show(text)
        self._draw()
        self.query_one("#prompt-text", Static).update(judge_view.prompt_content(pair.prompt))
        self.query_one("#prompt").scroll_home(animate=False)
        self.set_zoom(0)

    def prepare(self, pair: Pair) -> None:
        """Lay out the answers of `pair` ahead of time; may run in a thread."""
        width = self.sides[0].scrollable_content_region.width
        if width > 0 and not self._plain:
            for text in pair.answers.values():
                markdown_lines(text, width)

    def toggle_differences(self) -> None:
        """Mark the words that the other answer lacks, or show both without marks again."""
        self._differences = not self._differences
        self._draw()

    def toggle_plain(self) -> None:
        """Show the text of the answers as it is written, or their Markdown again; for the next pairs too."""
        self._plain = not self._plain
        self._draw()

    def _draw(self) -> None:
        parts = (None, None)
        if self._differences:
            from core.judging.diff import word_diff

            parts = word_diff(*(visible(text, newlines=True) for text in self._texts))
        for side, own in zip(self.sides, parts):
            side.draw(own, self._plain)
        self._name_frames()
        self.mark_more()

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

    @property
    def apart(self) -> bool:
        """Whether the answers scroll apart."""
        return self._alone is not None

    def toggle_apart(self) -> None:
        """Scroll one answer alone, or both together again."""
        self._alone = 0 if self._alone is None else None
        self._name_frames()

    def change_side(self) -> None:
        """Where the answers scroll apart: the other one."""
        if self._alone is not None:
            self._alone = 1 - self._alone
            self._name_frames()

    def _name_frames(self) -> None:
        for place, side in enumerate(self.sides):
            scrolls = "  ↕ scrolls" if place == self._alone else ""
            side.border_title = side.title + scrolls + ("  as written" if self._plain else "")

    def scroll_answers(self, lines: int, *, pages: bool = False) -> None:
        """Scroll the answers by `lines`, or by as many pages less one line."""
        sides = self.sides if self._alone is None else (self.sides[self._alone],)
        if pages:
            shown = max(side.scrollable_content_region.height for side in sides)
            lines *= max(1, shown - 1)
        for side in sides:
            side.scroll_relative(y=lines, animate=False, immediate=True)
        self.mark_more()

    def scroll_prompt(self, lines: int) -> None:
        """Scroll the prompt by `lines`."""
        self.query_one("#prompt").scroll_relative(y=lines, animate=False)

    def mark_more(self) -> None:
        """Note what is in view once the layout is known."""
        self.call_after_refresh(self._mark_more)

    def _mark_more(self) -> None:
        for side in self.sides:
            side.mark_seen()
        if self.drawn_at is None and all(side.laid_out for side in self.sides):
            self.drawn_at = time.monotonic()

    @on(AnswerView.LaidOut)
    def on_resize(self) -> None:
        """The frames hold more or less now."""
        self.mark_more()


class PairScreen(DiapasonScreen):
    """A screen that shows a pair, or a page of text in its place: what one can do to see more of it."""

    VERTICAL_BREAKPOINTS = [(0, "-short"), (16, "-tall")]

    def __init__(self) -> None:
        super().__init__()
        self.pair: Pair | None = None

    @property
    def view(self) -> PairView:
        """Where the pair is shown."""
        return self.query_one(PairView)

    def why_no_pair(self) -> str | None:
        """Why nothing can be done with a pair."""
        return None if self.pair is not None else "there is no pair on the screen"

    def why_not_apart(self) -> str | None:
        """Why there is no other side to scroll."""
        if self.pair is None:
            return self.why_no_pair()
        return None if self.view.apart else "the answers scroll together; a lets them scroll apart"

    def action_zoom(self) -> None:
        """Left alone, right alone, both."""
        self.view.set_zoom(self.view.zoom + 1)

    def action_diff(self) -> None:
        """Mark the words that differ, or show both plain again."""
        self.view.toggle_differences()

    def action_plain(self) -> None:
        """The text as it is written, or its Markdown."""
        self.view.toggle_plain()

    def action_apart(self) -> None:
        """Scroll the answers apart, or together."""
        self.view.toggle_apart()

    def action_other_side(self) -> None:
        """Scroll the other answer."""
        self.view.change_side()

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
