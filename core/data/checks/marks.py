"""Marks for a machine and not for a reader: control tokens of models, fields of templates never filled in."""

from __future__ import annotations

import re
from typing import Any

from core.data.checks.characters import texts
from core.data.findings import RowFinding

# The families by their models' tokenizer_config.json and chat templates.
_FAMILIES: tuple[tuple[str, str], ...] = (
    ("chatml", r"<\|im_(?:start|end|sep)\|>"),
    ("llama-3", r"<\|(?:begin_of_text|end_of_text|eot_id|eom_id|start_header_id|end_header_id|python_tag|"
                r"finetune_right_pad_id|reserved_special_token_\d+)\|>"),
    ("llama-4", r"<\|(?:header_start|header_end|eot|eom|image_start|image_end|patch)\|>"),
    ("harmony", r"<\|(?:start|message|channel|constrain|return|call)\|>"),
    ("phi", r"<\|(?:user|assistant|system|end|tool|tool_call|/tool_call|observation)\|>"),
    ("gpt", r"<\|(?:endoftext|startoftext|endofprompt|fim_prefix|fim_middle|fim_suffix|fim_pad|padding)\|>"),
    ("llama-2", r"\[/?INST\]|<</?SYS>>"),
    ("mistral", r"\[/?(?:TOOL_CALLS|AVAILABLE_TOOLS|TOOL_RESULTS|SYSTEM_PROMPT|MODEL_SETTINGS)\]"),
    ("gemma", r"<(?:start|end)_of_turn>|<start_of_image>|<end_of_image>"),
    ("glm", r"\[gMASK\]|<sop>|<eop>"),
    ("deepseek", r"<｜[^｜<>\n]{1,40}｜>"),
    ("command-r", r"<\|[A-Z_]{3,40}_TOKEN\|>|<(?:BOS|EOS|EOP)_TOKEN>"),
    ("sentencepiece", r"<(?:bos|eos|unk|pad)>"),
    ("unknown", r"<\|/?[A-Za-z][A-Za-z0-9_\-]{1,40}\|>"),
)  # fmt: skip
_KNOWN = tuple((family, re.compile(form)) for family, form in _FAMILIES)
# One literal character at the start of each lets the search leap.
_ANGLED = re.compile(
    r"<(?:\|/?[A-Za-z][A-Za-z0-9_\-]{1,40}\|>|｜[^｜<>\n]{1,40}｜>|(?:</?SYS>|(?:start|end)_of_(?:turn|image)|"
    r"[be]os|unk|pad|[se]op|[BE]O[SP]_TOKEN)>)"
)
_SQUARE = re.compile(r"\[(?:/?(?:INST|[A-Z]{4,9}_[A-Z]{5,8})|gMASK)\]")
# What opens a turn; in a row's own text it says that the row was rendered before.
_TURNS = re.compile(
    r"<\|im_start\|>|<\|start_header_id\|>|<\|header_start\|>|<\|(?:start|user|assistant|system)\|>|\[INST\]|<<SYS>>|"
    r"<start_of_turn>|<｜(?:User|Assistant)｜>|<\|START_OF_TURN_TOKEN\|>"
)
# Llama and Mistral's ends of a sequence are HTML's struck-out text: a pair inside a text is that.
_SENTENCE = re.compile(r"</?s>")
_STRUCK = re.compile(r"<s>(?:(?!</?s>|\[/?INST\]).){1,2000}</s>", re.DOTALL)

