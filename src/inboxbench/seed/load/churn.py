"""A past for a loaded database: updates, inserts and deletes as traffic leaves them, with all rows as they were.

Which statements those are is up to the row source. Values do not change, so checksums and every rule between rows
still hold. What changes is the files: dead tuples, HOT chains, rows that moved to where room was, gaps in sequences, a
visibility map with holes where the traffic was last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import LiteralString

from psycopg import sql

from inboxbench.database import Connection, connect
from inboxbench.seed.load.deferred_indexes import in_parallel
from inboxbench.seed.row_source import Churn


def steps(churn: Churn) -> int:
    """How often `run_churn` reports that something is done."""
    return 2 + (len(churn.tables) if churn.rounds else 0) + sum(len(statements) for statements in churn.rounds)


def run_churn(conninfo: str, churn: Churn, done: Callable[[], None]) -> None:
    """Age the database; calls `done` after each step. Ends with fresh statistics and without a vacuum.

    A vacuum comes before the last round, so that pages which that round leaves alone are all-visible. Statements of a
    round run in parallel: nothing that one leaves behind is old enough for another to see, so the files come out the
    same each time.
    """
    tables = [sql.Identifier(table) for table in churn.tables]
    with connect(conninfo, synchronous_commit="off") as connection:
        # Repeated values are no news: the schema's own triggers must not take them for traffic.
        _switch_triggers(connection, tables, "DISABLE")
        for statement in churn.first:
            connection.execute(statement)
        done()
        for number, statements in enumerate(churn.rounds, 1):
            if number == len(churn.rounds):
                in_parallel(conninfo, [sql.SQL("VACUUM {}").format(table) for table in tables], done)
            in_parallel(conninfo, statements, done)
        _switch_triggers(connection, tables, "ENABLE")
        connection.execute(sql.SQL("ANALYZE {}").format(sql.SQL(", ").join(tables)))
        done()


def _switch_triggers(connection: Connection, tables: list[sql.Identifier], how: LiteralString) -> None:
    for table in tables:
        connection.execute(sql.SQL("ALTER TABLE {} {} TRIGGER USER").format(table, sql.SQL(how)))
