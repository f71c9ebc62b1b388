"""The words of a spec file, one after another; errors name file, line and column."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from inboxbench.errors import UsageError

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\f\n]+ | \#[^\n]*)
      | (?P<block>\{[^}]*\})
      | (?P<quoted>"[^"\n]*")
      | (?P<number>[0-9]+)
      | (?P<word>[A-Za-z_\u0080-\U0010ffff][A-Za-z_0-9$\u0080-\U0010ffff]*)
      | (?P<mark>[(),*])""",
    re.VERBOSE,
)
_KEYWORDS = ("setup", "teardown", "session", "step", "permutation", "notices")


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    offset: int


@dataclass
class Reader:
    """Tokens one after another; errors name file, line and column."""

    path: Path
    source: str
    tokens: list[Token] = field(default_factory=list)
    place: int = 0

    def __post_init__(self) -> None:
        offset = 0
        while offset < len(self.source):
            match = _TOKEN.match(self.source, offset)
            if match is None:
                problem = "a block that is never closed" if self.source[offset] in '{"' else "an unexpected character"
                raise self.error(f"{problem}: {self.source[offset : offset + 20].splitlines()[0]!r}", offset)
            if match.lastgroup != "space":
                self.tokens.append(Token(str(match.lastgroup), match[0], offset))
            offset = match.end()

    def error(self, problem: str, offset: int | None = None) -> UsageError:
        where = offset if offset is not None else self._offset()
        line = self.source.count("\n", 0, where) + 1
        column = where - (self.source.rfind("\n", 0, where) + 1) + 1
        return UsageError(f"{self.path}:{line}:{column}: {problem}")

    def _offset(self) -> int:
        return self.tokens[self.place].offset if self.place < len(self.tokens) else len(self.source)

    def peek(self) -> Token:
        return self.tokens[self.place] if self.place < len(self.tokens) else Token("end", "the end of the file", 0)

    def next(self) -> Token:
        token = self.peek()
        self.place += 1
        return token

    def keyword(self, word: str) -> bool:
        """Step over `word` when it is next."""
        found = self.peek() == Token("word", word, self._offset())
        self.place += found
        return found

    def mark(self, text: str) -> bool:
        found = self.peek().kind == "mark" and self.peek().text == text
        self.place += found
        return found

    def block(self) -> str:
        if self.peek().kind != "block":
            raise self.error(f"expected {{ SQL }}, found {self.peek().text!r}")
        return self.next().text[1:-1].strip()

    def name(self, what: str) -> str:
        token = self.peek()
        if token.kind == "quoted":
            return self.next().text[1:-1]
        if token.kind != "word" or token.text in _KEYWORDS:
            raise self.error(f"expected the name of a {what}, found {token.text!r}")
        return self.next().text

    def at_name(self) -> bool:
        token = self.peek()
        return token.kind == "quoted" or (token.kind == "word" and token.text not in _KEYWORDS)
