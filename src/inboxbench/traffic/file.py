"""Traffic from a file: `inboxbench dryrun --traffic FILE`, and a project's own in `bench/traffic/*.sql`.

    -- draw: SELECT id AS team FROM teams
    --       WHERE open
    -- name: open tickets
    -- kind: read
    -- weight: 3
    SELECT id, title FROM tickets WHERE team_id = :team AND open ORDER BY id LIMIT 20;

A request is its header and the statements below it, one transaction. weight is 1, and kind is read, where nothing is
said. draw gives rows (a thousand at most are kept), one of which each request takes its parameters from, by name. A
comment line that is indented by three spaces or more goes on with the draw above it. A draw before the first name
serves every request that has none of its own. Each request is tried once, and undone, before the migration begins.
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
from inboxbench.files import read_text
from inboxbench.server import reason
from inboxbench.sqlfile import as_psycopg, blanked, parameters
from inboxbench.sqltree import parse
from inboxbench.sqltree.tokens import scan, split
from inboxbench.traffic.engine import Kind, RequestClass

KEYS = ("name", "kind", "weight", "draw")
_HEADER = re.compile(r"^--\s*([a-z_]+):\s*(.*?)\s*$")
_CONTINUED = re.compile(r"^--\s{3,}(\S.*?)\s*$")
_MOST_ROWS = 1000
_BY_CHANCE = ("23", "40", "55")  # classes of SQLSTATE: a row is there already, a deadlock, a lock that is taken
Row = Mapping[str, Any]


@dataclass(slots=True)
class _Block:
    """A request of the file: the line of its name, its header by key, and the lines below the header."""

    line: int
    header: dict[str, str] = field(default_factory=dict)
    body: list[str] = field(default_factory=list)
    last_key: str = ""

    @property
    def begun(self) -> bool:
        """Return whether its SQL has begun, below which no header is read."""
        return any(map(_is_sql, self.body))


def read_traffic(path: Path, connection: Connection, *, first: bool = True) -> tuple[RequestClass, ...]:
    """Read the file's requests and draw their rows now. first: before the migration, where each request must work.

    Raises UsageError naming the file and the line.
    """
    shared, *blocks = _blocks(path, read_text(path))
    if not blocks:
        raise UsageError(f"{path}: no request in it; begin one with a line `-- name: …` and put its SQL below")
    names = [block.header["name"] for block in blocks]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{path}: two requests are named {name!r}; give each a name of its own")
    draws = _Draws(path, connection, shared.header.get("draw"))
    return tuple(_request(path, block, draws, connection, first=first) for block in blocks)


def read_project_traffic(folder: Path, connection: Connection, *, first: bool = True) -> tuple[RequestClass, ...]:
    """Read every traffic file of a project's folder, in the order of their names; none where there is no folder.

    Raises UsageError as `read_traffic` does.
    """
    files = sorted(folder.glob("*.sql"))
    return tuple(item for path in files for item in read_traffic(path, connection, first=first))


def _blocks(path: Path, text: str) -> list[_Block]:
    """Return the file's own header, then a block for each request."""
    blocks = [_Block(1)]
    for number, line in enumerate(text.splitlines(), 1):
        match = _HEADER.match(line)
        if match and match[1] == "name":
            blocks.append(_Block(number))
        block, named = blocks[-1], len(blocks) > 1
        continued = _CONTINUED.match(line) if block.last_key == "draw" else None
        if match and not block.begun and (named or match[1] == "draw"):
            _put(path, block, number, match[1], match[2])
        elif continued and not block.begun:
            block.header["draw"] += f" {continued[1]}"
        elif named:
            block.body.append(line)
        elif _is_sql(line):
            raise UsageError(f"{path} line {number}: SQL before the first `-- name: …`; name the request it belongs to")
    return blocks


def _is_sql(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("--")


def _put(path: Path, block: _Block, number: int, key: str, value: str) -> None:
    if key not in KEYS:
        raise unknown("key", key, KEYS, where=f"{path} line {number}")
    if key in block.header or not value:
        problem = "given twice; keep one" if key in block.header else "empty; say what it is"
        raise UsageError(f"{path} line {number}: key {key!r} is {problem}")
    block.header[key], block.last_key = value, key


def _request(path: Path, block: _Block, draws: _Draws, connection: Connection, *, first: bool) -> RequestClass:
    where = f"{path} line {block.line} ({block.header['name']})"
    statements = _statements("\n".join(block.body))
    if not statements:
        raise UsageError(f"{where}: there is no statement below the header")
    used = tuple(dict.fromkeys(name for statement in statements for name in parameters(statement)))
    rows = draws.rows(where, block.header.get("draw"), used)

    def draw(random: Random) -> Row:
        return random.choice(rows) if rows else {}

    queries = tuple(sql.SQL(cast("Any", as_psycopg(statement))) for statement in statements)
    if first:
        _try(where, queries, rows[0] if rows else {}, connection)
    return RequestClass(block.header["name"], _kind(where, block), _weight(where, block), queries, draw)


def _statements(text: str) -> list[str]:
    """Return each statement as it is written; of a text that the grammar does not know, what its semicolons part."""
    parsed = parse(blanked(text))
    places = [(command.start, command.end) for command in parsed.commands]
    if parsed.problem:
        places = [(part[0].start, part[-1].end) for part in split(scan(text), ";") if part] or [(0, len(text))]
    return [text[start:end].strip() for start, end in places if text[start:end].strip()]


def _try(where: str, queries: Sequence[sql.SQL], values: Row, connection: Connection) -> None:
    """Run a request once, and undo it: what fails before the migration would be blamed on it.

    A failure that depends on the row that was drawn is let pass.
    """
    try:
        with connection.transaction(force_rollback=True):
            for query in queries:
                connection.execute(query, values)
    except psycopg.Error as error:
        if (error.sqlstate or "")[:2] not in _BY_CHANCE:
            raise UsageError(f"{where}: it fails before the migrations begin: {reason(error)}") from None


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


class _Draws:
    """The rows that requests take their parameters from; those of the file's own draw are read once."""

    def __init__(self, path: Path, connection: Connection, shared: str | None) -> None:
        self._connection, self._shared_query = connection, shared
        self._shared = self._read(f"{path}", shared) if shared else []

    def rows(self, where: str, query: str | None, used: Sequence[str]) -> list[dict[str, Any]]:
        """Rows for a request that uses these parameters. Raises UsageError when one has no values."""
        rows = self._read(where, query) if query else self._shared
        if not query and not self._shared_query:
            if used:
                raise UsageError(
                    f"{where}: :{used[0]} has no values; add a line `-- draw: …`, a query with a column {used[0]}"
                )
            return []
        if missing := [name for name in used if name not in rows[0]]:
            raise UsageError(
                f"{where}: draw gives {', '.join(rows[0]) or 'nothing'}, and the request uses :{missing[0]}"
            )
        return rows

    def _read(self, where: str, query: str) -> list[dict[str, Any]]:
        try:
            cursor = self._connection.execute(query.rstrip("; ").encode())
            rows = cursor.fetchmany(_MOST_ROWS)
        except psycopg.Error as error:
            raise UsageError(f"{where}: draw: {reason(error)}") from None
        names = [column.name for column in cursor.description or ()]
        if not rows:
            raise UsageError(f"{where}: draw gives no rows on this database; fill its tables or widen the query")
        return [dict(zip(names, row, strict=True)) for row in rows]
