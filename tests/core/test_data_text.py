"""What is wrong with the text of rows: placeholders, template fields, control tokens, damage; and what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.checks.damage import find_mojibake
from core.data.checks.marks import special_tokens, template_marks
from core.data.checks.placeholders import placeholder
from core.data.dataset import open_dataset
from core.data.report import check

NEW = {"placeholder", "template_placeholder", "special_token", "mojibake", "replacement_char", "secret"}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIAPASON_HOME", str(tmp_path / "home"))


def found(tmp_path: Path, value: dict[str, Any], ascii_only: bool = False) -> list[tuple[str, str]]:
    """Code and detail of what a file with this one row has, of the checks of text alone."""
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(value, ensure_ascii=ascii_only) + "\n", encoding="utf-8")
    [row] = open_dataset(path)
    assert row.usable, row.findings
    return [(f.code, f.detail) for f in row.findings if f.code in NEW or f.code.startswith("pii_")]


def pair(prompt: str, answer: str) -> dict[str, Any]:
    return {"prompt": prompt, "completion": answer}


def chat(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("N/A", "n/a"),
        (" n/a. ", "n/a"),
        ("<noinput>", "<noinput>"),
        ("Noinput", "noinput"),
        ("No input.", "no input"),
        ("TODO", "todo"),
        ("...", "…"),
        ("…", "…"),
        ("null", "null"),
        ("NaN", "nan"),
        ("[deleted]", "[deleted]"),
        ("---", "---"),
        ("TBD", "tbd"),
        ("???", "???"),
    ],
)
def test_an_answer_that_says_nothing_is_named(tmp_path: Path, text: str, said: str) -> None:
    assert found(tmp_path, chat("Who won?", text)) == [("placeholder", said)]
    assert found(tmp_path, chat(text, "Nobody did.")) == [("placeholder", said)]
    assert found(tmp_path, {"instruction": "Sum up.", "input": text, "output": "Fine."}) == [("placeholder", said)]
    assert found(tmp_path, {"text": text}) == [("placeholder", said)]


@pytest.mark.parametrize(
    "text", ["None", "Na", "No.", "0", "Yes", "?", "Nothing.", "Null Island", "[1, 2]", "👍", "Removed"]
)
def test_a_short_answer_is_no_placeholder(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, chat("Which?", text)) == []
    assert placeholder(text, answer=True) is None


def test_none_as_a_prompt_is_a_placeholder_and_a_label_never(tmp_path: Path) -> None:
    assert found(tmp_path, {"instruction": "Sum up.", "input": "None", "output": "Fine."}) == [
        ("placeholder", "none")
    ]
    assert found(tmp_path, {"text": "I like it.", "label": "null"}) == []
    tools = {"role": "tool", "content": "null"}
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}
    row = {"messages": [{"role": "user", "content": "Go"}, call, tools, {"role": "assistant", "content": "Done."}]}
    assert found(tmp_path, row) == []


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Hello, I am {{name}}, made by {{author}}.", "{{…}}"),
        ("Dear {{ customer.first_name }}, thank you.", "{{…}}"),
        ("Dear {name}, your parcel is here.", "{…}"),
        ("Dear {customer_name},", "{…}"),
        ("Yours,\n[Your Name]", "[…]"),
        ("Visit us in [INSERT CITY HERE] today.", "[…]"),
        ("Dear [Recipient's Name],", "[…]"),
        ("My name is <your name>.", "<…>"),
        ("Write to <insert address> now.", "<…>"),
    ],
)
def test_a_template_field_never_filled_in(tmp_path: Path, text: str, kind: str) -> None:
    assert found(tmp_path, chat("Write it.", text)) == [("template_placeholder", kind)]


@pytest.mark.parametrize(
    "text",
    [
        'print(f"Hello {name}")',
        "```python\nprint('{name}'.format(name=1))\n```",
        "steps:\n  token: ${{ secrets.GITHUB_TOKEN }}",
        "{% for x in xs %}{{ x }}{% endfor %}",
        "<div>{{ name }}</div>",
        "style={{ fontWeight: 'bold' }}",
        r"\frac{{a}}{{b}} and \text{name} in $x_{name}$",
        r"\begin{document}",
        '{"name": {"first": "Ann"}}',
        "the set {x_n} and {a, b}",
        "Use a Jinja template such as {{name}}.",
        "In your template, {{name}} is a placeholder.",
        "GET /users/{id}",
        "See [the docs](https://diapason.dev) and [1].",
        "List[String], Array[Name](3)",
        "[Enter ALEXANDER]",
        "a < b and your > c",
        "The `{name}` field.",
        "Reply with [your answer].",
    ],
)
def test_braces_of_code_and_mathematics_are_no_template(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, chat("Explain.", text)) == []


@pytest.mark.parametrize(
    ("token", "family"),
    [
        ("<|im_start|>", "chatml"),
        ("<|eot_id|>", "llama-3"),
        ("<|reserved_special_token_12|>", "llama-3"),
        ("<|header_start|>", "llama-4"),
        ("<|channel|>", "harmony"),
        ("<|user|>", "phi"),
        ("<|endoftext|>", "gpt"),
        ("[INST]", "llama-2"),
        ("[/INST]", "llama-2"),
        ("<<SYS>>", "llama-2"),
        ("<</SYS>>", "llama-2"),
        ("</s>", "llama-2"),
        ("[TOOL_CALLS]", "mistral"),
        ("[/AVAILABLE_TOOLS]", "mistral"),
        ("<start_of_turn>", "gemma"),
        ("[gMASK]", "glm"),
        ("<｜begin▁of▁sentence｜>", "deepseek"),
        ("<|START_OF_TURN_TOKEN|>", "command-r"),
        ("<unk>", "sentencepiece"),
        ("<|my_own_token|>", "unknown"),
    ],
)
def test_control_tokens_are_found_however_the_json_is_written(tmp_path: Path, token: str, family: str) -> None:
    row = chat("Hi", f"Hello {token} there")
    for ascii_only in (False, True):
        assert found(tmp_path, row, ascii_only) == [("special_token", family)]
    go = json.dumps(row).replace("<", "\\u003c").replace(">", "\\u003e") + "\n"
    (tmp_path / "go.jsonl").write_text(go)
    [read] = open_dataset(tmp_path / "go.jsonl")
    assert [f.code for f in read.findings] == ["special_token"]
    [(_, start, shown)] = special_tokens(f"Hello {token} there")
    assert (start, shown) == (6, token)


@pytest.mark.parametrize(
    "text",
    [
        "x <| f |> y",
        "was <s>ten</s> five",
        "[PAD] of paper",
        "a[INSTALL]",
        "<b>bold</b>",
        "<string>",
        "if (a<s && s>b)",
    ],
)
def test_markup_and_operators_are_no_control_tokens(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, chat("Hi", text)) == []


def test_a_whole_sequence_between_its_marks_is_no_struck_out_text() -> None:
    assert [token for _, _, token in special_tokens("<s>[INST] Hi [/INST] Hello</s>")] == [
        "[INST]",
        "[/INST]",
        "<s>",
        "</s>",
    ]
    assert [token for _, _, token in special_tokens("Hello. <s>old</s> new </s>")] == ["</s>"]


@pytest.mark.parametrize(
    ("wrong", "right", "chain"),
    [
        ("Itâ€™s fine", "’", "utf-8 read as windows-1252"),
        ("le cafÃ© noir", "é", "utf-8 read as latin-1"),
        ("Ã¼ber alles", "ü", "utf-8 read as latin-1"),
        ("une voiture â€œneuveâ€\x9d", "“", "utf-8 read as windows-1252"),
    ],
)
def test_mojibake_is_found_with_what_it_meant(tmp_path: Path, wrong: str, right: str, chain: str) -> None:
    damage = find_mojibake(wrong)
    assert damage is not None and (damage[2][0], damage[3]) == (right, chain)
    for ascii_only in (False, True):
        assert ("mojibake", chain) in found(tmp_path, chat("Hi", wrong), ascii_only)


def test_every_text_encoded_twice_is_found() -> None:
    text = "Le garçon a mangé des crêpes à Noël, où l’été fut très beau"
    for encoding in ("latin-1", "cp1252"):
        for word in text.split():
            try:
                wrong = word.encode("utf-8").decode(encoding)
            except UnicodeDecodeError:
                continue
            damage = find_mojibake(f"Il dit {wrong} hier")
            assert (damage is None) == word.isascii(), (word, wrong)


@pytest.mark.parametrize(
    "text",
    [
        "« L’été où Noël tomba à Août », dit-il : ça, c’est l’œuvre d’un fou… n° 5 à 20 €, soit 3 %.",
        "Fußgänger überqueren die Straße; „schön“, sagte Jürgen – äußerst höflich. ÄÖÜ äöüß § 5, 30 °C",
        "El niño comió piña; ¿qué más? ¡Olé! Coração, maçã, não.",
        "Žluťoučký kůň, łódź, şehir, İstanbul, ørsted, Ærø",
        "Привет, как дела? Это «ёлка» – №5.",
        "你好，世界。日本語のテキスト、한국어 텍스트",
        "x² ± 3·√2 ≤ 5 × 10⁻³ µm, ∂f/∂x ≈ 1½",
        'let s = "naïve"; // — § ©2024 ™ ® 100 °F',
        "naïve café résumé – “quoted” ‘single’ 🙂👍🏽 ½ €5 £3 ¥7",
        "├── src\n│   └── main.py",
        "Αθήνα, Ελλάδα: «καλημέρα»",
        "(づ｡◕‿‿◕｡)づ ¯\\_(ツ)_/¯",
        "مرحبا بالعالم، שלום עולם",
        "ÇA ALORS ! À BIENTÔT, NOËL ÉTAIT À L’ÎLE DE RÉ.",
    ],
)
def test_real_languages_signs_and_code_are_no_mojibake(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, chat("Bonjour", text)) == []
    assert found(tmp_path, chat("Bonjour", text), ascii_only=True) == []


def test_a_lost_character_is_found(tmp_path: Path) -> None:
    for ascii_only in (False, True):
        assert found(tmp_path, chat("Hi", "caf\ufffd au lait"), ascii_only) == [("replacement_char", "")]


def test_findings_name_field_and_character_and_reach_the_report(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    rows = [chat("Hi", f"Hello {n}") for n in range(3)] + [chat("Hi", "Bye <|im_end|> j.roe@gmail.com \u009b2J")]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = check(path)
    token = next(f for f in report.findings if f.code == "special_token")
    assert (token.severity, token.count, token.lines, token.detail) == ("warning", 1, [4], "chatml")
    assert "`messages[1].content`" in token.message and "character 5" in token.message
    mail = next(f for f in report.findings if f.code == "pii_email")
    assert "j…@gmail.com" in mail.message and "roe" not in mail.message
    assert report.rows_valid == 4


def test_csv_and_plain_text_are_looked_at_too(tmp_path: Path) -> None:
    table = tmp_path / "x.csv"
    table.write_text('text,label\n"Hello <|im_end|>",a\nfine,b\n"Call +33 6 12 34 56 78",a\n')
    codes = [[f.code for f in row.findings] for row in open_dataset(table)]
    assert codes == [["special_token"], [], ["pii_phone"]]
    bare = tmp_path / "bare.csv"
    bare.write_text("label,text\n7,4539578763621486\n8,fine\n")
    assert [[f.code for f in row.findings] for row in open_dataset(bare)] == [["pii_card"], []]
    wide = tmp_path / "wide.jsonl"
    wide.write_text(json.dumps(chat("Hi", "Bye <|im_end|> é"), ensure_ascii=False) + "\n", encoding="utf-16")
    assert [f.code for row in open_dataset(wide) for f in row.findings] == ["special_token"]
    plain = tmp_path / "x.txt"
    plain.write_text("One paragraph.\n\nIt isnâ€™t one.\n")
    assert [f.code for row in open_dataset(plain) for f in row.findings] == ["mojibake"]


@settings(max_examples=150, deadline=2000)
@given(
    st.text(st.sampled_from(list("<>|[]{}/sINSTyour name_\n \"'Ãâ€™Â\u00a0\x80é\ufffd")), max_size=80)
    | st.text(max_size=80)
)
def test_no_text_breaks_the_checks(text: str) -> None:
    for _, start, mark in special_tokens(text) + template_marks(text):
        assert text[start : start + len(mark)] == mark
    damage = find_mojibake(text)
    assert damage is None or 0 <= damage[0] <= damage[1] <= len(text)
    placeholder(text, answer=False)
