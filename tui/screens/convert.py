"""The screen of conversion: into which format, what that would lose, and the new file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from core.errors import DiapasonError
from core.home import expand
from core.text import visible
from tui.actions import Action
from tui.convert_view import loss_lines
from tui.format import count
from tui.names import beside
from tui.screens.base import DiapasonScreen
from tui.widgets.rows import Row, RowList

if TYPE_CHECKING:
    from core.data.convert.convert import Converted
    from core.data.convert.targets import Target
    from core.data.dataset import Dataset

# Format, form, and what a row of it is, with TRL's name where it has one.
FORMS: tuple[tuple[str, str, str], ...] = (
    ("alpaca", "", "instruction, input, output"),
    ("chat", "", "messages · TRL: conversational language modeling"),
    ("sharegpt", "", "conversations of from and value"),
    ("prompt-completion", "", "TRL: standard prompt-completion"),
    ("prompt-completion", "messages", "TRL: conversational prompt-completion"),
    ("preference", "", "prompt, chosen, rejected · TRL: preference, explicit prompt"),
    ("preference", "messages", "TRL: conversational preference, explicit prompt"),
    ("preference", "implicit", "TRL: conversational preference, implicit prompt"),
    ("kto", "", "prompt, completion, label · TRL: unpaired preference"),
    ("kto", "messages", "TRL: conversational unpaired preference"),
    ("classification", "", "text, label"),
    ("text", "", "text · TRL: standard language modeling"),
)


class _Stopped(DiapasonError):
    """The person stopped it, or left."""


class Converting(Message):
    """How many rows were read; a newer one takes the place of one that was not handled yet."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def can_replace(self, message: Message) -> bool:
        """Only the last one counts."""
        return isinstance(message, Converting)


