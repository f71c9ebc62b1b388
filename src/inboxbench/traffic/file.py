"""Traffic from a file of the user's: `inboxbench dryrun --traffic FILE`.

    -- name: open tickets
    -- kind: read
    -- weight: 3
    -- draw: SELECT id AS team FROM teams
    SELECT id, title FROM tickets WHERE team_id = :team AND open ORDER BY id LIMIT 20;

A request is its header and the statements below it, one transaction. weight is 1, and kind is read, where nothing is
said. draw gives rows (a thousand at most are kept), one of which each request takes its parameters from, by name.
Each request is tried once, and undone, before the chain begins.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, cast

import psycopg
from psycopg import sql

from inboxbench.database import Connection
from inboxbench.errors import UsageError, unknown
from inboxbench.server import reason
from inboxbench.sqlfile import as_psycopg, parameters, read_text
from inboxbench.traffic.request import Kind, RequestClass

KEYS = ("name", "kind", "weight", "draw")
_HEADER = re.compile(r"^--\s*([a-z_]+):\s*(.*?)\s*$")
_MOST_ROWS = 1000
_BY_CHANCE = ("23", "40", "55")  # classes of SQLSTATE: a row is there already, a deadlock, a lock that is taken


@dataclass(slots=True)
class _Block:
    line: int
    header: dict[str, str] = field(default_factory=dict)
    body: list[str] = field(default_factory=list)


def read_traffic(path: Path, connection: Connection, *, first: bool = True) -> tuple[RequestClass, ...]:
    """The file's requests, with rows drawn for them now. first: before the chain, where each must work.

    Raises UsageError naming the file and the line.
    """
    blocks = _blocks(path, read_text(path))
    if not blocks:
        raise UsageError(f"{path}: no request in it; begin one with a line `-- name: …` and put its SQL below")
    names = [block.header["name"] for block in blocks]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{path}: two requests are named {name!r}; give each a name of its own")
    return tuple(_request(path, block, connection, first=first) for block in blocks)


def _blocks(path: Path, text: str) -> list[_Block]:
    blocks: list[_Block] = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _HEADER.match(line)
        if match and match[1] == "name":
            blocks.append(_Block(number))
        if match and blocks and not any(map(_says, blocks[-1].body)):
            _put(path, blocks[-1], number, match[1], match[2])
        elif blocks:
            blocks[-1].body.append(line)
        elif _says(line):
            raise UsageError(f"{path} line {number}: SQL before the first `-- name: …`; name the request it belongs to")
    return blocks


def _says(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("--")


def _put(path: Path, block: _Block, number: int, key: str, value: str) -> None:
    if key not in KEYS:
        raise unknown("key", key, KEYS, where=f"{path} line {number}")
    if key in block.header or not value:
        problem = "given twice; keep one" if key in block.header else "empty; say what it is"
        raise UsageError(f"{path} line {number}: key {key!r} is {problem}")
    block.header[key] = value


def _request(path: Path, block: _Block, connection: Connection, *, first: bool) -> RequestClass:
    where = f"{path} line {block.line} ({block.header['name']})"
    statements = _statements("\n".join(block.body))
    if not statements:
        raise UsageError(f"{where}: there is no statement below the header")
    used = tuple(dict.fromkeys(name for statement in statements for name in parameters(statement)))
    rows = _draw(where, block.header.get("draw"), used, connection)

    def draw(random: Random) -> Mapping[str, Any]:
        return random.choice(rows) if rows else {}

    queries = tuple(sql.SQL(cast("Any", as_psycopg(one))) for one in statements)
    if first:
        _try(where, queries, rows[0] if rows else {}, connection)
    return RequestClass(block.header["name"], _kind(where, block), _weight(where, block), queries, draw)


def _statements(text: str) -> list[str]:
    """A semicolon at the end of a line ends a statement, so that a function's body may hold others."""
    pieces = re.split(r";[ \t]*(?:--[^\n]*)?(?:\n|\Z)", text)
    return [piece.strip() for piece in pieces if any(map(_says, piece.splitlines()))]


def _try(where: str, queries: Sequence[sql.SQL], values: Mapping[str, Any], connection: Connection) -> None:
    """Once, and undone: what fails before the chain would be told as the chain's doing. Others may fit other rows."""
    try:
        with connection.transaction(force_rollback=True):
            for query in queries:
                connection.execute(query, values)
    except psycopg.Error as error:
        if (error.sqlstate or "")[:2] not in _BY_CHANCE:
            raise UsageError(f"{where}: it fails before the chain begins: {reason(error)}") from None


def _kind(where: str, block: _Block) -> Kind:
    kind = block.header.get("kind", "read")
    if kind not in ("read", "write"):
        raise UsageError(f"{where}: kind {kind!r} is neither read nor write")
    return cast("Kind", kind)


def _weight(where: str, block: _Block) -> float:
    text = block.header.get("weight", "1")
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight > 0):
        raise UsageError(f"{where}: weight {text!r} is no number above zero")
    return weight


def _draw(where: str, query: str | None, used: Sequence[str], connection: Connection) -> list[dict[str, Any]]:
    if query is None:
        if used:
            raise UsageError(
                f"{where}: :{used[0]} has no values; add a line `-- draw: …`, a query with a column {used[0]}"
            )
        return []
    try:
        cursor = connection.execute(query.rstrip("; ").encode())
        rows = cursor.fetchmany(_MOST_ROWS)
    except psycopg.Error as error:
        raise UsageError(f"{where}: draw: {reason(error)}") from None
    names = [column.name for column in cursor.description or ()]
    if missing := [name for name in used if name not in names]:
        raise UsageError(f"{where}: draw gives {', '.join(names) or 'nothing'}, and the request uses :{missing[0]}")
    if not rows:
        raise UsageError(f"{where}: draw gives no rows on this database; fill its tables or widen the query")
    return [dict(zip(names, row, strict=True)) for row in rows]
