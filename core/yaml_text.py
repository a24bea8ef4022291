"""YAML as people write it by hand: numbers and words as in YAML 1.2, lines for every key, errors in plain words."""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.reader import ReaderError

from core.errors import UsageError
from core.text import visible

MAX_BYTES = 1_000_000
_INT = re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$")
_FLOAT = re.compile(
    r"^(?:[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.inf|\.nan)$",
    re.IGNORECASE,
)
_NUMBERS = [("tag:yaml.org,2002:int", _INT, "-+0123456789"), ("tag:yaml.org,2002:float", _FLOAT, "-+.0123456789")]
_PROBLEMS = (
    ("mapping values are not allowed", "a `:` too many, or wrong indentation; a value with `: ` inside needs quotes"),
    ("could not find expected ':'", "this is not `key: value`"),
    ("expected <block end>", "the indentation fits no line above"),
    ("found another document", "a second document starts here (`---`); a recipe is one"),
    ("expected the node content", "a value is missing, or a bracket is not closed"),
    ("expected ',' or", "a bracket is not closed"),
    ("found unexpected end of stream", "a quote is not closed"),
    ("that cannot start any token", "this character needs quotes around the value"),
    ("could not determine a constructor", "tags (`!…`) are not used in recipes"),
)


class _Loader(yaml.SafeLoader):
    """The safe loader with the words of YAML 1.2: `on`, `no` and `2026-01-01` are text, `2e-4` is a number."""

    # PyYAML's own table is YAML 1.1: `on` as a key would become True and `2e-4` a text.
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own class attribute)

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise ComposerError(None, None, "aliases (`*name`) are not used in recipes", self.peek_event().start_mark)
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    """The safe dumper, which also quotes text that only YAML 1.2 would take for a number."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$", re.IGNORECASE), list("tTfF"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile("^(?:~|null|)$", re.IGNORECASE), ["~", "n", "N", ""]
)
for _tag, _pattern, _first in _NUMBERS:
    _Loader.add_implicit_resolver(_tag, _pattern, list(_first))
    _Dumper.add_implicit_resolver(_tag, _pattern, list(_first))


def parse(text: str, where: str) -> tuple[Any, dict[str, int]]:
    """The value written in `text`, and the 1-based line of each dotted key.

    Raises:
        UsageError: with ``where:line``, where the text is not YAML, gives a key twice, or uses aliases.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        lines: dict[str, int] = {}
        _find_lines(node, "", lines, where)
        return (None if node is None else loader.construct_document(node)), lines
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UsageError(
            f"a control character (U+{int(error.character):04X}) cannot stand in YAML", where=f"{where}:{line}"
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise UsageError(_plain(error, text, line), where=f"{where}:{line}") from error
    except RecursionError as error:
        raise UsageError("the brackets nest too deep", where=where) from error
    except ValueError as error:
        raise UsageError("a value cannot be read: a number too long, or no such date", where=where) from error


def _plain(error: yaml.YAMLError, text: str, line: int) -> str:
    rows = text.split("\n")
    row = rows[line - 1] if line <= len(rows) else ""
    if "\t" in row[: len(row) - len(row.lstrip())]:
        return "a tab indents this line; YAML wants spaces"
    problem = str(getattr(error, "problem", None) or "unreadable")
    said = next((plain for part, plain in _PROBLEMS if part in problem), problem)
    return f"not YAML: {visible(said)}"


def _find_lines(node: Any, prefix: str, lines: dict[str, int], where: str) -> None:
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
            name = visible(str(key.value)) if isinstance(key, yaml.ScalarNode) else "a list"
            raise UsageError(f"{name or 'nothing'} is no field name", where=f"{where}:{line}")
        path = f"{prefix}{key.value}"
        if path in lines:
            raise UsageError(
                f"`{visible(path)}` is given twice, first on line {lines[path]}", where=f"{where}:{line}"
            )
        lines[path] = line
        _find_lines(value, f"{path}.", lines, where)


def dump(values: dict[str, Any], comments: dict[str, str] | None = None) -> str:
    """`values` as YAML; `comments` maps a dotted key to the text written as a comment behind its value."""
    text = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    if any(mark in text for mark in "\x85\u2028\u2029"):
        # YAML ends lines at these too: escaped, they leave a value on its line.
        text = yaml.dump(values, Dumper=_Dumper, sort_keys=False, width=10_000)
    if not comments:
        return text
    ends: dict[str, tuple[int, int]] = {}
    _find_ends(_Loader(text).get_single_node(), "", ends)
    rows = text.split("\n")
    # From the bottom up, so that a line put in leaves the numbers above it right.
    for path in sorted(comments.keys() & ends.keys(), key=lambda path: -ends[path][0]):
        first, last = ends[path]
        comment = "# " + visible(" ".join(comments[path].split()))
        if first == last:
            rows[first] = f"{rows[first]:<36}  {comment}"
        else:
            rows.insert(first, rows[first][: len(rows[first]) - len(rows[first].lstrip())] + comment)
    return "\n".join(rows)


def _find_ends(node: Any, prefix: str, ends: dict[str, tuple[int, int]]) -> None:
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        path = f"{prefix}{key.value}"
        scalar = isinstance(value, yaml.ScalarNode)
        ends[path] = (key.start_mark.line, value.end_mark.line if scalar else key.start_mark.line)
        _find_ends(value, f"{path}.", ends)
