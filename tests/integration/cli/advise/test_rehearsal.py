"""The dry run of a migration: every statement is seen, and one that fails is said."""

from __future__ import annotations

import pytest
from tests.conftest import Database

from inboxbench.cli.advise.rehearsal import rehearsed


@pytest.fixture
def orders(database: Database) -> Database:
    with database.connect() as connection:
        connection.execute("CREATE TABLE orders AS SELECT n AS id, n % 9 AS kind FROM generate_series(1, 2000) n")
    return database


def test_what_the_migration_does_is_seen_on_a_clone(orders: Database) -> None:
    run = rehearsed(orders.server, orders.name, ["CREATE INDEX CONCURRENTLY orders_kind_idx ON orders (kind)"])
    assert run.error is None
    assert any("orders_kind_idx" in statement.sql for statement in run.statements)
    with orders.connect() as connection:
        assert connection.execute("SELECT to_regclass('orders_kind_idx')").fetchone() == (None,)


def test_a_migration_that_fails_says_why(orders: Database) -> None:
    run = rehearsed(orders.server, orders.name, ["CREATE INDEX CONCURRENTLY gone_idx ON orders (gone)"])
    assert run.error is not None
    assert "gone" in run.error
