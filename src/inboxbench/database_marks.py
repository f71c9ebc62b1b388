"""How databases of ours are known: by their prefix, by a marker in their comment, or by a name that proves itself.

The marker is a comment, which can be written only when the database is there. So a database is made under a name that
proves itself ours, marked with the process that makes it, and renamed: whenever that process is killed, what is left
can be recognised (see `inboxbench.leftovers`).
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

PREFIX = "inboxbench_"
OWNER = "owner"  # key of a marker: the process that made the database, and that removes it
_MARK = "inboxbench: "
_PROVEN = re.compile(rf"({PREFIX}\w+_[0-9a-f]{{8}})([0-9a-f]{{4}})")
# Kept by the session that makes a database until it is marked.
MAKING = "hashtextextended('inboxbench database ' || %s, 0)"

# Statements that empty a database of ours, and no other one.
EMPTY = """DO $$ BEGIN
    IF coalesce((SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()), '')
        NOT LIKE 'inboxbench: %' THEN
        RAISE EXCEPTION 'this database was not made by inboxbench (no marker), so nothing is dropped in it';
    END IF;
END $$; DROP SCHEMA public CASCADE; CREATE SCHEMA public;
"""


def database_name(purpose: str) -> str:
    """A new name, unlike any other, whose last four digits are a digest of the rest: see `proves_itself`."""
    start = f"{PREFIX}{purpose}_{secrets.token_hex(4)}"
    return start + _digest(start)


def _digest(start: str) -> str:
    return hashlib.sha256(start.encode()).hexdigest()[:4]


def proves_itself(name: str) -> bool:
    """Whether `database_name` made this name."""
    match = _PROVEN.fullmatch(name)
    return match is not None and match[2] == _digest(match[1])


def is_being_made(connection: psycopg.Connection[Any], name: str) -> bool:
    """Whether a session makes the database `name` just now, which is why it may have no marker yet."""
    row = connection.execute(f"SELECT pg_try_advisory_lock({MAKING})".encode(), (name,)).fetchone()
    if row is None or not row[0]:
        return True
    connection.execute(f"SELECT pg_advisory_unlock({MAKING})".encode(), (name,))
    return False


def parse_marker(comment: str | None) -> dict[str, Any] | None:
    """Return the marker that a database's comment is; None for any other comment."""
    if comment is None or not comment.startswith(_MARK):
        return None
    try:
        marker = json.loads(comment.removeprefix(_MARK))
    except json.JSONDecodeError:
        return None
    return marker if isinstance(marker, dict) else None


def mark(connection: psycopg.Connection[Any], name: str, marker: Mapping[str, Any]) -> None:
    """Make `marker` the comment of database `name`."""
    text = _MARK + json.dumps(marker, sort_keys=True)
    connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(text)))
