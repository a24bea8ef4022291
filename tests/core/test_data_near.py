"""Near copies: what a person would call one, what one would not, and that what is found is so."""

from __future__ import annotations

import json
import pickle
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.data.checks.near import NearRows, sketched_parts
from core.data.checks.repeats import Repeats
from core.data.dataset import open_dataset
from core.data.near.candidates import CLOSEST, pairs
from core.data.near.copies import Texts, alike, clusters
from core.data.near.figures import figures
from core.data.near.frames import Frames
from core.data.near.sample import frames_of
from core.data.near.shingles import as_text, codes, number_jaccard, numbers, row_parts
from core.data.near.sketches import Sketches, banding
from core.data.report import CheckCancelled, Finding, check

STORY = (
    "The keeper of the lighthouse wrote every evening what ships had passed, which flags they flew and whether the "
    "sea was rough. In the winter of that year the book has no entry for nine days, and nobody on the island could "
    "say afterwards why he had stopped, since the lamp burned every night as it always had."
)
WORDS = ["amber", "bridge", "candle", "dune", "ember", "fjord", "garden", "harbour", "island", "jetty", "kettle"]


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def near(tmp_path: Path, values: list[Any], **options: Any) -> Finding | None:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    report = check(path, **options)
    return next((f for f in report.findings if (f.code, f.detail) == ("near_duplicate", "near")), None)


def pair(prompt: str, completion: str, **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "completion": completion, **more}


def sentence(seed: int, words: int) -> str:
    """Words that no other seed has."""
    draw = random.Random(seed)
    return " ".join("".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 9))) for _ in range(words))


def test_small_changes_make_a_near_copy(tmp_path: Path) -> None:
    rows = [
        pair("Tell me of the lighthouse.", STORY),
        pair("What is a fjord?", "A long inlet of the sea between cliffs."),
        pair("Tell me of the lighthouse", STORY.replace("every evening", "each evening")),
        pair("Tell me of the lighthouse!", STORY.upper()),
        pair("tell me of the lighthouses", STORY.replace("afterwards ", "")),
    ]
    found = near(tmp_path, rows)
    assert found is not None and found.count == 2 and found.lines == [3, 5] and "2 rows" in found.message
    assert found.group(2) == [0, 2, 4] and found.severity == "warning"
    assert near(tmp_path, rows, near=1.0) is None and near(tmp_path, rows, near=None) is None


def test_a_chain_is_one_group(tmp_path: Path) -> None:
    words = [f"{word}{letter * 3}" for word in WORDS for letter in "pqrs"]
    texts: list[str] = []
    for _ in range(4):
        texts.append(" ".join(words))
        words[len(texts) * 9] = "changed" + "xyzw"[len(texts) - 1] * 3
    found = near(tmp_path, [{"text": text} for text in texts], near=0.9)
    assert found is not None and found.group(3) == [0, 1, 2, 3] and found.count == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # The frame of an exercise with other numbers: another exercise.
        (pair("Tom has 3 apples and buys 14 more at the market. How many apples does Tom have now?", "He has 17."),
         pair("Tom has 5 apples and buys 16 more at the market. How many apples does Tom have now?", "He has 21.")),
        (pair(f"{STORY} How many of the 12 ships came back?", "None of them did."),
         pair(f"{STORY} How many of the 13 ships came back?", "None of them did.")),
        # One answer to two questions, and one question with two answers.
        (pair("Can I return a guitar?", STORY), pair("Where do you ship to?", STORY)),
        (pair(STORY, "It is a story."), pair(STORY + " Why?", "Because of the lamp.")),
        # The same system prompt before other questions.
        ({"messages": [{"role": "system", "content": STORY}, {"role": "user", "content": "Who wrote?"},
                       {"role": "assistant", "content": "I cannot tell."}]},
         {"messages": [{"role": "system", "content": STORY}, {"role": "user", "content": "What burned?"},
                       {"role": "assistant", "content": "I cannot tell."}]}),
        # Very short prompts in which a word is all.
        ({"text": "How do I activate my card?", "label": "a"}, {"text": "How do I activate my phone?", "label": "a"}),
        ({"text": "card lost", "label": "a"}, {"text": "card stolen", "label": "a"}),
        ({"text": "a", "label": "a"}, {"text": "b", "label": "a"}),
        # Other tools to choose from.
        (pair(STORY, "x", tools=[{"name": "open_lamp"}]), pair(STORY + " Yes", "x", tools=[{"name": "shut_gate"}])),
    ],
)  # fmt: skip
def test_decoys(tmp_path: Path, one: Any, other: Any) -> None:
    assert near(tmp_path, [one, other]) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I want to open an account for my children", "I want to open an account for my child"),
        ("Why hasn't my transfer gone through?", "Why hasn't my transfer gone through yet?"),
        ("Où est passé mon virement de la semaine dernière", "Où est passé mon virement de la semaine dernières"),
        ("我在上个星期五通过手机银行转账给我的朋友但是他到现在还没有收到这笔钱请问应该怎么办才好呢谢谢",
         "我在上个星期五通过手机银行转账给我的朋友但是他到现在还没有收到这笔钱请问应该怎么办才好呢谢谢您"),
    ],
)  # fmt: skip
def test_short_texts_that_are_near(tmp_path: Path, one: str, other: str) -> None:
    found = near(tmp_path, [{"text": one, "label": "x"}, {"text": other, "label": "x"}])
    assert found is not None and found.lines == [2]


