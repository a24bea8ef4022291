"""The judging screen, by its keys."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

import tui.screens.judge as judge
import tui.screens.judge_generate as judge_generate
from core.errors import DiapasonError
from core.files import read_jsonl
from core.home import runs_dir
from core.judging.desk import Desk
from core.judging.place import Judging
from core.judging.session import load, prepare
from core.judging.votes import read_votes
from tests.judging_run import answer_rows, make_run, write_answers
from tests.tui.screen_text import assert_inert, shown, until
from tui.app import DiapasonApp

SMALL, LARGE = (80, 24), (200, 50)
LONG = "".join(f"Line {number} of a long answer.\n" for number in range(80))


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setattr(judge, "DEBOUNCE_SECONDS", 0.0)
    monkeypatch.chdir(tmp_path)


def a_run(rows: Sequence[dict[str, Any]] | None = None, *, seed: int = 1, count: int | None = None) -> Path:
    """A run with a session of a known order and known sides."""
    run = make_run(runs_dir(), answer_rows(6) if rows is None else rows)
    prepare(run, count, seed=seed)
    return run


@asynccontextmanager
async def judging(run: Path, size: tuple[int, int] = SMALL, **kwargs: Any) -> AsyncIterator[Pilot[Any]]:
    app = DiapasonApp("judge", run=run, **kwargs)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, judge.JudgeScreen) and app.screen.desk is not None)
        await until(pilot, lambda: "opening" not in shown(app) and drawn(pilot))
        yield pilot


def screen(pilot: Pilot[Any]) -> judge.JudgeScreen:
    found = pilot.app.screen
    assert isinstance(found, judge.JudgeScreen)
    return found


def told(app: App[Any]) -> str:
    """All notices so far; on the screen they are broken into lines."""
    return "\n".join(notice.message for notice in app._notifications)


def standing(run: Path) -> list[str]:
    """The verdicts on disk, in the order of the pairs."""
    session = load(run)
    assert session is not None
    votes = read_votes(session).standing("ann")
    return [votes[pair.id].verdict for pair in session.asked if pair.id in votes]


async def press_verdict(pilot: Pilot[Any], key: str) -> None:
    """Press a key that shows another pair, or the end, and wait for it."""
    before = screen(pilot).pair
    await pilot.press(key)
    await until(pilot, lambda: screen(pilot).pair is not before and drawn(pilot))


def drawn(pilot: Pilot[Any]) -> bool:
    """Whether the pair is on the screen, so that a key is taken, or no pair is."""
    return screen(pilot).pair is None or screen(pilot).view.drawn_at is not None


async def test_one_key_judges_saves_and_shows_the_next() -> None:
    run = a_run()
    async with judging(run) as pilot:
        verdicts = {"1": "left", "right": "right", "t": "tie", "b": "both_bad", "s": "skip", "left": "left"}
        for number, (key, verdict) in enumerate(verdicts.items(), 1):
            assert f"pair {number} of 6" in shown(pilot.app)
            pair = screen(pilot).pair
            assert pair is not None and pair.left is not None
            assert "\n".join(pair.answers[pair.left].split("\n")) in shown(pilot.app)
            await press_verdict(pilot, key)
            assert standing(run)[-1] == verdict and len(standing(run)) == number
        await until(pilot, lambda: "decisive pairs" in shown(pilot.app))


async def test_nothing_tells_the_sides_apart_before_the_end() -> None:
    async with judging(a_run(), LARGE) as pilot:
        for _ in range(6):
            text = shown(pilot.app).casefold()
            assert not any(word in text for word in ("tuned", "base", "starter", "won", "%"))
            left, right = pilot.app.screen.query_one("#left"), pilot.app.screen.query_one("#right")
            assert left.size == right.size and left.outer_size == right.outer_size
            await press_verdict(pilot, "1")
        assert "tuned won" in shown(pilot.app) and "starter" in shown(pilot.app)


@pytest.mark.parametrize("size", [(80, 24), (81, 25), (120, 31), (121, 30), (200, 50)])
async def test_both_answers_have_the_same_room(size: tuple[int, int]) -> None:
    async with judging(a_run(answer_rows(2, tuned=lambda row: LONG)), size) as pilot:
        await pilot.pause()
        left, right = pilot.app.screen.query_one("#left"), pilot.app.screen.query_one("#right")
        assert left.outer_size == right.outer_size
        assert left.scrollable_content_region.size == right.scrollable_content_region.size
        stacked = left.region.x == right.region.x
        assert stacked == (size[0] < 100)


async def test_undo_goes_back_without_limit_and_across_restarts() -> None:
    run = a_run()
    async with judging(run) as pilot:
        for key in "12t":
            await press_verdict(pilot, key)
        await press_verdict(pilot, "u")
        assert "pair 3 of 6" in shown(pilot.app) and "vote taken back" in shown(pilot.app)
        await press_verdict(pilot, "b")
        assert standing(run) == ["left", "right", "both_bad"]
    async with judging(run) as pilot:
        assert "pair 4 of 6" in shown(pilot.app)
        for number in (3, 2, 1):
            await press_verdict(pilot, "backspace")
            assert f"pair {number} of 6" in shown(pilot.app)
        await pilot.press("u")
        await until(pilot, lambda: "no vote of yours to take back" in told(pilot.app))
        assert standing(run) == []


async def test_undo_at_the_end_shows_the_last_pair_again() -> None:
    run = a_run(answer_rows(2))
    async with judging(run) as pilot:
        for key in "11":
            await press_verdict(pilot, key)
        assert "tuned" in shown(pilot.app)
        await press_verdict(pilot, "u")
        text = shown(pilot.app)
        assert "pair 2 of 2" in text and "tuned" not in text


async def test_a_held_key_judges_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "DEBOUNCE_SECONDS", 0.15)
    run = a_run()
    async with judging(run) as pilot:
        before = screen(pilot).pair
        for _ in range(30):
            pilot.app.simulate_key("1")
        pilot.app.simulate_key("d")
        await until(pilot, lambda: underlined(pilot))  # the key after them has been seen to
        assert screen(pilot).pair is not before and standing(run) == ["left"]
        calm = time.monotonic()
        await until(pilot, lambda: time.monotonic() - calm > 0.2)
        await press_verdict(pilot, "2")
        assert standing(run) == ["left", "right"]


async def test_letters_type_while_the_note_has_the_focus() -> None:
    run = a_run()
    async with judging(run) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.focused, Input))
        await pilot.press("b", "1", "t", "left", "s", "question_mark", "u")
        assert pilot.app.screen.query_one("#note", Input).value == "b1s?ut"
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.focused is None)
        assert standing(run) == [] and "has a note" in shown(pilot.app)
        pair = screen(pilot).pair
        await press_verdict(pilot, "t")
        assert "has a note" not in shown(pilot.app)
        assert pilot.app.screen.query_one("#note", Input).value == ""
    session = load(run)
    assert session is not None and pair is not None
    assert read_votes(session).notes == {("ann", pair.id): "b1s?ut"}


async def test_esc_closes_note_then_zoom_then_leaves_and_all_is_saved() -> None:
    run = a_run()
    async with judging(run) as pilot:
        await press_verdict(pilot, "1")
        await pilot.press("z", "n")
        await until(pilot, lambda: isinstance(pilot.app.focused, Input))
        await pilot.press("x", "escape")
        await until(pilot, lambda: pilot.app.focused is None)
        assert not pilot.app.screen.query_one("#right").display
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen.query_one("#right").display)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, judge.JudgeScreen))
        assert standing(run) == ["left"]
        Desk(run, judge="ann").close()  # the lock was given back


async def test_zoom_shows_one_then_the_other_then_both_and_keys_still_judge() -> None:
    run = a_run()
    async with judging(run, LARGE) as pilot:
        seen = []
        for _ in range(4):
            seen.append(tuple(pilot.app.screen.query_one(side).display for side in ("#left", "#right")))
            await pilot.press("z")
            await pilot.pause()
        assert seen == [(True, True), (True, False), (False, True), (True, True)]
        await press_verdict(pilot, "2")
        assert standing(run) == ["right"]
        assert pilot.app.screen.query_one("#left").display


async def test_long_answers_scroll_together() -> None:
    async with judging(a_run(answer_rows(3, base=lambda row: LONG + str(row), tuned=lambda row: LONG))) as pilot:
        left, right = pilot.app.screen.query_one("#left"), pilot.app.screen.query_one("#right")
        await until(pilot, lambda: left.border_subtitle and right.border_subtitle)
        await pilot.press("pagedown")
        await until(pilot, lambda: left.scroll_offset.y == right.scroll_offset.y > 3)
        await pilot.press("up", "up", "down")
        page = left.scrollable_content_region.height - 1
        await until(pilot, lambda: left.scroll_offset.y == right.scroll_offset.y == page - 1)
        for _ in range(16):
            await pilot.press("space")
        await until(pilot, lambda: "Line 79" in shown(pilot.app) and not left.border_subtitle)
        await press_verdict(pilot, "1")
        assert left.scroll_offset.y == right.scroll_offset.y == 0


async def test_a_long_prompt_scrolls_and_leaves_room() -> None:
    rows = answer_rows(2, prompt=lambda row: "\n".join(f"prompt line {line}" for line in range(60)))
    async with judging(a_run(rows)) as pilot:
        await until(pilot, lambda: all(text in shown(pilot.app) for text in ("prompt line 0", "◀ 1", "2 ▶")))
        await pilot.press(*["right_square_bracket"] * 20)
        await until(pilot, lambda: "prompt line 20" in shown(pilot.app))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: "prompt line 19" in shown(pilot.app))


async def test_the_diff_underlines_what_the_other_lacks_on_both_sides() -> None:
    rows = answer_rows(2, base=lambda _: "It left yesterday.", tuned=lambda _: "It left today, dear!")
    async with judging(a_run(rows), LARGE) as pilot:
        assert underlined(pilot) == ""
        await pilot.press("d")
        await until(pilot, lambda: underlined(pilot))
        assert sorted(underlined(pilot).split()) == sorted(["yesterday", ".", "today", ",", "dear", "!"])
        await pilot.press("d")
        await until(pilot, lambda: not underlined(pilot))


def underlined(pilot: Pilot[Any]) -> str:
    strips = pilot.app.screen._compositor.render_strips()
    return " ".join(
        segment.text for strip in strips for segment in strip if segment.style and segment.style.underline
    )


async def test_skipped_pairs_can_be_judged_at_the_end() -> None:
    run = a_run(answer_rows(4))
    async with judging(run) as pilot:
        await pilot.press("r")
        await until(pilot, lambda: "the skipped pairs come at the end" in told(pilot.app))
        for key in "s1s2":
            await press_verdict(pilot, key)
        await press_verdict(pilot, "r")
        assert "pair 1 of 4" in shown(pilot.app)
        await press_verdict(pilot, "t")
        assert "pair 3 of 4" in shown(pilot.app)
        await press_verdict(pilot, "u")
        assert "pair 1 of 4" in shown(pilot.app)
        for key in "1b":
            await press_verdict(pilot, key)
        assert standing(run) == ["left", "left", "both_bad", "right"]
        await until(pilot, lambda: screen(pilot).why_nothing_skipped() == "no pair was skipped")


async def test_the_result_exports_preferences(tmp_path: Path) -> None:
    run = a_run(answer_rows(4))
    async with judging(run) as pilot:
        await pilot.press("p")
        await until(pilot, lambda: "first judge or skip all pairs" in told(pilot.app))
        for key in "12tb":
            await press_verdict(pilot, key)
        for name, key, rows in (("desk-dpo.jsonl", "p", 2), ("desk-kto.jsonl", "k", 6)):
            await pilot.press(key)
            await until(pilot, lambda: isinstance(pilot.app.focused, Input))
            assert str(pilot.app.focused.value) == str(tmp_path / name)  # type: ignore[union-attr]
            await pilot.press("enter")
            await until(pilot, (tmp_path / name).exists)
            assert len((tmp_path / name).read_text().splitlines()) == rows
        (tmp_path / "desk-dpo.jsonl").write_text("mine")
        await pilot.press("p")
        await until(pilot, lambda: isinstance(pilot.app.focused, Input))
        await pilot.press("enter")
        await until(pilot, lambda: "Overwrite desk-dpo.jsonl?" in shown(pilot.app))
        await pilot.press("enter")  # Cancel has the focus
        await until(pilot, lambda: isinstance(pilot.app.screen, judge.JudgeScreen))
        assert (tmp_path / "desk-dpo.jsonl").read_text() == "mine"
        await pilot.press("p")
        await until(pilot, lambda: isinstance(pilot.app.focused, Input))
        await pilot.press("enter")
        await until(pilot, lambda: "Overwrite desk-dpo.jsonl?" in shown(pilot.app))
        await pilot.press("right", "enter")
        await until(pilot, lambda: (tmp_path / "desk-dpo.jsonl").read_text() != "mine")


async def test_a_result_without_a_winner_says_so_and_exports_nothing(tmp_path: Path) -> None:
    async with judging(a_run(answer_rows(2))) as pilot:
        for key in "tt":
            await press_verdict(pilot, key)
        assert "no side won any of the 2 pairs judged" in shown(pilot.app)
        await pilot.press("p")
        await until(pilot, lambda: isinstance(pilot.app.focused, Input))
        await pilot.press("enter")
        await until(pilot, lambda: "no decisive judgement to export" in told(pilot.app))
        assert not (tmp_path / "desk-dpo.jsonl").exists()


async def test_all_identical_answers_end_at_once() -> None:
    rows = answer_rows(3, base=lambda _: "Same.", tuned=lambda _: "Same.")
    async with judging(a_run(rows)) as pilot:
        await until(pilot, lambda: "3 identical, not asked" in shown(pilot.app))


async def test_fewer_answers_than_pairs_asked_for_are_told() -> None:
    app = DiapasonApp("judge", run=a_run(), count=40)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: "give 6 different pairs, not 40" in " ".join(told(app).split()))


async def test_a_second_app_is_told_and_the_first_goes_on() -> None:
    run = a_run()
    other = Desk(run, judge="ann")
    app = DiapasonApp("judge", run=run)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: "cannot be judged now" in shown(app))
        await until(pilot, lambda: "being judged already, by ann" in shown(app))
        await pilot.press("1")
        await until(pilot, lambda: "there is no pair on the screen" in told(app))
    other.vote(other.session.asked[0], "tie")
    other.close()


async def test_a_vote_that_cannot_be_saved_is_said_and_the_pair_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run()
    async with judging(run) as pilot:
        pair, desk = screen(pilot).pair, screen(pilot).desk
        assert desk is not None

        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(desk._writer, "write", full)
            await pilot.press("1")
            await until(pilot, lambda: "the vote was not saved: No space left" in told(pilot.app))
        assert screen(pilot).pair is pair and standing(run) == []
        await press_verdict(pilot, "1")
        assert standing(run) == ["left"]


async def test_a_run_without_answers_says_why_and_what_to_do() -> None:
    run = make_run(runs_dir())
    app = DiapasonApp("judge", run=run)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: "nothing to judge" in shown(app) and "Press g" in shown(app))
        await pilot.press("g")
        await until(pilot, lambda: "desk has no tuned model yet" in told(app))


async def test_answers_are_generated_from_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    from core.judging import answers
    from core.runs.folder import RunFolder

    run = make_run(runs_dir())
    job = make_run(run / "jobs", ulid="01jcz3v9k0000000000000000b", name="generate")
    job_state = job / "state.json"
    job_state.write_text(json.dumps({"status": "running", "attempt": 1}))
    monkeypatch.setattr("core.runs.view.status_of", lambda folder, state=None: folder.state()["status"])
    monkeypatch.setattr(judge_generate, "_POLL_SECONDS", 0.05)
    asked: list[Any] = []

    def submit(judging: Judging, count: int | None) -> RunFolder:
        asked.append((judging.run, count))
        return RunFolder(job)

    monkeypatch.setattr(answers, "generate", submit)
    app = DiapasonApp("judge", run=run, count=2)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: "Press g" in shown(app))
        await pilot.press("g")
        await until(pilot, lambda: "making answers, running" in shown(app))
        assert asked == [(run, 2)]
        with (job / "events.jsonl").open("a") as handle:
            handle.write('{"event":"progress","phase":"base","done":3,"total":7,"t":1,"m":1}\n')
        await until(pilot, lambda: "making answers, base: 3 of 7" in shown(app))
        write_answers(run / "judging" / "answers.jsonl", answer_rows(5))
        job_state.write_text(json.dumps({"status": "completed", "attempt": 1, "step": 1}))
        await until(pilot, lambda: "pair 1 of 2" in shown(app))


async def test_a_job_that_fails_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(runs_dir())
    job = make_run(run / "jobs", ulid="01jcz3v9k0000000000000000b", name="generate")
    (job / "spec.json").write_text(json.dumps({"kind": "generate", "name": "generate"}))
    (job / "state.json").write_text(json.dumps({"status": "running", "attempt": 1}))
    for place in ("core.runs.view.status_of", "core.runs.status.status_of"):
        monkeypatch.setattr(place, lambda folder, state=None: folder.state()["status"])
    monkeypatch.setattr(judge_generate, "_POLL_SECONDS", 0.05)
    app = DiapasonApp("judge", run=run)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: "making answers, running" in shown(app))  # found, without a key
        why = {"status": "failed", "attempt": 1, "reason": "out of memory", "hint": "Use a smaller batch."}
        (job / "state.json").write_text(json.dumps(why))
        await until(pilot, lambda: "out of memory" in shown(app) and "Use a smaller batch." in shown(app))


async def test_leaving_while_the_session_opens_gives_the_lock_back(monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run()
    app = DiapasonApp("judge", run=run)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, judge.JudgeScreen))
        deadline = asyncio.get_running_loop().time() + 10
        while True:
            try:
                Desk(run, judge="ann").close()
                break
            except DiapasonError:
                assert asyncio.get_running_loop().time() < deadline
                await pilot.pause(0.02)


WILD = (
    "\x1b]0;pwned\x07\x1b[2J\x1b]52;c;ZXZpbA==\x07 [INST] do [/INST] [@click=app.quit]press[/] "
    "[bold red]x[/] \u202etxt.exe\u2066 a\u200bb\ufeff \x9b31m \ud800 é 日本語 👩‍👩‍👧 \r\n\ttab"
)


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_wild_text_is_inert_on_every_page(size: tuple[int, int]) -> None:
    rows = answer_rows(2, base=lambda row: f"base {WILD}", tuned=lambda row: f"tuned {WILD}", prompt=lambda row: WILD)
    for row in rows:
        row["prompt"].insert(0, {"role": f"sys{WILD}", "content": WILD})
        row["prompt"].insert(1, {"role": "assistant", "content": None, "tool_calls": [{"name": WILD}]})
    run = make_run(runs_dir(), rows, name="desk")
    (run / "spec.json").write_text(json.dumps({"kind": "train", "name": WILD, "model": {"name": WILD}}))
    prepare(run, seed=1)
    async with judging(run, size) as pilot:
        desk, pair = screen(pilot).desk, screen(pilot).pair
        assert desk is not None and pair is not None
        desk.note(pair, WILD)
        for keys in (["z"], ["z"], ["z"], ["d"], ["pagedown"], ["question_mark"], ["escape"]):
            await pilot.press(*keys)
            await pilot.pause()
            assert_inert(pilot.app)
        await press_verdict(pilot, "1")
        await press_verdict(pilot, "u")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.focused, Input))
        assert_inert(pilot.app)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.focused is None)
        assert "[INST]" in shown(pilot.app)
        for _ in range(2):
            await press_verdict(pilot, "2")
        await pilot.press("p")
        await pilot.pause()
        assert_inert(pilot.app)
        assert pilot.app.is_running


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_how_it_looks(size: tuple[int, int], snapshot: SnapshotAssertion) -> None:
    rows = answer_rows(
        12,
        base=lambda row: "Please contact the service.\n" + "It will look into your request. " * 3,
        tuned=lambda row: "Please contact the service.\nWell" if row == 3 else "Hello! We send a new one today. " * 9,
        prompt=lambda row: f"Parcel {row} came damaged: what can I do?",
    )
    rows = [{**row, "answer": "Hello!"} if row["row"] in (5, 6) else row for row in rows]
    async with judging(a_run(rows), size) as pilot:
        await pilot.pause()
        assert shown(pilot.app) == snapshot(name="pair")
        for key in "121tb21s12":
            await press_verdict(pilot, key)
        await pilot.pause()
        assert shown(pilot.app) == snapshot(name="result")


async def test_every_vote_carries_how_long_it_took() -> None:
    run = a_run()
    async with judging(run) as pilot:
        await press_verdict(pilot, "1")
    (vote,), _ = read_jsonl(run / "judging" / "votes-ann.jsonl")
    assert 0 < vote["dwell"] < 60
