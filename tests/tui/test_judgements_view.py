"""What `diapason judgements` prints and what the result page shows, for two sides and for more."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from textual.content import Content

from core.data.dataset import fingerprint
from core.judging.desk import Desk
from core.judging.judgement import Judgement
from core.judging.results import Results, results, results_of
from tests.judging_run import answer_rows, make_run
from tui.cli import run as diapason
from tui.judgements_view import lines
from tui.screens.judge_result import result_content

WILD = "\x1b]0;pwned\x07 [bold red]x[/] \u202e e\u0301vil"


def two(number: int = 60) -> list[Judgement]:
    draw = random.Random(7)
    found: list[Judgement] = []
    for judge in ("ann", "bob"):
        for n in range(number):
            left, right = draw.sample(["base", "tuned"], 2)
            better = "left" if left == "tuned" else "right"
            verdict = better if draw.random() < 0.75 else draw.choice(["left", "right", "tie", "both_bad"])
            lengths = {"base": 100 + n, "tuned": 160 - n // 2}
            found.append(
                Judgement(
                    judge, f"prompt {n}", left, right, verdict, lengths[left], lengths[right],
                    slices={"topic": f"t{n % 3}", "id": str(n)}, reasons=("style",) if n % 4 == 0 else (),
                )
            )  # fmt: skip
    return found


def many(names: str = "abc") -> list[Judgement]:
    draw = random.Random(9)
    found: list[Judgement] = []
    for n in range(150):
        left, right = draw.sample(names, 2)
        verdict = (
            draw.choice(["left", "right", "tie"]) if draw.random() < 0.5 else ("left" if left < right else "right")
        )
        found.append(Judgement("ann", str(n), left, right, verdict))
    return found


def page(found: Results, width: int = 80) -> str:
    content = result_content(found, width, [])
    assert isinstance(content, Content)
    return content.plain


def test_two_sides_say_everything() -> None:
    found = results_of(two())
    text = "\n".join(lines(found))
    for part in (
        "tuned won", "sign test p", "You can stop now: ", "the same, however often one looks:", "at equal length:",
        "left answer won:", "tuned on the left won:", "longer answer won:", "by topic:", "t2  20 prompts",
        "reasons given:", "style", "a pair counts once", "ann and bob: kappa", "to talk about:",
    ):  # fmt: skip
        assert part in text, part
    # An id of its own for each row makes no slices.
    assert "by id:" not in text
    shown = page(found)
    assert shown.index("tuned's share") < shown.index("You can stop now") < shown.index("by topic:")


def test_what_is_not_enough_says_what_is_missing() -> None:
    few = [Judgement("a", str(n), "base", "tuned", "right" if n < 7 else "left") for n in range(10)]
    text = "\n".join(lines(results_of(few)))
    assert "Not enough to stop yet: 10 of 10 would be; a true 60/40 would need about" in text
    assert "equal length" not in text and "longer answer won:     –" in text
    for sides in (("base", "tuned"), ("a", "b", "c")):
        nothing = Results([], sides, pairs=5, left=5)
        assert page(nothing).startswith("no pair is judged yet") and lines(nothing)[0] == "no pair is judged yet"
        assert nothing.to_json()["complete"] is False
    ties = [Judgement("a", str(n), "base", "tuned", "tie") for n in range(3)]
    assert "no side won any of the 3 pairs" in page(results_of(ties))


@pytest.mark.parametrize("width", [30, 80, 200])
def test_more_sides_are_ranked(width: int) -> None:
    found = results_of(many())
    text = "\n".join(lines(found))
    assert "a is first of 3" in text and "advantage of the left:" in text and "won by the side in front" in text
    rows = [line for line in page(found, width).splitlines() if line.startswith((" 1  ", " 2  ", " 3  "))]
    assert [row.split()[1] for row in rows] == ["a", "b", "c"] and all("●" in row for row in rows)
    ranking = found.to_json()["ranking"]
    assert [each["rank"] for each in ranking] == [1, 2, 3] and ranking[0]["strength"]["low"] is not None


def test_wild_names_and_prompts_are_inert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "votes.csv"
    rows = [
        f'"{WILD} {n}","{WILD}",b,{"left" if n % 3 else "tie"},{judge}' for n in range(9) for judge in ("x", WILD)
    ]
    path.write_text("\n".join(["prompt,left,right,winner,judge", *rows]), "utf-8", newline="")
    assert diapason(["judgements", "--votes", str(path)]) == 0
    out = capsys.readouterr().out
    assert "[bold red]x[/]" in out and not set("\x1b\x07\u202e") & set(out)
    from core.judging.votes_file import read_votes_file

    shown = page(results_of(read_votes_file(path)))
    assert "[bold red]x[/]" in shown and not set("\x1b\x07\u202e") & set(shown)


def test_slices_by_a_field_of_the_test_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LOGNAME", "ann")
    run = make_run(tmp_path / "home" / "runs", answer_rows(12), name="support")
    data = tmp_path / "test.jsonl"
    data.write_text("".join(json.dumps({"prompt": f"q{n}", "completion": "a", "meta": {"topic": f"t{n % 2}"}}) + "\n"
                            for n in range(12)))  # fmt: skip
    spec = json.loads((run / "spec.json").read_text())
    (run / "spec.json").write_text(json.dumps({**spec, "data": {"test": fingerprint(data)}}))
    desk = Desk(run)
    while pair := desk.next_pair():
        # tuned wins the odd rows only.
        wanted = "tuned" if pair.row % 2 else "base"
        if pair.row == 4:
            desk.note(pair, f"rude {WILD}")
            desk.flag(pair, True)
        desk.vote(pair, "left" if pair.left == wanted else "right")
    desk.close()
    assert diapason(["judgements", "support"]) == 0
    told = capsys.readouterr().out
    assert "line 5: Where is parcel 4?  ann: base, flagged: rude ␛" in told and "\x1b" not in told
    assert diapason(["judgements", "support", "--by", "meta.topic", "--json"]) == 0
    parts = json.loads(capsys.readouterr().out)["slices"]["meta.topic"]
    assert [(part["value"], part["wins"], part["losses"]) for part in parts] == [("t0", 0, 6), ("t1", 6, 0)]
    assert diapason(["judgements", "support", "--by", "nothing"]) == 2
    assert "no test row has the field `nothing`" in capsys.readouterr().err
    data.write_text("")
    assert diapason(["judgements", "support", "--by", "meta.topic"]) == 1
    assert "other rows than those judged" in capsys.readouterr().err


def test_answers_that_name_their_model_are_told(tmp_path: Path) -> None:
    rows = answer_rows(6, tuned=lambda row: "As a fine-tuned model I say yes." if row < 3 else f"Yes, {row}.")
    desk = Desk(make_run(tmp_path, rows, name="zebrafish"), judge="ann")
    while pair := desk.next_pair():
        # Row 0 is only skipped: nothing rests on it.
        desk.vote(pair, "skip" if pair.row == 0 else "left")
    desk.close()
    found = results(desk.session, desk.votes).worked_out()
    assert found.telling == 2 and (found.judged, found.skipped, found.left) == (5, 1, 0)
    assert "In 2 pairs an answer names its model: these were not blind." in found.cautions()


def test_the_command_on_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "votes.csv"
    # Of one prompt each judgement has its own topic.
    rows = "".join(f"{n},a,b,left,t,{n}{j}\n{n},a,b,tie,u,{n}{j}\n" for n in range(12) for j in "xy")
    path.write_text("prompt,left,right,winner,topic,key\n" + rows)
    assert diapason(["judgements", "--votes", str(path), "--by", "topic", "--json"]) == 0
    parts = json.loads(capsys.readouterr().out)["slices"]["topic"]
    assert [(part["losses"], part["ties"]) for part in parts] == [(12, 0), (0, 12)]
    assert diapason(["judgements", "--votes", str(path), "--by", "key"]) == 2
    assert "`key` has 24 values, too many" in capsys.readouterr().err
    path.write_text("prompt,left,right,winner,topic\n" + "".join(f"{n},a,b,left,t\n" for n in range(12)))
    assert diapason(["judgements", "--votes", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1 and document["votes"] == str(path) and document["session"] is None
    assert (document["candidate"], document["wins"], document["losses"]) == ("b", 0, 12)
    assert document["stopping"]["at"] == {"ahead": 9, "of": 9}
    assert diapason(["judgements", "--votes", str(path), "--by", "topic"]) == 0
    assert "by topic:" in capsys.readouterr().out
    assert diapason(["judgements", "--votes", str(path), "--by", "label"]) == 2
    assert "no judgement has the field `label`" in capsys.readouterr().err
    path.write_text("prompt,left,right,winner\n1,a,b,first\n")
    assert diapason(["judgements", "--votes", str(path)]) == 2
    assert f"{path}:2: winner is `first`; allowed are left, right, tie, both_bad" in capsys.readouterr().err
    assert diapason(["judgements"]) == 2 and diapason(["judgements", "x", "--votes", str(path)]) == 2
    assert "one of them" in capsys.readouterr().err
