"""What a split promises whatever the rows are: a partition, no near copy on both sides, shares, strata, one seed."""

from __future__ import annotations

import json
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.data.dataset import examples, open_dataset
from core.data.leaks import leaks_between
from core.data.split import SplitResult, prompt_key, split
from core.errors import DiapasonError, UsageError


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def files(result: SplitResult) -> list[Path]:
    return [path for path in (result.train, result.validation, result.test) if path is not None]


def question(seed: int, words: int = 14) -> str:
    draw = random.Random(seed)
    return " ".join("".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 9))) for _ in range(words))


def nearly(text: str) -> str:
    return text[:-1] + ("x" if text[-1] != "x" else "y")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    copies=st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["", "!", "near"])), min_size=4, max_size=60),
    validation=st.sampled_from([0.0, 0.1, 0.3]),
    test=st.sampled_from([0.1, 0.2, 0.4]),
    seed=st.integers(0, 99),
)
def test_a_split_is_a_partition_by_groups(
    copies: list[tuple[int, str]], validation: float, test: float, seed: int
) -> None:
    rows = [
        {"prompt": nearly(question(n)) if how == "near" else question(n) + how, "completion": str(place)}
        for place, (n, how) in enumerate(copies)
    ]
    with tempfile.TemporaryDirectory() as folder:
        source = write(Path(folder) / "in.jsonl", rows)
        options: dict[str, Any] = {"validation": validation, "test": test, "seed": seed}
        if len({n for n, _ in copies}) < 2 + (validation > 0):
            with pytest.raises(DiapasonError, match="cannot fill"):
                split(source, Path(folder) / "a", **options)
            return
        result = split(source, Path(folder) / "a", **options, measure=True)
        written = [path.read_bytes() for path in files(result)]
        lines = [line for part in written for line in part.splitlines(keepends=True)]
        assert sorted(lines) == sorted(source.read_bytes().splitlines(keepends=True))
        assert sum(result.counts.values()) == len(rows) and all(result.counts.values())
        sides: dict[int, set[int]] = {}
        for side, part in enumerate(written):
            for line in part.splitlines():
                sides.setdefault(copies[int(json.loads(line)["completion"])][0], set()).add(side)
        assert all(len(where) == 1 for where in sides.values())
        assert result.groups == len(sides) and result.leakage is not None
        assert not any(result.leakage.remaining.values())
        again = split(source, Path(folder) / "b", **options)
        assert [path.read_bytes() for path in files(again)] == written


def test_near_copies_leak_from_a_plain_split_and_not_from_ours(tmp_path: Path) -> None:
    rows = [
        {"prompt": question(n % 100) if n < 100 else nearly(question(n % 100)), "completion": "a"} for n in range(200)
    ]
    source = write(tmp_path / "in.jsonl", rows)
    result = split(source, tmp_path / "near", measure=True)
    assert result.leakage is not None and result.groups == 100
    assert result.leakage.remaining == {"exact": 0, "folded": 0, "near": 0} and result.leakage.random["near"] > 20
    for held in files(result)[1:]:
        assert leaks_between(held, result.train) == []
    loose = split(source, tmp_path / "exact", group="exact", measure=True)
    assert loose.groups == 200 and loose.leakage is not None and loose.leakage.remaining["near"] > 20


def test_the_shares_are_kept_where_groups_are_large(tmp_path: Path) -> None:
    rows = [{"prompt": question(0), "completion": str(n)} for n in range(90)]
    rows += [{"prompt": question(n), "completion": "a"} for n in range(1, 211)]
    random.Random(1).shuffle(rows)
    counts = split(write(tmp_path / "in.jsonl", rows), tmp_path / "out", validation=0.1, test=0.2).counts
    assert counts == {"train": 210, "validation": 30, "test": 60}


def test_lengths_are_spread_evenly_where_there_are_no_labels(tmp_path: Path) -> None:
    rows = [{"prompt": question(n, 4 + n // 20 * 8), "completion": "a"} for n in range(200)]
    result = split(write(tmp_path / "in.jsonl", rows), tmp_path / "out", validation=0, test=0.2)
    assert result.stratified == "length" and result.test is not None
    whole = sorted(len(example.prompt_text) for example in examples(tmp_path / "in.jsonl"))
    held = Counter(
        sum(len(example.prompt_text) > whole[39 + 40 * fifth] for fifth in range(4))
        for example in examples(result.test)
    )
    assert held == dict.fromkeys(range(5), 8)


def test_a_field_says_what_is_spread_and_what_stays_together(tmp_path: Path) -> None:
    rows = [
        {
            "prompt": question(n),
            "completion": "a",
            "topic": "rare" if n % 10 == 0 else "usual",
            "meta": {"who": n // 4},
        }
        for n in range(200)
    ]
    source = write(tmp_path / "in.jsonl", rows)
    result = split(source, tmp_path / "topic", validation=0.1, test=0.2, stratify="topic")
    shares = [
        Counter(row.value["topic"] for row in open_dataset(path))["rare"] / count
        for path, count in zip(files(result), result.counts.values(), strict=True)
    ]
    assert result.stratified == "topic" and all(share == pytest.approx(0.1, abs=0.02) for share in shares)
    result = split(source, tmp_path / "who", group="meta.who", measure=True)
    owners = [{row.value["meta"]["who"] for row in open_dataset(path)} for path in files(result)]
    assert result.groups == 50 and not (owners[0] & owners[1] or owners[0] & owners[2] or owners[1] & owners[2])
    for option in ("stratify", "group"):
        with pytest.raises(UsageError, match="no row has the field `nobody`") as caught:
            split(source, tmp_path / "none", **{option: "nobody"})
        assert "prompt, completion, topic, meta" in str(caught.value.hint)


def test_a_field_does_not_part_the_same_prompt(tmp_path: Path) -> None:
    rows = [{"prompt": question(n // 2), "completion": str(n), "who": f"w{n}" if n % 5 else None} for n in range(60)]
    result = split(write(tmp_path / "in.jsonl", rows), tmp_path / "out", group="who")
    keys = [{prompt_key(example.prompt_text) for example in examples(path)} for path in files(result)]
    assert result.groups == 30 and not (keys[0] & keys[1] or keys[0] & keys[2] or keys[1] & keys[2])


def test_the_hint_is_the_callers(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"prompt": "q", "completion": "a"}])
    with pytest.raises(DiapasonError) as caught:
        split(source, tmp_path / "out")
    assert "--val 0 --test 0" in str(caught.value.hint)
    with pytest.raises(DiapasonError) as caught:
        split(source, tmp_path / "out", hint="Ask somebody.")
    assert caught.value.hint == "Ask somebody."
