"""What SQL says, read by PostgreSQL's own grammar (libpg_query): statements, their parts, and tokens with places.

`parse` never raises. A text that the grammar does not know (psql's backslash commands, a truncated statement, syntax of
a later server) gives a value without commands whose `problem` says why; its tokens are there as far as they go.

Fingerprints and normalised texts belong here as well once something folds statements by them (postgast has both).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import postgast
from google.protobuf.message import DecodeError

from inboxbench.sqltree import tokens
from inboxbench.sqltree.commands import Command, References
from inboxbench.sqltree.reader import read_command, read_references

_MOST_CACHED = 8_192  # texts, of some kilobytes each; reading one again takes less than a tenth of a millisecond
_VERBS = ("select", "insert", "update", "delete", "merge", "create", "alter", "drop", "call")


@dataclass(frozen=True)
class Parsed:
    """A text of SQL and its statements; problem: the parser's words where it could not read the text."""

    text: str
    commands: tuple[Command, ...] = ()
    problem: str | None = None

    @property
    def only(self) -> Command | None:
        """Return the one statement that the text is; None for several, for none, and for what could not be read."""
        return self.commands[0] if len(self.commands) == 1 else None

    def has(self, *kinds: str) -> bool:
        """Return whether one of its statements is of one of these kinds."""
        return any(command.kind in kinds for command in self.commands)

    @cached_property
    def bare(self) -> str:
        """Return the text without the comments and white space before it and the semicolon behind it.

        >>> parse("/* why */ SELECT 1; ").bare
        'SELECT 1'
        """
        if self.commands:
            return self.text[self.commands[0].start : self.commands[-1].end].rstrip()
        start = next((token.start for token in tokens.scan(self.text)), 0)
        return self.text[start:].strip().rstrip(";") if self.problem else ""

    @property
    def flat(self) -> str:
        """On one line but for what is quoted, without comments and the semicolon behind it.

        >>> parse("-- why\\nSELECT\\n  'a  b';").flat
        "SELECT 'a  b'"
        """
        text = tokens.flat(tokens.scan(self.text))
        return (text or " ".join(self.bare.split())).rstrip("; ")

    @cached_property
    def words(self) -> frozenset[str]:
        """Names and keywords, folded; those in literals too, for the body of a function names what it works on."""
        return frozenset(tokens.words(self.text))

    @cached_property
    def references(self) -> References:
        """Return all relations, columns and functions that it names, also in queries within."""
        if self.problem:
            return References()
        nodes = [raw.stmt for raw in postgast.parse(self.text).stmts]
        return read_references(nodes, tokens.characters(self.text))


@lru_cache(_MOST_CACHED)
def parse(text: str) -> Parsed:
    """Return the statements of `text`, which is read once however often it is asked for."""
    try:
        tree = postgast.parse(text)
    except DecodeError:
        return Parsed(text, tuple(_outlines(text)), problem="an expression is nested too deeply")
    except (postgast.PgQueryError, UnicodeEncodeError) as error:
        return Parsed(text, problem=str(error) or "syntax error")
    places = tokens.characters(text)
    return Parsed(text, tuple(read_command(raw, places) for raw in tree.stmts))


def _outlines(text: str) -> Iterator[Command]:
    """Yield what the first words say of a text that libpg_query could read and protobuf, to a depth of 100, not."""
    for part in tokens.split(tokens.scan(text), ";"):
        if part:
            writes = any(token.means("insert", "update", "delete", "merge") for token in part)
            kind = next((token.value for token in part if token.means(*_VERBS)), part[0].value)
            yield Command(kind, part[0].start, part[-1].end, writes=writes)
