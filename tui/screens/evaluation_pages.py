"""The views of an evaluation beside its table: intervals, slices, costs, general prompts, classes; and its export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual.content import Content

from core.evaluation.result import EvaluationResult
from core.home import expand
from core.runs.folder import RunFolder, find_run
from core.text import visible
from tui.screens.base import DiapasonScreen
from tui.screens.evaluation_keys import VIEWS
from tui.screens.evaluation_state import Evaluation
from tui.widgets.page import Page
from tui.widgets.rows import RowList

if TYPE_CHECKING:
    from core.evaluation.slices import SliceScores


class ViewsScreen(DiapasonScreen):
    """A screen of one evaluation with a page of text that shows one of its views in place of the rows."""

    def __init__(self, run: RunFolder | str) -> None:
        super().__init__()
        self.folder = find_run(run) if isinstance(run, str) else run
        self.found: Evaluation | None = None
        self._view = VIEWS[0]
        self._arms = ("", "")
        self._slices: tuple[list[str], SliceScores | None] | None = None
        self._by: str | None = None

    @property
    def result(self) -> EvaluationResult | None:
        """The result that is shown."""
        return self.found.result if self.found else None

    def _show_view(self, view: str) -> None:
        self._view = view
        self.remove_class("-open")
        self.set_class(view != VIEWS[0], "-page")
        if view == VIEWS[0]:
            self.query_one("#metrics").focus()
            return
        page = self.query_one("#page", Page)
        page.focus()
        page.scroll_home(animate=False)
        self.call_after_refresh(self._draw_page)

    def _draw_page(self) -> None:
        """The view that is chosen, for the width that there is."""
        result = self.result
        page = self.query_one("#page", Page)
        page.border_title = f"{VIEWS.index(self._view) + 1} {self._view}"
        # Room for the scrollbar, which a longer text brings.
        width = page.scrollable_content_region.width - 2
        if result is None or self._view == VIEWS[0] or width <= 0:
            return
        page.show(self._page(result, width))

    def _page(self, result: EvaluationResult, width: int) -> Content:
        from tui.screens import evaluation_views as views

        if self._view == "intervals":
            key = self.query_one("#metrics", RowList).current
            return views.intervals(result, key.removeprefix("metric:") if key else result.primary, width)
        if self._view == "costs":
            return views.costs(result, width)
        if self._view == "forgetting":
            return views.forgetting(result.document["forgetting"], width)
        if self._view == "classes":
            return views.classes(result.document["classes"], *self._arms, width)
        if self._slices is None:
            self._read_slices()
            return Content.styled("reading the test rows …", "$text-muted")
        fields, scores = self._slices
        if scores is None:
            told = "The rows have no label, language or field that parts them; b names a field."
            return Content.styled(told, "$text-muted")
        return views.slices(scores, fields, width)

    def _read_slices(self) -> None:
        from core.evaluation.slices import slices_of_run

        by = self._by

        def took(found: tuple[list[str], SliceScores | None]) -> None:
            self._slices = found
            self._draw_page()

        def failed(error: BaseException) -> None:
            self.query_one("#page", Page).show(Content.styled(visible(str(error), newlines=True), "$error"))

        self.background(lambda: slices_of_run(self.folder, by), took, otherwise=failed, group="slices")

    # -- why a key cannot act

    def why_no_answers(self) -> str | None:
        """Answers come from an evaluation."""
        return None if self.found and self.found.cases else f"{self.folder.name} is not evaluated yet"

    def why_no_pair(self) -> str | None:
        """Two arms make a pair, three make a choice."""
        reason = self.why_no_answers()
        if reason is None and self.result is not None and len(self.result.arms) < 3:
            reason = "there are no other arms"
        return reason

    why_no_rows = why_no_intervals = why_no_slices = why_no_costs = why_no_answers

    def why_no_forgetting(self) -> str | None:
        """General prompts are asked where the evaluation was told to."""
        return self._why_not_measured("forgetting", "the evaluation asked no general prompts")

    def why_no_classes(self) -> str | None:
        """Classes are counted where accuracy or F1 is a metric."""
        return self._why_not_measured("classes", "neither accuracy nor F1 was measured")

    def _why_not_measured(self, name: str, told: str) -> str | None:
        reason = self.why_no_answers()
        return reason or (None if self.result and self.result.document.get(name) else told)

    # -- actions

    def action_next_view(self) -> None:
        """The next view that this evaluation has."""
        at = VIEWS.index(self._view)
        order = [*VIEWS[at + 1 :], *VIEWS[: at + 1]]
        self._show_view(next(view for view in order if getattr(self, f"why_no_{view}")() is None))

    def action_show_rows(self) -> None:
        """The table and the rows."""
        self._show_view("rows")

    def action_show_intervals(self) -> None:
        """Each arm's interval."""
        self._show_view("intervals")

    def action_show_slices(self) -> None:
        """By slice."""
        self._show_view("slices")

    def action_show_costs(self) -> None:
        """What answers cost."""
        self._show_view("costs")

    def action_show_forgetting(self) -> None:
        """General prompts."""
        self._show_view("forgetting")

    def action_show_classes(self) -> None:
        """Classes."""
        self._show_view("classes")

    def action_by(self) -> None:
        """Ask by which field to slice."""
        fields = self._slices[0] if self._slices else []

        def chosen(by: str) -> None:
            self._by, self._slices = by, None
            self._show_view("slices")

        current = self._slices[1].by if self._slices and self._slices[1] else ""
        self.ask(
            "Slices by what?", chosen, value=current, placeholder=", ".join(fields) or "label, language, a field"
        )

    def action_export(self) -> None:
        """Ask where to write the result."""
        place = Path.cwd() / f"{self.folder.name}-evaluation.md"
        self.ask(
            "Export to (.csv, .json or .md)", lambda path: self._export(expand(path)), value=str(place), paths=True
        )

    def _export(self, out: Path, *, replace: bool = False) -> None:
        from core.report.evaluation import SUFFIXES, save_evaluation

        result = self.result
        if result is None:
            return
        if out.exists() and not replace and out.suffix.lower() in SUFFIXES:
            self.confirm(
                f"Replace {out.name}?", lambda: self._export(out, replace=True), detail=str(out), yes="Replace"
            )
            return
        save_evaluation(result, out, replace=replace)
        self.say(f"wrote {out}")