def test_the_frame_of_a_file_is_not_compared(tmp_path: Path) -> None:
    frame = f"You are given a note and have to say whether it is kind. {STORY} The note reads: "
    rows = [pair(frame + sentence(n, 6), "yes") for n in range(60)]
    assert near(tmp_path, rows) is None
    copy = pair(frame + sentence(7, 6) + "s", "yes")
    found = near(tmp_path, [*rows, copy])
    assert found is not None and found.lines == [61] and found.group(60) == [7, 60]


def test_rows_that_are_all_frame_stay_whole(tmp_path: Path) -> None:
    rows = [pair(STORY, sentence(n, 12)) for n in range(30)]
    found = near(tmp_path, [*rows, pair(STORY, sentence(3, 12) + "a")])
    assert found is not None and found.lines == [31]


def stripped(frames: Frames, text: str) -> str:
    characters, starts, ends = frames.strip(*codes([text]))
    return as_text(characters[starts[0] : ends[0]])


def test_a_stripped_text_keeps_its_own_words() -> None:
    texts = [f"{STORY} {sentence(n, 5)} {STORY[::-1]}" for n in range(20)]
    own = stripped(Frames(texts), texts[4])
    assert sentence(4, 5) in own and len(own) < 150
    whole = " ".join(texts[4].translate({ord("."): " ", ord(","): " "}).split())
    assert stripped(Frames(texts[:5]), texts[4]) == whole


def test_a_text_is_stripped_alike_wherever_it_stands() -> None:
    texts = [f"{STORY} {sentence(n, 5)}" for n in range(30)]
    characters, starts, ends = Frames(texts).strip(*codes(texts))
    together = [as_text(characters[start:end]) for start, end in zip(starts, ends, strict=True)]
    assert together == [stripped(Frames(texts), text) for text in texts] and len(together[9]) < 80


def test_rows_that_share_an_answer_or_a_prompt_are_hardly_compared(tmp_path: Path) -> None:
    canned = [pair(sentence(n, 5), sentence(10_000 + n % 40, 60)) for n in range(360)]
    asked = [pair(sentence(20_000 + n % 40, 30), sentence(n, 40)) for n in range(360)]
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in canned + asked))
    dataset = open_dataset(path)
    rows = NearRows(0.85, frames_of([list(dataset)], row_parts), sketched_parts(dataset.format))
    repeats = Repeats()
    for row in dataset:
        assert row.example is not None
        rows.add(row)
        repeats.add(row.example)
    compared: list[None] = []
    assert not rows.found(dataset, repeats.heads(), lambda: compared.append(None)).rows
    assert len(compared) < 20


def test_a_check_can_be_stopped_while_it_compares(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(pair(STORY + "x" * n, STORY)) + "\n" for n in range(5)))
    calls: list[int] = []

    def watch(rows: int, size: int) -> bool:
        calls.append(rows)
        return len(calls) < 4

    with pytest.raises(CheckCancelled):
        check(path, progress=watch)
    assert calls[-1] == 5


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.85, 0.95, 1.0])
def test_the_banding_proposes_what_is_at_the_threshold(threshold: float) -> None:
    bands, rows = banding(threshold)
    assert bands * rows <= 80
    assert 1 - (1 - min(threshold, 0.9999) ** rows) ** bands >= 0.99


