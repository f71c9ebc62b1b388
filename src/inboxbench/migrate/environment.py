"""What migrations/env.py does, under `inboxbench migrate` and under plain `alembic` alike.

The connection is in autocommit and Alembic opens no transaction: each step of a revision is its own, the version
stamp comes after the last one, and an upgrade that died is finished by running it again. An advisory lock keeps a
second upgrade of the same database out.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa
from alembic import context
from alembic.util import CommandError

from inboxbench.database import Connection, connect
from inboxbench.errors import InboxbenchError, SubjectFailed, UsageError
from inboxbench.migrate import facts
from inboxbench.migrate.session import Event, LockRefused, Progress, RevisionApplied, StepStarted
from inboxbench.sqlfile import read_sections

_VARIABLE = "INBOXBENCH_DATABASE_URL"
_UPGRADE_LOCK = 0x696E626F78  # "inbox": our key among the advisory locks of the database
# CONCURRENTLY and VALIDATE may take long and hold up nobody: no limit of the role's may end them; short steps set
# a lock_timeout of their own. A backfill that locks before it reads needs a new snapshot for each statement.
_SESSION = {
    "lock_timeout": "0",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "default_transaction_isolation": "read committed",
}
_QUERIES = read_sections(__file__)
_log = logging.getLogger("inboxbench.migrate")


def migrate() -> None:
    """Entry point of env.py."""
    if context.is_offline_mode():
        raise CommandError("these revisions look at the database as they go; --sql has none to look at")
    attributes = context.config.attributes
    if "conninfo" in attributes:
        _run(attributes["conninfo"], attributes)
        return
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    attributes.setdefault("listener", _log_event)
    try:
        _run(_conninfo(), attributes)
    except (InboxbenchError, psycopg.Error) as error:
        raise CommandError(str(error).strip()) from error  # the alembic command prints these in one line


def _conninfo() -> str:
    """Return the URL of the environment, in SQLAlchemy's or libpq's spelling."""
    url = os.environ.get(_VARIABLE, "")
    if not url:
        raise UsageError(f"no database: set {_VARIABLE}=postgresql://user@host/name")
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def _run(conninfo: str, attributes: Mapping[str, Any]) -> None:
    with _bound(conninfo) as (bind, connection), _only_upgrade(connection), _no_trace_of_failure(connection):
        context.configure(
            connection=bind,
            transactional_ddl=False,
            transaction_per_migration=False,
            on_version_apply=lambda *, step, **_: _applied(attributes, step),
        )
        try:
            context.run_migrations()
        except sa.exc.DBAPIError as error:
            raise _first_cause(error) from error


def _first_cause(error: BaseException) -> BaseException:
    """Return what the server said first: SQLAlchemy's own clean-up on a lost connection buries it."""
    causes = [error]
    while (below := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(below)
    return next((cause for cause in reversed(causes) if isinstance(cause, psycopg.Error)), error)


def _applied(attributes: Mapping[str, Any], step: Any) -> None:
    if listener := attributes.get("listener"):
        listener(RevisionApplied(step.up_revision_id, step.is_upgrade))


@contextmanager
def _bound(conninfo: str) -> Iterator[tuple[sa.Connection, Connection]]:
    """One connection, as SQLAlchemy and as psycopg see it."""
    engine = sa.create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(conninfo, application_name="inboxbench migrate"),
        poolclass=sa.NullPool,
        isolation_level="AUTOCOMMIT",
    )
    with engine.connect() as bind:
        connection = bind.connection.driver_connection
        assert isinstance(connection, psycopg.Connection)
        for setting, value in _SESSION.items():
            connection.execute("SELECT set_config(%s, %s, false)", (setting, value))
        yield bind, connection


@contextmanager
def _only_upgrade(connection: Connection) -> Iterator[None]:
    """Hold the database's migration lock. Raises SubjectFailed naming the session that has it."""
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_UPGRADE_LOCK,)).fetchone()
    if row is None or not row[0]:
        raise SubjectFailed(_held_by(connection))
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_UPGRADE_LOCK,))


def _held_by(connection: Connection) -> str:
    row = connection.execute(_QUERIES["holder"], (_UPGRADE_LOCK,)).fetchone()
    who = f"pid {row[0]}, {row[1]}, connected for {row[2]}" if row else "it has just ended"
    return (
        f"another migration of database {connection.info.dbname!r} is running ({who}); "
        "wait for it, or end that session, then run this again"
    )


@contextmanager
def _no_trace_of_failure(connection: Connection) -> Iterator[None]:
    """Alembic makes its version table before the first revision looks around: a refused database keeps none."""
    had = facts.table_exists(connection, "alembic_version")
    try:
        yield
    except BaseException:
        if not had and not connection.broken and facts.table_exists(connection, "alembic_version"):
            row = connection.execute("SELECT count(*) FROM alembic_version").fetchone()
            if row is not None and row[0] == 0:
                connection.execute("DROP TABLE alembic_version")
        raise


def _log_event(event: Event) -> None:
    """Plain alembic's progress, one line each."""
    match event:
        case StepStarted(revision, text):
            _log.info("%s  %s", revision, text)
        case LockRefused(revision, text, attempt, pause_s, blockers):
            by = f" by {blockers}" if blockers else ""
            _log.info("%s  %s: locked%s, attempt %d; again in %.2f s", revision, text, by, attempt, pause_s)
        case Progress() if event.finished:
            _log.info("%s  backfill %s: %d rows", event.revision, event.name, event.rows)
        case RevisionApplied(revision, upgrade):
            _log.info("%s  %s", revision, "done" if upgrade else "undone")
