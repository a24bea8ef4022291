"""A model's chat template: Jinja, sandboxed, with the surroundings that transformers gives it.

The rules (block trimming, loop controls, `tojson`, `raise_exception`, `strftime_now`, the `generation` tag, keys
that are None left out) follow transformers/utils/chat_template_utils.py, version 5.23; equality is tested.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
import jinja2.sandbox
import jinja2.utils

from core.errors import DiapasonError

# Unicode noncharacters, "not intended for interchange": they frame what a `generation` block writes.
OPEN, CLOSE = "\U0010fffe", "\U0010ffff"
_REASONING = ("reasoning_content", "thinking", "reasoning")


class _Generation(jinja2.ext.Extension):
    """``{% generation %} … {% endgeneration %}``: what the assistant says, passed through unchanged."""

    tags = {"generation"}  # noqa: RUF012 (jinja2 reads it from the class)
    frame = ("", "")

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        before, after = (jinja2.nodes.Output([jinja2.nodes.TemplateData(mark)]) for mark in self.frame)
        # A scope of its own: what the block sets does not leak, as in a call block.
        return [before, jinja2.nodes.Scope(body).set_lineno(line), after]


class _MarkedGeneration(_Generation):
    """The same, with the output between two noncharacters."""

    frame = (OPEN, CLOSE)


class _Dict:
    """`dict` for templates: makes one and gives no way to the type."""

    def __call__(self, *arguments: Any, **entries: Any) -> dict[Any, Any]:
        return dict(*arguments, **entries)

    def fromkeys(self, *arguments: Any) -> dict[Any, Any]:
        """As dict.fromkeys."""
        return dict.fromkeys(*arguments)


class _Namespace(jinja2.utils.Namespace):
    """`namespace` for templates, without attributes that begin with an underscore."""

    def __init__(*arguments: Any, **entries: Any) -> None:  # pyright: ignore[reportSelfClsParameterName]
        values = dict(*arguments[1:], **entries)
        for name in values:
            _refuse_private(name)
        jinja2.utils.Namespace.__init__(arguments[0], values)

    def __setitem__(self, name: str, value: Any) -> None:
        _refuse_private(name)
        super().__setitem__(name, value)


def _refuse_private(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise jinja2.exceptions.SecurityError(f"a namespace may not hold {name!r}")


def _raise(message: str) -> None:
    raise jinja2.exceptions.TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


@lru_cache(maxsize=64)
def _compile(source: str, *, marked: bool) -> jinja2.Template:
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_MarkedGeneration if marked else _Generation, jinja2.ext.loopcontrols],
    )
    environment.filters["tojson"] = _to_json
    surroundings: dict[str, Any] = {
        "raise_exception": _raise,
        "strftime_now": _now,
        "dict": _Dict(),
        "namespace": _Namespace,
    }
    environment.globals |= surroundings
    return environment.from_string(source)


class Template:
    """One chat template with the names of the special tokens that it may write.

    only_writes: whether all that it writes goes straight to the end, never into a variable or through a filter.

    Raises:
        DiapasonError: where `source` is not a template.
    """

    def __init__(self, source: str, specials: Mapping[str, str], *, where: str | None = None) -> None:
        self.source = source
        self.where = where
        self._specials = dict(specials)
        try:
            self._plain = _compile(source, marked=False)
            self._globals = dict(self._plain.globals)
            self.has_marks = _uses_generation(source)
            self._marked = _compile(source, marked=True)
            self.only_writes = _only_writes(source)
        except jinja2.exceptions.TemplateError as error:
            raise DiapasonError(f"the chat template of the model is broken: {error}", where=where) from error

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = False,
        tools: Sequence[Mapping[str, Any]] | None = None,
        **extra: Any,
    ) -> str:
        """`messages` as the model reads them. Raises DiapasonError where the template refuses them."""
        return self._run(self._plain, messages, add_generation_prompt, tools, extra)

    def render_marked(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = False,
        tools: Sequence[Mapping[str, Any]] | None = None,
        **extra: Any,
    ) -> tuple[str, list[tuple[int, int]]]:
        """The text and the (start, end) characters of what the `generation` blocks wrote.

        The text can differ from `render`'s where the messages hold the two noncharacters that frame the blocks,
        or where the template looks into what it has written: compare before the spans are relied on.
        """
        return _unframe(self._run(self._marked, messages, add_generation_prompt, tools, extra))

    def _run(
        self,
        template: jinja2.Template,
        messages: Sequence[Mapping[str, Any]],
        add_generation_prompt: bool,
        tools: Sequence[Mapping[str, Any]] | None,
        extra: Mapping[str, Any],
    ) -> str:
        try:
            values = {
                **self._globals,
                "messages": [_plain_message(message) for message in messages],
                "tools": list(tools) if tools else None,
                "documents": None,
                "add_generation_prompt": add_generation_prompt,
                **self._specials,
                **extra,
            }
            # What Template.render does, but that it would put the globals together anew for each row.
            return "".join(template.root_render_func(template.new_context(values, shared=True)))
        except Exception as error:  # a template can fail in any way that Python can
            raise DiapasonError(
                f"the chat template of the model refuses this conversation: {error}",
                where=self.where,
                hint=_advice(str(error)),
            ) from error


def _uses_generation(source: str) -> bool:
    tokens = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).lex(source)
    kinds = [(kind, value) for _, kind, value in tokens if kind != "whitespace"]
    return any(
        first[0] == "block_begin" and second == ("name", "generation")
        for first, second in zip(kinds, kinds[1:], strict=False)
    )


def _only_writes(source: str) -> bool:
    nodes = jinja2.nodes
    tree = jinja2.Environment(extensions=[_Generation, jinja2.ext.loopcontrols]).parse(source)
    caught = (nodes.AssignBlock, nodes.CallBlock, nodes.FilterBlock, nodes.Macro, nodes.Block)
    return not any(tree.find(kind) for kind in caught) and not any(
        loop.recursive for loop in tree.find_all(nodes.For)
    )


def _unframe(marked: str) -> tuple[str, list[tuple[int, int]]]:
    pieces: list[str] = []
    spans: list[tuple[int, int]] = []
    length = start = depth = position = 0
    opening, closing = marked.find(OPEN), marked.find(CLOSE)
    while opening >= 0 or closing >= 0:
        opens = opening >= 0 and (opening < closing or closing < 0)
        index = opening if opens else closing
        pieces.append(marked[position:index])
        length += index - position
        position = index + 1
        if opens:
            start, depth = (length if depth == 0 else start), depth + 1
            opening = marked.find(OPEN, position)
            continue
        closing = marked.find(CLOSE, position)
        if depth:
            depth -= 1
            if depth == 0 and length > start:
                spans.append((start, length))
    return "".join(pieces) + marked[position:], spans


def _plain_message(message: Mapping[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in message.items() if value is not None}
    reasoning = next((plain[key] for key in _REASONING if key in plain), None)
    if reasoning is not None:
        plain = {"thinking": reasoning, **plain, "reasoning_content": reasoning}
    return plain


def _advice(reason: str) -> str:
    if "system" in reason.lower():
        return "This model takes no system message there: put its text in front of the first user message."
    if "alternat" in reason.lower():
        return "This model wants user and assistant messages in turn: join neighbours of the same role."
    return "Change the row, or take a model whose template accepts it."
