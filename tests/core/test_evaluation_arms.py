"""The arms by name, what retrieval finds, documents and their pieces, an endpoint's answers."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.dataset import examples
from core.data.example import Example, Message
from core.errors import DiapasonError, UsageError
from core.evaluation.arms import Arm, full_name, parse_arm, parse_arms, split_arms
from core.evaluation.asking import Asking
from core.evaluation.documents import Document, folder_fingerprint, html_text, read_folder
from core.evaluation.resolve import probe
from core.evaluation.retrieval import TEMPLATE, Index, Library, Neighbours, chunks, with_chunks, words
from tests.endpoint import Answer, completion, serve
from tests.training import chat_rows, write_jsonl


def question(text: str, row: int = 0) -> Example:
    return Example("chat", row, row + 1, (Message("user", text),), (Message("assistant", "Yes."),))


@pytest.mark.parametrize(
    ("text", "arm"),
    [
        ("base", Arm("base", "base")),
        ("few-shot:05", Arm("few-shot:5", "few-shot", 5)),
        ("bm25:3", Arm("bm25:3", "bm25", 3)),
        ("rag: docs/", Arm("rag:docs", "rag", folder="/here/docs")),
        ("rag-tuned:/a/../b", Arm("rag-tuned:b", "rag-tuned", folder="/b")),
        ("checkpoint:40", Arm("checkpoint:40", "checkpoint", step=40)),
        ("run:01kabcdefghjkmnpqrstvwxyz0-mine@7",
         Arm("run:mine@7", "run", run="01kabcdefghjkmnpqrstvwxyz0-mine", step=7)),
        ("run:last", Arm("run:last", "run", run="last")),
        ("endpoint:http://h:1/v1/#gpt", Arm("endpoint:gpt", "endpoint", url="http://h:1/v1", model="gpt")),
        ("tuned~2", Arm("tuned~2", "tuned", sample=2)),
    ],
)  # fmt: skip
def test_an_arm_reads_back_from_its_full_name(text: str, arm: Arm) -> None:
    (found,) = parse_arms([text], base=Path("/here"))
    assert found == arm
    assert parse_arms([full_name(found)]) == [found]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("few-shot:65", "K is at most 64"), ("bm25:0", "is no arm"), ("rag:", "is no arm"),
        ("checkpoint:x", "no arm"),
        ("run:@3", "names no step"), ("run:a@0", "names no step"), ("endpoint:ftp://h#m", "no http address"),
        ("endpoint:http://h/v1", "model is not named"), ("endpoint:http://k:s@h/v1#m", "key does not belong"),
        ("tuned:2", "is no arm"), ("", "is no arm"),
    ],
)  # fmt: skip
def test_what_is_no_arm_is_told(text: str, problem: str) -> None:
    with pytest.raises(UsageError) as found:
        parse_arm(text)
    assert problem in str(found.value) and found.value.hint


def test_arms_that_share_a_short_name_get_their_full_one() -> None:
    assert [arm.name for arm in parse_arms(["rag:/a/docs", "rag:/b/docs", "base"])] == [
        "rag:/a/docs", "rag:/b/docs", "base",
    ]  # fmt: skip
    assert parse_arms(["endpoint:http://h/v1"], endpoint_model="m")[0].name == "endpoint:m"
    with pytest.raises(UsageError, match="named twice"):
        parse_arms(["few-shot:5", "base", "few-shot:05"])
    with pytest.raises(UsageError, match="no arm is named"):
        parse_arms(split_arms(" , "))


def test_words_are_found_in_any_script() -> None:
    assert words("L'Été, at 10!") == ["l", "été", "at", "10"]
    assert words("我的包裹") == ["我的", "的包", "包裹"] and words("猫") == ["猫"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("abc é我的_!", max_size=12), min_size=1, max_size=8), st.text("abc é我的z", max_size=10))
def test_an_index_gives_each_text_once_and_the_nearest_first(texts: list[str], asked: str) -> None:
    index = Index(texts)
    found = index.nearest(asked, 20)
    assert sorted(found) == list(range(len(texts))) and found[:2] == index.nearest(asked, 2)
    shared = [bool(set(words(texts[at])) & set(words(asked))) for at in found]
    assert shared == sorted(shared, reverse=True)
    assert found[0] not in index.nearest(asked, 20, lambda at: at == found[0])


def test_scores_are_those_of_the_formula() -> None:
    texts = ["red lamp", "red red chair in the hall", "blue lamp", "a parcel"]
    # Lucene's form: idf = ln(1 + (N - n + ½) / (n + ½)); tf / (tf + k1 (1 - b + b length / mean)).
    from math import log

    docs = [words(text) for text in texts]
    mean = sum(map(len, docs)) / len(docs)

    def score(doc: list[str], asked: list[str]) -> float:
        total = 0.0
        for word in asked:
            n = sum(word in other for other in docs)
            tf = doc.count(word)
            if n:
                weight = log(1 + (len(docs) - n + 0.5) / (n + 0.5))
                total += weight * tf / (tf + 1.2 * (0.25 + 0.75 * len(doc) / mean))
        return total

    for asked in ("red lamp", "the blue chair", "parcel a a"):
        wanted = sorted(range(4), key=lambda at: -score(docs[at], words(asked)))
        assert Index(texts).nearest(asked, 4) == wanted


def test_neighbours_are_near_and_never_the_row_itself(tmp_path: Path) -> None:
    train = list(examples(write_jsonl(tmp_path / "train.jsonl", chat_rows(30)), "chat"))
    near = Neighbours(train, 3).of(question("WHERE is my lamp  number 10?"), 3)
    assert ["lamp" in row.prompt_text for row in near] == [True, True, False]
    assert not any("number 10?" in row.prompt_text for row in near)


def test_a_folder_is_read_by_what_its_files_are(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.md").write_text("# Returns\nWithin 30 days.", "utf-8")
    (tmp_path / "sub" / "b.txt").write_bytes("Dépôt à Lyon, fermé l'été.".encode("cp1252"))
    (tmp_path / "c.html").write_text("<title>Hi</title><script>x()</script><p>One <b>two</b></p><li>three&amp;four")
    write_jsonl(tmp_path / "d.jsonl", [{"q": "Where?", "a": {"text": ["Paris", 3]}, "ok": True}, {"q": " "}])
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\0")
    (tmp_path / "binary.txt").write_bytes(b"\0\1\2" * 9)
    (tmp_path / ".hidden.md").write_text("no")
    (tmp_path / "empty.md").write_text(" \n")
    found = read_folder(tmp_path)
    texts = {document.source: document.text for document in found.documents}
    assert texts == {
        "a.md": "# Returns\nWithin 30 days.",
        "sub/b.txt": "Dépôt à Lyon, fermé l'été.",
        "c.html": "Hi\nOne two\nthree&four",
        "d.jsonl:1": "q: Where?\ntext: Paris\ntext: 3",
    }
    assert found.passed_over == {".png": 1, ".txt without text": 1}
    before = folder_fingerprint(tmp_path)
    (tmp_path / "photo.png").write_bytes(b"other")
    assert folder_fingerprint(tmp_path) == before
    (tmp_path / "a.md").write_text("changed")
    assert folder_fingerprint(tmp_path) != before


@pytest.mark.parametrize("name", ["missing", "file", "bare", "pdf", "blank"])
def test_a_folder_without_documents_is_told(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    problem = {"missing": "no such folder", "file": "is no folder", "bare": "holds no document",
               "pdf": ".pdf files cannot be read", "blank": "hold no text"}[name]  # fmt: skip
    if name == "file":
        folder.write_text("x")
    elif name != "missing":
        folder.mkdir()
    if name == "pdf":
        (folder / "Book.PDF").write_bytes(b"%PDF-1.7")
        (folder / "a.md").write_text("text")
    if name == "blank":
        (folder / "a.md").write_text("\n")
    with pytest.raises(DiapasonError, match=problem) as found:
        read_folder(folder)
    assert found.value.hint and ("pdftotext Book.PDF" in found.value.hint) == (name == "pdf")


@settings(max_examples=80, deadline=None)
@given(st.text("ab é\n.", max_size=80), st.integers(2, 9), st.integers(0, 4))
def test_pieces_hold_the_whole_text(text: str, size: int, overlap: int) -> None:
    spans = [(at, at + 1) for at in range(len(text))]
    pieces = list(chunks([Document("a", text)], lambda _: spans, size, min(overlap, size // 2)))
    assert all(len(piece.text) <= size for piece in pieces)
    covered = {at for piece in pieces for at in range(piece.start, piece.start + size)}
    assert all(at in covered for at, char in enumerate(text) if not char.isspace())
    assert [piece.start for piece in pieces] == sorted({piece.start for piece in pieces})


def test_pieces_end_between_words_and_overlap() -> None:
    text = "alpha beta gamma delta epsilon"
    spans = [(at, at + 1) for at in range(len(text))]
    pieces = [piece.text for piece in chunks([Document("a", text)], lambda _: spans, 17, 6)]
    assert pieces[0] == "alpha beta gamma" and pieces[-1].endswith("epsilon")
    assert all(piece.split()[-1] in text.split() for piece in pieces)


def test_pieces_go_before_the_last_question_and_never_hold_the_row_itself() -> None:
    row = Document("faq.csv:3", "q: Where is it?\na: in {question}", frozenset({"where is it?"}))
    other = Document("guide.md", "where it is: in {context}")
    library = Library(chunks([row, other], lambda text: [(at, at + 1) for at in range(len(text))], 99, 0))
    example = Example(
        "chat", 0, 1,
        (
            Message("system", "Be kind."), Message("user", "Hi"), Message("assistant", "Hi"),
            Message("user", "Where is IT?"),
        ),
        (Message("assistant", "x"),),
    )  # fmt: skip
    found = library.of(example, 4)
    assert [piece.source for piece in found] == ["guide.md"]
    asked = with_chunks(example, found, TEMPLATE)
    assert asked.prompt[:3] == example.prompt[:3] and asked.completion == example.completion
    assert asked.prompt[3].content.endswith("Question: Where is IT?")
    assert "[1] guide.md\nwhere it is: in {context}\n" in asked.prompt[3].content
    assert with_chunks(example, [], TEMPLATE) == example


def test_a_template_without_its_places_is_refused() -> None:
    from core.recipe import make_recipe

    for values in ({"rag_template": "{context} {context} {question}"}, {"arms": ["bm25"]}, {"arms": []},
                   {"rag_chunk_overlap": 200}, {"temperature": 3}):  # fmt: skip
        with pytest.raises(UsageError, match=next(iter(values))):
            make_recipe({"evaluation": values})
    kept = make_recipe({"evaluation": {"arms": ["bm25:3", "tuned"], "rag_template": "{question}: {context}"}})
    assert kept.evaluation.arms == ["bm25:3", "tuned"]


def test_html_keeps_what_is_read() -> None:
    page = "<style>p{}</style><p>a<br>b</p><pre>c  d</pre><svg><text>x</text></svg>e<!-- f -->"
    assert html_text(page) == "a\nb\nc d\ne"


MESSAGES = [[{"role": "user", "content": f"question {number}"}] for number in range(12)]


def asking(url: str, **fields: Any) -> Asking:
    return Asking(url, "m", fields, most=8, temperature=0.0, top_p=1.0, seed=0)


def test_an_endpoint_is_asked_several_at_once() -> None:
    lock = threading.Barrier(3)

    def answer(body: dict[str, Any], before: int) -> Answer:
        lock.wait(20)
        text = body["messages"][0]["content"]
        if text.endswith(" 4"):
            return 400, {}, '{"error": {"message": "too long"}}'
        return completion(text.upper(), 10, 3)

    with serve(answer) as endpoint:
        heard = list(asking(endpoint.url, concurrency=3).replies(MESSAGES, lambda: None))
    assert sorted(one.index for one in heard) == list(range(12))
    by_index = {one.index: one for one in heard}
    assert by_index[4].reply is None and "too long" in by_index[4].refusal
    reply = by_index[11].reply
    assert reply is not None and (reply.text, reply.given, reply.made, reply.ended) == ("QUESTION 11", 10, 3, True)
    assert endpoint.bodies[0]["temperature"] == 0 and "top_p" not in endpoint.bodies[0]


@pytest.mark.parametrize(
    ("status", "settings", "problem"),
    [(401, {}, "does not accept the key"), (400, {}, "refuses every question"), (200, {"budget": 150}, "150 tokens")],
)
def test_what_ends_an_endpoint_is_told_and_what_was_heard_is_kept(
    status: int, settings: dict[str, Any], problem: str
) -> None:
    with serve(lambda body, before: completion("x", 20, 5) if status == 200 else (status, {}, "")) as endpoint:
        heard: list[Any] = []
        with pytest.raises(DiapasonError, match=problem):
            for one in asking(endpoint.url, concurrency=1, **settings).replies(MESSAGES, lambda: None):
                heard.append(one)
    least = {401: 0, 400: 5, 200: 5}[status]
    assert least <= len(heard) <= least + 1 and len(endpoint.bodies) <= 7


def test_an_endpoint_is_looked_at_before_anything_is_loaded() -> None:
    with serve(lambda body, before: completion("x") if body["model"] == "good" else (404, {}, "")) as endpoint:
        probe(parse_arm(f"endpoint:{endpoint.url}#good"))
        with pytest.raises(DiapasonError, match="knows no such address or model"):
            probe(parse_arm(f"endpoint:{endpoint.url}#bad"))
        url = endpoint.url
    assert endpoint.bodies[0]["max_tokens"] == 1
    with pytest.raises(DiapasonError, match=r"cannot be reached \(no connection\)"):
        probe(parse_arm(f"endpoint:{url}#good"))
