"""Evaluation: did it get better, on what, for whom, and how sure are we?"""

from __future__ import annotations

import math

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from core.evaluation.result import EvaluationResult
from core.evaluation.verdict import answer, headline
from core.runs.folder import RunFolder
from core.text import shorten, visible
from tui.format import count
from tui.screens import evaluation_text as words
from tui.screens.evaluation_case import CaseView
from tui.screens.evaluation_keys import ACTIONS, VIEWS
from tui.screens.evaluation_pages import ViewsScreen
from tui.screens.evaluation_state import Case, Evaluation, EvaluationReader
from tui.widgets.page import Page
from tui.widgets.rows import RowList

EVERY_SECONDS = 1.0
FILTERS = ("differ", "better", "worse", "all")


class EvaluationScreen(ViewsScreen):
    """The arms of one run side by side, then the rows, or another view of them."""

    CSS_PATH = "evaluation.tcss"
    HELP = (
        "Is tuning better than a good prompt, on what, for whom, and how sure are we? All arms answered the same "
        "test rows. The top line compares tuned with the best arm without tuning on the primary metric (★). ▲ ▼: "
        "surely better or worse, p corrected by Holm. [ and ] choose the two arms whose answers stand side by side."
    )
    ACTIONS = ACTIONS

    def __init__(self, run: RunFolder | str) -> None:
        super().__init__(run)
        self._reader = EvaluationReader(self.folder)
        self._reading = False
        self._filter = FILTERS[0]

    def compose_body(self) -> ComposeResult:
        """The answer, the table, what the metric under the cursor says, the rows; or one of the other views."""
        yield Static(id="state", markup=False)
        yield Static(id="answer", markup=False)
        yield RowList(id="metrics")
        yield Static(id="about", markup=False)
        with Horizontal(id="rows"):
            with Vertical(id="list", classes="panel"):
                yield RowList(id="cases")
            yield CaseView(id="case")
        yield Page("", id="page")

    def on_mount(self) -> None:
        """Paint first, then read."""
        self.top(f"evaluation of {self.folder.name}")
        self.add_class("-empty")
        self.call_after_refresh(self._read)
        self.set_interval(EVERY_SECONDS, self._read)

    # -- reading, in a thread -----------------------------------------------------------------------------

    def _read(self) -> None:
        if self._reading or not self.is_seen:
            return
        self._reading = True
        self.background(self._reader.read, self._took, otherwise=self._not_read, group="evaluation")

    def _took(self, found: Evaluation) -> None:
        self._reading = False
        before, self.found = self.found, found
        if before is None or before != found:
            self._draw(fresh=before is None or before.result is not found.result)

    def _not_read(self, error: BaseException) -> None:
        self._reading = False
        self.fail(error)

    # -- drawing ------------------------------------------------------------------------------------------

    def _draw(self, *, fresh: bool) -> None:
        found = self.found
        if found is None:
            return
        self._draw_state(found)
        self.set_class(found.result is None, "-empty")
        if fresh and found.result is not None:
            self._slices = None
            self._choose_arms(found.result)
            self._draw_top()
            metrics = self.query_one("#metrics", RowList)
            metrics.show(words.metric_rows(found.result))
            self._show_metric(metrics.current)
            self._draw_cases()
            if self._view == VIEWS[0]:
                metrics.focus()
            else:
                self._draw_page()
        self.refresh_keys()

    def _choose_arms(self, result: EvaluationResult) -> None:
        """The two arms side by side: as they were, else tuned and the arm that it is held against."""
        names = [arm.name for arm in result.arms]
        if not set(self._arms) <= set(names):
            found = answer(result)
            self._arms = (found.rival.name, found.tuned.name) if found else (names[0], names[-1])

    def _draw_top(self) -> None:
        result = self.result
        if result is None:
            return
        told = headline(result) or f"{count(result.rows)} rows"
        self.top(
            Content.styled(visible(told), "$accent"), Content.styled(shorten(self.folder.name, 20), "$text-muted")
        )
        text = words.answer_text(result, short=self.has_class("-narrow"))
        self.query_one("#answer", Static).update(text)
        self.set_class(not text, "-no-answer")

    def _draw_state(self, found: Evaluation) -> None:
        state = self.query_one("#state", Static)
        lines: list[Content] = []
        if found.working is not None:
            phase, done, total = found.working
            figures = f" {count(done)} / {count(total)}" if total else ""
            lines.append(Content.assemble(("● ", "$accent"), visible(f"evaluating: {phase}{figures}")))
        elif found.failure is not None:
            lines.append(Content.assemble(("✗ ", "$error"), visible(found.failure)))
        if found.result is None and found.working is None:
            reason = self.why_not_evaluate()
            if reason:
                lines.append(Content.styled(f"Not evaluated yet: {visible(reason)}.", "$text-muted"))
            else:
                keys = (("Not evaluated yet. ", "$text-muted"), ("e", "bold $accent"))
                lines.append(Content.assemble(*keys, (" evaluates base and tuned on the test rows.", "$text-muted")))
        state.update(Content("\n").join(lines))
        state.display = bool(lines)

    def _draw_cases(self) -> None:
        found = self.found
        if found is None:
            return
        left, right = self._arms
        cases = self._cases(found)
        names = {
            "differ": "rows that differ most", "all": "rows",
            "better": f"rows: {right} better", "worse": f"rows: {right} worse",
        }  # fmt: skip
        told = f"{count(len(cases))} {names[self._filter]}"
        if self._filter in ("better", "worse") and all(math.isnan(case.gain(left, right)) for case in found.cases):
            told = f"no loss of {left} or {right} to compare"
        panel = self.query_one("#list")
        panel.border_title = visible(told)
        panel.border_subtitle = visible(f"{shorten(right, 16)} − {shorten(left, 16)}, nats a token")
        self.query_one("#cases", RowList).show([words.case_row(case, left, right) for case in cases])
        self._show_case()

    def _cases(self, found: Evaluation) -> list[Case]:
        left, right = self._arms
        if self._filter == "better":
            return sorted((case for case in found.cases if case.gain(*self._arms) > 0),
                          key=lambda case: -case.gain(left, right))  # fmt: skip
        if self._filter == "worse":
            return sorted((case for case in found.cases if case.gain(*self._arms) < 0),
                          key=lambda case: case.gain(left, right))  # fmt: skip
        if self._filter == "differ":
            return sorted((case for case in found.cases if case.differ(left, right)),
                          key=lambda case: -case.distance(left, right))  # fmt: skip
        return list(found.cases)

    @on(RowList.Moved, "#metrics")
    def _metric_moved(self, event: RowList.Moved) -> None:
        self._show_metric(event.key)

    @on(RowList.Moved, "#cases")
    def _case_moved(self) -> None:
        self._show_case()

    @on(RowList.Chosen, "#cases")
    def _case_chosen(self) -> None:
        self.action_open_case()

    @on(RowList.Chosen, "#metrics")
    def _metric_chosen(self) -> None:
        self.query_one("#cases").focus()

    def _show_metric(self, key: str | None) -> None:
        result = self.result
        if result is None or key is None:
            return
        metric, narrow = key.removeprefix("metric:"), self.has_class("-narrow")
        detail = words.metric_detail(result, metric, 2 if narrow else 8)
        lines = [detail] if narrow else [detail, words.footnote(result)]
        self.query_one("#about", Static).update(Content("\n").join(lines))

    def _show_case(self) -> None:
        found, key = self.found, self.query_one("#cases", RowList).current
        case = next((item for item in found.cases if f"case:{item.row}" == key), None) if found else None
        self.query_one("#case", CaseView).show(case, *self._arms)

    # -- why a key cannot act -----------------------------------------------------------------------------

    def why_not_evaluate(self) -> str | None:
        """Only a completed run, and one evaluation at a time."""
        found = self.found
        if found is None:
            return "the run is not read yet"
        if found.working is not None:
            return "an evaluation is at work"
        return (
            None if found.status == "completed" else f"{found.name} is not trained to its end: it is {found.status}"
        )

    # -- actions ------------------------------------------------------------------------------------------

    def action_back(self) -> None:
        """From a view to the rows, from a row to the list, else to the screen before."""
        if self._view != VIEWS[0]:
            self._show_view(VIEWS[0])
        elif self.has_class("-open"):
            self.remove_class("-open")
            self.query_one("#cases").focus()
        else:
            super().action_back()

    def on_resize(self) -> None:
        """The texts are made for a width."""
        if self.result is not None:
            self.call_after_refresh(self._draw_top)
            self.call_after_refresh(self._draw_page)

    def action_judge(self) -> None:
        """Judge pairs."""
        self.diapason.open("judge", run=self.folder)

    def action_monitor(self) -> None:
        """Watch the run."""
        self.diapason.open("monitor", run=self.folder)

    def action_filter(self) -> None:
        """The next filter."""
        self._filter = FILTERS[(FILTERS.index(self._filter) + 1) % len(FILTERS)]
        if self._view != VIEWS[0]:
            self._show_view(VIEWS[0])
        self._draw_cases()
        self.query_one("#cases").focus()

    def action_open_case(self) -> None:
        """The row whole, in place of the table and, on a narrow screen, of the list."""
        self.add_class("-open")
        self.query_one("#right").focus()

    def action_left_arm(self) -> None:
        """The next arm on the left."""
        self._turn(0)

    def action_right_arm(self) -> None:
        """The next arm on the right."""
        self._turn(1)

    def _turn(self, side: int) -> None:
        """Another arm on one side: never that of the other side."""
        result = self.result
        if result is None:
            return
        names = [arm.name for arm in result.arms if arm.name != self._arms[1 - side]]
        chosen = names[(names.index(self._arms[side]) + 1) % len(names)]
        self._arms = (chosen, self._arms[1]) if side == 0 else (self._arms[0], chosen)
        self._draw_cases()
        self._draw_page()
        self.say(f"{self._arms[0]} beside {self._arms[1]}")

    def action_evaluate(self) -> None:
        """Ask which arms, then start."""
        self.diapason.open("arms", run=self.folder)