def found_in(texts: list[str], threshold: float) -> np.ndarray[Any, Any]:
    sketches = Sketches(threshold, Frames())
    for text in texts:
        sketches.add([text])
    every = np.arange(len(texts))
    return clusters(pairs(sketches, every), len(texts), Texts(lambda place: [texts[place]], Frames()), threshold)


def five(text: str) -> set[str]:
    return {text[place : place + 5] for place in range(max(1, len(text) - 4))}


def templated(templates: int, rows: int, change: str) -> list[str]:
    """Long rows in turn from the templates, one word of each changed to a word of its own or to a number."""
    draw = random.Random(5)
    made = [sentence(30_000 + n, 70).split() for n in range(templates)]
    texts: list[str] = []
    for n in range(rows):
        words = list(made[n % templates])
        words[draw.randrange(len(words))] = sentence(40_000 + n, 1) if change == "word" else str(1000 + n)
        texts.append(" ".join(words))
    return texts


def searched(texts: list[str], most: int | None = None) -> tuple[np.ndarray[Any, Any], Counter[int], int]:
    """The clusters, how often each text was read, and how many pairs were compared; stopped at the pair `most`."""
    sketches = Sketches(0.85, Frames())
    for text in texts:
        sketches.add([text])
    reads: Counter[int] = Counter()
    compared: list[None] = []

    def fetch(place: int) -> list[str]:
        reads[place] += 1
        return [texts[place]]

    def stop() -> None:
        if len(compared) == most:
            raise CheckCancelled("stopped")
        compared.append(None)

    near = pairs(sketches, np.arange(len(texts)))
    found = clusters(near, len(texts), Texts(fetch, Frames()), 0.85, stop)
    return found, reads, len(compared)


@pytest.mark.parametrize("templates", [1, 10, 100])
def test_copies_of_a_few_rows_are_compared_about_once_each(templates: int) -> None:
    for rows in (600, 1200):
        first, reads, compared = searched(templated(templates, rows, "word"))
        assert first.tolist() == [n % templates for n in range(rows)]
        assert compared < 1.2 * rows and max(reads.values()) == 1


def test_rows_that_differ_in_a_number_are_not_compared() -> None:
    texts = templated(3, 600, "number")
    first, _, compared = searched(texts)
    assert first.tolist() == list(range(600)) and not compared
    # The one copy among them is found all the same.
    first, _, compared = searched([*texts, texts[7] + "s"])
    assert first[-1] == 7 and np.count_nonzero(first != np.arange(601)) == compared == 1


def test_no_text_is_compared_with_more_than_the_closest_few() -> None:
    # Ten numbers in a row: a band does not keep them apart, and yet no two are near copies.
    draw = random.Random(6)
    words = sentence(1, 70)
    texts = [words + "".join(f" {draw.randrange(10**6)}" for _ in range(10)) for _ in range(400)]
    for some in (texts[:200], texts):
        first, _, compared = searched(some)
        assert first.tolist() == list(range(len(some))) and len(some) < compared <= CLOSEST * len(some)


def test_few_texts_are_read_more_than_twice_where_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = templated(40, 1200, "word")
    whole = searched(texts)[0]
    monkeypatch.setattr("core.data.near.copies._KEPT_SHINGLES", 40_000)
    monkeypatch.setattr("core.data.near.copies._BLOCK", 128)
    few, reads, _ = searched(texts)
    assert np.array_equal(whole, few) and reads.total() <= 2 * len(texts)


def test_the_comparing_can_be_stopped() -> None:
    with pytest.raises(CheckCancelled):
        searched(templated(1, 50, "word"), most=3)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 4), st.integers(1, 40), st.integers(0, 10**6))
def test_clusters_of_templates_are_the_connected_ones(templates: int, rows: int, seed: int) -> None:
    texts = templated(templates, rows, "word")
    random.Random(seed).shuffle(texts)
    sets = [five(text) for text in texts]
    expected = list(range(rows))
    for later in range(rows):
        for earlier in range(later):
            if len(sets[later] & sets[earlier]) >= 0.85 * len(sets[later] | sets[earlier]):
                old, new = expected[later], expected[earlier]
                expected = [min(old, new) if head in (old, new) else head for head in expected]
    assert searched(texts)[0].tolist() == expected


