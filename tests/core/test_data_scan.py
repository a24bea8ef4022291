"""The fast way through a file says what the slow one says, in one process and in several."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import core.data.workers
from core.data.checks.repeats import fold, fold_words
from core.data.checks.same import find_same
from core.data.checks.skeleton import skeleton
from core.data.dataset import Dataset, open_dataset
from core.data.report import CheckCancelled, check
from core.data.scan import Scan, Scanner
from core.errors import DiapasonError

SLOW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
PIECES = (
    "Where is my parcel?", "It was sent.", "", " ", "N/A", "TODO", "<noinput>", "é", "Ã©", "\ufffd", "\u200b",
    "\u00a0 ",
    "<|im_end|>", "[INST]", "{{name}}", "ann@gmail.com", "4539578763621486", "+33 6 12 34 56 78", "\x1b[2J", "\x07",
    "::1", "2001:db8::1", "AKIAIOSFODNN7EXAMPLE", "ghp_" + "a" * 36, "naïve “quotes” – dash", "中文，没有。",
    "\\u00e9",
    "192.168.1.12", "a < b, [1], {x}", "\u202e", "Straße", "\x7f", "1 234 567 890 123",
)  # fmt: skip
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=4).map(" ".join)
roles = st.sampled_from(["user", "assistant", "system", "tool", "human", "gpt", "developer", "User", 3, None])
turns = st.lists(
    st.fixed_dictionaries({"role": roles, "content": texts | st.none()})
    | st.fixed_dictionaries({"role": roles, "content": texts, "name": texts})
    | st.fixed_dictionaries({"from": roles, "value": texts}),
    max_size=4,
)
talk = st.lists(st.tuples(texts, texts), min_size=1, max_size=2).map(
    lambda pairs: [
        {"role": role, "content": text}
        for pair in pairs
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
)
rows = (
    st.fixed_dictionaries({"messages": talk}, optional={"id": st.integers() | texts})
    | st.fixed_dictionaries({"messages": talk | turns}, optional={"tools": st.just([]), "Extra": texts, "id": turns})
    | st.fixed_dictionaries({"conversations": turns})
    | st.fixed_dictionaries({"prompt": texts | turns, "completion": texts}, optional={"system": texts, "id": texts})
    | st.fixed_dictionaries({"instruction": texts, "output": texts}, optional={"input": texts | st.none()})
    | st.fixed_dictionaries({"text": texts, "label": texts | st.integers() | st.booleans()})
    | st.fixed_dictionaries({"text": texts})
    | st.fixed_dictionaries({"chosen": texts, "rejected": texts, "prompt": texts})
)
lines = st.tuples(rows, st.booleans()).map(
    lambda pair: json.dumps(pair[0], ensure_ascii=pair[1]).encode("utf-8", "replace")
)
wild = st.sampled_from([b"{", b'{"messages": []}', b'{"text": "a", "text": "b"}', b'{"text" : "a", "text": "b"}',
                        b"[]", b'{"prompt": "a", "completion": "\xff"}', b'{"text": "a\tb"}',
                        b'{"text": NaN}', b'{"text": "a", "id": 1e400}'])  # fmt: skip


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


class Everything:
    """A tally that keeps what every row says."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def add(self, row: Any) -> None:
        self.seen.append((row.index, row.line, row.raw, row.value, row.example, row.findings))

    def merge(self, later: Everything) -> None:
        self.seen += later.seen


def slowly(dataset: Dataset) -> list[Any]:
    tally = Everything()
    for row in dataset:
        tally.add(row)
    return tally.seen


def summary(found: Scan) -> list[Any]:
    told = [(f.code, f.detail, f.severity, f.count, list(f.rows), f.lines) for f in found.collector.sorted()]
    return [told, list(found.collector.invalid_rows), list(found.rows), list(found.prompts), dict(found.labels)]


@SLOW
@given(st.lists(st.lists(lines, min_size=1, max_size=5) | st.lists(wild, max_size=1), max_size=6), st.booleans())
@example([[b'{"messages": [{"role": "user", "content": "\\u200b"}, {"role": "assistant", "content": "b"}]}']], False)
def test_the_fast_lane_says_what_the_slow_one_says(groups: list[list[bytes]], array: bool) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        raw = [line for group in groups for line in group]
        path = Path(folder, "data.json" if array else "data.jsonl")
        path.write_bytes(b"[" + b",\n".join(raw) + b"]" if array else b"".join(line + b"\n" for line in raw))
        try:
            dataset = open_dataset(path)
            dataset.detect_format()
        except DiapasonError:
            return
        found = Scanner(dataset, [Everything]).scan(0, len(dataset))
        (tally,) = found.tallies
        assert isinstance(tally, Everything)
        slow = slowly(dataset)
        # A clean row of the lane has the value as it was parsed, the same as the tidied one.
        assert [row[:2] + row[4:] for row in tally.seen] == [row[:2] + row[4:] for row in slow]
        bare = Scanner(dataset).scan(0, len(dataset))
        assert summary(bare) == summary(found)
        assert list(bare.rows) == [row[0] for row in slow if row[4] is not None]


