"""Precision and recall of every finding of the catalogue, on clean rows and files mutated one defect at a time.

Clean rows (gsm8k_train.jsonl and gsm8k_test.jsonl of `--data DIR`; without it the starter's own, English and French)
are written in every format: chat, chat with calls of tools, ShareGPT as one array, Alpaca, prompt and completion,
preferences, classification, plain text. Into some of them a defect is planted, another one into each, in another
field, position, writing and alphabet each time, between rows left clean and rows with decoys (sums, hashes, versions,
ISBNs, private addresses, emoji, mathematics) that must be let go. Small files of their own hold what belongs to a
file's layout (CSV, encodings) or takes ten megabytes a row.

A defect counts as found where its code is found in its row and at its line. A code found in a row counts as right
where it was planted there, or follows from what was: C1 control characters are debris of mojibake and may begin a
terminal's sequence, a CSV record that ends early lacks a field. Clean rows are judged apart too: errors in 10,000.

What belongs to a whole file (no data at all, packing, encoding, layout, copies, leaks, amounts, languages) or to a
model's tokenizer and template (the starter's, as it is or changed) is planted in files of clean rows, one defect
each, beside files without any; these are checked as `data check` does without options, and everything told counts.

Printed: planted, recall and precision by code, and what cannot be planted here. Exit code 0 only where recall and
precision are at least .98 for every code, with at most one false error in 10,000 clean rows.

    python bench/mutate.py [--data DIR] [--planted 100] [--clean N] [--only CODE,…] [--seed 0] [--show 0]
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from itertools import cycle
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from _planted import KINDS, MUTATIONS, Mutation, Row, dumped, starter_pairs  # noqa: E402
from _planted_files import CASES  # noqa: E402
from _score import Score, judge_file, judge_rows, print_score  # noqa: E402

from core.data.findings import CODES  # noqa: E402
from core.data.report import Report, check, unreadable  # noqa: E402
from core.data.unreadable import Unreadable  # noqa: E402

# They enter what they plant.
for _name in ("rows", "turns", "text", "layouts", "sets", "models", "clean"):
    import_module(f"_planted_{_name}")

# Rows of ten megabytes: few of them are as much data as all the rest.
_HUGE = 5
# As many as make a file of which nobody says that it has too few.
_ROWS = 80
_TOOL: Row = {"type": "function", "function": {"name": "weather", "description": "Today's weather", "parameters": {}}}
ARRAYS = ("sharegpt",)
# What would end an array for all its rows.
_BREAKING = ("bad_json",)
_OF_LAYOUTS = frozenset({"ragged_row", "bad_csv", "encoding", "huge_line"})
Pair = tuple[str, str]


def clean_pairs(folder: Path | None) -> list[Pair]:
    """Prompts and answers without a fault."""
    if folder is None:
        return [*starter_pairs("support_en"), *starter_pairs("support_fr")]
    rows = [json.loads(line) for name in ("gsm8k_train", "gsm8k_test")
            for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").split("\n") if line]  # fmt: skip
    # A few have a zero-width space of their own.
    return [(row["question"], row["answer"]) for row in rows if "\u200b" not in row["question"] + row["answer"]]


def make(kind: str, pairs: Iterator[Pair], rng: random.Random) -> Row:
    """A clean row of a kind."""
    asked, said = next(pairs)
    if kind in ("chat", "sharegpt", "tools"):
        turns = [("user", asked), ("assistant", said)]
        if rng.random() < 0.3:
            turns += [("user", next(pairs)[0]), ("assistant", next(pairs)[1])]
        if rng.random() < 0.3:
            turns.insert(0, ("system", "You are a patient teacher."))
        if kind == "sharegpt":
            names = {"user": "human", "assistant": "gpt", "system": "system"}
            return {"conversations": [{"from": names[role], "value": text} for role, text in turns]}
        messages: list[Row] = [{"role": role, "content": text} for role, text in turns]
        if kind == "chat":
            return {"messages": messages}
        place = next(number for number, turn in enumerate(messages) if turn["role"] == "assistant")
        known = f"call_{rng.randrange(10**6)}"
        arguments = json.dumps({"city": rng.choice(["Lyon", "Köln", "東京"])})
        call = {"id": known, "type": "function", "function": {"name": "weather", "arguments": arguments}}
        messages[place:place] = [{"role": "assistant", "content": None, "tool_calls": [call]},
                                 {"role": "tool", "tool_call_id": known, "content": "12 degrees"}]  # fmt: skip
        return {"messages": messages, "tools": [copy.deepcopy(_TOOL)]}
    if kind == "alpaca":
        row = {"instruction": asked, "input": rng.choice(["", "Be brief."]), "output": said}
        return row if rng.random() < 0.7 else {"instruction": asked, "output": said}
    if kind == "prompt-completion":
        names = rng.choice([("prompt", "completion"), ("question", "answer")])
        return dict(zip(names, (asked, said), strict=True))
    if kind == "preference":
        return {"prompt": asked, "chosen": said, "rejected": next(pair[1] for pair in pairs if pair[1] != said)}
    if kind == "classification":
        return {"text": asked, "label": rng.choice(["easy", "hard"])}
    return {"text": f"{asked}\n\n{said}"}


@dataclass(slots=True)
class File:
    """A file to be: lines, and what is planted in each."""

    kind: str
    lines: list[bytes] = field(default_factory=list[bytes])
    planted: list[Mutation | None] = field(default_factory=list[Mutation | None])

    def write(self, folder: Path) -> Path:
        """Write it: ShareGPT, as is usual, as one array with a row a line, all others as JSON Lines."""
        if self.kind in ARRAYS:
            path = folder / f"{self.kind}.json"
            path.write_bytes(b"[\n" + b",\n".join(self.lines) + b"\n]\n")
        else:
            path = folder / f"{self.kind}.jsonl"
            path.write_bytes(b"".join(line + b"\n" for line in self.lines))
        return path

    def judge(self, folder: Path, score: Score) -> None:
        """Check it, and add what was found to the score."""
        report = check(self.write(folder), near=None, languages=False)
        judge_rows(report, self.planted, self.lines, score, 2 if self.kind in ARRAYS else 1)


def build(kind: str, pairs: Iterator[Pair], planted: int, rng: random.Random) -> File:
    """A file of one kind: each mutation that fits it several times, and as many rows clean."""
    file = File(kind)
    todo: list[Mutation | None] = []
    for mutation in MUTATIONS:
        if kind in mutation.kinds and not (kind in ARRAYS and mutation.code in _BREAKING):
            homes = sum(len(other.kinds) for other in MUTATIONS if other.code == mutation.code)
            todo += [mutation] * max(1, -(-planted // homes))
    todo += [None] * max(len(todo), 200)
    rng.shuffle(todo)
    for mutation in todo:
        row: Row | bytes = make(kind, pairs, rng)
        if mutation is not None:
            row = mutation.make(copy.deepcopy(row), rng)
        file.lines.append(row if isinstance(row, bytes) else dumped(row, rng))
        file.planted.append(mutation)
    return file


def check_kinds(
    folder: Path, pairs: list[Pair], planted: int, clean: int | None, rng: random.Random, score: Score
) -> None:
    """The mixed files of each kind, and then each kind with `clean` rows alone."""
    for kind in KINDS:
        source = cycle(rng.sample(pairs, len(pairs)))
        file = build(kind, source, planted, rng)
        file.judge(folder, score)
    for kind in KINDS:
        source = cycle(pairs)
        file = File(kind)
        for _ in pairs[:clean]:
            file.lines.append(dumped(make(kind, source, rng), rng))
            file.planted.append(None)
        file.judge(folder, score)


def check_layouts(folder: Path, pairs: list[Pair], planted: int, rng: random.Random, score: Score) -> None:
    """What belongs to a table, to an older encoding, or to rows of ten megabytes."""
    encoding, bad, huge = (Mutation(code, (), lambda row, _: row) for code in ("encoding", "bad_csv", "huge_line"))
    # A row that ends early lacks its last field.
    ragged = Mutation("ragged_row", (), lambda row, _: row, frozenset({"missing_field"}))
    plain = [(asked.replace('"', "'"), said.replace('"', "'")) for asked, said in rng.sample(pairs, len(pairs))]
    source = cycle(plain)
    for delimiter in (",", ";"):
        rows = [(f'"{asked}"', f'"{said}"') for asked, said in (next(source) for _ in range(2 * planted))]
        told = [ragged if number % 4 == 1 else None for number in range(len(rows))]
        lines = [delimiter.join(_raggedly(row, rng) if mutation else row) for row, mutation in zip(rows, told)]
        path = folder / "table.csv"
        path.write_text(delimiter.join(("prompt", "completion")) + "\n" + "\n".join(lines) + "\n", encoding="utf-8")
        _judge(path, told, lines, score)
    for number in range(planted):
        # The first quote that stands alone takes all up to the next one for its field: one a file.
        rows = [[text.replace("\n", " ").replace(",", "") for text in next(source)] for _ in range(6)]
        at = rng.randrange(6)
        rows[at][rng.randrange(2) if number % 3 else 0] = '"' + rows[at][0]
        path = folder / "quotes.csv"
        lines = [",".join(row) for row in rows]
        path.write_text("prompt,completion\n" + "\n".join(lines) + "\n", encoding="utf-8")
        _judge(path, [bad if place == at else None for place in range(6)], lines, score)
    for name, words in (
        ("cp1252", ("café", "Größe", "déjà vu", "It’s")),
        ("cp1251", ("Привет мир", "Спасибо большое")),
    ):
        told = [encoding if number % 3 == 0 else None for number in range(2 * planted)]
        lines = []
        for mutation in told:
            asked, said = (text.encode("ascii", "ignore").decode() for text in next(source))
            said = f"{said} {rng.choice(words)}" if mutation else said
            lines.append(json.dumps({"prompt": asked, "completion": said}, ensure_ascii=False))
        path = folder / f"{name}.jsonl"
        path.write_bytes(b"".join(line.encode(name) + b"\n" for line in lines))
        _judge(path, told, lines, score)
    lines, told = [], []
    for number in range(2 * min(_HUGE, planted)):
        asked, said = next(source)
        again = -(-11_000_000 // len(said)) if number % 2 else 1
        lines.append(json.dumps({"prompt": asked, "completion": said * again}, ensure_ascii=False))
        told.append(huge if number % 2 else None)
    path = folder / "huge.jsonl"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    _judge(path, told, lines, score)


def check_files(folder: Path, pairs: list[Pair], each: int, rng: random.Random, score: Score) -> None:
    """Files of their own for what belongs to a whole file: `each` of a kind, as `data check` reads them."""
    for code, also, case in CASES:
        if code in not_planted():
            continue
        for number in range(each):
            own = folder / f"{code or 'clean'}-{case.__name__}-{number}"
            own.mkdir()
            made = case(own, rng.sample(pairs, _ROWS), rng)
            name = f"{code or 'clean'} ({case.__name__}, {number})"
            judge_file(_verdict(made.path, made.options), code, also, made.lines, score, name)


def not_planted() -> dict[str, str]:
    """The codes that cannot be planted here, and why."""
    return {"permission_denied": "root may read every file"} if os.geteuid() == 0 else {}


def _verdict(path: Path | str, options: dict[str, Any]) -> Report:
    try:
        return check(path, **options)
    except Unreadable as error:
        return unreadable(path, error)


def _judge(path: Path, told: list[Mutation | None], lines: Iterable[str], score: Score) -> None:
    report = check(path, near=None, languages=False)
    judge_rows(report, told, [line[:2000].encode() for line in lines], score)


def _raggedly(row: Pair, rng: random.Random) -> tuple[str, ...]:
    return rng.choice([row[:1], (*row, "more"), (*row, "", ""), (*row, '"and, more"')])


def main() -> int:
    """Plant, check, print; 0 where the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder with gsm8k_train.jsonl and gsm8k_test.jsonl")
    parser.add_argument("--planted", type=int, default=100, help="defects of each code, at least (100)")
    parser.add_argument("--clean", type=int, help="clean rows of each kind in files of their own (all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="the codes to plant, with commas between them (all)")
    parser.add_argument("--show", type=int, default=0, help="how many misses and false findings to print")
    args = parser.parse_args()
    rng, score = random.Random(args.seed), Score()
    pairs = clean_pairs(args.data)
    codes = list(args.only.split(",") if args.only else CODES)
    if unknown := [code for code in codes if code not in CODES]:
        parser.error(f"no such code: {', '.join(unknown)}")
    MUTATIONS[:] = [mutation for mutation in MUTATIONS if mutation.code in ("", *codes)]
    CASES[:] = [case for case in CASES if case[0] in ("", *codes)]
    with tempfile.TemporaryDirectory() as name:
        os.environ["DIAPASON_HOME"] = name + "/home"
        check_kinds(Path(name), pairs, args.planted, args.clean, rng, score)
        if _OF_LAYOUTS.intersection(codes):
            check_layouts(Path(name), pairs, args.planted, rng, score)
        english = pairs if args.data else starter_pairs("support_en")
        check_files(Path(name), english, max(1, args.planted // 5), rng, score)
    return 0 if print_score(score, codes, not_planted(), args.show) else 1


if __name__ == "__main__":
    sys.exit(main())
