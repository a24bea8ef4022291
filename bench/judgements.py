"""The statistics of judging on published data, and the time that long lists of votes take.

PandaLM's test set (pandalm_testset_v1.json, Apache-2.0): Cohen's kappa of each two of its three annotators and the
majority of all three. LLMFAO's crowd comparisons (llmfao_crowd_comparisons.csv, CC BY 4.0): the share of decisive
votes for the left answer, with the sign test over votes as published and over prompts as Diapason does it, and
Krippendorff's alpha. Each is held against the published figure; a file that is not in FOLDER is told and passed over.
Then: reading a CSV of 10,000 and of 100,000 votes, and all their statistics; a session of 10,000 votes, loaded and
counted. Exit code 1 where a figure differs.

    python bench/judgements.py [FOLDER]
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from core.judging.judgement import Judgement  # noqa: E402
from core.judging.results import Results, results, results_of  # noqa: E402
from core.judging.statistics import p_value, sign_test  # noqa: E402
from core.judging.votes_file import read_votes_file  # noqa: E402

PANDALM, LLMFAO = "pandalm_testset_v1.json", "llmfao_crowd_comparisons.csv"
KAPPAS = {
    ("annotator1", "annotator2"): 0.852,
    ("annotator1", "annotator3"): 0.879,
    ("annotator2", "annotator3"): 0.862,
}
MAJORITY = {"tie": 105, "first": 422, "second": 472}
LEFT, LEFT_P, ALPHA = 0.5332, 1e-6, 0.29
VOTES, TIMES = (10_000, 100_000), 5


def main() -> int:
    """Print every figure beside the published one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="where the published files lie")
    args = parser.parse_args()
    right = True
    for name, check in ((PANDALM, pandalm), (LLMFAO, llmfao)):
        path = args.folder / name if args.folder else None
        if path is None or not path.exists():
            print(f"{name}: not in the folder given, left out")
        else:
            right = check(path) and right
    speed()
    return 0 if right else 1


def pandalm(path: Path) -> bool:
    """Kappa and majority of three annotators of 999 pairs; 0 is a tie, 1 and 2 the answer picked."""
    verdicts = {0: "tie", 1: "left", 2: "right"}
    judges = ("annotator1", "annotator2", "annotator3")
    votes = [
        Judgement(judge, str(row["idx"]), "first", "second", verdicts[row[judge]])
        for row in json.loads(path.read_bytes())
        for judge in judges
    ]
    found = results_of(votes)
    right = True
    for each in found.agreements:
        assert each.kappa is not None
        right = _held(f"kappa {each.judges[0]} {each.judges[1]}", each.kappa, KAPPAS[each.judges], 3) and right
    # Of two sides the last of the alphabet is the candidate.
    counts = {"tie": found.ties, "first": found.losses, "second": found.wins}
    for name, count in counts.items():
        right = _held(f"majority {name}", count, MAJORITY[name], 0) and right
    return right


def llmfao(path: Path) -> bool:
    """The crowd's votes on 59 models: as published over votes, and as the results have it, over prompts."""
    with tempfile.TemporaryDirectory() as folder:
        votes = Path(folder) / "votes.csv"
        with path.open(newline="", encoding="utf-8") as source, votes.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            writer.writerow(["prompt", "left", "right", "winner", "judge"])
            for row in csv.DictReader(source):
                writer.writerow([row["prompt"], row["left"], row["right"], row["winner"], row["worker"]])
        found = results_of(read_votes_file(votes))
    slot = found.first_slot
    assert slot.share is not None and found.alpha is not None and found.ranking is not None
    p = sign_test(slot.count, slot.trials - slot.count)
    right = _held("left answer won", slot.share.value, LEFT, 4)
    right = _held("its sign test over votes, p", p, LEFT_P, 6) and right
    right = _held("Krippendorff's alpha", found.alpha, ALPHA, 2) and right
    low, high = slot.share.low, slot.share.high
    print(
        f"  the same over {found.ranking.prompts} prompts: 95 % interval {low:.3f} to {high:.3f}, p {p_value(slot.p)}"
    )
    first = list(found.ranking.strengths.items())[:3]
    print("  Bradley-Terry: " + ", ".join(f"{side} {bound.value:+.2f}" for side, bound in first))
    return right


def _held(what: str, found: float, published: float, digits: int) -> bool:
    same = round(found, digits) == round(published, digits)
    shown = f"{found:.{digits}f}" if digits < 6 else f"{found:.2g}"
    print(f"{'✓' if same else '✗'} {what}: {shown}, published {published:g}")
    return same


def speed() -> None:
    """Seconds of reading and of counting."""
    draw = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        for number in VOTES:
            path = Path(folder) / "votes.csv"
            with path.open("w", newline="", encoding="utf-8") as out:
                writer = csv.writer(out)
                writer.writerow(["prompt", "left", "right", "winner", "left_length", "right_length"])
                for row in range(number):
                    winner = draw.choice(["left", "left", "right", "tie", "both_bad"])
                    writer.writerow([f"p{row}", "base", "tuned", winner, draw.randint(1, 900), draw.randint(1, 900)])
            _timed(f"{number:,} votes of a CSV, read", lambda path=path: read_votes_file(path))
            votes = read_votes_file(path)
            _counted(f"{number:,} votes", lambda votes=votes: results_of(votes))
        session, cast = _session(Path(folder) / "run", VOTES[0])
        _counted(f"{VOTES[0]:,} votes of a session", lambda: results(session, cast))


def _counted(what: str, make: Callable[[], Results]) -> None:
    _timed(f"{what}, the verdict", lambda: make().verdict())
    _timed(f"{what}, all statistics", lambda: make().to_json())


def _timed(what: str, work: Callable[[], object]) -> None:
    took: list[float] = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        work()
        took.append(time.perf_counter() - begin)
    low, middle, high = (f"{1000 * seconds:,.0f}" for seconds in (min(took), median(took), max(took)))
    print(f"{what}: {middle} ms (median of {TIMES}, {low} to {high})")


def _session(run: Path, number: int) -> tuple[Any, Any]:
    """A session of `number` pairs with as many votes, made in memory."""
    from core.judging.pairs import Pair, walk
    from core.judging.session import Session
    from core.judging.votes import Vote, Votes, winner

    draw = random.Random(1)
    run.mkdir()
    rows = [
        Pair(f"{row:016x}", row, row + 1, ({"role": "user", "content": f"Question {row}?"},), None,
             {"base": "a" * draw.randint(1, 900), "tuned": "b" * draw.randint(1, 900)})
        for row in range(number)
    ]  # fmt: skip
    source = {"path": "none", "size": 0, "sha256": ""}
    session = Session(run / "judging", "s", 0.0, 1, tuple(walk(rows, 1)), source)
    votes = Votes()
    for pair in session.asked:
        verdict = draw.choice(["left", "right", "right", "tie"])
        votes.add(Vote(pair.id, "ann", pair.id, verdict, winner(pair, verdict)))
    return session, votes


if __name__ == "__main__":
    sys.exit(main())
