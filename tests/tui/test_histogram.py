"""Histograms in block characters."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui.histogram import histogram


def text(lines: list[list[tuple[str, str]]]) -> list[str]:
    return ["".join(piece for piece, _ in line) for line in lines]


def test_heights_axis_and_cut() -> None:
    assert text(histogram([8, 4, 1, 0], 10, height=1)) == ["█▄▁ ", "0 40"]
    assert text(histogram([16, 8, 0, 1], 10, height=2, beyond=3)) == ["█   ", "██ ▁", "0 40, 3 longer"]
    lines = histogram([8] * 20, 10, height=1, cut=100)
    assert lines[0] == [("█" * 10, ""), ("┆", "mark"), ("█" * 10, "cut")]
    assert "cut 100" in text(lines)[-1] and text(lines)[-1].endswith("200")
    assert histogram([0, 0], 1.0) == []


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=80), st.integers(1, 6), st.none() | st.floats(0, 200))
def test_every_count_has_a_column(counts: list[int], height: int, cut: float | None) -> None:
    lines = text(histogram(counts, 1.0, height=height, cut=cut))
    if not any(counts):
        assert lines == []
        return
    *columns, _ = lines
    assert len(columns) == height and len({len(line) for line in columns}) == 1
    bare = [line.replace("┆", "", 1) if len(line) > len(counts) else line for line in columns]
    shown = ["".join(column).strip() for column in zip(*bare, strict=True)]
    assert [bool(column) for column in shown] == [number > 0 for number in counts]
