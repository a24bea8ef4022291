"""Defects of a set of rows: copies, contradictions, leaks, amounts, balance, languages, its card."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

from _planted import starter_pairs
from _planted_files import Made, Pair, json_lines, plants_file, saved, table

_FACTS = ("source", "made", "licence", "owner", "basis", "personal_data", "bias")


def _among(pairs: Sequence[Pair], more: Sequence[Pair], rng: random.Random) -> tuple[list[Pair], tuple[int, ...]]:
    """The pairs with `more` at places of chance, none before the tenth, and the lines where these are."""
    places = sorted(rng.sample(range(10, len(pairs)), len(more)))
    rows = list(pairs)
    for shift, (place, pair) in enumerate(zip(places, more, strict=True)):
        rows.insert(place + shift, pair)
    return rows, tuple(place + shift + 1 for shift, place in enumerate(places))


def _changed(text: str, rng: random.Random) -> str:
    """The text with a word of its own taken out or one letter typed wrongly, far from any number."""
    words = text.split(" ")
    places = [n for n, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    place = rng.choice(places)
    word = words[place]
    words[place] = (
        word[:2] + word[3] + word[2] + word[4:] if rng.random() < 0.5 and word[2] != word[3] else word + "s"
    )
    return " ".join(words)


def _folded(text: str, rng: random.Random) -> str:
    return rng.choice([text.upper(), text.lower().rstrip(".?!"), text.replace(" ", "  ", 3) + " ", text + "!"])


def _long(pairs: Sequence[Pair]) -> list[Pair]:
    """Eight rows, each of three of the first: one letter changed touches six shingles, which is little in these."""
    ends = [pairs[3 * number : 3 * number + 3] for number in range(8)]
    return [(" ".join(asked for asked, _ in three), " ".join(said for _, said in three)) for three in ends]


@plants_file("exact_duplicate")
def copied(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Rows again, also with other blanks and keys in another order."""
    rows, lines = _among(pairs, rng.sample(pairs[:10], 3), rng)
    raw = json_lines(rows).splitlines()
    first = lines[0] - 1
    raw[first] = json.dumps(
        {"completion": rows[first][1], "prompt": rows[first][0]}, separators=(" ,", " : ")
    ).encode()
    return saved(folder, "rows.jsonl", b"\n".join(raw) + b"\n", lines)


@plants_file("near_duplicate")
def folded(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Rows again in capitals, with other blanks, with another mark at the end."""
    more = [(_folded(asked, rng), _folded(said, rng)) for asked, said in rng.sample(pairs[:10], 3)]
    rows, lines = _among(pairs, more, rng)
    return saved(folder, "rows.jsonl", json_lines(rows), lines)


@plants_file("near_duplicate")
def nearly(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Rows again with a word or a letter changed."""
    first = _long(pairs)
    more = [(_changed(asked, rng), _changed(said, rng)) for asked, said in rng.sample(first, 3)]
    rows, lines = _among([*first, *pairs[24:]], more, rng)
    return saved(folder, "rows.jsonl", json_lines(rows), lines)


@plants_file("contradiction")
def two_answers(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A question again with another answer."""
    place = rng.randrange(10)
    asked = pairs[place][0] if rng.random() < 0.5 else _folded(pairs[place][0], rng)
    rows, lines = _among(pairs, [(asked, "I do not know that, I am afraid.")], rng)
    return saved(folder, "rows.jsonl", json_lines(rows), (place + 1, *lines))


@plants_file("contradiction", "too_few_rows")
def two_labels(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A text again with another label."""
    rows = [(asked, "easy" if number % 2 else "hard") for number, (asked, _) in enumerate(pairs)]
    lines = [json.dumps({"text": asked, "label": label}) for asked, label in rows]
    place, at = rng.randrange(10), rng.randrange(10, len(lines))
    other = "hard" if rows[place][1] == "easy" else "easy"
    lines.insert(at, json.dumps({"text": rows[place][0], "label": other}))
    return saved(folder, "rows.jsonl", "\n".join(lines) + "\n", (place + 1, at + 1))


@plants_file("leakage")
def leaks_from_another(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Test rows of which some are in the training file: the same, in capitals, or with a word changed."""
    train, test = _long(pairs), pairs[24:]
    asked, said = rng.choice(train)
    way = rng.randrange(3)
    leaked = (asked if way == 0 else _folded(asked, rng) if way == 1 else _changed(asked, rng), said)
    rows, lines = _among(test, [leaked], rng)
    other = saved(folder, "train.jsonl", json_lines(train))
    return saved(folder, "test.jsonl", json_lines(rows), lines, against=other.path)


@plants_file("leakage", "extra_field", "exact_duplicate", "near_duplicate")
def leaks_between_splits(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Rows that name their split, one of them in two."""
    rows = [{"prompt": asked, "completion": said, "split": "test" if number % 5 == 4 else "train"}
            for number, (asked, said) in enumerate(pairs)]  # fmt: skip
    place = rng.randrange(0, 4)
    rows.append({**rows[place], "split": "test"})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    return saved(folder, "rows.jsonl", text, (len(rows),))


@plants_file("too_few_rows")
def few(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """Fewer rows than any guide asks for."""
    return saved(folder, "rows.jsonl", json_lines(pairs[: rng.randrange(1, 40)]))


def _labelled(folder: Path, pairs: Sequence[Pair], labels: Sequence[str], rng: random.Random) -> Made:
    rows = [(asked, label) for (asked, _), label in zip(pairs, labels, strict=False)]
    if rng.random() < 0.5:
        return saved(folder, "rows.csv", table(rows, names=("text", "label")))
    text = "".join(json.dumps({"text": asked, "label": label}) + "\n" for asked, label in rows)
    return saved(folder, "rows.jsonl", text)


@plants_file("label_imbalance", "too_few_rows")
def unbalanced(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """One label far more often than another."""
    often = ["refund"] * (len(pairs) - 4) + ["complaint"] * 4
    rng.shuffle(often)
    return _labelled(folder, pairs, often, rng)


@plants_file("single_label", "too_few_rows")
def one_label(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """The same label in every row."""
    return _labelled(folder, pairs, [rng.choice(["refund", "yes", "1"])] * len(pairs), rng)


@plants_file("mixed_languages")
def languages(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A part of the rows in French, as translators add them."""
    rows = [*pairs, *rng.sample(starter_pairs("support_fr"), len(pairs) // 3)]
    rng.shuffle(rows)
    return saved(folder, "rows.jsonl", json_lines(rows))


@plants_file("card_incomplete")
def unsaid(folder: Path, pairs: Sequence[Pair], rng: random.Random) -> Made:
    """A file of facts beside the data with one that nobody filled in."""
    made = saved(folder, "rows.jsonl", json_lines(pairs))
    gone = rng.choice(_FACTS)
    facts = "".join(f"{name}:{'' if name == gone else ' told'}\n" for name in _FACTS)
    saved(folder, "rows.jsonl.card.yaml", facts)
    return made
