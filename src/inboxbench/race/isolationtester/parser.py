"""The parts of a spec (sessions, steps, permutations) and their parser; errors name file, line and column."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from inboxbench.errors import UsageError


@dataclass(frozen=True, slots=True)
class Marker:
    """When a step that could report its end has to wait with it. once: `*`, it counts as waiting when launched."""

    kind: Literal["once", "step", "notices"]
    step: str = ""
    notices: int = 0


@dataclass(frozen=True, slots=True)
class Launch:
    """A step of a permutation."""

    step: str
    markers: tuple[Marker, ...] = ()


@dataclass(frozen=True, slots=True)
class SpecSession:
    """steps: name → SQL, in order."""

    name: str
    setup: str | None
    steps: dict[str, str]
    teardown: str | None


@dataclass(frozen=True, slots=True)
class Spec:
    """A parsed file. source: its text; permutations: those that it lists."""

    path: Path
    source: str
    setups: tuple[str, ...]
    teardown: str | None
    sessions: tuple[SpecSession, ...]
    permutations: tuple[tuple[Launch, ...], ...]

    def session_of(self, step: str) -> int:
        return next(index for index, session in enumerate(self.sessions) if step in session.steps)

    def sql_of(self, step: str) -> str:
        return self.sessions[self.session_of(step)].steps[step]

    def unused(self) -> list[str]:
        """Return the steps, in the order of their names, that no listed permutation has."""
        if not self.permutations:
            return []
        used = {launch.step for order in self.permutations for launch in order}
        return sorted(step for session in self.sessions for step in session.steps if step not in used)

    def orders(self) -> Iterator[tuple[Launch, ...]]:
        """Return the listed permutations, else every order that keeps each session's own."""
        if self.permutations:
            yield from self.permutations
            return
        yield from _interleavings(tuple(tuple(Launch(step) for step in session.steps) for session in self.sessions))


def _interleavings(piles: tuple[tuple[Launch, ...], ...]) -> Iterator[tuple[Launch, ...]]:
    if not any(piles):
        yield ()
        return
    for index, pile in enumerate(piles):
        if pile:
            rest = (*piles[:index], pile[1:], *piles[index + 1 :])
            yield from ((pile[0], *order) for order in _interleavings(rest))


def _session(reader: Reader, taken: dict[str, str]) -> SpecSession:
    name = reader.name("session")
    setup = reader.block() if reader.keyword("setup") else None
    steps: dict[str, str] = {}
    while reader.keyword("step"):
        step = reader.name("step")
        if step in taken:
            reader.place -= 1
            raise reader.error(f"step {step!r} is defined twice; every step needs a name of its own")
        taken[step] = name
        steps[step] = reader.block()
    if not steps:
        raise reader.error(f"session {name!r} has no step; add `step NAME {{ SQL }}`")
    teardown = reader.block() if reader.keyword("teardown") else None
    return SpecSession(name, setup, steps, teardown)


def _known_step(reader: Reader, steps: Mapping[str, str]) -> str:
    place = reader.place
    step = reader.name("step")
    if step not in steps:
        reader.place = place
        raise reader.error(f"no session has a step {step!r}")
    return step


def _marker(reader: Reader, steps: Mapping[str, str], marked: str) -> Marker:
    if reader.mark("*"):
        return Marker("once")
    step = _known_step(reader, steps)
    if steps[step] == steps[marked]:
        reader.place -= 1
        raise reader.error(f"step {marked!r} cannot wait for a step of its own session")
    if not reader.keyword("notices"):
        return Marker("step", step)
    if reader.peek().kind != "number":
        raise reader.error(f"expected a number of notices, found {reader.peek().text!r}")
    return Marker("notices", step, int(reader.next().text))


def _launch(reader: Reader, steps: Mapping[str, str]) -> Launch:
    step = _known_step(reader, steps)
    if not reader.mark("("):
        return Launch(step)
    markers = [_marker(reader, steps, step)]
    while reader.mark(","):
        markers.append(_marker(reader, steps, step))
    if not reader.mark(")"):
        raise reader.error(f"expected , or ), found {reader.peek().text!r}")
    return Launch(step, tuple(markers))


def _permutation(reader: Reader, steps: Mapping[str, str]) -> tuple[Launch, ...]:
    launches = [_launch(reader, steps)]
    while reader.at_name():
        launches.append(_launch(reader, steps))
    return tuple(launches)


def parse_spec_file(path: Path, source: str) -> Spec:
    """Raises UsageError with file, line and column."""
    reader = Reader(path, source)
    setups = []
    while reader.keyword("setup"):
        setups.append(reader.block())
    teardown = reader.block() if reader.keyword("teardown") else None
    taken: dict[str, str] = {}
    sessions = []
    while reader.keyword("session"):
        sessions.append(_session(reader, taken))
    if not sessions:
        raise reader.error(f"expected a session, found {reader.peek().text!r}")
    permutations = []
    while reader.keyword("permutation"):
        permutations.append(_permutation(reader, taken))
    if reader.peek().kind != "end":
        raise reader.error(f"expected a permutation or the end, found {reader.peek().text!r}")
    return Spec(path, source, tuple(setups), teardown, tuple(sessions), tuple(permutations))


_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\f\n]+ | \#[^\n]*)
      | (?P<block>\{[^}]*\})
      | (?P<quoted>"(?:[^"\n]|"")*")
      | (?P<number>[0-9]+)
      | (?P<word>[A-Za-z_\u0080-\U0010ffff][A-Za-z_0-9$\u0080-\U0010ffff]*)
      | (?P<mark>[(),*])""",
    re.VERBOSE,
)
_SPACE = " \t\r\f"  # around the SQL of a block: line ends belong to it
_KEYWORDS = ("setup", "teardown", "session", "step", "permutation", "notices")


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    offset: int


@dataclass
class Reader:
    """The tokens of a source, read one after another."""

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
        return self.next().text[1:-1].strip(_SPACE)

    def name(self, what: str) -> str:
        token = self.peek()
        if token.kind == "quoted":
            return self.next().text[1:-1].replace('""', '"')
        if token.kind != "word" or token.text in _KEYWORDS:
            raise self.error(f"expected the name of a {what}, found {token.text!r}")
        return self.next().text

    def at_name(self) -> bool:
        token = self.peek()
        return token.kind == "quoted" or (token.kind == "word" and token.text not in _KEYWORDS)
