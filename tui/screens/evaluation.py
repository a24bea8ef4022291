"""Evaluation: did it get better, on what, and how sure are we?"""

from __future__ import annotations

from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from core.runs.folder import RunFolder, find_run
from core.text import shorten, visible
from tui.actions import Action
from tui.format import count
from tui.screens import evaluation_text as words
from tui.screens.base import DiapasonScreen
from tui.screens.evaluation_state import Case, Evaluation, EvaluationReader, verdict
from tui.widgets.page import Page
from tui.widgets.rows import RowList

EVERY_SECONDS = 1.0
# How a filter is called → which rows it leaves.
FILTERS = ("where answers differ", "tuned better", "tuned worse", "all")


class EvaluationScreen(DiapasonScreen):
    """The arms of one run side by side, then the rows."""

    CSS_PATH = "evaluation.tcss"
    HELP = "Did it get better, on what, and how sure are we? The arms answered the same test rows."
    ACTIONS = (
        Action("j", "judge", "judge", "Judge the answers blindly, pair by pair.", True, "why_no_answers"),
        Action(
            "f",
            "filter",
            "filter rows",
            "Rows: where answers differ, tuned better, worse, all.",
            True,
            "why_no_answers",
        ),
        Action("e", "evaluate", "evaluate", "Evaluate on the test rows, or do it again.", True, "why_not_evaluate"),
        Action("m", "monitor", "monitor", "Watch the run.", True),
        Action("enter", "open_case", "open", "Show the row under the cursor whole.", False, "why_no_answers"),
    )

    def __init__(self, run: RunFolder | str) -> None:
        super().__init__()
        self.folder = find_run(run) if isinstance(run, str) else run
        self._reader = EvaluationReader(self.folder)
        self._reading = False
        self._filter = FILTERS[0]
        self.found: Evaluation | None = None

    def compose_body(self) -> ComposeResult:
        """The table, what the metric under the cursor says, the rows."""
        yield Static(id="state", markup=False)
        yield RowList(id="metrics")
        yield Static(id="about", markup=False)
        with Horizontal(id="rows"):
            with Vertical(id="list", classes="panel"):
                yield RowList(id="cases")
            yield Page("answers", id="case")

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
            self.top(_headline(found), Content.styled(f"{count(found.result.rows)} rows", "$text-muted"))
            metrics = self.query_one("#metrics", RowList)
            metrics.show(words.metric_rows(found.result))
            self._show_metric(metrics.current)
            self._draw_cases()
            metrics.focus()
        self.refresh_keys()

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
        cases = self._cases(found)
        panel = self.query_one("#list")
        panel.border_title = (
            f"{count(len(cases))} rows {self._filter}" if self._filter != "all" else f"all {len(cases)} rows"
        )
        panel.border_subtitle = "tuned − base, nats a token"
        self.query_one("#cases", RowList).show([words.case_row(case) for case in cases])
        self._show_case()

    def _cases(self, found: Evaluation) -> list[Case]:
        if self._filter == "tuned better":
            return sorted((case for case in found.cases if case.gain > 0), key=lambda case: -case.gain)
        if self._filter == "tuned worse":
            return sorted((case for case in found.cases if case.gain < 0), key=lambda case: case.gain)
        return [case for case in found.cases if case.differ or self._filter == "all"]

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
        found = self.found
        if found is None or found.result is None or key is None:
            return
        detail = words.metric_detail(found.result, key.removeprefix("metric:"))
        self.query_one("#about", Static).update(Content("\n").join([detail, words.footnote(found.result)]))

    def _show_case(self) -> None:
        found, key = self.found, self.query_one("#cases", RowList).current
        page = self.query_one("#case", Page)
        case = next((item for item in found.cases if f"case:{item.row}" == key), None) if found else None
        if found is None or case is None or found.result is None:
            page.show(Content.styled("no row", "$text-muted"))
            return
        page.show(words.case_text(case, [arm.name for arm in found.result.arms]))
        page.scroll_home(animate=False)

    # -- why a key cannot act -----------------------------------------------------------------------------

    def why_no_answers(self) -> str | None:
        """Answers come from an evaluation."""
        return None if self.found and self.found.cases else f"{self.folder.name} is not evaluated yet"

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
        """From a row back to the list, else to the screen before."""
        if self.has_class("-open") and self.has_class("-narrow"):
            self.remove_class("-open")
            self.query_one("#cases").focus()
        else:
            super().action_back()

    def action_judge(self) -> None:
        """Judge pairs."""
        self.diapason.open("judge", run=self.folder)

    def action_monitor(self) -> None:
        """Watch the run."""
        self.diapason.open("monitor", run=self.folder)

    def action_filter(self) -> None:
        """The next filter."""
        self._filter = FILTERS[(FILTERS.index(self._filter) + 1) % len(FILTERS)]
        self._draw_cases()
        self.query_one("#cases").focus()

    def action_open_case(self) -> None:
        """The row whole; on a narrow screen in place of the list."""
        self.add_class("-open")
        self.query_one("#case").focus()

    def action_evaluate(self) -> None:
        """Start an evaluation, after a question where there is a result already."""
        if self.found is not None and self.found.result is not None:
            self.confirm(
                f"Evaluate {self.folder.name} again?",
                self._evaluate,
                detail="The new result takes the old one's place.",
                yes="Evaluate",
            )
        else:
            self._evaluate()

    def _evaluate(self) -> None:
        def started(_: Any) -> None:
            self.say("the evaluation has begun; it goes on without the app")
            self._read()

        self.background(lambda: start_evaluation(self.folder), started, group="start")


def start_evaluation(folder: RunFolder) -> None:
    """Launch the evaluation of a run as its recipe asks for it.

    Raises:
        DiapasonError: where the run has no test rows, or the job cannot be started.
    """
    from core.errors import DiapasonError
    from core.recipe import make_recipe
    from core.submit import evaluation_spec, submit_job

    spec = folder.spec()
    if not (spec.get("data") or {}).get("test"):
        raise DiapasonError(
            f"the run `{folder.name}` has no test rows",
            hint=f"diapason evaluate {folder.id} --data FILE evaluates it on a file of yours.",
        )
    job = evaluation_spec(make_recipe(spec["recipe"]), spec["data"])
    submit_job(job.pop("kind"), folder, **job)


def _headline(found: Evaluation) -> Content:
    assert found.result is not None
    return Content.assemble((shorten(found.name, 30), "bold"), "  ", (visible(verdict(found.result)), "$accent"))
