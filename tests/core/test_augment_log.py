"""What a run into OUT leaves in OUT.part, and when it goes: damage, older logs, and what a resume replaces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.data.augment import augment as module
from core.data.augment.augment import Augmented, Wish, augment, log_path, unfinished
from core.endpoint import client
from core.endpoint.client import Client
from core.errors import DiapasonError, UsageError
from tests.endpoint import Answer, Endpoint, completion, serve, variants
from tui.cli import run
from tui.screens.augment_form import proposed


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(client, "_FIRST_WAIT", 0.01)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    rows = [{"prompt": f"Tell me of {t}", "completion": t} for t in ("tides", "bread", "the moon")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def good(body: dict[str, Any], before: int) -> Answer:
    return completion(variants(body["messages"][0]["content"], 2))


def make(source: Path, out: Path, endpoint: Endpoint, *, budget: int | None = None, **more: Any) -> Augmented:
    return augment(source, out, Wish(endpoint.url, "tiny", n=2, tokens=budget, timeout=5.0), **more)


def command(source: Path, out: Path, endpoint: Endpoint, *more: str) -> list[str]:
    return ["data", "augment", str(source), "-o", str(out), "--endpoint", endpoint.url, "--model", "tiny",
            "-n", "2", "--concurrency", "1", *more]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        '{"row": 1, "variants": [], "given": 1e999, "made": 1}',
        '{"wasted": 1, "given": 1, "made": -5}',
        '{"asking": 1, "given": 1, "made": 1' + "0" * 400 + "}",
        '{"row": -1, "variants": [["a", "b"]], "given": 1, "made": 1}',
        '{"row": 1, "variants": [7], "given": 1, "made": 1}',
    ],
)
def test_a_damaged_line_is_named(source: Path, out: Path, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(good) as endpoint:
        make(source, out, endpoint, budget=1)
        log = log_path(out)
        log.write_text(log.read_text() + '{"free": 0}\n' + line + "\n")
        assert run(command(source, out, endpoint)) == 1 and not endpoint.bodies
    told = capsys.readouterr().err
    assert f"{log}:3: the log of an earlier run is damaged here" in told and "Delete this line" in told


def test_a_line_of_a_row_that_is_not_there_does_no_harm(source: Path, out: Path) -> None:
    with serve(good) as endpoint:
        make(source, out, endpoint, budget=1)
        log = log_path(out)
        log.write_text(
            log.read_text() + '{"row": 99, "variants": [["a", "b"]], "given": 1, "made": 1}\n' + "[" * 9999
        )
        log.write_text(log.read_text() + "\n")
        assert make(source, out, endpoint).asked == 3


def test_the_log_goes_only_when_all_is_done(source: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Augmented:
        raise DiapasonError("the last step failed")

    with serve(good) as endpoint:
        with monkeypatch.context() as patched:
            patched.setattr(module, "Augmented", fails)
            with pytest.raises(DiapasonError, match="the last step"):
                make(source, out, endpoint)
        assert log_path(out).read_bytes().count(b'"variants"') == 3
        assert make(source, out, endpoint).log is None
        assert len(endpoint.bodies) == 3 and not log_path(out).exists()


def test_another_format_does_not_go_on_from_a_log_and_an_older_log_does(source: Path, out: Path) -> None:
    with serve(good) as endpoint:
        make(source, out, endpoint, budget=1)
        about = unfinished(out)
        assert about and about["format"] == "prompt-completion"
        with pytest.raises(UsageError, match="other values of: format"):
            make(source, out, endpoint, format="text", map="text=prompt")
        del about["format"]
        log_path(out).write_text(json.dumps({"about": about}) + "\n")
        assert make(source, out, endpoint, format="prompt-completion").asked == 3


def test_it_is_said_that_the_file_is_written_anew(
    source: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(good) as endpoint:
        assert run(command(source, out, endpoint, "--budget", "500")) == 1
        assert "anew" not in capsys.readouterr().err
        assert out.exists()
        assert run(command(source, out, endpoint)) == 0
    told = capsys.readouterr().err
    assert f"goes on from {log_path(out)}" in told and f"writes {out} anew" in told


@pytest.mark.parametrize("content", ["", "not a log\n", '{"about": 5}\n'])
def test_no_log_lets_a_file_be_replaced_that_it_did_not_begin(source: Path, out: Path, content: str) -> None:
    out.write_text("mine\n")
    log_path(out).write_text(content)
    with serve(good) as endpoint, pytest.raises(UsageError, match="is there already"):
        make(source, out, endpoint)
    assert out.read_text() == "mine\n" and not endpoint.bodies


def test_an_empty_log_makes_no_name_free(source: Path) -> None:
    first = proposed(source)
    first.write_text("mine\n")
    log_path(first).write_text("")
    assert proposed(source) != first


def test_a_fault_of_ours_is_not_taken_for_a_broken_answer(
    source: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: Any) -> bool:
        raise ValueError("a fault")

    monkeypatch.setattr(Client, "_adapts", faulty)
    with serve(lambda body, before: (400, {}, "{}")) as endpoint:
        with pytest.raises(ValueError, match="a fault"):
            make(source, out, endpoint)
        assert len(endpoint.bodies) <= 4, "each thread asked once"


@pytest.mark.parametrize("host", ["a..b", "*x", "a" * 70])
def test_an_address_that_takes_no_request_is_named_at_once(source: Path, out: Path, host: str) -> None:
    with pytest.raises(DiapasonError, match="no request can be sent to this address"):
        augment(source, out, Wish(f"http://{host}/v1", "tiny", timeout=5.0))
