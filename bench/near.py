"""Near duplicates in 55,000 rows: Diapason's search beside datasketch's MinHashLSH on the same texts.

Each runs in a process of its own on one file: rows of invented words, shared phrases and an instruction before a
part of them, in which one row in twenty is a planted near copy (a few letters or words changed), and one in twenty a
decoy (the same frame with other numbers, or the same answer to another prompt). Printed for both: seconds, peak
memory, precision and recall against what was planted; then the ratio. Diapason's share of a whole check, which also
reads, parses and normalises the rows, is printed as well. Exit code 1 where Diapason misses a bar.

    python bench/near.py [--rows 55000] [--peer-rows 5000] [FILE]
    python bench/near.py --templates [--rows 120000]

The second measures the worst case, a file in which nearly every row is a copy of a few (1, 10 or 1000 templates with
one word or one number changed): seconds for the near copies alone, beside those for as many unrelated rows, and how
many pairs were compared for each row. Exit code 1 where those are more than the cap.

With a FILE (any that Diapason reads) copies are planted among its rows instead. The peer needs `pip install
datasketch`; without it only Diapason is measured, and said so.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

ROWS = 55_000
PEER_ROWS = 5_000
TEMPLATE_ROWS = 120_000
THRESHOLD = 0.85
SECONDS, MEGABYTES, SHARE = 8.0, 250.0, 0.98
FRAME = "Answer the question of a customer in the voice of the shop, in two or three short sentences. "
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def main() -> int:
    """Make the file, run both, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, help="rows to plant copies among (default: invented ones)")
    parser.add_argument("--rows", type=int, help=f"default: {ROWS:,}; {TEMPLATE_ROWS:,} with --templates")
    parser.add_argument("--templates", action="store_true", help="measure files made from a few templates")
    parser.add_argument("--peer-rows", type=int, default=PEER_ROWS, help="the first rows, for the slower peer")
    parser.add_argument("--side", choices=("ours", "check", "peer"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        print(json.dumps({"ours": ours, "check": whole_check, "peer": peer}[args.side](args.file)))
        return 0
    args.rows = args.rows or (TEMPLATE_ROWS if args.templates else ROWS)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DIAPASON_HOME"] = str(Path(folder) / "home")
        if args.templates:
            return templates(Path(folder) / "rows.jsonl", args.rows)
        path = Path(folder) / "rows.jsonl"
        planted = write(path, list(texts_of(args.file, args.rows)), args.rows)
        print(f"{args.rows:,} rows, {path.stat().st_size / 1e6:.1f} MB, {len(planted):,} planted copies")
        mine = measure("ours", path, planted)
        whole = measure("check", path, planted)
        good = mine["near_seconds"] <= SECONDS and mine["megabytes"] <= MEGABYTES
        good = good and min(mine["precision"], mine["recall"]) >= SHARE
        show("diapason: near copies alone", mine, mine["near_seconds"])
        show("diapason: whole check", whole, whole["seconds"])
        if importlib.util.find_spec("datasketch") is None:
            print("datasketch is not installed: no peer to compare with (pip install datasketch)")
        else:
            compare(path, planted, mine, args.rows, min(args.rows, args.peer_rows))
        print(f"bars: {SECONDS:g} s, {MEGABYTES:g} MB, {SHARE:g}: {'met' if good else 'MISSED'}")
        return 0 if good else 1


def templates(path: Path, rows: int) -> int:
    """Measure files of templated rows beside one of unrelated rows; print the ratios."""
    from core.data.near.candidates import CLOSEST

    base = 0.0
    good = True
    for kind, count in (("", 0), *((kind, count) for kind in ("word", "number") for count in (1, 10, 1000))):
        write_templated(path, rows, count, kind)
        result = measure("ours", path, {})
        base = base or result["near_seconds"]
        each = result["compared"] / rows
        good = good and each <= CLOSEST
        name = f"{count:,} templates, one {kind} changed" if count else f"{rows:,} unrelated rows"
        print(
            f"{name:<35} {result['near_seconds']:7.2f} s  ratio {result['near_seconds'] / base:5.2f}  "
            f"{each:.2f} compared for each row  {result['megabytes']:.0f} MB peak",
            flush=True,
        )
    print(f"cap of {CLOSEST} for each row: {'met' if good else 'MISSED'}")
    return 0 if good else 1


def compare(path: Path, planted: dict[int, int], mine: dict[str, Any], rows: int, peer_rows: int) -> None:
    """Run the peer on the first `peer_rows` rows and print how much longer it takes for each row."""
    if peer_rows < rows:
        part = path.with_name("part.jsonl")
        with path.open("rb") as source, part.open("wb") as target:
            target.writelines(line for line, _ in zip(source, range(peer_rows), strict=False))
        path, planted = part, {row: first for row, first in planted.items() if row < peer_rows}
    other = measure("peer", path, planted)
    show(f"datasketch: {peer_rows:,} rows", other, other["near_seconds"])
    ratio = other["near_seconds"] / peer_rows / (mine["near_seconds"] / rows)
    print(f"ratio: diapason is {ratio:.1f} times as fast for each row")


def measure(side: str, path: Path, planted: dict[int, int]) -> dict[str, Any]:
    """Run one side in a process of its own; its document with precision and recall added."""
    command = [sys.executable, __file__, "--side", side, str(path)]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    found = dict(result.pop("found"))
    right = sum(row in planted for row in found)
    result["precision"] = right / len(found) if found else 1.0
    result["recall"] = sum(row in found for row in planted) / len(planted) if planted else 1.0
    return result


def show(name: str, result: dict[str, Any], seconds: float) -> None:
    """One line of figures."""
    print(
        f"{name:<30} {seconds:7.2f} s  (process: {result['cpu_seconds']:.1f} s of CPU)  "
        f"{result['megabytes']:6.0f} MB peak  "
        f"precision {result['precision']:.4f}  recall {result['recall']:.4f}",
        flush=True,
    )


# -- the rows ---------------------------------------------------------------------------------------------


def texts_of(path: Path | None, count: int) -> Iterator[tuple[str, str]]:
    """(prompt, answer) of the rows of a file, or invented ones of about 400 characters."""
    if path is not None:
        from core.data.dataset import examples

        seen: set[str] = set()
        for example in examples(path):
            if example.prompt_text not in seen:
                seen.add(example.prompt_text)
                yield example.prompt_text, example.answer
        return
    draw = random.Random(1)
    words = ["".join(draw.choices(_LETTERS, k=draw.randint(2, 10))) for _ in range(8000)]
    weights = list(accumulate(1 / (rank + 3) for rank in range(len(words))))
    for number in range(count):
        prompt = " ".join(draw.choices(words, cum_weights=weights, k=draw.randint(8, 30))) + "?"
        yield (
            (FRAME if number % 4 == 0 else "") + prompt,
            " ".join(draw.choices(words, cum_weights=weights, k=draw.randint(20, 80))),
        )


def write(path: Path, texts: list[tuple[str, str]], count: int) -> dict[int, int]:
    """Write `count` rows with copies and decoys among them; for each planted row the one that it copies."""
    draw = random.Random(2)
    lines: list[str] = []
    planted: dict[int, int] = {}
    place = 0
    while len(lines) < count:
        kind = draw.random()
        if kind < 0.9 or place < 100:
            row = texts[place % len(texts)]
            # A file that is too short goes round again with other words.
            prompt, answer = row if place < len(texts) else (shuffled(row[0], draw), shuffled(row[1], draw))
            place += 1
            if draw.random() < 0.05:
                prompt = (
                    f"A train passes {draw.randint(1, 999)} signs in {draw.randint(1, 99)} minutes. How fast is it?"
                )
                answer = f"It passes {draw.randint(100, 9999)} signs in an hour."
        else:
            first = draw.randrange(len(lines))
            while first in planted or len(own(lines[first])) < 80:
                first = draw.randrange(len(lines))
            prompt, answer = json.loads(lines[first]).values()
            front = FRAME if prompt.startswith(FRAME) else ""
            if kind < 0.95:
                planted[len(lines)] = first
                prompt, answer = front + edited(own(lines[first]), draw), edited(answer, draw)
            else:
                prompt = front + shuffled(own(lines[first]), draw)
        lines.append(json.dumps({"prompt": prompt, "completion": answer}))
    path.write_text("\n".join(lines) + "\n")
    return planted


def write_templated(path: Path, rows: int, count: int, kind: str) -> None:
    """Write rows from `count` templates of 60 to 80 words, one word or number of the prompt changed in each.

    With no templates every row has words of its own.
    """
    draw = random.Random(3)
    words = ["".join(draw.choices(_LETTERS, k=draw.randint(2, 10))) for _ in range(8000)]
    made = [draw.choices(words, k=draw.randint(60, 80)) for _ in range(count)]
    with path.open("w") as file:
        for _ in range(rows):
            prompt = list(draw.choice(made)) if made else draw.choices(words, k=draw.randint(60, 80))
            answer = " ".join(prompt[:20])
            if kind:
                number = str(draw.randrange(10**6))
                prompt[len(prompt) // 2] = number if kind == "number" else "".join(draw.choices(_LETTERS, k=8))
            file.write(json.dumps({"prompt": " ".join(prompt), "completion": answer}) + "\n")


def own(line: str) -> str:
    """What a row asks, without the instruction; nothing where it is one of the decoys."""
    prompt: str = json.loads(line)["prompt"]
    return "" if prompt.startswith("A train passes") else prompt.removeprefix(FRAME)


def edited(text: str, draw: random.Random) -> str:
    """The text with one letter in 120 changed, and its case now and then."""
    letters = list(text)
    for _ in range(len(text) // 120):
        spot = draw.randrange(len(letters))
        if letters[spot].isalpha():
            letters[spot] = draw.choice(_LETTERS)
    made = "".join(letters)
    return made + "!" if draw.random() < 0.3 else made.capitalize() + "s"


def shuffled(text: str, draw: random.Random) -> str:
    """Other text of the same words."""
    words = text.split()
    draw.shuffle(words)
    return " ".join(words)


# -- the two sides ----------------------------------------------------------------------------------------


def ours(path: Path) -> dict[str, Any]:
    """Rows read once, in this process; what the near search adds to that is timed by itself."""
    from core.data.checks.near import NearRows, sketched_parts
    from core.data.checks.same import find_same
    from core.data.dataset import open_dataset
    from core.data.near.sample import frames_of, spread
    from core.data.near.shingles import row_parts
    from core.data.scan import Scanner

    began = time.perf_counter()
    dataset = open_dataset(path)
    start = time.perf_counter()
    near = NearRows(THRESHOLD, frames_of([spread(dataset)], row_parts), sketched_parts(dataset.format))
    seconds = time.perf_counter() - start
    for row in dataset:
        start = time.perf_counter()
        near.add(row)
        seconds += time.perf_counter() - start
    scanner = Scanner(dataset)
    same = scanner.scan(0, len(dataset))
    repeats, heads = find_same(same.rows, same.prompts, scanner.again, lambda: None)
    compared = [0]

    def count() -> None:
        compared[0] += 1

    start = time.perf_counter()
    found = near.found(dataset, heads(), count)
    seconds += time.perf_counter() - start
    folded = repeats.folded()
    pairs = [*zip(found.rows, found.firsts, strict=True), *zip(folded.rows, folded.firsts, strict=True)]
    return {**outcome(pairs, began, seconds), "compared": compared[0]}


def whole_check(path: Path) -> dict[str, Any]:
    """`diapason data check`, all of it."""
    from core.data.report import check

    began = time.perf_counter()
    report = check(path, near=THRESHOLD)
    pairs = [
        pair
        for finding in report.findings
        if finding.code == "near_duplicate"
        for pair in zip(finding.rows, finding.firsts, strict=True)
    ]
    return outcome(pairs, began, 0.0)


def peer(path: Path) -> dict[str, Any]:
    """datasketch, as its documentation does it: 128 hashes of the same shingles, MinHashLSH, candidates as copies."""
    from datasketch import MinHash, MinHashLSH  # pyright: ignore[reportMissingImports]

    began = time.perf_counter()
    with path.open() as lines:
        texts = [" ".join(json.loads(line).values()) for line in lines]
    start = time.perf_counter()
    index: Any = MinHashLSH(threshold=THRESHOLD, num_perm=128)
    pairs: list[tuple[int, int]] = []
    for row, text in enumerate(texts):
        text = " ".join(text.lower().split())
        sketch: Any = MinHash(num_perm=128)
        sketch.update_batch([text[spot : spot + 5].encode() for spot in range(max(1, len(text) - 4))])
        earlier = index.query(sketch)
        if earlier:
            pairs.append((row, min(earlier)))
        index.insert(row, sketch)
    return outcome(pairs, began, time.perf_counter() - start)


def peak_megabytes() -> float:
    """Peak resident memory of this process; `ru_maxrss` would count the parent's, which is passed on at the start."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def outcome(pairs: list[tuple[int, int]], began: float, seconds: float) -> dict[str, Any]:
    """What a side found, and what it took."""
    return {
        "found": pairs,
        "seconds": time.perf_counter() - began,
        "near_seconds": seconds,
        "cpu_seconds": time.process_time(),
        "megabytes": peak_megabytes(),
    }


if __name__ == "__main__":
    sys.exit(main())
