"""Calls of the language of schema.rb with their literal arguments, read by the Ruby grammar of tree-sitter.

Nothing is run: an argument that is no literal, such as an interpolation or another call, is a Misread with its line.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tree_sitter_ruby
from tree_sitter import Language, Node, Parser

from inboxbench.errors import UsageError

_ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "s": " ",
    "0": "\0",
    "e": "\x1b",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
}


class Misread(Exception):
    """Something that is not understood. line: where it stands."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


@dataclass(frozen=True, slots=True)
class Raw:
    """SQL that Rails takes over as it is: `-> { "now()" }`."""

    sql: str


@dataclass(frozen=True, slots=True)
class Call:
    """A call: `t.string "name", null: false` has the receiver `t`, one argument and one option. block: the statements
    of its block, which may be nodes that are no calls; None without a block."""

    method: str
    line: int
    receiver: str = ""
    arguments: Sequence[Any] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    block: Sequence[Node] | None = None
    problem: Misread | None = None

    def name(self, place: int = 0) -> str:
        """The argument at a place, which has to be a name. Raises Misread for anything else."""
        if self.problem:
            raise self.problem
        if len(self.arguments) <= place or not isinstance(self.arguments[place], str):
            raise Misread(self.line, f"{self.method} names nothing as argument {place + 1}")
        return str(self.arguments[place])


class Ruby:
    """A file of Ruby. Raises UsageError, naming the line, for one that is not well formed."""

    def __init__(self, text: str, source: str) -> None:
        root = Parser(Language(tree_sitter_ruby.language())).parse(text.encode()).root_node
        if root.has_error:
            line = next(node.start_point[0] + 1 for node in _walk(root) if node.is_error or node.is_missing)
            raise UsageError(f"{source}:{line}: is no Ruby; name a schema.rb as `rails db:schema:dump` writes it")
        self._bodies = self._heredocs(root)
        self.statements: Sequence[Node] = root.named_children

    def _heredocs(self, root: Node) -> dict[int, Node]:
        """The body of each heredoc by the place where it is announced: both come in the same order."""
        nodes = list(_walk(root))
        begins = [node.start_byte for node in nodes if node.type == "heredoc_beginning"]
        bodies = [node for node in nodes if node.type == "heredoc_body"]
        return dict(zip(begins, bodies, strict=False))

    def call(self, node: Node) -> Call | None:
        """The node as a call; None for what is none. What of it is not understood is its `problem`."""
        if node.type == "identifier":
            return Call(_text(node), line_of(node))
        method, receiver = node.child_by_field_name("method"), node.child_by_field_name("receiver")
        if node.type != "call" or method is None:
            return None
        block = node.child_by_field_name("block")
        body = block.child_by_field_name("body") if block else None
        statements = (body.named_children if body else []) if block else None
        common = (_text(method), line_of(node), _text(receiver) if receiver else "")
        try:
            arguments, options = self._arguments(node.child_by_field_name("arguments"))
        except Misread as problem:
            return Call(*common, block=statements, problem=problem)
        except RecursionError:
            return Call(*common, block=statements, problem=Misread(line_of(node), "an argument is nested too deeply"))
        return Call(*common, arguments, options, statements)

    def _arguments(self, node: Node | None) -> tuple[list[Any], dict[str, Any]]:
        arguments: list[Any] = []
        options: dict[str, Any] = {}
        for child in node.named_children if node else ():
            if child.type == "pair":
                options |= self._pair(child)
            elif child.type not in ("comment", "heredoc_body"):
                arguments.append(self.value(child))
        return arguments, options

    def _pair(self, node: Node) -> dict[str, Any]:
        key, value = node.child_by_field_name("key"), node.child_by_field_name("value")
        if key is None or value is None:
            raise Misread(line_of(node), f"`{_text(node)}` has no value")
        name = _text(key) if key.type == "hash_key_symbol" else str(self.value(key))
        return {name: self.value(value)}

    def value(self, node: Node) -> Any:  # noqa: PLR0911 - one for each kind of literal
        """A literal as Python has it; symbols are strings. Raises Misread for what is no literal."""
        match node.type:
            case "string" | "bare_string" | "bare_symbol" | "delimited_symbol":
                return self._string(node)
            case "chained_string":
                return "".join(self._string(child) for child in node.named_children)
            case "simple_symbol":
                return _text(node)[1:]
            case "integer" | "float" | "rational":
                return _number(_text(node))
            case "unary" if re.fullmatch(r"-\s*[\d._]+(?:e[-+]?\d+)?", _text(node)):
                return _number(_text(node))
            case "true" | "false":
                return node.type == "true"
            case "nil":
                return None
            case "array" | "string_array" | "symbol_array":
                return [self.value(child) for child in node.named_children if child.type != "comment"]
            case "hash":
                pairs = (self._pair(child) for child in node.named_children if child.type == "pair")
                return {key: value for pair in pairs for key, value in pair.items()}
            case "lambda":
                return Raw(self._only_string(node))
            case "heredoc_beginning":
                return self._heredoc(node)
            case "parenthesized_statements" if len(node.named_children) == 1:
                return self.value(node.named_children[0])
        raise Misread(line_of(node), f"`{_shortened(_text(node))}` is no literal")

    def _string(self, node: Node) -> str:
        single = _text(node).startswith("'")
        return "".join(_content(child, single=single) for child in node.named_children)

    def _only_string(self, node: Node) -> str:
        strings = [child for child in _walk(node) if child.type == "string"]
        if len(strings) != 1:
            raise Misread(line_of(node), f"`{_shortened(_text(node))}` holds no single string of SQL")
        return self._string(strings[0])

    def _heredoc(self, node: Node) -> str:
        body = self._bodies[node.start_byte]
        single = "'" in _text(node)
        kinds = ("heredoc_content", "escape_sequence", "interpolation")
        text = "".join(_content(child, single=single) for child in body.children if child.type in kinds)
        return textwrap.dedent(text.removeprefix("\n")) if "~" in _text(node) else text.removeprefix("\n")


def line_of(node: Node) -> int:
    """The line where a node begins, the first being 1."""
    return node.start_point[0] + 1


def _text(node: Node) -> str:
    return (node.text or b"").decode()


def _shortened(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 60 else f"{words[:57]}…"


def _walk(node: Node) -> Iterator[Node]:
    """Yield a node and all below it, in the order of the text, without recursion: its depth may be what is wrong."""
    left = [node]
    while left:
        found = left.pop()
        yield found
        left += reversed(found.children)


def _number(text: str) -> int | float:
    plain = text.replace("_", "").replace(" ", "").rstrip("r")
    return int(plain, 0) if re.fullmatch(r"-?(?:0[xob])?[0-9a-fA-F]+", plain) else float(plain)


def _content(node: Node, *, single: bool) -> str:
    if node.type == "interpolation":
        raise Misread(line_of(node), f"`{_shortened(_text(node))}` is only known when Ruby runs")
    text = _text(node)
    if node.type != "escape_sequence":
        return text
    if single:
        return text[1:] if text[1:] in ("'", "\\") else text
    if code := re.fullmatch(r"\\(?:u\{?([0-9a-fA-F]+)\}?|x([0-9a-fA-F]{1,2}))", text):
        return chr(int(code[1] or code[2], 16))
    return "" if text[1:] == "\n" else _ESCAPES.get(text[1:], text[1:])
