"""Numbers of a data set, its languages, and its card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.card import inert, write_card
from core.data.card_facts import FACTS, facts_path, read_facts, start_facts
from core.data.languages import language_of
from core.data.report import check
from core.data.stats import Lengths, measure
from core.errors import UsageError

ENGLISH = "Thank you for your message. Your parcel was sent yesterday and should arrive before Friday, number {}."
FRENCH = "Merci pour votre message. Votre colis a été envoyé hier et devrait arriver avant vendredi, numéro {}."


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def make(tmp_path: Path, rows: list[Any]) -> Path:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def pair(prompt: str, answer: str, **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "completion": answer, **more}


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=200))
def test_a_histogram_holds_every_row(values: list[int]) -> None:
    lengths = Lengths()
    for value in values:
        lengths.add(value)
    counts, width, beyond = lengths.histogram()
    assert sum(counts) + beyond == len(values) and beyond <= 0.01 * len(values) + 1
    assert lengths.summary()["p50"] == np.median(values) and lengths.summary()["max"] == max(values)
    assert width * len(counts) >= np.quantile(values, 0.99) - 1e-6


def test_counts_by_a_field_inside_another_and_refuses_one_that_is_not_there(tmp_path: Path) -> None:
    rows = [pair(f"q{n}" * (n + 1), "a" * 10, meta={"topic": "x" if n % 3 else "y"}) for n in range(9)]
    path = make(tmp_path, [*rows, {"prompt": 1}, pair("q", "aaaa")])
    stats = measure(path, by="meta.topic").to_json()
    assert stats["rows"] == {"total": 11, "usable": 10}
    assert [(part["value"], part["rows"], part["answer_mean"]) for part in stats["slices"]] == [
        ("x", 6, 10.0), ("y", 3, 10.0), ("(none)", 1, 4.0),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="no row has the field `nope`"):
        measure(path, by="nope")


def test_languages_are_told_and_a_mixture_is_noted(tmp_path: Path) -> None:
    english = [pair("q", ENGLISH.format(n)) for n in range(30)]
    french = [pair("q", FRENCH.format(n)) for n in range(10)]
    code = [pair("q", f"def f{n}(x):\n    return x + {n}\n\n\nclass A:\n    pass  # {{}}[]()=") for n in range(10)]
    assert measure(make(tmp_path, english + french + code)).languages == {"en": 30, "fr": 10}
    (note,) = [f for f in check(make(tmp_path, english + french)).findings if f.code == "mixed_languages"]
    assert note.detail == "en+fr" and note.severity == "note" and "en 75 %, fr 25 %" in note.message
    for rows in (english, english + french[:3], english + code):
        assert all(f.code != "mixed_languages" for f in check(make(tmp_path, rows)).findings)
    assert language_of("too short") is None


def test_the_card_says_what_is_known_and_what_is_missing(tmp_path: Path) -> None:
    path = make(tmp_path, [pair(f"Where is parcel {n}?", ENGLISH.format(n)) for n in range(60)])
    text = write_card(path, check(path), measure(path, by="language"))
    assert "not filled in: who holds the rights" in text and "| prompt |" in text and "SHA-256" in text
    assert all(f.code != "card_incomplete" for f in check(path).findings)
    file = start_facts(path)
    assert file == facts_path(path) and read_facts(path).missing == [title for _, title, _ in FACTS]
    (note,) = [f for f in check(path).findings if f.code == "card_incomplete"]
    assert "owner" in note.message
    with pytest.raises(UsageError, match="already"):
        start_facts(path)
    file.write_text("".join(f"{name}: 'yes | <b>{name}</b>'\n" for name, _, _ in FACTS))
    assert all(f.code != "card_incomplete" for f in check(path).findings)
    text = write_card(path, check(path), None)
    assert "not filled in" not in text and "yes \\| \\<b\\>owner" in text


@pytest.mark.parametrize("text", ["- a\n", "owner: [", "owners: me\n", "owner: \x00"])
def test_wrong_facts_are_named_and_pass_in_no_silence(tmp_path: Path, text: str) -> None:
    path = make(tmp_path, [pair("q", "a")])
    facts_path(path).write_text(text)
    with pytest.raises(UsageError):
        read_facts(path)
    (note,) = [f for f in check(path).findings if f.code == "card_incomplete"]
    assert note.detail == "unreadable"


@given(st.text(max_size=60))
def test_nothing_of_the_data_is_markdown_or_acts_on_a_terminal(text: str) -> None:
    shown = inert(text)
    assert "\n" not in shown and "\x1b" not in shown and "|" not in shown.replace("\\|", "")
