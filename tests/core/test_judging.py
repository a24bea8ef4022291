"""Judging: blind balanced pairs, votes that survive anything, and what they add up to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DiapasonError, UsageError
from core.files import read_json, read_jsonl
from core.judging.desk import Desk
from core.judging.diff import word_diff
from core.judging.pairs import BLOCK, choose, pair_up, response_id, walk
from core.judging.preferences import export, preferences, summary
from core.judging.results import results
from core.judging.session import NothingToJudge, load
from core.judging.votes import read_votes
from tests.judging_run import answer_rows, make_run, write_answers


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path, answer_rows(60))


def judge_all(desk: Desk, verdicts: str) -> None:
    """Give the verdicts, a letter each: (t)uned, (b)ase, = tie, x both bad, s skip; repeats get the first verdict."""
    for letter in verdicts:
        answer_repeats(desk)
        pair = desk.next_pair()
        assert pair is not None
        if letter in "tb":
            arm = "tuned" if letter == "t" else "base"
            desk.vote(pair, "left" if pair.left == arm else "right")
        else:
            desk.vote(pair, {"=": "tie", "x": "both_bad", "s": "skip"}[letter])
    answer_repeats(desk)


def answer_repeats(desk: Desk) -> None:
    """Judge the repeats that are due as the pairs were judged before."""
    while (pair := desk.next_pair()) is not None and pair.repeat_of is not None:
        first = desk.votes.latest(desk.judge, pair.repeat_of)
        assert first is not None
        desk.vote(pair, first.verdict if first.winner is None else "left" if pair.left == first.winner else "right")


# -- pairs ------------------------------------------------------------------------------------------------


def test_only_rows_with_both_arms_make_pairs() -> None:
    rows = answer_rows(3)
    rows = [row for row in rows if not (row["row"] == 1 and row["arm"] == "tuned")]
    rows += [
        {"arm": "base"},
        {"arm": "tuned", "row": "x"},
        {"row": 9, "arm": "base", "prompt": ["no"], "answer": "a"},
    ]
    rows.append({**rows[0], "answer": "Written again after a resume."})
    pairs = pair_up(rows)
    assert [pair.row for pair in pairs] == [0, 2]
    assert pairs[0].answers["base"] == "Written again after a resume."
    assert pairs[0].prompt == ({"role": "user", "content": "Where is parcel 0?"},)
    assert (pairs[1].line, pairs[1].reference) == (3, "Reference 2.")


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 80))
def test_each_side_is_left_equally_often_in_each_block(seed: int, count: int) -> None:
    pairs = pair_up(answer_rows(80, tuned=lambda row: f"Generic answer number {row}." if row % 7 == 0 else "Other."))
    asked = [pair for pair in choose(pairs, seed, count) if not pair.identical]
    assert len(asked) == min(count, 68)
    for start in range(0, len(asked) - BLOCK + 1, BLOCK):
        block = asked[start : start + BLOCK]
        assert sum(pair.left == "tuned" for pair in block) == BLOCK // 2
    assert {pair.right for pair in asked if pair.left == "base"} <= {"tuned"}


def test_order_and_sides_follow_the_seed_and_differ_between_seeds() -> None:
    pairs = pair_up(answer_rows(40))
    first, again, other = (list(walk(pairs, seed)) for seed in (7, 7, 8))
    assert first == again
    assert [pair.row for pair in first] != [pair.row for pair in other]
    assert [pair.left for pair in first] != [pair.left for pair in other]
    assert choose(pairs, 7, 25) == first[:25]


def test_sides_are_not_the_same_in_every_block() -> None:
    sides = [pair.left for pair in walk(pair_up(answer_rows(60)), 3)]
    assert len({tuple(sides[start : start + BLOCK]) for start in range(0, 60, BLOCK)}) > 1


def test_identical_answers_are_ties_that_nobody_is_asked_about(tmp_path: Path) -> None:
    same = make_run(
        tmp_path, answer_rows(20, tuned=lambda row: f"Generic answer number {row}.\n" if row < 8 else "x")
    )
    desk = Desk(same, judge="ann")
    assert len(desk.session.asked) == 12
    judge_all(desk, "t" * 12)
    found = results(desk.session, desk.votes)
    desk.close()
    assert (found.wins, found.ties, found.identical, found.pairs, found.left) == (12, 8, 8, 12, 0)
    stored = read_json(same / "judging" / "session.json")["pairs"]
    assert sum(pair["identical"] for pair in stored) == 8
    assert all(pair["left"] is None for pair in stored if pair["identical"])


def test_all_identical_needs_no_judge(tmp_path: Path) -> None:
    same = make_run(tmp_path, answer_rows(4, base=lambda _: "Same.", tuned=lambda _: "Same."))
    desk = Desk(same)
    assert desk.next_pair() is None
    found = results(desk.session, desk.votes)
    desk.close()
    assert (found.pairs, found.ties, found.decisive) == (0, 4, 0)
    assert found.verdict() == "no side won any of the 4 pairs judged"


# -- the session ------------------------------------------------------------------------------------------


def test_votes_are_on_disk_at_once_with_all_that_belongs_to_them(run: Path) -> None:
    desk = Desk(run, judge="ann")
    pair = desk.next_pair()
    assert pair is not None and pair.left is not None and pair.right is not None
    desk.vote(pair, "right", dwell=2.5)
    (record,), _ = read_jsonl(run / "judging" / "votes-ann.jsonl")
    left, right = pair.answers[pair.left], pair.answers[pair.right]
    assert record["winner"] == pair.right
    assert record["left"] == {"arm": pair.left, "answer": response_id(left), "length": len(left)}
    assert record["right"] == {"arm": pair.right, "answer": response_id(right), "length": len(right)}
    assert (record["judge"], record["session"], record["seed"]) == ("ann", desk.session.id, desk.session.seed)
    assert record["dwell"] == 2.5
    assert desk.place(pair) == 1
    desk.close()


def test_it_goes_on_at_the_first_unjudged_pair_and_undoes_across_restarts(run: Path) -> None:
    desk = Desk(run, count=10, judge="ann")
    order = [pair.id for pair in desk.session.asked]
    judge_all(desk, "tb=x")
    desk.close()
    again = Desk(run, judge="ann")
    assert [pair.id for pair in again.session.asked] == order
    assert again.next_pair() == again.session.asked[4]
    undone = [again.undo() for _ in range(5)]
    assert [pair and pair.id for pair in undone] == [*order[3::-1], None]
    again.close()
    third = Desk(run, judge="ann")
    assert third.next_pair() == third.session.asked[0]
    assert results(third.session, third.votes).judged == 0
    third.close()
    records, _ = read_jsonl(run / "judging" / "votes-ann.jsonl")
    assert [record["event"] for record in records] == ["vote"] * 4 + ["undo"] * 4


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(["left", "right", "tie", "both_bad", "skip", "undo", "restart"]), max_size=30))
def test_what_is_read_back_is_what_stood(tmp_path_factory: pytest.TempPathFactory, keys: list[str]) -> None:
    run = make_run(tmp_path_factory.mktemp("votes"), answer_rows(8))
    desk = Desk(run, judge="ann")
    stack: list[tuple[str, str]] = []
    for key in keys:
        if key == "restart":
            desk.close()
            desk = Desk(run, judge="ann")
        elif key == "undo":
            pair = desk.undo()
            assert (pair.id if pair else None) == (stack.pop()[0] if stack else None)
        else:
            pair = desk.next_pair() or next(iter(desk.skipped()), None)
            if pair is not None:
                desk.vote(pair, key)
                stack.append((pair.id, key))
        assert {p: v.verdict for p, v in desk.votes.standing("ann").items()} == dict(stack)
    desk.close()
    session = load(run)
    assert session is not None
    assert {p: v.verdict for p, v in read_votes(session).standing("ann").items()} == dict(stack)


def test_a_skipped_pair_can_be_judged_later_and_undo_brings_the_skip_back(run: Path) -> None:
    desk = Desk(run, count=2, judge="ann")
    judge_all(desk, "st")
    (pair,) = desk.skipped()
    desk.vote(pair, "tie")
    assert desk.skipped() == []
    assert desk.undo() == pair
    assert desk.skipped() == [pair]
    desk.close()


def test_more_pairs_are_the_same_ones_and_then_new_ones(run: Path) -> None:
    desk = Desk(run, count=10, judge="ann")
    first = desk.session.pairs
    judge_all(desk, "t" * 10)
    desk.close()
    more = Desk(run, count=25, judge="ann")
    assert more.session.pairs[:10] == first and len(more.session.asked) == 25
    assert more.place(more.unjudged()[0]) == 11
    more.close()
    fewer = Desk(run, count=5, judge="ann")
    assert len(fewer.session.asked) == 25
    fewer.close()


def test_an_evaluation_of_further_arms_changes_nothing_for_a_session(run: Path) -> None:
    desk = Desk(run, count=10, judge="ann")
    first = desk.session.pairs
    desk.close()
    rows = answer_rows(60)
    write_answers(run / "evaluation" / "answers.jsonl", [*rows, *({**row, "arm": "bm25:5"} for row in rows[:60])])
    more = Desk(run, count=25, judge="ann")
    assert more.session.pairs[:10] == first and len(more.session.asked) == 25
    assert not more.session.answers_changed()
    more.close()


def test_new_answers_do_not_disturb_a_session_and_new_begins_another(run: Path) -> None:
    desk = Desk(run, count=10, judge="ann")
    old = desk.session
    judge_all(desk, "ttt")
    desk.close()
    write_answers(run / "evaluation" / "answers.jsonl", answer_rows(60, tuned=lambda row: f"Better {row}"))
    again = Desk(run, count=20, judge="ann")
    assert again.session.pairs == old.pairs and again.session.answers_changed()
    assert any("made again" in caution for caution in results(again.session, again.votes).cautions())
    again.close()
    fresh = Desk(run, judge="ann", new=True)
    assert fresh.session.id != old.id and not fresh.session.answers_changed()
    assert fresh.place(fresh.unjudged()[0]) == 1
    assert any(pair.answers["tuned"].startswith("Better") for pair in fresh.session.pairs)
    fresh.close()
    assert read_json(run / "judging" / f"session-{old.id}.json")["id"] == old.id


def test_answers_of_the_generate_job_serve_where_no_evaluation_has_both_arms(tmp_path: Path) -> None:
    run = make_run(tmp_path, [row for row in answer_rows(3) if row["arm"] != "tuned"])
    with pytest.raises(NothingToJudge) as caught:
        Desk(run)
    assert "diapason judge RUN" in str(caught.value)
    write_answers(run / "judging" / "answers.jsonl", answer_rows(3))
    desk = Desk(run)
    assert desk.session.source["path"] == "judging/answers.jsonl" and len(desk.session.asked) == 3
    desk.close()


def test_two_judges_sit_side_by_side_but_nobody_twice(run: Path) -> None:
    ann, bob = Desk(run, judge="ann"), Desk(run, judge="Bob / x")
    with pytest.raises(DiapasonError, match=f"by ann, process {os.getpid()}"):
        Desk(run, judge="ann")
    with pytest.raises(DiapasonError, match="by someone else, so it cannot begin anew"):
        Desk(run, judge="cem", new=True)
    judge_all(ann, "tt")
    judge_all(bob, "bt")
    ann.close()
    Desk(run, judge="ann").close()
    bob.close()
    votes = read_votes(ann.session)
    assert votes.judges == ["Bob / x", "ann"] and len(votes.by_pair()) == 2
    assert len(list((run / "judging").glob("votes-*.jsonl"))) == 2
    # What one file for all once held still counts, and can be taken back.
    own = run / "judging" / "votes-ann.jsonl"
    own.rename(run / "judging" / "votes.jsonl")
    again = Desk(run, judge="ann")
    assert again.undo() == ann.session.asked[1]
    again.close()
    assert len(read_votes(ann.session).standing("ann")) == 1


def test_a_killed_judge_leaves_no_lock_and_no_vote_behind(run: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom core.judging.desk import Desk\n"
        "desk = Desk(Path(sys.argv[1]), judge='ann')\ndesk.vote(desk.next_pair(), 'tie')\n"
        "print('voted', flush=True)\ntime.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(run)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "voted\n"
    with pytest.raises(DiapasonError, match="being judged already"):
        Desk(run, judge="ann")
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    desk = Desk(run, judge="ann")
    assert [vote.verdict for vote in desk.votes.standing("ann").values()] == ["tie"]
    desk.close()


def test_a_torn_line_and_foreign_lines_harm_nothing(run: Path) -> None:
    desk = Desk(run, judge="ann")
    judge_all(desk, "tb")
    session = desk.session.id
    desk.close()
    votes = run / "judging" / "votes-ann.jsonl"
    pair = desk.session.asked[5].id
    foreign = [
        {"event": "vote", "session": "other", "judge": "ann", "pair": pair, "id": "1", "verdict": "tie"},
        {"event": "vote", "session": session, "judge": "ann", "pair": "unknown", "id": "2", "verdict": "tie"},
        {"event": "vote", "session": session, "judge": 7, "pair": pair, "id": "3", "verdict": "tie"},
        {"event": "vote", "session": session, "judge": "ann", "pair": pair, "id": "4", "verdict": "great"},
        {"event": "undo", "session": session, "judge": "ann", "pair": pair, "vote": "nothing"},
        {"event": "dance", "session": session, "judge": "ann", "pair": pair},
    ]
    with votes.open("a") as handle:
        handle.write("".join(json.dumps(record) + "\n" for record in foreign) + "\0\0\n" + '{"event":"vote","sess')
    again = Desk(run, judge="ann")
    assert len(again.votes.standing("ann")) == 2
    judge_all(again, "=")
    again.close()
    loaded = load(run)
    assert loaded is not None and len(read_votes(loaded).standing("ann")) == 3


def test_a_vote_that_cannot_be_written_is_not_counted_and_can_be_given_again(run: Path) -> None:
    code = """
