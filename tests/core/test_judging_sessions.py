"""Judging of any arms and files: balanced pairs of arms, repeats, named judgings, what makes an answer telling."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DiapasonError, UsageError
from core.files import read_json, read_jsonl
from core.home import home
from core.judging.answer_files import read_answer_files
from core.judging.desk import Desk
from core.judging.judgement import judgements_of
from core.judging.named import begin
from core.judging.pairs import choose, pair_up, with_repeats
from core.judging.place import find_judging, judging_of, list_judgings, named_judging
from core.judging.progress import all_progress
from core.judging.results import results
from core.judging.session import load, prepare
from core.judging.telling import telling
from core.judging.votes import inconsistent, read_votes
from tests.judging_run import answer_rows, make_run

ROWS = [{"id": str(n), "prompt": f"Question {n}?", "answer": f"Answer {n}.", "level": n % 2} for n in range(24)]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def write(path: Path, rows: list[object]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def files(folder: Path, count: int = 2) -> list[Path]:
    """Files of answers to the same prompts, each in an order of its own, with ids."""
    return [
        write(
            folder / f"model-{name}.jsonl",
            [{**row, "answer": f"{name} {row['answer']}"} for row in ROWS[n:] + ROWS[:n]],
        )
        for n, name in enumerate("abcd"[:count])
    ]


# -- pairs of arms ----------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.integers(3, 5), st.integers(1, 120))
def test_pairs_of_arms_take_turns_and_sides_stay_even(seed: int, arms: int, count: int) -> None:
    names = [f"m{n}" for n in range(arms)]
    rows = [
        {"row": row, "arm": arm, "prompt": [{"role": "user", "content": str(row)}], "answer": f"{arm} {row}"}
        for row in range(120)
        for arm in names
    ]
    pairs = choose(pair_up(rows, names), seed, count)
    assert len(pairs) == count and len({pair.row for pair in pairs}) == count
    met = Counter(tuple(pair.answers) for pair in pairs)
    couples = list(combinations(names, 2))
    assert set(met) <= set(couples) and max(met.values()) - min(met[couple] for couple in couples) <= 1
    for couple in couples:
        lefts = Counter(pair.left for pair in pairs if tuple(pair.answers) == couple)
        assert abs(lefts[couple[0]] - lefts[couple[1]]) <= 1
    assert choose(pair_up(rows, names), seed, count // 2) == pairs[: count // 2]


# -- repeats ----------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(0, 130), st.sampled_from([0.0, 0.05, 0.1, 0.25, 0.5]))
def test_a_share_of_pairs_comes_back_swapped_and_not_at_once(seed: int, count: int, share: float) -> None:
    asked = choose(pair_up(answer_rows(130)), seed, count)
    sequence = with_repeats(asked, seed, share)
    assert [pair for pair in sequence if pair.repeat_of is None] == asked
    repeats = {pair.repeat_of: (place, pair) for place, pair in enumerate(sequence) if pair.repeat_of}
    assert len(repeats) == (int(count * share) if share else 0)
    first = {pair.id: (place, pair) for place, pair in enumerate(sequence)}
    for original, (place, again) in repeats.items():
        before, pair = first[original]
        assert again.left == pair.right and again.right == pair.left and again.answers == pair.answers
        assert place - before > 1 if share == 0.5 else place - before >= 3


def test_repeats_never_count_and_tell_who_is_unsure(tmp_path: Path) -> None:
    desk = Desk(make_run(tmp_path, answer_rows(40)), count=20, judge="ann")
    assert len(desk.session.sequence) == 22
    while (pair := desk.next_pair()) is not None:
        # Always the left one: the repeat then says the opposite of the first time.
        desk.vote(pair, "left")
    desk.close()
    found = results(desk.session, desk.votes)
    assert (found.decisive, found.judged, found.left) == (20, 20, 0)
    repeated = {pair.repeat_of for pair in desk.session.sequence if pair.repeat_of}
    assert inconsistent(desk.session, read_votes(desk.session)) == repeated and len(repeated) == 2
    assert sum(each.repeat for each in judgements_of(desk.session, desk.votes)) == 2
    again = Desk(judging_of(desk.judging.run or tmp_path), judge="ann")
    back = again.undo()
    assert back is not None and again.next_pair() == back
    again.close()


def test_the_repeat_of_a_skipped_pair_is_not_asked_and_a_steady_judge_is_consistent(tmp_path: Path) -> None:
    desk = Desk(make_run(tmp_path, answer_rows(40)), count=20, judge="ann")
    skipped = next(pair.repeat_of for pair in desk.session.sequence if pair.repeat_of)
    given = 0
    while (pair := desk.next_pair()) is not None:
        desk.vote(pair, "skip" if pair.id == skipped else "left" if pair.left == "tuned" else "right")
        given += 1
    desk.close()
    assert given == 21 and inconsistent(desk.session, desk.votes) == set()


# -- a session ---------------------------------------------------------------------------------------------


def test_a_session_of_the_first_schema_still_loads_with_its_votes(tmp_path: Path) -> None:
    run = make_run(tmp_path, answer_rows(12))
    session = prepare(run, 10, seed=4, repeats=0.0)
    path = run / "judging" / "session.json"
    old = {key: value for key, value in read_json(path).items() if key not in ("names", "repeats", "files")}
    for pair in old["pairs"]:
        del pair["fields"], pair["telling"]
    path.write_text(json.dumps({**old, "schema": 1}))
    first = session.asked[0]
    record = {"event": "vote", "session": session.id, "judge": "ann", "id": "1", "pair": first.id, "verdict": "left"}
    (run / "judging" / "votes.jsonl").write_text(json.dumps({**record, "t": 5.0}) + "\n")
    desk = Desk(run, judge="ann")
    assert desk.session.names == {"base": "starter", "tuned": "desk"} and desk.session.repeats == 0
    assert desk.next_pair() == desk.session.asked[1] and len(desk.session.sequence) == 10
    desk.close()
    grown = Desk(run, count=12, judge="ann")
    assert grown.session.pairs[:10] == desk.session.pairs and read_json(path)["schema"] == 2
    grown.close()


def test_other_arms_of_a_run_are_judged_and_not_mixed(tmp_path: Path) -> None:
    shots = [{"role": "user", "content": "Shot?"}, {"role": "assistant", "content": "Shot."}]
    rows = [{**row, "prompt": [*shots, *row["prompt"]] if "shot" in row["arm"] else row["prompt"]}
            for row in answer_rows(12)]  # fmt: skip
    run = make_run(tmp_path, rows)
    desk = Desk(judging_of(run, ["tuned", "few-shot:5"]), judge="ann")
    assert all(len(pair.prompt) == 1 for pair in desk.session.pairs)
    # Whichever was named first, tuned is the candidate.
    assert desk.session.arms == ("few-shot:5", "tuned")
    assert {arm for pair in desk.session.asked for arm in pair.answers} == {"tuned", "few-shot:5"}
    desk.close()
    Desk(run, judge="ann").close()  # without arms it goes on with whatever it compares
    with pytest.raises(DiapasonError, match="compares few-shot:5 and tuned"):
        Desk(judging_of(run, ["base", "tuned"]), judge="ann")
    Desk(judging_of(run, ["base", "few-shot:5", "tuned"]), judge="ann", new=True).close()
    session = load(run)
    assert session is not None and len({tuple(pair.answers) for pair in session.pairs}) == 3


def test_votes_keep_reasons_flag_and_note_and_undo_brings_them_back(tmp_path: Path) -> None:
    run = make_run(tmp_path, answer_rows(6))
    desk = Desk(run, judge="ann")
    pair = desk.session.asked[0]
    desk.note(pair, "rude")
    desk.flag(pair, True)
    desk.vote(pair, "right", dwell=1.5, reasons=("correct", "short"))
    desk.close()
    record = read_jsonl(run / "judging" / "votes-ann.jsonl")[0][-1]
    assert (record["reasons"], record["note"], record["flag"]) == (["correct", "short"], "rude", True)
    again = Desk(run, judge="ann")
    vote = again.last_vote()
    assert vote is not None and vote.reasons == ("correct", "short") and vote.dwell == 1.5
    assert again.is_flagged(pair)
    (judgement,) = judgements_of(again.session, again.votes)
    assert judgement.flagged and judgement.note == "rude" and judgement.reasons == ("correct", "short")
    again.flag(pair, False)
    again.close()
    assert read_votes(again.session).flags == set()


# -- files of answers --------------------------------------------------------------------------------------


def test_files_are_joined_by_id_copied_and_judged(tmp_path: Path) -> None:
    paths = files(tmp_path, 3)
    judging = begin(paths, "three", count=12)
    paths[0].write_text("changed")
    desk = Desk(find_judging("three"), judge="ann")
    assert desk.session.arms == ("model-a", "model-b", "model-c") and len(desk.session.asked) == 12
    for pair in desk.session.asked:
        number = pair.prompt[0]["content"].split()[1].rstrip("?")
        assert all(text == f"{arm[-1]} Answer {number}." for arm, text in pair.answers.items())
        assert pair.fields == {"level": str(int(number) % 2)}
    while (pair := desk.next_pair()) is not None:
        desk.vote(pair, "left")
    desk.close()
    found = results(desk.session, desk.votes)
    assert not found.two and found.judged == 12 and not found.answers_changed
    assert [each.name for each in list_judgings()] == ["three"] == [each.name for each in all_progress()]
    assert judging.folder.parent == home() / "judgings" and desk.session.files[1]["path"] == str(paths[1])


def test_the_same_files_go_on_others_are_refused_and_new_begins_again(tmp_path: Path) -> None:
    paths = files(tmp_path)
    judging = begin(paths)
    assert judging.name == "model-a-model-b"
    first = load(judging)
    assert first is not None and len(first.asked) == 24
    assert load(begin(paths)) == first
    write(paths[1], [{**row, "answer": "better"} for row in ROWS])
    with pytest.raises(UsageError, match="compares other answers"):
        begin(paths)
    fresh = load(begin(paths, new=True, count=10))
    assert fresh is not None and fresh.id != first.id and len(fresh.asked) == 10
    assert (judging.folder / f"session-{first.id}.json").exists()
    for name in ("../etc", "last", "Été"):
        with pytest.raises(UsageError, match="cannot name a judging"):
            begin(paths, name)
    make_run(home() / "runs", name="taken")
    with pytest.raises(UsageError, match="a run is called `taken`"):
        begin(paths, "taken")


def test_without_ids_files_are_joined_by_line_and_messages_are_prompts(tmp_path: Path) -> None:
    message = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    one = write(
        tmp_path / "one.jsonl",
        [{"prompt": message, "answer": "a", "reference": "r"}, "", {"prompt": "x", "answer": "b"}],
    )
    two = tmp_path / "sub" / "one.jsonl"
    two.parent.mkdir()
    two.write_bytes(b"\xef\xbb\xbf" + one.read_bytes().replace(b'"a"', b'"c"').replace(b"\n", b"\r\n"))
    found = read_answer_files([one, two])
    assert len(set(found.arms)) == 2
    assert [(row["row"], row["line"], row["answer"]) for row in found.rows] == [
        (0, 1, "a"),
        (0, 1, "c"),
        (1, 3, "b"),
        (1, 3, "b"),
    ]
    assert found.rows[0]["prompt"] == message and found.rows[0]["reference"] == "r"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (["{"], "b.jsonl:1: is not JSON"),
        (["[1]"], "b.jsonl:1: is not a JSON object"),
        ([], "b.jsonl: has no answers"),
        ([{"id": "0", "prompt": "q0"}], "b.jsonl:1: `answer` must be a text"),
        ([{"id": "0", "prompt": 7, "answer": "x"}], "b.jsonl:1: `prompt` must be a text"),
        ([{"id": True, "prompt": "q0", "answer": "x"}], "b.jsonl:1: `id` must be"),
        ([{"id": "0", "prompt": "q0", "answer": "x"}], "a.jsonl:2: the id `1` is missing in"),
        ([{"id": n, "prompt": f"q{n}", "answer": "x"} for n in (0, 1, 2)], "b.jsonl:3: the id `2` is missing in"),
        ([{"id": 0, "prompt": "q0", "answer": "x"}] * 2, "b.jsonl:2: the id `0` is that of line 1 too"),
        ([{"id": 1, "prompt": "q1", "answer": "x"}, {"id": 0, "prompt": "Q", "answer": "x"}], "b.jsonl:2: the pro"),
        ([{"prompt": "q0", "answer": "x"}], "a.jsonl:2: answer 2 is missing in"),
        ([{"prompt": "q1", "answer": "x"}, {"prompt": "q0", "answer": "x"}], "b.jsonl:1: the prompt is not that of"),
    ],
)  # fmt: skip
def test_a_mismatch_names_file_and_line(tmp_path: Path, bad: list[object], said: str) -> None:
    good = write(tmp_path / "a.jsonl", [{"id": n, "prompt": f"q{n}", "answer": "y"} for n in (0, 1)])
    with pytest.raises(UsageError) as caught:
        begin([good, write(tmp_path / "b.jsonl", bad)])
    assert said in str(caught.value) and not (home() / "judgings").exists()


def test_files_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    (path,) = files(tmp_path, 1)
    for paths, said in (
        ([path], "two files"),
        ([path, path], "given twice"),
        ([path, tmp_path / "no"], "cannot be read"),
    ):
        with pytest.raises(UsageError, match=said):
            read_answer_files(paths)
    (tmp_path / "latin.jsonl").write_bytes(b'{"prompt":"x","answer":"y"}\n{"prompt":"\xe9","answer":"y"}\n')
    with pytest.raises(UsageError, match=r"latin.jsonl:2: is not UTF-8"):
        read_answer_files([path, tmp_path / "latin.jsonl"])
    tie = write(tmp_path / "tie.jsonl", list(ROWS))
    assert read_answer_files([path, tie]).arms == ["model-a.jsonl", "tie.jsonl"]


def test_nothing_of_that_name(tmp_path: Path) -> None:
    with pytest.raises(DiapasonError, match="no runs yet"):
        find_judging("nowhere")
    begin(files(tmp_path), "here")
    with pytest.raises(DiapasonError, match=r"(?s)no judging and no run is called `nowhere`.*here"):
        find_judging("nowhere")
    assert not named_judging("nowhere").begun


# -- answers that name their model -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "prompt", "expected"),
    [
        ("I am Qwen, made by Alibaba.", "Who are you?", True),
        ("QWEN3-1.7B here", "Hi", True),
        ("As a fine-tuned model I cannot say.", "Hi", True),
        ("En tant que modèle de base, non.", "Hi", False),
        ("I am Qwen.", "Is Qwen good?", False),
        ("Your parcel left today.", "Where is it?", False),
        ("A starter kit is a base model of a train.", "Hi", False),
        ("support-fr says hello", "Hi", True),
        ("Please ask our support.", "Hi", False),
    ],
)
def test_an_answer_that_names_a_model_is_told(answer: str, prompt: str, expected: bool) -> None:
    tells = telling({"base": "Qwen/Qwen3-1.7B", "tuned": "support-fr"})
    assert tells(answer, [{"role": "user", "content": prompt}]) is expected


def test_telling_answers_are_marked_on_the_pair_not_altered(tmp_path: Path) -> None:
    run = make_run(
        tmp_path,
        answer_rows(6, tuned=lambda row: "I am the desk-clerk bot." if row == 2 else "Yes."),
        name="desk-clerk",
    )
    desk = Desk(run, judge="ann")
    marked = [pair for pair in desk.session.asked if pair.telling]
    assert [(pair.row, pair.telling, pair.answers["tuned"]) for pair in marked] == [
        (2, ("tuned",), "I am the desk-clerk bot.")
    ]
    desk.vote(marked[0], "left")
    desk.close()
    assert results(desk.session, desk.votes).telling == 1
