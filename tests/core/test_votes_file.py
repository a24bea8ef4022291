"""Votes made elsewhere: every shape of CSV that people have, and what is said of one that cannot be counted."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import DiapasonError, UsageError
from core.judging.judgement import Judgement
from core.judging.results import results_of
from core.judging.votes_file import WINNERS, read_votes_file


def read(tmp_path: Path, text: str | bytes) -> list[Judgement]:
    path = tmp_path / "votes.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_votes_file(path)


def test_all_columns(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "prompt,left,right,winner,judge,left_length,right_length,topic\n"
        "p1,base,tuned,right,ann,10,20,refund\np1,tuned,base,tie,bob,,,\n",
    )
    assert found == [
        Judgement("ann", "p1", "base", "tuned", "right", 10, 20, slices={"topic": "refund"}),
        Judgement("bob", "p1", "tuned", "base", "tie"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfprompt,left,right,winner\r\np 1,a,b,left\r\n\r\n",
        b"winner;right;left;prompt\nleft;b;a;p 1",
        b"prompt\tleft\tright\twinner\np 1\ta\tb\tleft\n\n",
        b'"prompt","left","right","winner"\n"p 1","a","b","left"\n',
        b" prompt , left , right , winner \np 1, a , b , left \n",
    ],
)
def test_marks_line_ends_and_separators_of_others(tmp_path: Path, text: bytes) -> None:
    assert read(tmp_path, text) == [Judgement("", "p 1", "a", "b", "left")]


def test_line_breaks_within_quotes_are_text_and_lines_are_counted(tmp_path: Path) -> None:
    begin = 'prompt,left,right,winner\n"two\nlines, ""quoted""",a,b,left\n'
    assert read(tmp_path, begin)[0].prompt == 'two\nlines, "quoted"'
    with pytest.raises(UsageError) as caught:
        read(tmp_path, begin + '"x\ny",a,b,both\n"z",a,b,neither\n')
    assert caught.value.where is not None and caught.value.where.endswith("votes.csv:4")
    assert caught.value.message == "winner is `both`; allowed are left, right, tie, both_bad"
    assert caught.value.hint is not None and "lines 6" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "has no column prompt, left, right, winner"),
        ("prompt,left,right\n1,a,b\n", 1, "has no column winner"),
        ("prompt,left,right,winner,winner\n", 1, "names the column 'winner' twice"),
        ("prompt,left,right,winner\n", None, "has no votes"),
        ("prompt,left,right,winner\n1,a,b\n", 2, "has 3 fields where the header has 4"),
        ("prompt,left,right,winner\n1,a,b,left,x\n", 2, "has 5 fields where the header has 4"),
        ("prompt,left,right,winner\n1,a,b,LEFT\n", 2, "winner is `LEFT`; allowed are"),
        ("prompt,left,right,winner\n1,a,b,\n", 2, "winner is empty; allowed are"),
        ("prompt,left,right,winner\n ,a,b,tie\n", 2, "prompt is empty"),
        ("prompt,left,right,winner\n1,a,,tie\n", 2, "right is empty"),
        ("prompt,left,right,winner\n1,a,a,tie\n", 2, "left and right are both `a`"),
        ("prompt,left,right,winner\n1,a,tie,left\n", 2, "a side is called `tie`, which is what a verdict says"),
        ("prompt,left,right,winner,left_length\n1,a,b,tie,-3\n", 2, "left_length is `-3`; allowed are whole numbers"),
        ("prompt,left,right,winner,right_length\n1,a,b,tie,1e3\n", 2, "right_length is `1e3`; allowed are"),
        ('prompt,left,right,winner\n1,a,b,left\n2,a,b,"left\n', 3, "is no CSV from here on"),
        (b"prompt,left,right,winner\n1,a,b,left\n2,\xff,b,left\n", 3, "is not UTF-8 here"),
    ],
)
def test_a_bad_file_is_named_by_line_and_column(
    tmp_path: Path, text: str | bytes, line: int | None, said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert said in caught.value.message
    assert caught.value.where is not None
    assert caught.value.where.endswith(f"votes.csv:{line}" if line else "votes.csv")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_votes_file(tmp_path / "nothing.csv")
    with pytest.raises(UsageError, match="cannot be read"):
        read_votes_file(tmp_path)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXT, TEXT, TEXT, st.sampled_from(WINNERS), TEXT), min_size=1, max_size=6), st.booleans())
def test_what_csv_writes_is_read_back_or_refused_by_name(
    tmp_path: Path, rows: list[tuple[str, str, str, str, str]], quote: bool
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL)
    writer.writerow(["prompt", "left", "right", "winner", "judge"])
    writer.writerows(rows)
    try:
        found = read(tmp_path, out.getvalue())
    except DiapasonError as error:
        assert error.where and any(
            not prompt.strip() or not left.strip() or not right.strip() or left.strip() == right.strip()
            for prompt, left, right, _, _ in rows
        )
        return
    assert [(each.prompt, each.left, each.right, each.verdict, each.judge) for each in found] == [
        (prompt, left.strip(), right.strip(), winner, judge.strip()) for prompt, left, right, winner, judge in rows
    ]
    results_of(found).to_json()


def test_20_000_rows_take_no_time(tmp_path: Path) -> None:
    rows = "".join(f"p{n},a,b,{WINNERS[n % 3]},j{n % 7},{n % 90},{n % 70},t{n % 4}\n" for n in range(20_000))
    begin = time.process_time()
    found = results_of(
        read(tmp_path, "prompt,left,right,winner,judge,left_length,right_length,topic\n" + rows)
    ).to_json()
    # A second on a quiet machine, `bench/judgements.py` says; processor time on a crowded one is several times that.
    assert time.process_time() - begin < 10
    assert found["decisive"] == 13_334 and len(found["slices"]["topic"]) == 4