import json, resource, signal, sys
from pathlib import Path
from core.errors import DiapasonError
from core.judging.desk import Desk
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
desk = Desk(Path(sys.argv[1]), judge="ann")
first = desk.next_pair()
desk.vote(first, "tie")
size = Path(sys.argv[1], "judging", "votes-ann.jsonl").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, resource.RLIM_INFINITY))
pair = desk.next_pair()
try:
    desk.vote(pair, "left")
except DiapasonError as error:
    print(error)
assert desk.next_pair() == pair
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
desk.vote(pair, "right")
"""
    done = subprocess.run([sys.executable, "-c", code, str(run)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "the vote was not saved" in done.stdout
    session = load(run)
    assert session is not None
    assert [vote.verdict for vote in read_votes(session).standing("ann").values()] == ["tie", "right"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 1, "pairs": [1]}', "\x00" * 64])
def test_a_damaged_session_is_named_and_its_votes_stay(run: Path, content: str) -> None:
    desk = Desk(run, judge="ann")
    judge_all(desk, "t")
    desk.close()
    path = run / "judging" / "session.json"
    path.write_text(content)
    with pytest.raises(DiapasonError, match=r"session\.json"):
        load(run)
    with pytest.raises(DiapasonError, match=r"session\.json"):
        Desk(run)
    fresh = Desk(run, judge="ann", new=True)
    assert fresh.next_pair() == fresh.session.asked[0]
    fresh.close()
    assert read_jsonl(run / "judging" / "votes-ann.jsonl")[0]


def test_a_session_of_a_later_version_is_not_guessed_at(run: Path) -> None:
    Desk(run).close()
    path = run / "judging" / "session.json"
    path.write_text(json.dumps({**read_json(path), "schema": 3}))
    with pytest.raises(DiapasonError, match="another version"):
        load(run)


def test_an_unwritable_run_folder_is_explained(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run / "judging").write_text("a file where the folder should be")
    with pytest.raises(DiapasonError, match="cannot be locked for judging"):
        Desk(run)


def test_wild_text_survives_the_way_to_disk_and_back(tmp_path: Path) -> None:
    wild = "\ud800 \x1b]0;pwned\x07 [INST] [@click=app.quit]x[/] \u202egnp.exe\u200b\x00 é 日本"
    run = make_run(tmp_path, answer_rows(2, tuned=lambda row: f"{wild}{row}"))
    desk = Desk(run, judge="ann")
    judge_all(desk, "tt")
    desk.note(desk.session.asked[0], wild)
    desk.close()
    again = Desk(run, judge="ann")
    assert {pair.answers["tuned"] for pair in again.session.pairs} == {f"{wild}0", f"{wild}1"}
    assert again.note_of(again.session.asked[0]) == wild
    out = tmp_path / "out.jsonl"
    export(again.session, again.votes, out)
    again.close()
    rows = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert {row["chosen"][0]["content"] for row in rows} == {f"{wild}0", f"{wild}1"}


def test_a_note_is_kept_changed_and_removed(run: Path) -> None:
    desk = Desk(run, judge="ann")
    pair = desk.session.asked[0]
    desk.note(pair, "first is rude")
    desk.note(pair, "both are rude")
    assert results(desk.session, desk.votes).notes == 1
    desk.close()
    again = Desk(run, judge="ann")
    assert again.note_of(pair) == "both are rude"
    again.note(pair, "")
    assert results(again.session, again.votes).notes == 0
    again.close()


def test_ten_thousand_votes_load_quickly(tmp_path: Path) -> None:
    import time

    run = make_run(tmp_path, answer_rows(200))
    desk = Desk(run, count=200, judge="ann")
    judge_all(desk, "t")
    line = (run / "judging" / "votes-ann.jsonl").read_text()
    desk.close()
    record = json.loads(line)
    pairs = [pair.id for pair in desk.session.asked]
    with (run / "judging" / "votes-ann.jsonl").open("w") as handle:
        for number in range(10_000):
            pair = pairs[number % 200]
            handle.write(json.dumps({**record, "id": str(number), "judge": f"j{number % 50}", "pair": pair}) + "\n")
    session = load(run)
    assert session is not None
    begin = time.process_time()
    votes = read_votes(session)
    took = time.process_time() - begin
    assert sum(len(stack) for stack in votes.stacks.values()) == 10_000
    # The bar is 0.2 s on a quiet machine; processor time on a crowded one may be several times that.
    assert took < 1.0


# -- results ----------------------------------------------------------------------------------------------


def test_the_sentence_of_the_result(run: Path) -> None:
    desk = Desk(run, count=46, judge="ann")
    judge_all(desk, "t" * 31 + "b" * 7 + "=" * 4 + "xx" + "ss")
    found = results(desk.session, desk.votes)
    desk.close()
    assert found.verdict() == (
        "tuned won 31 of 38 decisive pairs (82 %, 95 % interval 67–91 %), sign test p = 0.0001"
    )
    assert (found.wins, found.losses, found.ties, found.both_bad, found.skipped, found.left) == (31, 7, 4, 2, 2, 0)
    assert found.score is not None and found.score.value == pytest.approx((31 + 3) / 44)
    assert "tuned is preferred" in found.meaning()
    assert found.names == {"base": "starter", "tuned": "desk"}
    document = json.loads(json.dumps(found.to_json()))
    assert document["schema"] == 1 and document["complete"] is True
    assert document["judges"] == [{"name": "ann", "wins": 31, "losses": 7, "ties": 4, "both_bad": 2, "skips": 2}]


def test_a_loss_and_a_draw_read_right(run: Path) -> None:
    desk = Desk(run, count=6, judge="ann")
    assert results(desk.session, desk.votes).verdict() == "no pair is judged yet"
    judge_all(desk, "tb")
    even = results(desk.session, desk.votes)
    assert even.verdict().startswith("tuned and base won 1 of 2 decisive pairs each (50 %")
    assert any("not judged yet" in caution for caution in even.cautions())
    judge_all(desk, "bbbb")
    found = results(desk.session, desk.votes)
    desk.close()
    assert found.verdict().startswith(
        "base won 5 of 6 decisive pairs (83 %, 95 % interval 44–97 %), sign test p = 0.22"
    )
    assert "no winner is shown yet" in found.meaning()


def test_a_judge_of_sides_and_a_judge_of_length_are_noticed(run: Path) -> None:
    desk = Desk(run, count=40, judge="ann")
    while pair := desk.next_pair():
        desk.vote(pair, "left")
    found = results(desk.session, desk.votes)
    desk.close()
    assert (found.wins, found.losses) == (20, 20)
    assert (found.first_slot.count, found.first_slot.trials) == (40, 40)
    assert any("left answer won 100 %" in caution for caution in found.cautions())
    fresh = Desk(run, count=40, judge="ann", new=True)
    judge_all(fresh, "t" * 40)  # tuned answers are the longer ones here
    found = results(fresh.session, fresh.votes)
    fresh.close()
    assert not found.first_slot.marked and found.longer.count == 40
    assert any("longer answer won 100 %" in caution for caution in found.cautions())
    assert found.lengths["tuned"] > found.lengths["base"]


def test_judges_are_kept_apart_and_a_pair_counts_once(run: Path) -> None:
    plans = {"ann": "ttb=xs", "bob": "tb==xs", "cem": "tbbtxs"}
    for judge, plan in plans.items():
        desk = Desk(run, count=6, judge=judge)
        assert desk.next_pair() == desk.session.asked[0]
        judge_all(desk, plan)
        found = results(desk.session, desk.votes)
        desk.close()
    # ttt → tuned; tbb → base; b=b → base; ==t → tie; xxx → both bad; sss → none
    assert (found.wins, found.losses, found.ties, found.both_bad, found.skipped) == (1, 2, 1, 1, 1)
    assert list(found.judges) == ["ann", "bob", "cem"]


# -- preferences ------------------------------------------------------------------------------------------


def test_dpo_rows_are_the_decisive_pairs(run: Path, tmp_path: Path) -> None:
    desk = Desk(run, count=8, judge="ann")
    judge_all(desk, "tb=xst")
    out = tmp_path / "dpo.jsonl"
    found = export(desk.session, desk.votes, out)
    desk.close()
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    pair = desk.session.asked[1]
    assert len(rows) == 3 and rows[1] == {
        "prompt": [{"role": "user", "content": f"Where is parcel {pair.row}?"}],
        "chosen": [{"role": "assistant", "content": pair.answers["base"]}],
        "rejected": [{"role": "assistant", "content": pair.answers["tuned"]}],
    }
    assert summary(found) == "3 rows for DPO; left out: 1 tied, 1 both bad, 1 skipped, 2 not judged"


def test_kto_rows_label_winners_losers_and_both_bad(run: Path) -> None:
    desk = Desk(run, count=5, judge="ann")
    judge_all(desk, "tb=xs")
    found = preferences(desk.session, desk.votes, "kto")
    desk.close()
    assert [row["label"] for row in found.rows] == [False, True, True, False, False, False]
    assert found.rows[1]["completion"] == [{"role": "assistant", "content": desk.session.asked[0].answers["tuned"]}]
    assert found.left_out == {"tie": 1, "skip": 1}


def test_export_overwrites_only_when_told_and_never_writes_nothing(run: Path, tmp_path: Path) -> None:
    desk = Desk(run, count=3, judge="ann")
    out = tmp_path / "out.jsonl"
    with pytest.raises(DiapasonError, match="no decisive judgement to export; left out: 3 not judged"):
        export(desk.session, desk.votes, out)
    assert not out.exists()
    judge_all(desk, "t")
    out.write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        export(desk.session, desk.votes, out)
    assert out.read_text() == "mine"
    export(desk.session, desk.votes, out, force=True)
    assert len(out.read_text().splitlines()) == 1
    with pytest.raises(UsageError, match="is a folder"):
        export(desk.session, desk.votes, tmp_path, force=True)
    with pytest.raises(UsageError, match="does not exist"):
        export(desk.session, desk.votes, tmp_path / "no" / "out.jsonl")
    with pytest.raises(UsageError, match="no such format"):
        export(desk.session, desk.votes, out, "ppo")
    desk.close()


def test_identical_pairs_give_no_row(tmp_path: Path) -> None:
    run = make_run(tmp_path, answer_rows(4, base=lambda row: "Same." if row < 2 else "a", tuned=lambda _: "Same."))
    desk = Desk(run, judge="ann")
    judge_all(desk, "tt")
    for format in ("dpo", "kto"):
        assert preferences(desk.session, desk.votes, format).left_out == {"identical": 2}
    desk.close()


# -- the word diff ----------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_a_diff_changes_no_text_and_marks_nothing_between_equals(left: str, right: str) -> None:
    ours, theirs = word_diff(left, right)
    assert "".join(text for text, _ in ours) == left
    assert "".join(text for text, _ in theirs) == right
    same, _ = word_diff(left, left)
    assert not any(changed for _, changed in same)


def test_a_diff_marks_the_words_that_the_other_lacks() -> None:
    ours, theirs = word_diff("Your parcel left  today.", "Your parcel leaves\ntomorrow.")
    assert [text for text, changed in ours if changed] == ["left", "today"]
    assert [text for text, changed in theirs if changed] == ["leaves", "tomorrow"]
