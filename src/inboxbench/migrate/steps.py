"""What every operation stands on: the running migration's session, and a short step under lock_timeout."""

from __future__ import annotations

from typing import LiteralString

import psycopg
from alembic import op
from psycopg import sql

from inboxbench.errors import UsageError
from inboxbench.migrate.locks import short_transaction
from inboxbench.migrate.session import Event, Listener, Session, read_settings

# What revisions hand over: text they hold literally, or a composition.
Text = LiteralString | sql.SQL | sql.Composed


def session(revision: str) -> Session:
    """The running migration's connection, limits and listener. Raises UsageError in Alembic's --sql mode."""
    context = op.get_context()
    if context.as_sql or context.bind is None:
        raise UsageError("these revisions look at the database as they go; --sql has none to look at")
    connection = op.get_bind().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    attributes = context.config.attributes if context.config else {}
    listener: Listener = attributes.get("listener", _nobody)
    return Session(connection, revision, attributes.get("settings") or read_settings(), listener)


def _nobody(_event: Event) -> None:
    """Listener of a migration that nobody watches."""


def run(db: Session, text: str, *statements: Text) -> None:
    """Short statements in one transaction under lock_timeout; each must be safe to run again."""
    db.step(text)

    def work() -> None:
        for statement in statements:
            db.connection.execute(statement)

    short_transaction(db, text, work)


def composed(text: Text) -> sql.SQL | sql.Composed:
    return text if isinstance(text, (sql.SQL, sql.Composed)) else sql.SQL(text)
