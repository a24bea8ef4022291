"""`diapason data augment` as people run it: asked first, killed, stopped, and gone on from; its result reviewed."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.data.augment.augment import log_path
from tests.endpoint import Answer, Endpoint, completion, serve, variants
from tui.cli import run

KEY = "sk-very-secret-0123456789"
TOPICS = ["tides", "bread", "the moon", "glass", "violins", "honey bees"]


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"Tell me of {t}", "completion": t}) + "\n" for t in TOPICS))
    return path


def good(body: dict[str, Any], before: int) -> Answer:
    return completion(variants(body["messages"][0]["content"], 2))


def wait_for(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited a minute for it"
        time.sleep(0.02)


def command(source: Path, endpoint: Endpoint, *more: str) -> list[str]:
    out = source.with_name("out.jsonl")
    return ["data", "augment", str(source), "-o", str(out), "--endpoint", endpoint.url, "--model", "tiny",
            "-n", "2", "--concurrency", "1", *more]  # fmt: skip


def start(argv: list[str]) -> subprocess.Popen[str]:
    def interruptible() -> None:
        # A suite started in the background by a shell inherits an ignored SIGINT.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    return subprocess.Popen([sys.executable, "-m", "tui", *argv], text=True, cwd=Path(__file__).parents[2],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                            preexec_fn=interruptible)  # fmt: skip


def answered(out: Path) -> int:
    path = log_path(out)
    return path.read_bytes().count(b'"variants"') if path.exists() else 0


class Slow:
    """Answers the first three requests at once, the others when it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.seen = 0

    def __call__(self, body: dict[str, Any], before: int) -> Answer:
        self.seen += 1
        if self.seen > 3:
            self.go.wait(60)
        return good(body, before)


def test_from_command_to_review(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.jsonl"
    with serve(good) as endpoint:
        assert run(command(source, endpoint, "--rows", "1-3")) == 0
    said = capsys.readouterr()
    assert "3 rows × 2 variants" in said.err and "tokens" in said.err
    assert f"{out} · 6 of 6 variants kept" in said.out and f"Next: diapason data review {out}" in said.out
    assert KEY not in said.out + said.err and KEY.encode() not in out.read_bytes()
    assert run(["data", "check", str(out), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["rows"]["valid"] == 6 and {f["code"] for f in document["findings"]} <= {"too_few_rows"}


def test_a_killed_run_goes_on_and_asks_nothing_twice(source: Path, tmp_path: Path) -> None:
    out, slow = tmp_path / "out.jsonl", Slow()
    with serve(slow) as endpoint:
        process = start(command(source, endpoint))
        wait_for(lambda: answered(out) == 3 and slow.seen == 4)
        argv = Path(f"/proc/{process.pid}/cmdline")
        assert not argv.exists() or KEY.encode() not in argv.read_bytes()
        process.kill()
        process.communicate()
        assert not out.exists() and KEY.encode() not in log_path(out).read_bytes()
        slow.go.set()
        process = start(command(source, endpoint, "--json"))
        told, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    document = json.loads(told)
    assert document["answered"] == 6 and document["variants"]["kept"] == 12 and document["log"] is None
    assert document["tokens"] > 6 * 150, "the request that nobody heard of again may have cost its tokens"
    counts = [sum(f"Tell me of {topic}\n" in prompt for prompt in endpoint.prompts) for topic in TOPICS]
    assert counts == [1, 1, 1, 2, 1, 1], "only what was on its way is asked again"
    assert KEY not in told + errors and not log_path(out).exists()


def test_ctrl_c_says_how_to_go_on(source: Path, tmp_path: Path) -> None:
    out, slow = tmp_path / "out.jsonl", Slow()
    with serve(slow) as endpoint:
        process = start(command(source, endpoint))
        wait_for(lambda: answered(out) == 3 and slow.seen == 4)
        process.send_signal(signal.SIGINT)
        told, errors = process.communicate(timeout=60)
        slow.go.set()
    assert process.returncode == 1 and "Traceback" not in errors
    assert "3 rows answered" in told and "Stopped." in told and f"{out}.part" in told and not out.exists()


def test_a_budget_that_ends_names_what_is_left(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(good) as endpoint:
        assert run(command(source, endpoint, "--budget", "1000")) == 1
        said = capsys.readouterr()
        assert "budget 1 000 tokens" in said.err and "The budget ends here" in said.out
        first = len(endpoint.bodies)
        assert 0 < first < 6 and run(command(source, endpoint, "--budget", "100000")) == 0
    assert len(endpoint.bodies) == 6


def test_no_variant_at_all_is_no_success(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(lambda body, before: completion("I would rather not.")) as endpoint:
        assert run(command(source, endpoint)) == 1
    said = capsys.readouterr().out
    assert "In 6 answers no variant was found" in said and "data review" not in said


def test_it_asks_before_it_begins(source: Path, tmp_path: Path) -> None:
    with serve(good) as endpoint:
        for answer, asked in ((b"n\n", 0), (b"y\n", 6)):
            parent, child = pty.openpty()
            process = subprocess.Popen(
                [sys.executable, "-m", "tui", *command(source, endpoint)], stdin=child, stdout=child, stderr=child,
                cwd=Path(__file__).parents[2], start_new_session=True,
            )  # fmt: skip
            os.close(child)
            shown = b""
            while b"[y/N]" not in shown:
                shown += os.read(parent, 4096)
            assert b"6 rows" in shown and not endpoint.bodies
            os.write(parent, answer)
            _drain(parent)
            assert process.wait(60) == (0 if asked else 1) and len(endpoint.bodies) == asked
            os.close(parent)


def _drain(terminal: int) -> None:
    try:
        while os.read(terminal, 4096):
            pass
    except OSError:
        # The other side has ended.
        return


def test_the_prompt_is_shown_and_may_be_another(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(good) as endpoint:
        assert run(command(source, endpoint, "--show-prompt")) == 0
        usual = capsys.readouterr().out
        assert "{prompt}" in usual and "{n}" in usual and not endpoint.bodies
        own = tmp_path / "own.txt"
        own.write_text("Vary {n} times:\n<prompt>\n{prompt}\n</prompt>")
        assert run(command(source, endpoint, "--prompt", str(own), "--rows", "2")) == 0
        assert endpoint.prompts == ["Vary 2 times:\n<prompt>\nTell me of bread\n</prompt>"]
        own.write_text("no row in it")
        assert run(command(source, endpoint, "--prompt", str(own))) == 2
    assert "{prompt} is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--endpoint", "ftp://x"], "no http address"),
        (["--endpoint", f"http://me:{KEY}@x/v1"], "a key does not belong into the address"),
        (["--rows", "a-b"], "is no row number"),
        (["--budget-cost", "1"], "without prices"),
        (["--only-code", "nonsense"], "is no finding"),
        (["-o", "out.csv"], "JSON Lines"),
        (["--temperature", "-1"], "a number from 0 on"),
    ],
)
def test_wrong_usage_is_named(
    source: Path, more: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(good) as endpoint:
        assert run(command(source, endpoint, *more)) == 2 and not endpoint.bodies
    said = capsys.readouterr().err
    assert message in said and KEY not in said
