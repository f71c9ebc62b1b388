"""What the observer sees of one session, against what PostgreSQL is known to do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import psycopg
import pytest

from inboxbench.database import Connection
from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.observe.observer import Observer, observed
from inboxbench.server import Server

TABLES = """
    CREATE TABLE customers (id int PRIMARY KEY, name varchar(50));
    INSERT INTO customers SELECT n, 'c' || n FROM generate_series(1, 500) n;
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int, n int);
    INSERT INTO orders SELECT n, 1 + n % 500, n FROM generate_series(1, 2000) n;
"""


class Database(Protocol):
    server: Server
    name: str

    @property
    def conninfo(self) -> str: ...

    def connect(self, *, autocommit: bool = True) -> Connection: ...


@pytest.fixture
def filled(database: Database) -> Database:
    if not database.server.owned or database.server.kind == "container":
        pytest.skip("the observer reads the log of a server of our own on this machine")
    with database.connect() as connection:
        connection.execute(TABLES.encode())
    return database


def run(database: Database, *statements: str) -> Observer:
    """Each by itself, in one session; errors are the server's business here."""
    with observed(database.server, database.name) as observer, database.connect() as connection:
        for statement in statements:
            try:
                connection.execute(statement.encode())
            except psycopg.Error:
                continue
    return observer


def locks(statement: Statement) -> dict[str, str]:
    return {one.relation.removeprefix("public."): one.mode for one in statement.locks if not one.created}


def scanned(statement: Statement) -> dict[str, int]:
    return {one.relation.removeprefix("public."): one.rows for one in statement.scans}


def rewritten(statement: Statement) -> set[str]:
    return {one.relation.removeprefix("public.") for one in statement.rewrites}


def test_what_comes_after_the_block_is_none_of_its_own(filled: Database) -> None:
    """The log is read when it is asked for, up to where it stood: the next leg writes into the same file."""
    first = run(filled, "ALTER TABLE orders ADD COLUMN a int")
    second = run(filled, "ALTER TABLE orders ADD COLUMN b int")
    assert [one.sql for one in first.observed()[0]] == ["ALTER TABLE orders ADD COLUMN a int"]
    assert [one.sql for one in second.observed()[0]] == ["ALTER TABLE orders ADD COLUMN b int"]


def test_a_lock_knows_what_ran_while_it_was_held(filled: Database) -> None:
    """To the end of its transaction, or to the savepoint that it was rolled back to."""
    statements = run(
        filled, "BEGIN", "ALTER TABLE orders ADD COLUMN a int", "SAVEPOINT s", "ALTER TABLE customers ADD COLUMN a int",
        "ROLLBACK TO s", "UPDATE orders SET n = 1", "CREATE INDEX ix ON orders (n)", "COMMIT", "VACUUM orders",
    ).observed()[0]  # fmt: skip
    first, index = (next(one for one in statements if word in one.sql) for word in ("orders ADD", "CREATE INDEX"))
    held = {lock.relation: lock.through for lock in first.locks}
    assert held["public.orders"] == index.number
    assert all(lock.through == one.number for one in statements if one.number > first.number for lock in one.locks
               if one.sql.startswith(("CREATE", "VACUUM")))  # fmt: skip


def test_ddl_by_event_triggers(filled: Database) -> None:
    quiet, volatile, index, foreign_key, refused = run(
        filled,
        "ALTER TABLE orders ADD COLUMN a int",
        "ALTER TABLE orders ADD COLUMN b timestamptz NOT NULL DEFAULT clock_timestamp()",
        "CREATE INDEX orders_n ON orders (n)",
        "ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES customers",
        "ALTER TABLE orders ADD COLUMN c int NOT NULL",
    ).observed()[0]
    assert locks(quiet) == {"orders": "ACCESS EXCLUSIVE"}
    assert (rewritten(quiet), scanned(quiet)) == (set(), {})
    assert {"orders", "orders_pkey"} <= locks(volatile).keys()
    assert rewritten(volatile) == {"orders", "orders_pkey"}
    assert scanned(volatile) == {"orders": 4000}  # read once, and once more to build the key
    assert volatile.wal_bytes > 2000 * 24
    assert locks(index) == {"orders": "SHARE"}
    assert scanned(index) == {"orders": 2000}
    assert locks(foreign_key).items() >= {"orders": "SHARE ROW EXCLUSIVE", "customers": "SHARE ROW EXCLUSIVE"}.items()
    assert refused.error == 'column "c" of relation "orders" contains null values'


