"""A statement as a reader sees it, and what the same statement is as a plain read."""

from __future__ import annotations

import re
from contextlib import suppress

import psycopg
from psycopg.abc import Params

from inboxbench.database import Connection
from inboxbench.race.picture.rows import short
from inboxbench.sqltree import parse, tokens

_LITERAL = 30
# Functions that do more than read, or read what no other session sees the same way.
_NOT_PLAIN = re.compile(r"^(pg_|nextval|currval|lastval|setval|txid_|random|gen_random|clock_timestamp|dblink|lo_)")
_LOCKS = ("update", "share", "no key update", "key share")
_FOR = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+UPDATE|KEY\s+SHARE|UPDATE|SHARE)\b[^()']*$", re.IGNORECASE)


def filled(connection: Connection, text: str, parameters: Params | None) -> str:
    """Return the statement on one line with its values in place, long ones cut in the middle."""
    if parameters:
        with suppress(psycopg.Error, UnicodeError, TypeError, ValueError):
            text = psycopg.ClientCursor(connection).mogrify(text.encode(), parameters)
    return _shortened_literals(" ".join(text.split()).rstrip("; "))


def _shortened_literals(text: str) -> str:
    pieces, end = [], 0
    for token in tokens.scan(text):
        if token.kind == "string" and token.end - token.start > _LITERAL:
            pieces += [text[end : token.start], short(text[token.start : token.end], _LITERAL)]
            end = token.end
    return "".join(pieces) + text[end:]


def locks_rows(text: str) -> bool:
    """Return whether a query ends with FOR UPDATE or another lock."""
    return _FOR.search(text) is not None


def plain_read(text: str) -> str | None:
    """Return a query without its row locks, to be asked again; None for what is no query, or does more than read.

    >>> plain_read("SELECT a FROM t WHERE id = %s FOR UPDATE SKIP LOCKED")
    'SELECT a FROM t WHERE id = %s'
    """
    bare = text.strip().rstrip("; ")
    if not re.match(r"(?is)^(select|with|table)\b", bare):
        return None
    bare = _FOR.sub("", bare).rstrip()
    if locks_rows(bare):  # a lock within
        return None
    words = tokens.words(bare)
    if any(_NOT_PLAIN.match(word) or word in ("insert", "update", "delete", "merge", "into") for word in words):
        return None
    return bare if "from" in parse(bare).words else None


def wrapped(text: str, width: int, most: int = 6) -> list[str]:
    """Return a statement in lines of `width`, broken between words; of a longer one the middle is left out."""
    lines: list[str] = []
    for word in text.split(" "):
        pieces = [word[at : at + width] for at in range(0, len(word), width)] or [""]
        if lines and len(lines[-1]) + 1 + len(pieces[0]) <= width:
            lines[-1] += f" {pieces.pop(0)}"
        lines += pieces
    if len(lines) <= most:
        return lines
    tail = most // 2
    return [*lines[: most - tail - 1], "…", *lines[-tail:]]
