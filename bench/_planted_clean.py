"""Whole files without a fault in the layouts that people use, and with what only looks like a fault of a file."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Sequence
from pathlib import Path

from _planted import starter_pairs
from _planted_files import Made, Pair, json_lines, plants_file, rows_of, saved, table


@plants_file("")
def usual(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """JSON Lines, an array on one line or pretty, a table, a table parted by tabs."""
    array = json.dumps(rows_of(pairs), indent=rng.choice([None, 2]), ensure_ascii=False) + "\n"
    ways: list[tuple[str, str | bytes]] = [
        ("rows.jsonl", json_lines(pairs)), ("rows.ndjson", json_lines(pairs)), ("rows.json", array),
        ("rows.csv", table(pairs)), ("rows.csv", table(pairs).replace("\n", "\r\n")),
        ("rows.tsv", table(pairs, "\t")),
    ]  # fmt: skip
    return saved(folder, *rng.choice(ways))


@plants_file("")
def all_quoted(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A table with quotes around every field, quotes, commas and line breaks in them."""
    text = io.StringIO()
    rows = [(f'{asked}\n"{asked[:9]}", he said;', f"{said}\n\n; one, two") for asked, said in pairs]
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([("prompt", "completion"), *rows])
    return saved(folder, "rows.csv", text.getvalue())


@plants_file("")
def same_frame(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """The same instruction before every question, and questions that differ by their numbers alone."""
    frame = "Answer the question of a customer in the voice of the shop, in two or three short sentences.\n\n"
    rows = [(frame + asked, said) for asked, said in pairs]
    for number in rng.sample(range(100, 999), 6):
        asked = f"{frame}What do {number} parcels of {number % 7 + 2} kilograms weigh, when each is packed in a box?"
        rows.append((asked, f"They weigh {number * (number % 7 + 2)} kilograms."))
    return saved(folder, "rows.jsonl", json_lines(rows))


@plants_file("")
def said_again(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """One answer to several questions, as a shop gives it."""
    said = "I am sorry, I cannot tell you that; please ask the support team, who will gladly help."
    rows = [(asked, said if number % 5 == 0 else answer) for number, (asked, answer) in enumerate(pairs)]
    return saved(folder, "rows.jsonl", json_lines(rows))


@plants_file("", "too_few_rows")
def balanced(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Labels of nearly the same number, by name or by number."""
    names = rng.choice([("refund", "delivery", "complaint"), (0, 1), ("yes", "no")])
    rows = [{"text": asked, "label": names[number % len(names)]} for number, (asked, _) in enumerate(pairs)]
    return saved(folder, "rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


@plants_file("")
def apart(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Test rows of which none is in the training file."""
    half = len(pairs) // 10
    other = saved(folder, "train.jsonl", json_lines(pairs[:half]))
    return saved(folder, "test.jsonl", json_lines(pairs[half:]), against=other.path)


@plants_file("")
def one_language(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """French alone, or English with a foreign stray."""
    french = starter_pairs("support_fr")
    rows = rng.sample(french, len(pairs)) if rng.random() < 0.5 else [*pairs, rng.choice(french)]
    return saved(folder, "rows.jsonl", json_lines(rows))


@plants_file("")
def told(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A file of facts beside the data with everything filled in."""
    names = ("source", "made", "licence", "owner", "basis", "personal_data", "bias")
    saved(folder, "rows.jsonl.card.yaml", "".join(f"{name}: told\n" for name in names))
    return saved(folder, "rows.jsonl", json_lines(pairs))
