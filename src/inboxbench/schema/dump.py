"""The statements of a file of SQL (`pg_dump --schema-only`, Rails' structure.sql, one by hand) that make a schema.

What psql alone understands (`\\connect`, `\\restrict`) and rows (COPY, INSERT) are blanked before PostgreSQL's grammar
reads the file, so that lines keep their numbers.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from inboxbench.errors import UsageError
from inboxbench.files import read_text
from inboxbench.schema.build import Statement
from inboxbench.sqltree import parse, tokens
from inboxbench.sqltree.commands import Command

# Quotes and comments are stepped over whole; of the rest, a line that psql takes for its own, and COPY with its rows.
_LEXEMES = re.compile(
    r"""(?P<skip>[eE]'(?:[^'\\]|''|\\.)*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]*
          | (?<![\w$])(?P<tag>\$(?:[A-Za-z_\x80-\uffff][\w]*)?\$).*?(?P=tag))
      | (?P<copy>^COPY\s[^;]*?\bFROM\s+stdin\b[^;]*;.*?^\\\.[ \t]*$)
      | (?P<psql>^\\[^\n]*)
      | (?P<comment>/\*)""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_MAKES = frozenset({
    "create table", "create foreign table", "create index", "create schema", "create extension", "create enum",
    "create domain", "create range", "create seq", "alter table", "alter index", "alter enum", "alter domain",
    "alter seq", "alter sequence", "alter type", "alter object schema", "define", "composite type", "rename",
    "create am", "create op class", "create op family", "drop table", "drop index", "drop type", "drop sequence",
    "drop schema", "drop domain", "drop view", "drop matview", "drop function",
})  # fmt: skip
# What nothing that is compared is made of, or only where it succeeds.
_OPTIONAL = frozenset({
    "create function", "create trigger", "view", "create table as", "rule", "create policy", "create stats", "do",
    "create cast", "create fdw", "create foreign server", "create plang", "create conversion", "alter function",
    "alter op family", "alter tsconfiguration", "create transform",
})  # fmt: skip
_OPTIONAL_ACTIONS = ("trig", "rule", "security", "cluster", "statistics", "identity", "storage", "compression", "owner")
_SETTINGS = frozenset({"search_path", "check_function_bodies", "standard_conforming_strings"})


def read_dump(path: Path) -> list[Statement]:
    """Return the statements of a file, in their order. Raises UsageError for a text that PostgreSQL cannot read."""
    return statements_of(str(path), _text(path))


def _text(path: Path) -> str:
    with_marks = path.read_bytes()[:5] if path.is_file() else b""
    if with_marks == b"PGDMP":
        raise UsageError(
            f"{path}: is an archive of pg_dump -Fc; write it as SQL with `pg_restore --schema-only --file=FILE.sql`"
        )
    return read_text(path)


def statements_of(source: str, text: str) -> list[Statement]:
    """Return what a text has to be run. source: what it is called in messages."""
    blank = blanked(text)
    parsed = parse(blank)
    ends = list(accumulate(len(line) for line in blank.splitlines(keepends=True)))

    def line(place: int) -> int:
        return bisect_right(ends, place) + 1

    if parsed.problem:
        raise UsageError(
            f"{source}:{line(_misread(blank))}: cannot be read as SQL: {parsed.problem}; write it with "
            "pg_dump --schema-only"
        )
    wanted = (command for command in parsed.commands if _is_wanted(command))
    return [_statement(blank, command, line(command.start)) for command in wanted]


def _misread(text: str) -> int:
    """The place of the first statement that cannot be read; that of the text's end where a quote is not closed."""
    for part in tokens.split(tokens.scan(text), ";"):
        if part and parse(text[part[0].start : part[-1].end]).problem:
            return part[0].start
    return max(len(text.rstrip()) - 1, 0)


def _is_wanted(command: Command) -> bool:
    if command.kind in ("set", "select"):  # pg_dump sets the search_path by set_config()
        return any(setting.name in _SETTINGS for setting in command.settings)
    return command.kind in _MAKES | _OPTIONAL and not command.does("change owner")


def _statement(text: str, command: Command, line: int) -> Statement:
    target = command.target
    table = f"{target.schema or 'public'}.{target.name}" if target else ""
    minor = all(any(word in action.kind for word in _OPTIONAL_ACTIONS) for action in command.actions)
    optional = command.kind in _OPTIONAL or (minor and bool(command.actions))
    return Statement(text[command.start : command.end], line, table, optional)


def blanked(text: str) -> str:
    """Return the text with spaces in place of what psql alone understands and of rows; its lines stay where they are.

    >>> blanked("\\\\connect shop\\nSELECT 1;")
    '              \\nSELECT 1;'
    """
    pieces: list[str] = []
    end = 0
    for start, stop in _unwanted(text):
        pieces += [text[end:start], re.sub(r"[^\n]", " ", text[start:stop])]
        end = stop
    return "".join([*pieces, text[end:]])


def _unwanted(text: str) -> Iterator[tuple[int, int]]:
    place = 0
    while match := _LEXEMES.search(text, place):
        place = match.end()
        if match["comment"]:
            place = _end_of_comment(text, place)
        elif match["copy"] or match["psql"]:
            yield match.start(), match.end()


def _end_of_comment(text: str, place: int) -> int:
    """The place behind a comment that may hold others."""
    depth = 1
    for mark in re.finditer(r"/\*|\*/", text[place:]):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return place + mark.end()
    return len(text)
