"""The wizard: one question a screen, the recipe growing beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from core.errors import DiapasonError
from core.home import expand
from core.text import visible
from tui.actions import Action
from tui.format import count
from tui.screens.base import DiapasonScreen
from tui.screens.wizard_keys import ACTIONS, Reasons, footer
from tui.screens.wizard_state import (
    STEPS,
    TITLES,
    Candidate,
    WizardState,
    candidate,
    locate,
    look_around,
    measure,
    value_of,
    written,
)
from tui.screens.wizard_steps import costs, rows, why
from tui.screens.wizard_view import CheckProgress, memory_view, recipe_view
from tui.widgets.rows import RowList

if TYPE_CHECKING:
    from core.advisor.lengths import Lengths
    from core.advisor.recommend import Advice
    from core.data.report import Report
    from core.hardware import Hardware
    from core.runs.folder import RunFolder


class WizardScreen(Reasons, DiapasonScreen):
    """Seven questions: task, approach, data, model, method, settings, review."""

    CSS_PATH = "wizard.tcss"
    HELP = (
        "From a file to a recipe, one question a screen. Each choice says why, and who says so; "
        "nothing is written before you save or start."
    )
    ACTIONS = ACTIONS

    def __init__(
        self,
        path: Path | str | None = None,
        map: str | None = None,
        *,
        begin: str | None = None,
        method: str | None = None,
        test: Path | None = None,
    ) -> None:
        """Make a recipe for the file `path`, whose fields go by `map` where that is given.

        Args:
            begin: the run or adapter to begin with; the question asked first is then the method.
            method: what is chosen there. test: the test file.

        Raises:
            DiapasonError: where there is no such file, a folder that is no data set, or nothing to begin with.
        """
        super().__init__()
        self.state = WizardState(locate(path) if path is not None else None, map=map, method=method, test=test)
        self.step = STEPS.index("method") if begin else 0
        if begin:
            self.state.model_name = self.state.begin_with(begin).name
        self.expert = False
        self.last_out = Path("run.yaml")
        self._checking: Path | None = None

    @property
    def name_now(self) -> str:
        """The question that is shown."""
        return STEPS[self.step]

    def compose_body(self) -> ComposeResult:
        """The question with its reasons, and the recipe."""
        with Horizontal(id="body"):
            with Vertical(id="question"):
                yield RowList(id="rows")
                memory = Static(id="memory", classes="panel", markup=False)
                memory.border_title = "memory"
                yield memory
                yield Static(id="why", markup=False)
            with VerticalScroll(id="recipe", classes="panel", can_focus=False) as recipe:
                recipe.border_title = "run.yaml"
                yield Static(id="recipe-text", markup=False)

    def on_mount(self) -> None:
        """Ask the first question; look at file, model and machine meanwhile."""
        self.query_one(RowList).focus()
        self._draw()
        self.background(look_around, self._looked, group="machine")
        self._check()

    # -- looking, in threads ------------------------------------------------------------------------------

    def _looked(self, found: tuple[Hardware, list[Candidate]]) -> None:
        # What was found otherwise meanwhile, the model of a start, stays among them.
        others = [item for item in self.state.candidates if item.name not in {one.name for one in found[1]}]
        self.state.hardware, self.state.candidates = found[0], found[1] + others
        self._take_model(next(item for item in self.state.candidates if item.name == self.state.model_name))

    def _check(self) -> None:
        path, map, state = self.state.path, self.state.map, self.state
        state.report = state.lengths = state.note = None
        if path is None:
            return
        self._checking = path

        def read() -> tuple[Report, dict[str, Path]]:
            from core.data.own_parts import own_parts
            from core.data.report import check

            return check(path, map=map, near=None, languages=False, progress=progress), own_parts(path)

        def progress(done: int, _: int) -> bool:
            self.post_message(CheckProgress(path, done))
            return self._checking == path and self.is_attached

        self.background(read, self._checked, otherwise=self._unreadable, group="check")

    @on(CheckProgress)
    def _progressed(self, event: CheckProgress) -> None:
        if event.path == self._checking:
            self._show_top(f"checking {event.path.name}: {count(event.done)} rows")

    def _checked(self, found: tuple[Report, dict[str, Path]]) -> None:
        self._checking = None
        self.state.report, parts = found
        self.state.use_parts(parts)
        self._measure()
        self._changed()
        if self.name_now == "task":
            self.query_one(RowList).go(f"task:{self.state.task_now}")

    def _unreadable(self, error: BaseException) -> None:
        self._checking = None
        self.state.path = None
        self.fail(error)
        self._changed()

    def _take_model(self, item: Candidate) -> None:
        state = self.state
        state.model_name, state.model = item.name, item.info
        state.lengths = state.note = None
        if item.info is None:
            self.warn(f"{item.name}: {item.problem}")
        self._measure()
        self._changed()

    def _measure(self) -> None:
        path, model, report = self.state.path, self.state.model, self.state.report
        if path is None or model is None or report is None or not report.rows_valid:
            return

        def measured(found: tuple[Lengths | None, str | None]) -> None:
            # Another file may have been chosen meanwhile; its own check will measure it.
            if self.state.report is report and self.state.model is model:
                self.state.lengths, self.state.note = found
                self._changed()

        self.background(lambda: measure(path, model, report.format, report.map), measured, group="measure")

    # -- drawing ------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        self.state.update()
        self._draw()

    def _draw(self) -> None:
        listed = self.query_one(RowList)
        listed.show(rows(self.state, self.name_now, self.expert))
        shows_memory = self.name_now == "method" and self.state.advice is not None
        self.set_class(shows_memory, "-memory")
        self.query_one("#recipe-text", Static).update(recipe_view(self.state, self.step))
        self._draw_why()
        self._show_top()
        self.refresh_keys()

    def _draw_why(self) -> None:
        key = self.query_one(RowList).current
        self.query_one("#why", Static).update(why(self.state, self.name_now, key), layout=False)
        if self.name_now == "method" and self.state.advice is not None:
            self._draw_memory(self.state.advice, key)

    def _draw_memory(self, advice: Advice, key: str | None) -> None:
        wanted = (key or "").partition(":")[2]
        plan = next((plan for plan in advice.methods if plan.method == wanted), advice.plan)
        panel = self.query_one("#memory", Static)
        panel.border_title = Content(visible(f"memory: {plan.title} on {advice.device.name}"))
        panel.update(memory_view(plan, advice.device, max(20, panel.content_size.width or self.size.width - 8)))

    def _show_top(self, doing: str = "") -> None:
        where = f"{self.step + 1} of {len(STEPS)}  "
        path = self.state.path
        right = doing or (path.name if path else "no file yet")
        if self.name_now == "settings":
            right = doing or costs(self.state) or right
        if not doing and self._checking is not None:
            right = f"checking {self._checking.name} …"
        self.top(
            Content.assemble((where, "$text-muted"), (TITLES[self.name_now], "bold")),
            Content.styled(visible(right), "$text-muted"),
        )

    def footer_actions(self) -> list[Action]:
        """The keys that matter at this question."""
        return footer(self.name_now)

    def cursor(self) -> tuple[str, str]:
        """The kind and name of the row under the cursor."""
        kind, _, name = (self.query_one(RowList).current or "").partition(":")
        return kind, name

    @on(RowList.Moved)
    def _moved(self) -> None:
        self._draw_why()
        self.refresh_keys()

    def on_resize(self) -> None:
        """The bars of the memory follow the width."""
        self.call_after_refresh(self._draw_why)

    # -- going on and back --------------------------------------------------------------------------------

    def _go(self, step: int) -> None:
        self.step = max(0, min(len(STEPS) - 1, step))
        self._draw()
        listed = self.query_one(RowList)
        listed.go(self._start_key() or (listed.keys[0] if listed.keys else ""))
        self._draw_why()

    def _start_key(self) -> str | None:
        """The row that the cursor starts on: what is chosen, or recommended."""
        state = self.state
        if self.name_now == "task":
            return f"task:{state.task_now}"
        if self.name_now == "model":
            return f"model:{state.model_name}"
        if self.name_now == "approach" and state.advice:
            return f"approach:{state.advice.approach.key}"
        if self.name_now == "method" and state.advice:
            return f"method:{state.advice.plan.method}"
        return None

    @on(RowList.Chosen)
    def _chosen(self, event: RowList.Chosen) -> None:
        kind, _, name = event.key.partition(":")
        self._guarded(lambda: self._choose(kind, name))

    def _choose(self, kind: str, name: str) -> None:
        if kind == "review":
            (self.action_start if name == "start" else self.action_save)()
            return
        if (kind == "file" and self.state.path is None) or (kind == "model" and not name):
            self.action_edit()
            return
        if kind == "task":
            self.state.task = name
        elif kind == "model" and name != self.state.model_name:
            item = self.state.usable(name)
            if self.state.origin is not None:
                self.say(f"it no longer begins with {self.state.origin.name}, which stands on another model")
                self.state.origin = None
            self._take_model(item)
        elif kind == "method":
            self.state.choose_method(name)
        elif kind == "approach" and name in ("prompt", "few-shot", "rag"):
            self.say("that needs no recipe; the questions go on, should you want to tune all the same")
        self._changed()
        self._go(self.step + 1)

    def action_enter(self) -> None:
        """Take the row under the cursor, from the palette."""
        self.query_one(RowList).action_choose()

    def action_next(self) -> None:
        """The next question."""
        self._go(self.step + 1)

    def action_previous(self) -> None:
        """The question before."""
        self._go(self.step - 1)

    def action_back(self) -> None:
        """The recipe away, else the question before; on the first one leave the wizard."""
        if self.has_class("-narrow") and self.has_class("-recipe"):
            self.action_recipe()
        elif self.step:
            self._go(self.step - 1)
        elif self.state.edits or self.state.task:
            self.confirm("Leave the wizard?", super().action_back, detail="The recipe is not saved.", yes="Leave")
        else:
            super().action_back()

    # -- changing -----------------------------------------------------------------------------------------

    def action_cycle(self) -> None:
        """yes, no, not said; or the next choice of a field."""
        kind, name = self.cursor()
        if kind == "question":
            self.state.answer_next(name)
        else:
            self.state.choose_next(name)
        self._changed()

    def action_edit(self) -> None:
        """Ask for another file, model or value."""
        kind, name = self.cursor()
        if kind == "file":
            value = self.state.file_hint(name)
            self.ask(f"Which {name} file?", lambda text: self._file(name, text), value=value, paths=True)
        elif kind == "model":
            hint = "a folder, or a hub id in the cache"
            self.ask("Which model?", self._other_model, value=name, placeholder=hint, paths=True)
        elif (item := self.state.field(name)) is not None and self.state.recipe is not None:
            limits = ", ".join([item.type, *([item.limits] if item.limits else []), *item.choices])
            value = written(value_of(self.state.recipe, name))
            self.ask(f"{name}: {item.help}", lambda text: self._set(name, text), value=value, placeholder=limits)

    def _file(self, part: str, text: str) -> None:
        self.state.set_file(part, locate(text))
        if part == "train":
            self._check()
        self._changed()

    def _other_model(self, name: str) -> None:
        self.background(lambda: candidate(name), self._found_model, group="model")

    def _found_model(self, item: Candidate) -> None:
        if item.info is None:
            raise DiapasonError(
                f"{item.name} cannot be used: {item.problem}", hint="`hf download ID` fetches a model."
            )
        if item.name not in [one.name for one in self.state.candidates]:
            self.state.candidates.append(item)
        self._take_model(item)
        self.query_one(RowList).go(f"model:{item.name}")

    def _set(self, path: str, text: str) -> None:
        if path == "start" and text.strip() not in ("", "null"):
            self._take_model(self.state.begin_with(text.strip()))
            return
        if path == "start":
            self.state.origin = None
        else:
            self.state.set_value(path, text)
        self._changed()

    def action_reset(self) -> None:
        """The recommended value again."""
        self.state.edits.pop(self.cursor()[1], None)
        self._changed()

    def action_expert(self) -> None:
        """All fields, or the common ones."""
        self.expert = not self.expert
        self._draw()

    def action_recipe(self) -> None:
        """Show or hide the recipe; where it takes the whole screen, the keys scroll it."""
        self.toggle_class("-recipe")
        alone = self.has_class("-narrow") and self.has_class("-recipe")
        panel = self.query_one("#recipe", VerticalScroll)
        panel.can_focus = alone
        (panel if alone else self.query_one(RowList)).focus()

    def action_cpu(self) -> None:
        """Plan for the CPU, or for the card."""
        self.state.device = "auto" if self.state.device == "cpu" else "cpu"
        self._changed()

    def action_open_data(self) -> None:
        """The rows of the training file."""
        self.diapason.open("browse", path=self.state.path)

    # -- saving and starting ------------------------------------------------------------------------------

    def action_save(self) -> None:
        """Ask where, then write."""
        self.state.ready()
        near = self.last_out if self.last_out.is_absolute() else Path.cwd() / self.last_out
        self.ask("Save the recipe as", self._save_as, value=str(near), paths=True)

    def _save_as(self, text: str) -> None:
        out = expand(text).absolute()
        if out.is_dir():
            raise DiapasonError("this is a folder", where=str(out), hint="Give a file in it, as run.yaml.")
        if out.exists():
            self.confirm(f"Overwrite {out.name}?", lambda: self._save(out), detail=str(out), yes="Overwrite")
        else:
            self._save(out)

    def _save(self, out: Path) -> None:
        from core.advisor.write import save_recipe

        save_recipe(out, self.state.text(out))
        self.last_out = out
        self.say(f"saved {out}\ndiapason train {out.name} trains by it")

    def action_start(self) -> None:
        """Submit the run and watch it."""
        from core.submit import submit

        advice, recipe = self.state.ready()
        text = self.state.text(Path("/run.yaml"))
        what = f"{recipe.task}, {advice.plan.title} on {recipe.model}"
        warned = "" if advice.approach.tunes else f"\nAdvice: {advice.approach.title.lower()} first."
        self.confirm(
            f"Start training {recipe.name or Path(recipe.data.train).stem}?",
            lambda: self.background(lambda: submit(recipe, text=text), self._started, group="submit"),
            detail=what + warned,
            yes="Start",
        )

    def _started(self, run: RunFolder) -> None:
        # The wizard is done: esc in the monitor goes home, not back to the questions.
        self.diapason.open("home")
        self.diapason.open("monitor", run=run)
        for line in run.spec().get("warnings") or ():
            self.diapason.notify(visible(line), severity="warning", markup=False, timeout=20)
