"""A unique index over a column that may hold duplicates already, and gets new ones while it is being built.

The oldest row of each group keeps the value; the others lose it (NULL), each written to `duplicate_resolutions`
in the same transaction, so that nothing is lost for good: the downgrade puts the values back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql

from inboxbench.database import with_names
from inboxbench.errors import SubjectFailed
from inboxbench.migrate import facts, online
from inboxbench.migrate.session import Session, short_transaction
from inboxbench.sqlfile import read_sections

_BATCH = 500
_ROUNDS = 10
_SQL = read_sections(__file__)


@dataclass(frozen=True, slots=True)
class UniqueValue:
    """`column` of `table` shall be unique within `scope` where it is present, as the partial index `index`."""

    index: str
    table: str
    scope: LiteralString
    column: LiteralString


def create_table(db: Session) -> None:
    """The audit of values taken off their rows."""
    online.create_table(db, "duplicate_resolutions", _SQL["table"])


def resolve_and_index(db: Session, unique: UniqueValue) -> int:
    """Resolve duplicates and build the unique index CONCURRENTLY; rows that lost their value.

    A duplicate that arrives between the two makes the build fail; both are done again, and from the moment the
    index exists, even unfinished, PostgreSQL refuses further ones. Raises SubjectFailed after ten rounds.
    """
    create_table(db)
    definition = with_names("({0}, {1}) WHERE {1} IS NOT NULL", unique.scope, unique.column)
    resolved = 0
    for _ in range(_ROUNDS):
        resolved += resolve(db, unique)
        try:
            online.create_index(db, unique.index, unique.table, definition, unique=True)
        except psycopg.errors.UniqueViolation:
            continue
        return resolved
    raise SubjectFailed(
        f"{db.revision}: {unique.table}.{unique.column} gets duplicates faster than they are resolved; "
        "stop the writer that makes them, then run the upgrade again"
    )


def resolve(db: Session, unique: UniqueValue) -> int:
    """Take the value off every row but the oldest of its group, in batches; how many rows lost it."""
    total = 0
    text = f"resolve duplicates of {unique.table}.{unique.column}"
    db.step(text)
    query = _resolution(unique)
    parameters = {"revision": db.revision, "batch": _BATCH}
    while rows := short_transaction(db, text, lambda: db.connection.execute(query, parameters).rowcount):
        total += rows
        db.step(f"{text}: {total} so far, kept by the oldest row of each group")
    return total


def _resolution(unique: UniqueValue) -> sql.Composed:
    """One batch. The row is locked, and its value looked at again, before it is taken."""
    return sql.SQL(_SQL["resolve"]).format(
        table=sql.Identifier(unique.table),
        column=sql.Identifier(unique.column),
        scope=sql.Identifier(unique.scope),
        name=unique.table,
        column_name=unique.column,
    )


def restore(db: Session, unique: UniqueValue) -> None:
    """Put the values back that this revision took (for its downgrade), where nobody has set another since."""
    if not facts.table_exists(db.connection, "duplicate_resolutions"):
        return
    statement = sql.SQL(_SQL["restore"]).format(
        revision=db.revision,
        table=sql.Identifier(unique.table),
        column=sql.Identifier(unique.column),
        name=unique.table,
        column_name=unique.column,
    )
    online.run(db, f"restore duplicates of {unique.table}.{unique.column}", statement)
