"""The judging screen: tags, flags, long answers, Markdown, repeats, named judgings, small terminals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tui.screens.judge as judge
from core.files import read_jsonl
from core.home import home
from core.judging.named import begin
from core.judging.place import find_judging
from tests.judging_run import answer_rows
from tests.tui.screen_text import assert_inert, shown, told, until
from tests.tui.test_judge import LARGE, LONG, SMALL, a_run, drawn, judging, press_verdict, screen, standing
from tui.app import DiapasonApp
from tui.screens.home import HomeScreen

MARKDOWN = """# Retour

Voici **comment** faire, avec `retour()` et [un lien](https://x.fr) [js](javascript:alert(1)) &#27;[2J <b>x</b> [/b] ![i](http://x/y):

1. ouvrir
2. envoyer

```python
print("é")  # [INST] \x1b]0;pwned\x07
```

| Étape | Jours |
|---|---:|
| envoi | 3 |
"""


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setattr(judge, "DEBOUNCE_SECONDS", 0.0)
    monkeypatch.chdir(tmp_path)


def last_vote(run: Path) -> dict[str, Any]:
    return [record for record in read_jsonl(run / "judging" / "votes-ann.jsonl")[0] if record["event"] == "vote"][-1]


def named(folder: Path, arms: int = 2, rows: int = 3) -> None:
    paths = [folder / f"m{arm}.jsonl" for arm in range(arms)]
    for arm, path in enumerate(paths):
        path.write_text(
            "".join(json.dumps({"prompt": f"Q{row}", "answer": f"{arm} says {row}"}) + "\n" for row in range(rows))
        )
    begin(paths, "mine")


async def test_capital_letters_tag_the_verdict_and_undo_brings_the_tags_back() -> None:
    run = a_run()
    async with judging(run) as pilot:
        await pilot.press("C", "H", "S", "H", "f")
        await until(pilot, lambda: "· correct · style · flagged" in shown(pilot.app))
        await press_verdict(pilot, "1")
        assert (last_vote(run)["reasons"], last_vote(run)["flag"]) == (["correct", "style"], True)
        assert "correct" not in shown(pilot.app)
        await press_verdict(pilot, "u")
        assert "· vote taken back · correct · style · flagged" in shown(pilot.app)
        await pilot.press("f", "n")
        await until(pilot, lambda: pilot.app.focused is not None)
        await pilot.press("C", "M", "enter")
        await until(pilot, lambda: pilot.app.focused is None)
        await press_verdict(pilot, "2")
        assert (last_vote(run)["reasons"], last_vote(run)["note"]) == (["correct", "style"], "CM")
        assert last_vote(run)["flag"] is False
        assert any(action.key_shown == "⇧c" for action in screen(pilot).all_actions())


async def test_reasons_come_from_the_settings_and_a_clash_is_told() -> None:
    run = a_run()
    settings = home() / "settings.yaml"
    settings.write_text("judging:\n  repeats: 0\n  reasons: {polite: P, kind: R}\n")
    async with judging(run) as pilot:
        await pilot.press("P", "C")
        await until(pilot, lambda: "· polite" in shown(pilot.app))
        await press_verdict(pilot, "t")
        assert last_vote(run)["reasons"] == ["polite"]
    for reasons, said in (("{a: S, b: S}", "`a` and `b` have S"), ("{a: s}", "one letter from A to Z")):
        settings.write_text(f"judging:\n  reasons: {reasons}\n")
        app = DiapasonApp("judge", run=run)
        async with app.run_test(size=LARGE, notifications=True) as pilot:
            await until(pilot, lambda app=app, said=said: "settings.yaml:2" in shown(app) and said in shown(app))


async def test_what_was_not_read_to_its_end_needs_a_second_press(monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(answer_rows(4, base=lambda row: LONG, tuned=lambda row: f"Short {row}."))
    async with judging(run) as pilot:
        await pilot.press("1")
        await until(pilot, lambda: "1 again if you are sure: not read to its end" in shown(pilot.app))
        await pilot.press("t")
        await until(pilot, lambda: "t again if you are sure" in shown(pilot.app))
        assert standing(run) == []
        await press_verdict(pilot, "t")
        assert standing(run) == ["tie"]
        # A key that is held down is no second press.
        monkeypatch.setattr(judge, "DEBOUNCE_SECONDS", 60.0)
        for _ in range(5):
            pilot.app.simulate_key("1")
        await pilot.pause(0.1)
        assert standing(run) == ["tie"]
        monkeypatch.setattr(judge, "DEBOUNCE_SECONDS", 0.0)
        await press_verdict(pilot, "s")
        for _ in range(20):
            await pilot.press("space")
        await until(pilot, lambda: screen(pilot).view.seen)
        await press_verdict(pilot, "2")
        assert standing(run) == ["tie", "skip", "right"]


async def test_answers_scroll_apart_and_together_again() -> None:
    async with judging(a_run(answer_rows(2, base=lambda row: LONG, tuned=lambda row: LONG + "x"))) as pilot:
        left, right = screen(pilot).view.sides
        await pilot.press("tab")
        await until(pilot, lambda: "the answers scroll together" in told(pilot.app))
        await pilot.press("a", "pagedown")
        await until(pilot, lambda: left.scroll_offset.y > 0 and "↕ scrolls" in shown(pilot.app))
        assert right.scroll_offset.y == 0
        await pilot.press("tab", "down", "down")
        await until(pilot, lambda: right.scroll_offset.y == 2)
        await pilot.press("a", "up")
        await until(pilot, lambda: right.scroll_offset.y == 1 and "↕" not in shown(pilot.app))


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_markdown_is_drawn_alike_and_inert_and_can_be_seen_as_written(size: tuple[int, int]) -> None:
    rows = answer_rows(2, base=lambda row: MARKDOWN, tuned=lambda row: MARKDOWN + "\nFin.")
    async with judging(a_run(rows), size) as pilot:
        left, right = screen(pilot).view.sides
        plain = ["\n".join(line.plain for line in side._lines) for side in (left, right)]
        assert {text.replace("\n\nFin.", "") for text in plain} == {plain[0].replace("\n\nFin.", "")}
        for piece in (
            "Voici comment faire, avec `retour()`",
            "un lien (https://x.fr) [js](javascript:alert(1))",
            "<b>x</b>",
            "[/b]",
        ):
            assert piece in plain[0].replace("\n", " ")
        assert "│ print" in plain[0] and "Étape │ Jours" in plain[0] and "```" not in plain[0]
        assert_inert(pilot.app)
        await pilot.press("m")
        await until(pilot, lambda: "# Retour" in shown(pilot.app) and "**comment**" in shown(pilot.app))
        assert_inert(pilot.app)
        await pilot.press("d")
        await until(pilot, lambda: any("Fin" in line.plain for line in (*left._lines, *right._lines)))
        assert_inert(pilot.app)
        await pilot.press("d", "m")
        await until(pilot, lambda: "# Retour" not in shown(pilot.app))


async def test_a_named_judging_goes_on_from_home_and_names_its_files_at_the_end(tmp_path: Path) -> None:
    named(tmp_path)
    app = DiapasonApp("home")
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: "judge mine (0 of 3 judged)" in shown(app) and "Judgings" in shown(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, judge.JudgeScreen) and app.screen.pair is not None)
        for _ in range(3):
            await until(pilot, lambda: drawn(pilot))
            assert "m0" not in shown(app) and "m1" not in shown(app)
            await press_verdict(pilot, "1")
        await until(pilot, lambda: "m0" in shown(app) and "m1" in shown(app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen) and "judge mine" not in shown(app))


async def test_three_files_are_ranked_at_the_end(tmp_path: Path) -> None:
    named(tmp_path, arms=3, rows=6)
    app = DiapasonApp("judge", run=find_judging("mine"), judge="Zoë")
    async with app.run_test(size=LARGE, notifications=True) as pilot:
        await until(pilot, lambda: isinstance(app.screen, judge.JudgeScreen) and app.screen.pair is not None)
        await until(pilot, lambda: "judged by Zoë" in shown(app) and drawn(pilot))
        for _ in range(6):
            await press_verdict(pilot, "1")
        await until(pilot, lambda: all(f"m{arm}" in shown(app) for arm in range(3)))


async def test_enough_votes_say_so_without_a_side_and_the_result_can_be_left() -> None:
    run = a_run(answer_rows(12), count=12)
    async with judging(run) as pilot:
        await pilot.press("e")
        await until(pilot, lambda: "once there are enough votes" in told(pilot.app))
        for _ in range(9):
            pair = screen(pilot).pair
            assert pair is not None and "enough" not in shown(pilot.app).split("\n")[0]
            await press_verdict(pilot, "1" if pair.left == "tuned" else "2")
        assert "enough votes: you can stop (e)" in shown(pilot.app) and "tuned" not in shown(pilot.app)
        await pilot.press("e")
        await until(pilot, lambda: "tuned" in shown(pilot.app) and screen(pilot).pair is None)
        await pilot.press("c")
        await until(pilot, lambda: "pair 10 of 13" in shown(pilot.app))


async def test_a_repeat_looks_like_any_pair() -> None:
    run = a_run(answer_rows(10), count=10)
    async with judging(run) as pilot:
        for number in range(1, 12):
            assert f"pair {number} of 11" in shown(pilot.app) and "again" not in shown(pilot.app)
            await press_verdict(pilot, "1")
        assert last_vote(run)["repeat_of"] is not None and len(standing(run)) == 10
        await until(pilot, lambda: "decisive pairs" in shown(pilot.app))


@pytest.mark.parametrize("size", [(40, 10), (24, 8), (80, 24)])
async def test_a_small_terminal_still_judges(size: tuple[int, int]) -> None:
    run = a_run(answer_rows(2, base=lambda row: LONG, tuned=lambda row: "Hello there."))
    async with judging(run, size) as pilot:
        left, right = screen(pilot).view.sides
        assert left.scrollable_content_region.height >= 1 and left.outer_size == right.outer_size
        await pilot.press("z")
        await until(pilot, lambda: "Line 0" in shown(pilot.app) or "Hello there." in shown(pilot.app))
        await pilot.press("1")
        await until(pilot, lambda: screen(pilot)._unsure == "left")
        await press_verdict(pilot, "1")
        assert standing(run) == ["left"]
