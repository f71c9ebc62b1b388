"""Indexes CONCURRENTLY, and what a build that failed leaves behind."""

from __future__ import annotations

import psycopg
from psycopg import sql

from inboxbench.errors import SubjectFailed
from inboxbench.migrate import facts
from inboxbench.migrate.session import Session
from inboxbench.migrate.steps import Text, composed


def create_index(db: Session, name: str, table: str, definition: Text, *, unique: bool = False) -> None:
    """CREATE INDEX CONCURRENTLY; `definition` is what follows the table: "(a, b)", "USING gin (…)", "(a) WHERE …".

    By one process, unless Settings.index_workers gives it more.

    An INVALID leftover of a build that failed is dropped and built anew. Raises SubjectFailed when a valid index
    of that name says something else, psycopg.errors.UniqueViolation (with nothing left behind) for duplicates.
    """
    found = facts.index(db.connection, name)
    if found is not None and found.valid:
        expected = facts.would_be_index(db.connection, table, composed(definition))
        _require_same(db, name, found, facts.IndexFact(table, True, unique, expected))
        return
    if found is not None:
        drop_index(db, name, why="a failed build left it INVALID")
    db.step(f"build index {name}")
    statement = sql.SQL("CREATE {} CONCURRENTLY {} ON {} {}").format(
        sql.SQL("UNIQUE INDEX" if unique else "INDEX"),
        sql.Identifier(name),
        sql.Identifier(table),
        composed(definition),
    )
    workers = f"{db.settings.index_workers:.0f}"
    db.connection.execute("SELECT set_config('max_parallel_maintenance_workers', %s, false)", (workers,))
    try:
        db.connection.execute(statement)
    except psycopg.Error:
        # A unique index that failed goes on refusing rows although no query can use it: take it away at once.
        if not db.connection.broken:
            drop_index(db, name, why="its build failed")
        raise


def drop_index(db: Session, name: str, *, why: str = "") -> None:
    """DROP INDEX CONCURRENTLY."""
    if facts.index(db.connection, name) is None:
        return
    db.step(f"drop index {name}" + (f": {why}" if why else ""))
    db.connection.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(name)))


def _require_same(db: Session, name: str, found: facts.IndexFact, wanted: facts.IndexFact) -> None:
    if found == wanted:
        return
    raise SubjectFailed(
        f"{db.revision}: index {name} exists already as {_spell(found)}, this revision wants {_spell(wanted)}; "
        "rename or drop the existing one, then run the upgrade again"
    )


def _spell(fact: facts.IndexFact) -> str:
    return f"{'UNIQUE ' if fact.unique else ''}ON {fact.table} {fact.definition}"
