"""What of augment cannot be: numbers beyond all bounds, damaged logs, addresses and spans that are none."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from core.data.augment.augment import Wish
from core.data.augment.choose import parse_spans
from core.endpoint.client import base_url
from core.errors import UsageError
from tests.endpoint import Answer, completion, serve, variants
from tui.cli import run
from tui.screens.augment_form import wish_of

TOPICS = ["tides", "bread", "the moon"]


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"Tell me of {t}", "completion": t}) + "\n" for t in TOPICS))
    return path


def good(body: dict[str, Any], before: int) -> Answer:
    return completion(variants(body["messages"][0]["content"], 2))


def command(source: Path | str, out: Path, url: str, *more: str) -> list[str]:
    return ["data", "augment", str(source), "-o", str(out), "--endpoint", url, "--model", "tiny", "-n", "2", *more]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["-n", "101"], "101 variants of a row cannot be asked for"),
        (["--max-tokens", "1000001"], "an answer cannot have 1,000,001 tokens"),
        (["--timeout", "1e11"], "1e+11 seconds are no time to wait"),
        (["--timeout", "86401"], "86401 seconds are no time to wait"),
        (["--rate", "1e-300"], "requests a minute cannot be kept to"),
        (["--rate", "0.016"], "0.016 requests a minute"),
    ],
)
def test_numbers_beyond_bounds_are_refused(
    source: Path, tmp_path: Path, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(good) as endpoint:
        assert run(command(source, tmp_path / "out.jsonl", endpoint.url, *more)) == 2 and not endpoint.bodies
    told = capsys.readouterr().err
    assert said in told and "rows ×" not in told and "broke" not in told


def test_numbers_at_the_bounds_are_taken() -> None:
    Wish("http://x/v1", "m", n=100, most=1_000_000, timeout=86_400, per_minute=1 / 60)
    beyond: list[dict[str, Any]] = [{"n": 0}, {"most": 0}, {"timeout": float("nan")}, {"per_minute": float("inf")}]
    for wrong in beyond:
        with pytest.raises(UsageError):
            Wish("http://x/v1", "m", **wrong)


def test_the_form_has_the_same_bounds() -> None:
    values = {"endpoint": "http://x/v1", "model": "m", "n": "101", "rows": "", "budget": "", "out": "o.jsonl",
              "prompt": "{prompt}"}  # fmt: skip
    with pytest.raises(UsageError, match="101 variants"):
        wish_of(values, None)
    assert wish_of(values | {"n": "100"}, None)[0].n == 100


def test_the_standard_input_is_refused_before_anything_is_said_or_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = io.TextIOWrapper(io.BytesIO(b'{"prompt": "a", "completion": "b"}\n'))
    monkeypatch.setattr(sys, "stdin", given)
    assert run(command("-", tmp_path / "out.jsonl", "http://localhost:9/v1")) == 2
    told = capsys.readouterr().err
    assert "standard input" in told and "Save it to a file" in told and "variants ·" not in told
    assert given.buffer.tell() == 0


@pytest.mark.parametrize(
    "url", ["http://x:99999/v1", "http://x:0/v1", "http://x:port/v1", "http://[::1/v1", "http://"]
)
def test_an_address_with_a_wrong_port_is_none(url: str) -> None:
    with pytest.raises(UsageError, match="is no http address"):
        base_url(url)


def test_an_address_with_a_port_is_one() -> None:
    assert base_url("http://x:8000/v1/chat/completions/") == "http://x:8000/v1"


NO_SPANS = ["9-5", "0", "0-3", "1-", "-3", "1,,2", "1-" + "9" * 5000, "9" * 19, "1.5", "²"]


@pytest.mark.parametrize("text", NO_SPANS, ids=range(len(NO_SPANS)))
def test_spans_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="is no row number") as raised:
        parse_spans(text)
    assert len(raised.value.message) < 70


def test_spans_at_their_bounds() -> None:
    assert parse_spans("3, 5-5 ,1-" + "9" * 18) == ((3, 3), (5, 5), (1, 10**18 - 1))
