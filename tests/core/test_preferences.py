"""Judgements as rows for training: whose verdict counts, what is left out, which prompts are used from then on."""

from __future__ import annotations

from pathlib import Path

from core.data.example import Example, Message
from core.files import read_jsonl
from core.judging.desk import Desk
from core.judging.handover import next_round
from core.judging.pairs import response_id
from core.judging.place import judging_of
from core.judging.preferences import consensus, export, preferences
from core.judging.session import load
from core.judging.used import prompt_id, prompt_of, used_prompts
from core.judging.votes import Vote, read_votes
from tests.judging_run import answer_rows, make_run


def vote(verdict: str, winner: str | None = None, judge: str = "ana") -> Vote:
    return Vote("1", judge, "p", verdict, winner)


def test_several_judges_have_one_verdict_whatever_the_arms() -> None:
    assert consensus([]) is None and consensus([vote("skip")]) is None
    assert consensus([vote("left", "few-shot:5"), vote("tie")]) == "few-shot:5"
    assert consensus([vote("left", "a"), vote("right", "b"), vote("right", "b")]) == "b"
    assert consensus([vote("left", "a"), vote("right", "b")]) == "tie"
    assert consensus([vote("both_bad"), vote("skip")]) == "both_bad"
    assert consensus([vote("both_bad"), vote("tie")]) == "tie"


def test_pairs_that_were_judged_otherwise_when_they_came_again_teach_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path, answer_rows(60))
    desk = Desk(run, count=40)
    contradicted: set[str] = set()
    while (pair := desk.next_pair()) is not None:
        first = desk.votes.latest(desk.judge, pair.repeat_of) if pair.repeat_of else None
        if first is not None and not contradicted:
            # The left one again, which is the other answer now.
            contradicted.add(str(pair.repeat_of))
            desk.vote(pair, first.verdict)
        elif first is not None:
            desk.vote(pair, "left" if pair.left == first.winner else "right")
        else:
            desk.vote(pair, "left")
    desk.close()
    session = load(run)
    assert session is not None and len(contradicted) == 1
    votes = read_votes(session)
    for format, rows in (("dpo", 39), ("kto", 78)):
        found = preferences(session, votes, format)
        assert found.left_out == {"inconsistent": 1} and len(found.rows) == rows and len(found.pairs) == 39

    assert used_prompts(run) == set()
    export(session, votes, tmp_path / "pairs.jsonl")
    assert used_prompts(run) == {prompt_of(pair) for pair in session.asked if pair.id not in contradicted}
    (record,) = read_jsonl(run / "judging" / "used.jsonl")[0]
    assert record["format"] == "dpo" and record["session"] == session.id and record["file"].endswith("pairs.jsonl")
    # A row of data that asks the same is recognised, however it is spaced.
    one = session.asked[0]
    asked = Message("user", f"  {str(one.prompt[0]['content']).upper()} ")
    assert prompt_id(Example("chat", 0, 1, (asked,), ())) == prompt_of(one) != response_id("")

    handed = next_round(judging_of(run), tmp_path / "pairs.jsonl", "dpo")
    assert handed.start == run.name and handed.test is None
    assert f"--start {run.name}" in handed.command() and handed.wizard()["begin"] == run.name
