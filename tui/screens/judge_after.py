"""The end of a judging: what the votes say, by name, and what can be done with them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from core.home import expand
from tui.screens import judge_keys, judge_result
from tui.screens.judge_marks import MarkingScreen

if TYPE_CHECKING:
    from core.judging.results import Results


class AfterScreen(MarkingScreen):
    """Shows the result, which is where the models are named."""

    _result: Results | None = None

    async def show_result(self) -> None:
        """Count the votes of all judges as they are on disk now, and show what they say."""
        from core.judging.results import results
        from core.judging.votes import read_votes

        assert self.desk is not None
        session = self.desk.session
        self._result = await asyncio.to_thread(lambda: results(session, read_votes(session)).worked_out())
        self.pair = None
        self.draw_result()

    def draw_result(self) -> None:
        """Draw the result for the present width."""
        if self._result is None or self.pair is not None:
            return
        # Which keys can act depends on no pair being shown.
        offered = {action.name: action for action in self.ACTIONS if self.why_not(action) is None}
        keys = [offered[name] for name in judge_keys.AFTERWARDS if name in offered]
        keys += [action for action in self.all_actions() if action.name == "back"]
        self.page(self._result.headline(), judge_result.result_content(self._result, self.size.width - 5, keys))

    def hide_result(self) -> None:
        """Back to a pair."""
        self._result = None

    def has_result(self) -> bool:
        """Whether the result is on the screen."""
        return self._result is not None and self.pair is None

    def why_no_result(self) -> str | None:
        """Why preferences cannot be written from here."""
        return None if self.has_result() else "first judge or skip all pairs, or use `diapason preferences`"

    def action_export_dpo(self) -> None:
        """Ask where to write the rows for DPO."""
        self._ask_export("dpo")

    def action_export_kto(self) -> None:
        """Ask where to write the rows for KTO."""
        self._ask_export("kto")

    def action_next_round(self) -> None:
        """Ask where to write the rows, then make a recipe for them on top of the run that was judged."""
        self._ask_export("dpo", train=True)

    def _ask_export(self, format: str, *, train: bool = False) -> None:
        from core.runs.folder import slug

        place = str(Path.cwd() / f"{slug(self.judging.name)}-{format}.jsonl")
        question = f"Write the rows for {format.upper()} to which file?"
        self.ask(question, lambda path: self._export(expand(path), format, train), value=place, paths=True)

    def _export(self, out: Path, format: str, train: bool, *, force: bool = False) -> None:
        from core.judging.handover import next_round
        from core.judging.preferences import export, summary
        from core.judging.votes import read_votes

        assert self.desk is not None
        if out.is_file() and not force:
            self.confirm(
                f"Overwrite {out.name}?",
                lambda: self._export(out, format, train, force=True),
                detail=str(out),
                yes="Overwrite",
            )
            return
        session = self.desk.session
        found = export(session, read_votes(session), out, format, force=force)
        self.say(f"{out}: {summary(found)}")
        if train:
            handed = next_round(self.judging, out.absolute(), format)
            if warning := handed.warning(len(found.rows)):
                self.warn(warning)
            self.diapason.open("wizard", **handed.wizard())
