"""docs/formats.md says what the code does: its examples are recognised, and what they hold is kept."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from core.data.convert.convert import convert
from core.data.convert.losses import KINDS
from core.data.convert.targets import Target
from core.data.findings import RowFinding
from core.data.formats import build, detect
from core.recipe import FORMATS
from tui.screens.convert import FORMS

Row = dict[str, Any]
PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text("utf-8")
LINES = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| `")
]
TABLE = [cells for cells in LINES if len(cells) == 8]

U: Row = {"role": "user", "content": "Tell of tides"}
A: Row = {"role": "assistant", "content": "The moon."}
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
MORE: tuple[tuple[str, list[Row], Row], ...] = (
    ("system message", [{"role": "system", "content": "Be brief."}, U], {}),
    ("earlier turns", [U, A, {"role": "user", "content": "And ebb?"}], {}),
    ("tools", [U, {"role": "assistant", "content": "", "tool_calls": [CALL]},
               {"role": "tool", "tool_call_id": "c1", "content": "wet"}], {"tools": [TOOL]}),
    ("weights", [U, A | {"weight": 0}, {"role": "user", "content": "And ebb?"}], {}),
)  # fmt: skip


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def test_every_format_and_form_stands_in_the_table_as_in_the_app() -> None:
    forms = [(cells[0].strip("`"), cells[1].strip("`-")) for cells in TABLE]
    assert forms == [(name, form) for name, form, _ in FORMS] and {name for name, _ in forms} == set(FORMATS)


@pytest.mark.parametrize("cells", TABLE, ids=lambda cells: f"{cells[0]}{cells[1]}".replace("`", ""))
def test_each_example_is_what_it_is_said_to_be(cells: list[str]) -> None:
    name, value = cells[0].strip("`"), json.loads(cells[3].strip("`"))
    found: list[RowFinding] = []
    assert detect(value) == name and build(value, name, 0, 1, found) is not None and not found


@pytest.mark.parametrize("cells", TABLE, ids=lambda cells: f"{cells[0]}{cells[1]}".replace("`", ""))
def test_what_a_format_holds_is_what_conversion_keeps(cells: list[str], tmp_path: Path) -> None:
    name, form = cells[0].strip("`"), cells[1].strip("`-")
    target = Target(name, messages=form == "messages", implicit=form == "implicit")
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    for mark, (what, prompt, extra) in zip(cells[4:], MORE, strict=True):
        row: Row = {"messages": [*prompt, A]} | extra
        if name == "preference":
            row = {"prompt": prompt, "chosen": [A], "rejected": [A | {"content": "No."}]} | extra
        source.write_text(json.dumps(row))
        done = convert(source, out, target, force=True)
        assert (mark == "✓") == (done.path is not None), (what, [loss.kind for loss in done.losses])


def test_every_loss_is_named() -> None:
    assert re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]* \|$", PAGE, re.MULTILINE) == list(KINDS)
