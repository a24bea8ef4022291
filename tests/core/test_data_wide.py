"""Tables with far too many columns: told at once, without a name for each of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.data.columns import unique_names
from core.data.dataset import open_dataset
from core.data.mapping import suggest
from core.data.opening import doubled_names
from core.data.records import MOST_COLUMNS
from core.data.report import check


@pytest.mark.parametrize("rows", [1, 3])
def test_a_line_of_commas_is_one_finding(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "wide.csv"
    path.write_text(("," * 200_000 + "\n") * rows)
    [found] = [finding for finding in check(path).findings if finding.severity == "error"]
    assert (found.code, found.detail, found.count) == ("bad_csv", "too_wide", rows)
    assert found.message == "200 001 fields; a row of a table may have 16 384"
    assert len(open_dataset(path).source.columns) == MOST_COLUMNS


def test_as_many_columns_as_are_allowed_are_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    more = MOST_COLUMNS - 2
    path.write_text("text,label" + "," * more + "\n" + ("a,b" + "," * more + "\n") * 3)
    assert all(row.usable for row in open_dataset(path))


def test_names_that_come_often_are_numbered_in_one_pass() -> None:
    names = unique_names(["text"] * 50_000 + ["text_2", "other"])
    assert names[:3] == ("text", "text_2", "text_3") and names[-2:] == ("text_2_2", "other") and len(names) == 50_002
    assert doubled_names([f"c{n}" for n in range(50_000)] + ["c7"]) == ["c7"]


def test_a_map_is_looked_for_among_the_first_fields() -> None:
    row = {f"c{n}": 1 for n in range(100_000)}
    assert suggest([{"question": "a", "answer": "b", **row}]) == "prompt=question,completion=answer"
