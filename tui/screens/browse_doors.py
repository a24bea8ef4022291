"""From the browse screen to the others that work on the same file."""

from __future__ import annotations

from typing import Any

from tui.screens.browse_base import CheckedScreen
from tui.screens.browse_work import sample_fields


class DoorsScreen(CheckedScreen):
    """The actions that open other screens over the file."""

    def action_wizard(self) -> None:
        """Make a recipe for this file."""
        self.diapason.open("wizard", path=self.dataset.path, map=str(self.dataset.mapping or "") or None)

    def action_mend(self) -> None:
        """See what each fix would do."""
        model, length = self._model_checked()
        self.diapason.open(
            "mend", path=self.dataset.path, dataset=self.dataset, report=self.report, model=model, max_length=length
        )

    def action_stats(self) -> None:
        """Show the file in numbers."""
        model, length = self._model_checked()
        self.diapason.open("stats", path=self.dataset.path, dataset=self.dataset, model=model, max_length=length)

    def action_review(self) -> None:
        """Decide on the rows one by one."""
        self.diapason.open("review", path=self.dataset.path, dataset=self.dataset, report=self.report)

    def action_split(self) -> None:
        """Part the file into train, validation and test."""
        self.diapason.open("split", path=self.dataset.path, dataset=self.dataset)

    def action_convert(self) -> None:
        """Write the file in another format."""
        self.diapason.open("convert", path=self.dataset.path, dataset=self.dataset)

    def action_augment(self) -> None:
        """Have variants written, of the rows of the finding chosen or of all."""
        listed, code = (self.chosen.rows, self.chosen.code) if self.chosen is not None else (None, "")
        self.diapason.open("augment", path=self.dataset.path, dataset=self.dataset, listed=listed, listed_as=code)

    def action_map(self) -> None:
        """Ask which field is which."""
        self.background(lambda: sample_fields(self.dataset), self._ask_map, group="fields")

    def _ask_map(self, fields: dict[str, Any]) -> None:
        from tui.widgets.field_map import FieldMap

        if self.app.screen is self:
            start = str(self.dataset.mapping or self.dataset.suggestion or "")
            self.app.push_screen(FieldMap(fields, start), self._use_map)

    def _use_map(self, text: str | None) -> None:
        """Read the file anew, its fields under their usual names."""
        if text:
            self.app.switch_screen(type(self)(self.dataset.path, self.record.model, map=text))