def test_statements_without_events_in_a_transaction(filled: Database) -> None:
    observer = run(
        filled,
        "BEGIN",
        "UPDATE orders SET n = 0",
        "TRUNCATE customers",
        "ALTER TABLE orders ADD COLUMN a int",
        "COMMIT",
    )
    update, truncate, alter = observer.observed()[0]
    assert locks(update)["orders"] == "ROW EXCLUSIVE"
    assert (scanned(update), update.dead_tuples) == ({"orders": 2000}, 2000)
    assert locks(truncate)["customers"] == "ACCESS EXCLUSIVE"
    assert {"customers", "customers_pkey"} <= rewritten(truncate)
    assert (locks(alter), rewritten(alter)) == ({"orders": "ACCESS EXCLUSIVE"}, set())
    (transaction,) = observer.observed()[1]
    assert transaction.outcome == "commit"
    held = {lock.relation: lock.taken_ms + lock.held_ms for one in observer.observed()[0] for lock in one.locks}
    assert all(end == pytest.approx(transaction.finished_ms) for end in held.values())


def test_short_truncate_and_vacuum_full_show_by_their_files(filled: Database) -> None:
    truncate, vacuum = run(filled, "TRUNCATE orders", "VACUUM FULL customers").observed()[0]
    assert locks(truncate)["orders"] == locks(vacuum)["customers"] == "ACCESS EXCLUSIVE"
    assert {"orders", "orders_pkey"} <= rewritten(truncate)
    assert rewritten(vacuum) == {"customers", "customers_pkey"}


def test_rows_that_others_read_later_are_not_a_vacuums(filled: Database) -> None:
    """VACUUM has no events; its reading shows in statistics, which a session sends after a second at the earliest."""
    sent = ("SELECT pg_sleep(1.1)", "SELECT pg_sleep(0.3)")
    later = "CREATE INDEX customers_name ON customers (name)"
    vacuum, full, _, _, index = run(filled, "VACUUM customers", "VACUUM FULL customers", *sent, later).observed()[0]
    assert scanned(vacuum) == {}
    assert scanned(full) == {"customers": 1000}
    assert scanned(index) == {"customers": 500}


@contextmanager
def writing(database: Database) -> Iterator[Connection]:
    with database.connect(autocommit=False) as connection:
        connection.execute("UPDATE orders SET n = 0 WHERE id = 1")
        yield connection


def test_concurrently_by_the_poll(filled: Database) -> None:
    """A writer keeps it waiting, so that the poll cannot miss it."""
    with observed(filled.server, filled.name) as observer, writing(filled) as writer:
        timer = threading.Timer(0.3, writer.commit)
        timer.start()
        run_one(filled, "CREATE INDEX CONCURRENTLY orders_n ON orders (n)")
        timer.join()
    (build,) = [one for one in observer.observed()[0] if "CONCURRENTLY" in one.sql]
    assert locks(build) == {"orders": "SHARE UPDATE EXCLUSIVE"}
    assert {lock.seen for lock in build.locks} == {"poll"}
    assert scanned(build) == {"orders": 4000}


def run_one(database: Database, statement: str) -> None:
    with database.connect() as connection:
        connection.execute(statement.encode())


def test_what_was_rolled_back_is_not_there_afterwards(filled: Database) -> None:
    observer = run(
        filled,
        "BEGIN",
        "ALTER TABLE orders ALTER n TYPE bigint",
        "ROLLBACK",
        "ALTER TABLE orders ADD COLUMN a int",
    )
    change, add = observer.observed()[0]
    assert rewritten(change) == {"orders", "orders_pkey"}
    assert rewritten(add) == set()
    assert [one.outcome for one in observer.observed()[1]] == ["rollback", "commit"]


def test_an_index_built_again_under_its_name_is_a_rewrite_and_one_made_later_is_not(filled: Database) -> None:
    run_one(filled, "CREATE INDEX orders_n ON orders (n)")
    change, _, again = run(
        filled,
        "ALTER TABLE orders ALTER n TYPE bigint",
        "DROP INDEX orders_n",
        "CREATE INDEX orders_n ON orders (n)",
    ).observed()[0]
    assert rewritten(change) == {"orders", "orders_pkey", "orders_n"}
    assert rewritten(again) == set()


def test_it_leaves_nothing_behind(filled: Database) -> None:
    run(filled, "SELECT 1")
    with filled.connect() as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM pg_event_trigger), (SELECT count(*) FROM pg_proc"
            " WHERE proname ~ 'inboxbench'), (SELECT setconfig FROM pg_db_role_setting AS s"
            " JOIN pg_database AS d ON d.oid = setdatabase WHERE datname = %s)",
            (filled.name,),
        ).fetchone()
    assert row == (0, 0, None)