_WORDS = (
    r"(?:(?:first|last|full|middle|family|given|customer|client|user|company|brand|product|project|event|city|"
    r"recipient|sender|contact|school|job|team|author|manager|employee|candidate|patient|student|teacher|"
    r"organi[sz]ation|institution|charity|business|department|app|store|position|street)['’]?s?[ _\-]?)?"
    r"(?:name|names|surname)|username|date|today|email|e-mail|phone|phone[ _]number|address|email[ _]address|city|"
    r"country|company|customer|recipient|sender|author|organi[sz]ation|(?:job|book|movie|course)[ _]title|amount|"
    r"price|url|(?:order|invoice|ticket|account|tracking|reference)[ _](?:id|number)|"
    r"(?:assistant|bot|company|user)_?name"
)
# In braces these are variables; in brackets they are headings and forms of an answer.
_VARIABLES = (
    r"topic|subject|question|answer|context|query|user_?input|instruction|prompt|placeholder|adjective|noun|verb"
)
# The brace comes first, for the search leaps from one to the next; then what may not stand before it.
_OPEN = r"\{(?<![\\${}#%=_^/\"'`\w]\{)"
_YOURS = r"your[ _](?!answer|response|choice|guess|explanation)[^\]\[\n]{1,40}"
_FILL = r"(?:enter|add|type|write|fill in) (?:your|the|a|an|text|name|date|amount|details)\b[^\]\[\n]{0,40}"
_TEMPLATES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("{{…}}", re.compile(_OPEN + r"\{[ ]?[A-Za-z_][\w.]{0,40}(?:[ ]\w{1,20}){0,2}[ ]?\}\}(?!\})")),
    ("{…}", re.compile(_OPEN + rf"(?:{_WORDS}|{_VARIABLES})\}}(?![\w({{}}\"'`=/])", re.IGNORECASE)),
    (
        "[…]",
        re.compile(rf"\[(?:insert[ :_][^\]\[\n]{{1,60}}|{_YOURS}|{_FILL}|(?:{_WORDS})(?: here)?)\](?![(\[:])", re.I),
    ),
    ("<…>", re.compile(rf"<(?:(?:your|insert|enter)[ _\-][^<>\n\"=/]{{1,40}}|(?:{_WORDS})[ _]here)>", re.IGNORECASE)),
)
# A text about templates, or of code, has such marks rightly.
_ABOUT = re.compile(
    r"\b(?:templat\w*|placeholders?|mail ?merge|jinja2?|handlebars|(?:mustache|liquid|twig) (?:tags?|syntax|"
    r"variables?|files?)|vue\.?js|angular(?:js)?|django|helm charts?|ansible|f-strings?|"
    r"format strings?|string formatting|interpolat\w*|latex|curly brac\w*|brackets|jsx|github actions|mad ?libs?|"
    r"fill[- ]in|blanks|(?:the|each) blank|wikitext)\b",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"```|\{%|</[a-z]+\d?>|\bdef \w+\(|\bfunction\b[^.\n]{0,40}\(|\bconst \w+ =|#include\b|"
    r"\bclass \w+(?:[({]|:\n| \{| extends )|"
    r"\bimport \w+|\.format\(|\bf[\"']|\$\"|\\(?:begin|frac|text|left|mathbb|sum)\b|\bSELECT\b.{1,80}\bFROM\b|;\s*\n|"
    r"=>|\bprintf?\(|^\s{0,8}[\w\-]+: .*\$\{",
    re.MULTILINE,
)


def check_marks(value: Any, found: list[RowFinding]) -> None:
    """Add a finding for each family of control tokens and each kind of template mark, with the first place."""
    seen: set[str] = set()
    fields = [(field, text) for field, text in texts(value, "") if "<" in text or "[" in text or "{" in text]
    for field, text in fields:
        for family, start, token in special_tokens(text):
            if family not in seen:
                seen.add(family)
                message = f"`{field}` has the control token {token} at character {start + 1}"
                found.append(RowFinding("special_token", message, detail=family, field=field))
    marks = [(field, *mark) for field, text in fields for mark in template_marks(text)]
    if not marks or any(_ABOUT.search(text) for _, text in texts(value, "")):
        return
    for field, kind, start, mark in marks:
        if kind not in seen:
            seen.add(kind)
            message = f"`{field}` has {mark} at character {start + 1}, a template's field that was never filled in"
            found.append(RowFinding("template_placeholder", message, detail=kind, field=field))


def special_tokens(text: str) -> list[tuple[str, int, str]]:
    """The control tokens in a text: family, start, token."""
    found: list[tuple[str, int, str]] = []
    if "<" in text or "[" in text:
        for shape in (_ANGLED, _SQUARE):
            for match in shape.finditer(text):
                token = match.group()
                family = next((name for name, form in _KNOWN if form.fullmatch(token)), None)
                if family is not None:
                    found.append((family, match.start(), token))
        if "s>" in text:
            struck = [match.span() for match in _STRUCK.finditer(text) if text[: match.start()].strip()]
            for match in _SENTENCE.finditer(text):
                if not any(start <= match.start() < end for start, end in struck):
                    found.append(("llama-2", match.start(), match.group()))
    return found


def turn_marks(text: str) -> list[tuple[str, int, str]]:
    """The control tokens in a text with which a chat template opens a turn: family, start, token."""
    return [found for found in special_tokens(text) if _TURNS.fullmatch(found[2])]


def template_marks(text: str) -> list[tuple[str, int, str]]:
    """The fields of templates in a text that is not code: kind, start, mark."""
    found = [(kind, match.start(), match.group()) for kind, form in _TEMPLATES for match in form.finditer(text)]
    return [] if found and _CODE.search(text) else found