_FIGURES = st.lists(st.sampled_from(["1", "12", "012", "3", "٣", "1٣", "x", "१२"]), max_size=9).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(one=_FIGURES, other=_FIGURES, threshold=st.sampled_from([0.5, 0.7, 0.8, 0.85, 1.0]))
def test_texts_with_other_figures_share_too_few_numbers(one: str, other: str, threshold: float) -> None:
    own, theirs = figures(*codes([one, other]), threshold).tolist()
    if own != theirs:
        assert number_jaccard(numbers(one), numbers(other)) < threshold


_TEXT = st.lists(st.sampled_from(WORDS), min_size=0, max_size=30).map(" ".join)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(base=st.lists(_TEXT, min_size=1, max_size=6, unique=True), seed=st.integers(0, 10**6))
def test_clusters_are_what_comparing_all_pairs_gives(base: list[str], seed: int) -> None:
    draw = random.Random(seed)
    texts = list(base)
    for text in base:
        words = text.split()
        if words:
            words[draw.randrange(len(words))] = draw.choice(WORDS)
        texts.append(" ".join(words))
    texts = list(dict.fromkeys(texts))
    draw.shuffle(texts)
    sets = [five(text) for text in texts]
    value = {(a, b): len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a in range(len(texts)) for b in range(a)}
    first = found_in(texts, 0.85)
    for (a, b), similarity in value.items():
        if similarity >= 0.95:
            assert first[a] == first[b]
    for place, head in enumerate(first.tolist()):
        mates = [other for other in range(len(texts)) if other != place and first[other] == head]
        assert head <= place and (not mates or max(value[max(place, m), min(place, m)] for m in mates) >= 0.85)


def test_a_thousand_planted_copies_are_found() -> None:
    texts = [sentence(seed, 40) for seed in range(1000)]
    copies = [text[:-3] + "zzz" for text in texts]
    first = found_in(texts + copies, 0.85)
    assert (first[:1000] == np.arange(1000)).all()
    assert (first[1000:] == np.arange(1000)).sum() >= 998


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=5))
def test_any_text_is_cut_into_itself(texts: list[str]) -> None:
    texts = [text.replace("\x1f", "") for text in texts]
    characters, starts, ends = codes(texts)
    for text, start, end in zip(texts, starts.tolist(), ends.tolist(), strict=True):
        kept = as_text(characters[start:end])
        assert "".join(kept.split()) in "".join(text.split()) or any(
            mark in text for mark in ".,!?;'\"-’‘“”«»…¿¡。，！？；"
        )
        assert kept == kept.strip(" ") and "  " not in kept


def test_parts_must_be_alike_one_by_one() -> None:
    texts = Texts(lambda place: [["abcdefghij", STORY], ["klmnopqrst", STORY], ["abcdefghij"]][place], Frames())
    assert not alike(texts.parts(0), texts.parts(1), 0.85) and not alike(texts.parts(0), texts.parts(2), 0.85)
    assert alike(texts.parts(0), texts.parts(0), 1.0)


def test_many_sketches_lie_on_disk_and_find_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))
    texts = [
        f"Where is parcel {n % 150} of customer {n % 150}, sent from shelf {n % 150} yesterday?" for n in range(400)
    ]

    def sketched() -> Sketches:
        parts = [Sketches(0.85, Frames()) for _ in range(4)]
        for number, text in enumerate(texts):
            parts[number // 100].add([text])
        first, *rest = (pickle.loads(pickle.dumps(part)) for part in parts)
        for later in rest:
            first.merge(later)
        return first

    every = np.arange(len(texts))
    kept = sketched()
    monkeypatch.setattr("core.data.near.sketches._IN_MEMORY", 5000)
    spilled = sketched()
    assert isinstance(spilled.bytes(), np.memmap) and not isinstance(kept.bytes(), np.memmap)
    assert np.array_equal(spilled.bytes(), kept.bytes()) and len(pairs(kept, every)) >= 250
    assert np.array_equal(pairs(spilled, every), pairs(kept, every))
    assert not [file for file in (tmp_path / "home").rglob("*") if file.is_file()]