@SLOW
@given(st.text(max_size=30), st.text(max_size=30))
@example("Straße", "STRASSE")
@example("ﬁn de l’été", "FIN DE L'ÉTÉ")
@example("你好，世界", "你好 世界")
@example("K", "k")
def test_what_folds_alike_has_one_skeleton(one: str, other: str) -> None:
    for left, right in ((one, other), (one, one.upper()), (one, f"  {one}… "), (one * 40, one.swapcase() * 40)):
        if fold(left) == fold(right) or fold_words(left) == fold_words(right):
            assert skeleton(left) == skeleton(right)


def many(tmp_path: Path, count: int = 3000) -> Path:
    made: list[Any] = []
    for n in range(count):
        answer = f"Answer {n if n >= 2950 else n % 2900}."
        made.append({"messages": [{"role": "user", "content": f"Question {n % 2900}?"},
                                  {"role": "assistant", "content": answer}]})  # fmt: skip
    made[70] = {"messages": [{"role": "user", "content": "ann@gmail.com"}, {"role": "assistant", "content": "So."}]}
    made[900] = {"messages": "none"}
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in made) + "{\n")
    return path


def share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files are read by two processes too."""
    monkeypatch.setattr(core.data.workers, "SHARED_FROM", 0)
    monkeypatch.setattr(core.data.workers, "_RANGE", 40_000)
    monkeypatch.setattr(core.data.workers, "cpu_count", lambda: 2)


@pytest.fixture
def crew(monkeypatch: pytest.MonkeyPatch) -> None:
    share(monkeypatch)


def test_several_processes_find_what_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = many(tmp_path)
    alone = check(path).to_json()
    share(monkeypatch)
    told: list[tuple[int, int]] = []

    def watch(rows: int, size: int) -> bool:
        told.append((rows, size))
        return True

    together = check(path, progress=watch).to_json()
    assert {**alone, "seconds": 0} == {**together, "seconds": 0}
    assert {"contradiction", "exact_duplicate", "pii_email", "bad_json"} <= {f["code"] for f in alone["findings"]}
    assert max(rows for rows, _ in told) == 3001


@pytest.mark.usefixtures("crew")
def test_a_check_by_several_processes_is_stopped_and_leaves_none(tmp_path: Path) -> None:
    with pytest.raises(CheckCancelled):
        check(many(tmp_path), progress=lambda rows, size: rows < 500)
    assert not _workers()


@pytest.mark.usefixtures("crew")
def test_a_killed_process_is_an_error_and_no_hang(tmp_path: Path) -> None:
    def kill(rows: int, size: int) -> bool:
        for worker in _workers():
            worker.send_signal(signal.SIGKILL)
        return True

    with pytest.raises(DiapasonError, match="ended before it was done"):
        check(many(tmp_path, 20_000), progress=kill)


def _workers() -> list[psutil.Process]:
    """The processes of the check that run; those of other tests that nobody has waited for yet are none."""
    mine = [
        one.as_dict(["cmdline", "status"]) | {"process": one} for one in psutil.Process().children(recursive=True)
    ]
    return [one["process"] for one in mine if one["status"] != psutil.STATUS_ZOMBIE
            and "core.data.scan_worker" in " ".join(one["cmdline"] or [])]  # fmt: skip


def test_workers_end_with_who_asked_them(tmp_path: Path) -> None:
    code = (
        "import sys, os, core.data.workers as w\nfrom core.data.report import check\n"
        "w.SHARED_FROM, w._RANGE, w.cpu_count = 0, 40_000, lambda: 2\n"
        "def told(rows, size):\n    if rows:\n        print('told', flush=True)\n        os.kill(os.getpid(), 9)\n"
        "    return True\ncheck(sys.argv[1], progress=told)"
    )
    path = many(tmp_path, 20_000)
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, env=os.environ, cwd=Path.cwd())
    assert done.returncode == -signal.SIGKILL and b"told" in done.stdout
    left = [one for one in psutil.process_iter(["cmdline"]) if "core.data.scan_worker" in (one.info["cmdline"] or [])]
    _, alive = psutil.wait_procs(left, timeout=10)
    assert not alive


def test_only_rows_that_share_their_prompt_are_read_again(tmp_path: Path) -> None:
    path = many(tmp_path)
    dataset = open_dataset(path)
    scanner = Scanner(dataset)
    found = scanner.scan(0, len(dataset))
    again: list[int] = []

    def read(number: int) -> Any:
        again.append(number)
        return scanner.again(number)

    repeats, heads = find_same(found.rows, found.prompts, read, partial(int))
    # Rows 2,900 and on ask what the first hundred ask, but for the two that were spoilt.
    assert len(again) == 2 * 99 and len(repeats.exact().rows) == 50
    assert (heads() <= range(len(found.rows))).all()