class ConvertScreen(DiapasonScreen):
    """Writes one file in another format."""

    CSS_PATH = "convert.tcss"
    HELP = (
        "Choose a format and a new file; its ending says which kind: .jsonl, .json, .csv, .tsv or .parquet. Where "
        "something would be lost nothing is written: it is listed, and l writes the file all the same. The source "
        "stays as it is."
    )
    ACTIONS = (
        Action("w", "write", "write", "Ask for the new file, and write it where nothing is lost.", footer=True,
               enabled="why_no_write"),
        Action("l", "lossy", "lossy", "Write it although what is listed is lost.", footer=True,
               enabled="why_no_lossy"),
        Action("t", "template", "template", "How a row becomes text, such as Q: {prompt} A: {answer}.", footer=True,
               enabled="why_no_template"),
        Action("o", "open", "open", "Look at the file that was written.", footer=True, enabled="why_no_open"),
    )  # fmt: skip
    AUTO_FOCUS = "#forms"

    def __init__(self, path: Path | str, dataset: Dataset) -> None:
        super().__init__()
        self.path = Path(path)
        self.dataset = dataset
        self.done: Converted | None = None
        self._asked: tuple[Target, Path] | None = None
        self._template: str | None = None
        self._stop = threading.Event()
        self._writing = False

    def compose_body(self) -> ComposeResult:
        """The formats, and what becomes of the file."""
        with Container(id="body"):
            with Container(id="left", classes="panel"):
                yield RowList(id="forms")
            with VerticalScroll(id="right", classes="panel"):
                yield Static(id="said", markup=False)

    def on_mount(self) -> None:
        """List the formats."""
        self.query_one("#left").border_title = "into which format"
        self.query_one("#forms", RowList).show(
            [Row(str(number), None, _drawer(*form)) for number, form in enumerate(FORMS)]
        )
        self._show("", "enter asks for the new file. Nothing is written where something would be lost.")

    def on_unmount(self) -> None:
        """Stop the thread; no half of a file stays."""
        self._stop.set()

    def _show(self, right: str, said: str) -> None:
        self.top(f"{visible(self.dataset.name)} · {self.dataset.format or 'unknown format'} into …", right)
        self.query_one("#said", Static).update(Content(said))
        self.refresh_keys()

    # -- keys ---------------------------------------------------------------------------------------------

    @property
    def form(self) -> tuple[str, str, str]:
        """Format, form and what it is, under the cursor."""
        return FORMS[int(self.query_one("#forms", RowList).current or 0)]

    def why_no_write(self) -> str | None:
        """Why nothing can be written now."""
        return "a file is being written; esc stops it" if self._writing else None

    def why_no_lossy(self) -> str | None:
        """Why there is nothing that could be lost."""
        if self._writing:
            return self.why_no_write()
        refused = self.done is not None and self.done.path is None
        return None if refused else "nothing was refused; w writes where nothing is lost"

    def why_no_template(self) -> str | None:
        """Why a template would do nothing."""
        return self.why_no_write() or (None if self.form[0] == "text" else "a template is for the format text")

    def why_no_open(self) -> str | None:
        """Why there is no new file."""
        return None if self.done is not None and self.done.path is not None else "nothing is written yet"

    @on(RowList.Moved)
    def _moved(self) -> None:
        self.refresh_keys()

    @on(RowList.Chosen)
    async def _chosen(self) -> None:
        await self.action_act("write")

    def action_write(self) -> None:
        """Ask for the name of the new file."""
        name, form, _ = self.form
        from core.data.convert.targets import Target

        template = self._template if name == "text" else None
        target = Target(name, messages=form == "messages", implicit=form == "implicit", template=template)
        self.ask(f"Write the rows as {name} to which new file?", lambda out: self._write(target, Path(out)),
                 value=str(beside(self.path, name, ".jsonl")), paths=True)  # fmt: skip

    def action_lossy(self) -> None:
        """Write what was refused."""
        if self._asked is not None:
            self._write(*self._asked, lossy=True)

    def action_template(self) -> None:
        """Ask how a row becomes text."""
        self.ask("How does a row become text?", self._use_template, value=self._template or "{prompt}\\n{answer}")

    def _use_template(self, text: str) -> None:
        from core.data.convert.targets import check_template

        self._template = check_template(text.replace("\\n", "\n"), "template")
        self.say("w writes with this template")

    def action_open(self) -> None:
        """Browse the new file."""
        if self.done is not None and self.done.path is not None:
            self.diapason.open("browse", path=self.done.path)

    def action_back(self) -> None:
        """Stop what runs; else leave the screen."""
        if self._writing:
            self._stop.set()
        else:
            super().action_back()

    # -- writing ------------------------------------------------------------------------------------------

    def _write(self, target: Target, out: Path, lossy: bool = False) -> None:
        from core.data.convert.convert import convert

        out = expand(out)
        self._asked, self.done, self._writing = (target, out), None, True
        self._stop = stop = threading.Event()
        self._show("reading …", f"{target.format} · {visible(str(out))}\nesc stops")

        def tell(rows: int) -> None:
            if stop.is_set():
                raise _Stopped("stopped")
            self.post_message(Converting(rows))

        map_text = str(self.dataset.mapping) if self.dataset.mapping else None
        work: Callable[[], Converted] = lambda: convert(  # noqa: E731
            self.path, out, target, format=self.dataset.forced, map=map_text, lossy=lossy, tell=tell
        )
        self.background(work, self._written, otherwise=self._failed, group="convert")

    @on(Converting)
    def _told(self, event: Converting) -> None:
        if self._writing:
            self.top(
                f"{visible(self.dataset.name)} · {self.dataset.format or 'unknown format'} into …",
                f"{count(event.rows)} rows",
            )

    def _written(self, done: Converted) -> None:
        self._writing, self.done = False, done
        losses = list(loss_lines(done.losses))
        if done.path is None:
            head = "Nothing is written. This would be lost:"
            self._show("refused", "\n".join([head, *losses, "", "l writes it all the same"]))
            return
        rows = f"{count(done.rows)} rows" + (f" became {count(done.written)}" if done.written != done.rows else "")
        lost = ["This is lost:", *losses] if losses else ["Nothing is lost."]
        self._show("written", "\n".join([f"{visible(str(done.path))} · {rows}", *lost, "", "o opens it"]))

    def _failed(self, error: BaseException) -> None:
        self._writing = False
        if isinstance(error, _Stopped):
            self._show("stopped", "Stopped: nothing is written.")
        else:
            self._show("it did not work", visible(str(error), newlines=True))
            self.fail(error)


def _drawer(name: str, form: str, what: str) -> Callable[[int], Content]:
    def draw(width: int) -> Content:
        label = f"{name} {form}".strip()
        return Content.assemble(f"{label:<26} ", (what[: max(0, width - 27)], "$text-muted"))

    return draw
