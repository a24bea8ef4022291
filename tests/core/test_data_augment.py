"""Variants through a real local endpoint: kept, checked, within their budget, asked for once."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.augment.augment import Augmented, Wish, augment, log_path, plan, unfinished
from core.data.augment.choose import Choice, parse_spans, rows_with
from core.data.augment.prompt import TEMPLATE, fill, parse_variants
from core.data.dataset import open_dataset
from core.data.report import check
from core.endpoint import client
from core.endpoint.budget import Pace, Prices, guess_tokens
from core.errors import DiapasonError, UsageError
from tests.endpoint import Answer, Endpoint, completion, serve, variants

Row = dict[str, Any]
words = st.text(min_size=1, max_size=12).map(lambda text: f"a{text}z")
pair = st.tuples(words, words)
TOPICS = ["tides", "bread", "the moon", "glass", "violins", "honey bees", "granite", "sailing knots"]


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(client, "_FIRST_WAIT", 0.01)


def write(path: Path, *rows: Row) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def pairs(path: Path, count: int = 6) -> Path:
    return write(path, *({"prompt": f"Tell me of {topic}", "completion": topic, "id": k, "lang": "en"}
                         for k, topic in enumerate(TOPICS[:count])))  # fmt: skip


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def good(body: Row, before: int) -> Answer:
    return completion("Here you are:\n```json\n" + variants(body["messages"][0]["content"], 2) + "\n```")


def run(source: Path, endpoint: Endpoint, out: Path | None = None, **changes: Any) -> Augmented:
    wish = replace(Wish(endpoint.url, "tiny", n=2, timeout=5.0), **changes)
    return augment(source, out or source.with_name("out.jsonl"), wish)


def test_variants_are_marked_and_ready_for_review(tmp_path: Path) -> None:
    source = pairs(tmp_path / "in.jsonl")
    with serve(good) as endpoint:
        done = run(source, endpoint)
    assert (done.asked, done.left, done.tokens, done.log) == (6, 0, 6 * 150, None)
    found = read(tmp_path / "out.jsonl")
    assert len(found) == done.sifted.kept == done.sifted.made == 12
    first = found[0]
    assert first.pop("synthetic_prompt") and first == {
        "prompt": "violets by the river bend: sedit fo em lleT", "completion": "Tell me of tides 0!", "lang": "en",
        "synthetic": True, "source_row": 1, "synthetic_model": "tiny",
    }  # fmt: skip
    findings = [finding for finding in check(tmp_path / "out.jsonl").findings if finding.code != "too_few_rows"]
    assert [(finding.code, finding.detail) for finding in findings] == [("extra_field", "lang")]
    assert not log_path(tmp_path / "out.jsonl").exists()
    assert {body["seed"] for body in endpoint.bodies} == set(range(6))
    assert "Authorization" not in endpoint.headers[0]


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        ({"instruction": "Tell of", "input": "tides", "output": "x", "system": "s"}, "output"),
        ({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"},
                       {"role": "assistant", "content": "b"}]}, ""),
        ({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}, ""),
        ({"text": "I am sad", "label": "sadness"}, "label"),
        ({"text": "Plain words of a book."}, ""),
        ({"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}],
          "label": True}, ""),
    ],
)  # fmt: skip
def test_every_format_keeps_its_shape(tmp_path: Path, row: Row, answer: str) -> None:
    source = write(tmp_path / "in.jsonl", row)
    with serve(good) as endpoint:
        done = run(source, endpoint)
    (first, _) = read(tmp_path / "out.jsonl")
    assert done.sifted.kept == 2 and row.keys() | {"input"} >= first.keys() - client_marks() >= row.keys() - {"input"}
    assert open_dataset(tmp_path / "out.jsonl").format == open_dataset(source).format
    if "label" in row:
        assert first["label"] == row["label"], "a variant keeps its class"


def client_marks() -> set[str]:
    return {"synthetic", "source_row", "synthetic_model", "synthetic_prompt"}


def test_copies_of_the_source_and_of_each_other_are_dropped(tmp_path: Path) -> None:
    long = "how do the tides of the northern sea come to be so much higher in spring than in the autumn months, "
    long += "and why do the fishermen of the southern harbours tell of them as if they had been bewitched by the moon"
    source = write(tmp_path / "in.jsonl", {"prompt": long, "completion": "moon"}, {"prompt": "b", "completion": "c"})
    answer = [
        {"prompt": long.upper() + "?", "answer": "folded copy"},
        {"prompt": long.replace("autumn", "summer"), "answer": "near copy"},
        {"prompt": "something wholly new about granite", "answer": "kept"},
        {"prompt": "Something wholly new about granite!", "answer": "repeat"},
        {"prompt": "no answer to this", "answer": " "},
    ]
    with serve(lambda body, before: completion(json.dumps(answer))) as endpoint:
        done = run(source, endpoint, n=5, choice=Choice(((1, 1),)))
    assert [row["completion"] for row in read(tmp_path / "out.jsonl")] == ["kept"]
    assert (done.sifted.copies, done.sifted.repeats, done.sifted.kept) == (2, 1, 1)


def test_busy_and_broken_servers_are_asked_again_as_late_as_they_say(tmp_path: Path) -> None:
    asked: dict[int, list[float]] = {}

    def moody(body: Row, before: int) -> Answer:
        asked.setdefault(body["seed"], []).append(time.monotonic())
        if before == 0:
            return [(429, {"Retry-After": "0.3"}, "{}"), (500, {}, "oops"), (200, {}, "no json"), (503, {}, "")][
                body["seed"]
            ]
        return good(body, before)

    with serve(moody) as endpoint:
        done = run(pairs(tmp_path / "in.jsonl", 4), endpoint)
    assert done.asked == 4 and not done.refused and [len(times) for times in asked.values()] == [2] * 4
    assert asked[0][1] - asked[0][0] >= 0.3
    assert done.tokens > 4 * 150, "an answer that is no completion may have cost its tokens"


def test_a_row_that_never_gets_an_answer_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    def picky(body: Row, before: int) -> Answer:
        if "bread" in body["messages"][0]["content"]:
            return 400, {}, json.dumps({"error": {"message": "too spicy"}})
        return good(body, before)

    source = pairs(tmp_path / "in.jsonl")
    with serve(picky) as endpoint:
        done = run(source, endpoint, concurrency=1)
        assert done.asked == 5 and done.refused == [(2, "HTTP 400: too spicy")] and done.path
        # Asked again, only what has no answer yet.
        endpoint.answer = good
        assert run(source, endpoint, concurrency=1).log is None and len(endpoint.bodies) == 7
    assert len(read(tmp_path / "out.jsonl")) == 12


def test_garbage_is_no_variant(tmp_path: Path) -> None:
    with serve(lambda body, before: completion("Sorry, I cannot do that [sic] {x}.")) as endpoint:
        done = run(pairs(tmp_path / "in.jsonl"), endpoint)
    assert done.asked == done.empty == 6 and done.sifted.made == 0 and (tmp_path / "out.jsonl").read_bytes() == b""


def test_a_slow_server_is_left_and_a_dead_one_named(tmp_path: Path) -> None:
    wake = threading.Event()

    def slow(body: Row, before: int) -> Answer:
        if before == 0:
            wake.wait(20)
        return good(body, before)

    with serve(slow) as endpoint:
        done = run(pairs(tmp_path / "in.jsonl", 1), endpoint, timeout=0.2)
        wake.set()
        assert done.asked == 1 and len(endpoint.bodies) == 2
    with pytest.raises(DiapasonError, match="the first 5 requests failed: no answer after 6 tries: no connection"):
        run(pairs(tmp_path / "in.jsonl"), endpoint, tmp_path / "dead.jsonl")


def test_an_answer_that_only_drips_is_left(tmp_path: Path) -> None:
    end = threading.Event()

    def drops() -> Iterator[str]:
        while not end.wait(0.02):
            yield " " * 20_000

    def dripping(body: Row, before: int) -> Answer:
        return (200, {"Content-Length": "1000000000"}, drops()) if before == 0 else good(body, before)

    with serve(dripping) as endpoint:
        done = run(pairs(tmp_path / "in.jsonl", 1), endpoint, timeout=0.3)
        end.set()
    assert done.asked == 1 and len(endpoint.bodies) == 2 and done.tokens > 150


def test_a_request_that_never_left_costs_nothing(tmp_path: Path) -> None:
    source = pairs(tmp_path / "in.jsonl", 4)
    with serve(good) as endpoint:
        pass
    done = run(source, endpoint, tokens=100_000)
    assert done.tokens == 0 and len(done.refused) == 4 and "no connection" in done.refused[0][1]


def test_a_file_of_somebody_else_is_not_taken_for_a_log(tmp_path: Path) -> None:
    source = pairs(tmp_path / "in.jsonl", 1)
    log_path(tmp_path / "out.jsonl").write_text("half of my download")
    with serve(good) as endpoint, pytest.raises(UsageError, match="no log of variants"):
        run(source, endpoint)
    assert log_path(tmp_path / "out.jsonl").read_text() == "half of my download"


def test_a_damaged_log_is_named(tmp_path: Path) -> None:
    source = pairs(tmp_path / "in.jsonl", 3)
    with serve(good) as endpoint:
        run(source, endpoint, tokens=1)
        log = log_path(tmp_path / "out.jsonl")
        log.write_bytes(log.read_bytes() + b'{"row": 1, "variants": [7], "given": 1, "made": 1}\n')
        with pytest.raises(DiapasonError, match="damaged"):
            run(source, endpoint)


def test_a_half_written_line_is_asked_again(tmp_path: Path) -> None:
    source = pairs(tmp_path / "in.jsonl", 3)
    with serve(good) as endpoint:
        run(source, endpoint, tokens=1)
        log = log_path(tmp_path / "out.jsonl")
        log.write_bytes(log.read_bytes() + b'{"row": 1, "variants": [["a", "b"]], "gi')
        assert run(source, endpoint).asked == 3 and len(endpoint.bodies) == 3


def test_wild_characters_go_through_or_are_dropped(tmp_path: Path) -> None:
    wild = [("lone \ud800", "x"), ("line \u2028 \u202e end", "\U0001f600\n")]
    reply = json.dumps([{"prompt": prompt, "answer": answer} for prompt, answer in wild])
    with serve(lambda body, before: completion(reply)) as endpoint:
        done = run(pairs(tmp_path / "in.jsonl", 1), endpoint)
    assert (done.sifted.made, done.sifted.unusable, done.sifted.kept) == (2, 1, 1)
    assert read(tmp_path / "out.jsonl")[0]["prompt"] == "line \u2028 \u202e end"


def test_a_key_that_no_header_can_hold_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-é\nX")
    with serve(good) as endpoint, pytest.raises(UsageError, match="characters that no key has") as raised:
        run(pairs(tmp_path / "in.jsonl", 1), endpoint)
    assert "sk-" not in str(raised.value) and not endpoint.bodies


def test_the_budget_is_never_passed_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    source = pairs(tmp_path / "in.jsonl", 8)
    with serve(good) as endpoint:
        one = plan(open_dataset(source), Wish(endpoint.url, "tiny", n=2, choice=Choice(((1, 1),))))
        limit = one.given + one.made + 400
        done = run(source, endpoint, tokens=limit)
        assert 0 < done.asked < 8 and done.left == 8 - done.asked and done.tokens <= limit
        assert done.path and done.log and len(read(tmp_path / "out.jsonl")) == 2 * done.asked
        before = len(endpoint.bodies)
        assert before == done.asked
        assert run(source, endpoint, tokens=limit).asked == done.asked and len(endpoint.bodies) == before
        done = run(source, endpoint, tokens=100 * limit)
        assert done.left == 0 and len(endpoint.bodies) == 8 and done.tokens == 8 * 150
    assert len(read(tmp_path / "out.jsonl")) == 16


def test_an_answer_may_have_so_many_tokens(tmp_path: Path) -> None:
    source = pairs(tmp_path / "in.jsonl", 2)
    with serve(good) as endpoint:
        run(source, endpoint)
        run(source, endpoint, tmp_path / "more.jsonl", most=5000)
    assert [body["max_tokens"] for body in endpoint.bodies] == [256, 256, 5000, 5000]


def test_money_is_counted_by_its_prices(tmp_path: Path) -> None:
    with serve(good) as endpoint:
        done = run(pairs(tmp_path / "in.jsonl", 8), endpoint, money=0.02, prices=Prices(10, 30), concurrency=1)
    assert 0 < done.asked < 8 and done.money == pytest.approx(done.asked * (100 * 10 + 50 * 30) / 1e6)
    assert done.money <= 0.02


def test_stopping_keeps_what_was_answered(tmp_path: Path) -> None:
    source, stop = pairs(tmp_path / "in.jsonl"), threading.Event()
    with serve(good) as endpoint:
        wish = Wish(endpoint.url, "tiny", n=2, concurrency=1)
        done = augment(source, tmp_path / "out.jsonl", wish, stop=stop,
                       tell=lambda done, total, budget: stop.set() if done == 3 else None)  # fmt: skip
        assert done.stopped and done.path is None and done.asked == 3 and not (tmp_path / "out.jsonl").exists()
        assert run(source, endpoint).asked == 6 and len(endpoint.bodies) == 6


def test_no_other_wish_goes_on_from_a_log(tmp_path: Path) -> None:
    source = pairs(tmp_path / "in.jsonl")
    with serve(good) as endpoint:
        run(source, endpoint, tokens=1)
        about = unfinished(tmp_path / "out.jsonl")
        assert about and (about["model"], about["n"], about["prompt"]) == ("tiny", 2, TEMPLATE)
        with pytest.raises(UsageError, match="other values of: n, temperature"):
            run(source, endpoint, n=1, temperature=0.1)


def test_the_rate_holds(tmp_path: Path) -> None:
    pace, stop = Pace(600), threading.Event()
    start = time.monotonic()
    assert all(pace.wait(stop) for _ in range(4))
    assert time.monotonic() - start >= 0.3
    free = Pace(0)
    free.hold(0.2)
    start = time.monotonic()
    assert free.wait(stop) and time.monotonic() - start >= 0.19
    stop.set()
    assert not pace.wait(stop)


def test_the_key_is_sent_and_never_written_or_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-very-secret-0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", key)
    source = pairs(tmp_path / "in.jsonl")

    def tells(body: Row, before: int) -> Answer:
        return 401, {}, json.dumps({"error": {"message": f"Incorrect API key provided: {key}"}})

    with serve(good) as endpoint:
        run(source, endpoint, tokens=1000, concurrency=1)
        assert endpoint.headers[0]["Authorization"] == f"Bearer {key}"
        endpoint.answer = tells
        with pytest.raises(DiapasonError, match="does not accept the key") as raised:
            run(source, endpoint)
    assert key not in f"{raised.value} {raised.value.hint}"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 3 and not [path for path in files if key.encode() in path.read_bytes()]


def test_fields_that_an_endpoint_does_not_know_are_left_out(tmp_path: Path) -> None:
    def strict(body: Row, before: int) -> Answer:
        for name, hint in (("max_tokens", "use max_completion_tokens"), ("seed", "")):
            if name in body:
                return 400, {}, json.dumps({"error": {"message": f"unknown field {name}; {hint}"}})
        return good(body, before)

    with serve(strict) as endpoint:
        done = run(pairs(tmp_path / "in.jsonl", 6), endpoint, concurrency=4)
    assert done.asked == 6 and "max_completion_tokens" in endpoint.bodies[-1]


def test_rows_are_chosen_by_number_label_and_finding(tmp_path: Path) -> None:
    rows = [{"text": f"{topic}", "label": "ab"[k % 2]} for k, topic in enumerate(TOPICS)]
    rows[3]["text"] = "Dear {{name}}, hello"
    source = open_dataset(write(tmp_path / "in.jsonl", *rows, {"text": "x"}))

    def count(choice: Choice) -> int:
        return plan(source, Wish("http://x/v1", "m", choice=choice)).rows

    assert count(Choice()) == 8 and count(Choice(label="a")) == 4
    assert count(Choice(parse_spans("1, 3-4"), "a")) == 2 and count(Choice(label="b", rows={0, 1, 3})) == 2
    assert rows_with(source, "template_placeholder") == {3}
    with pytest.raises(UsageError, match="no row has the finding `bad_json`") as raised:
        rows_with(source, "bad_json")
    assert raised.value.hint and "template_placeholder" in raised.value.hint
    with pytest.raises(DiapasonError, match="no row can have variants"):
        count(Choice(label="c"))
    with pytest.raises(UsageError):
        parse_spans("1-x")


def test_preferences_and_bad_answers_have_no_variants(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", {"prompt": "p", "chosen": "a", "rejected": "b"})
    with pytest.raises(DiapasonError, match="none of them has one question and one answer"):
        plan(open_dataset(source), Wish("http://x/v1", "m"))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ('[{"prompt": "a", "answer": "b"}]', [("a", "b")]),
        ('Sure [1]: {"variants": [{"Question": "a", "output": "b"}, 5]} done', [("a", "b")]),
        ('{"prompt": "a", "answer": "b"}\n{"prompt": "c", "answer": "d"}', [("a", "b"), ("c", "d")]),
        ('[{"prompt": "a", "answer": "b"}, {"prompt": "c", "ans', [("a", "b")]),
        ('[{"prompt": "a", "answer": "b"}, {"prompt": "a", "answer": "b"}]', [("a", "b")]),
        ('[{"prompt": 5, "answer": null}]', []),
        ('<think>[{"prompt": "draft", "answer": "x"}]</think>[{"prompt": "a", "answer": "b"}]', [("a", "b")]),
        ("[" * 100_000, []),
        ("no json at all", []),
    ],
    ids=range(9),
)
def test_replies_are_read_robustly(reply: str, expected: list[tuple[str, str]]) -> None:
    assert parse_variants(reply) == expected


@given(st.text(st.characters() | st.sampled_from('[]{}",:\\\n'), max_size=80), st.lists(pair, min_size=1, max_size=4))
def test_pairs_are_found_among_other_words(noise: str, wanted: list[tuple[str, str]]) -> None:
    parse_variants(noise)
    items = json.dumps([{"prompt": prompt, "answer": answer} for prompt, answer in wanted])
    words = noise.translate(dict.fromkeys(map(ord, "[]{}"), " "))
    assert parse_variants(f"{words}\n```json\n{items}\n```\n{words}") == list(dict.fromkeys(wanted))


def test_braces_of_a_row_stay_what_they_are() -> None:
    text = fill(TEMPLATE, "{answer} {n} {x}", "{prompt}", 4)
    assert "<prompt>\n{answer} {n} {x}\n</prompt>\n<answer>\n{prompt}\n</answer>" in text and "Write 4 new" in text
    assert guess_tokens("ab" * 50) >= 50
