"""What functions, procedures, blocks, triggers and foreign keys do is the doing of the statement that runs them."""

from __future__ import annotations

from typing import Protocol

import pytest

from inboxbench.database import Connection
from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.observe.observer import observed
from inboxbench.server import Server

SHOP = """
    CREATE TABLE customers (id int PRIMARY KEY, bought int NOT NULL DEFAULT 0);
    INSERT INTO customers SELECT n FROM generate_series(1, 100) n;
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers ON DELETE CASCADE, total int);
    INSERT INTO orders SELECT n, 1 + n % 100, 0 FROM generate_series(1, 2000) n;
    CREATE TABLE drafts (id int);
    INSERT INTO drafts SELECT generate_series(1, 1000);
    CREATE SCHEMA other;
    CREATE TABLE other.prices (id int, price int);
    INSERT INTO other.prices SELECT n, n FROM generate_series(1, 300) n;

    CREATE FUNCTION other.raise_prices() RETURNS void LANGUAGE sql AS 'UPDATE other.prices SET price = price + 1';
    CREATE FUNCTION fill() RETURNS void LANGUAGE plpgsql AS
        $$ BEGIN UPDATE orders SET total = id; PERFORM other.raise_prices(); END $$;
    CREATE PROCEDURE fill_in_batches() LANGUAGE plpgsql AS
        $$ BEGIN FOR i IN 0..3 LOOP UPDATE orders SET total = 2 WHERE id / 501 = i; COMMIT; END LOOP; END $$;
    CREATE PROCEDURE fill_at_once() LANGUAGE plpgsql AS $$ BEGIN UPDATE orders SET total = 3; END $$;
    CREATE FUNCTION wipe() RETURNS void LANGUAGE plpgsql AS $$ BEGIN TRUNCATE drafts; END $$;
    CREATE FUNCTION count_it() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN UPDATE customers SET bought = bought + 1 WHERE id = NEW.customer_id; RETURN NULL; END $$;
    CREATE TRIGGER counted AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION count_it();
"""


class Database(Protocol):
    server: Server
    name: str

    def connect(self, *, autocommit: bool = True) -> Connection: ...


def _seen(database: Database, *statements: str) -> list[Statement]:
    if not database.server.owned or database.server.kind == "container":
        pytest.skip("the observer reads the log of a server of our own on this machine")
    with database.connect() as connection:
        connection.execute(SHOP.encode())
    with observed(database.server, database.name) as observer, database.connect() as connection:
        for statement in statements:
            connection.execute(statement.encode())
    return list(observer.observed()[0])


def _written(statement: Statement) -> set[str]:
    return {lock.relation for lock in statement.locks if lock.kind == "table" and lock.mode == "ROW EXCLUSIVE"}


def test_work_within_a_statement_is_its_own(database: Database) -> None:
    """However many of them fall between two looks."""
    plain, function, batches, at_once, block, trigger, cascade, wipe = _seen(
        database,
        "UPDATE customers SET bought = 7 WHERE id <= 5",
        "SELECT fill()",
        "CALL fill_in_batches()",
        "CALL fill_at_once()",
        "DO $$ BEGIN FOR i IN 1..50 LOOP UPDATE orders SET total = 4 WHERE id = i; END LOOP; END $$",
        "INSERT INTO orders SELECT n, 1 + n % 100, 0 FROM generate_series(2001, 2400) n",
        "DELETE FROM customers WHERE id <= 10",
        "SELECT wipe()",
    )
    assert (plain.dead_tuples, plain.inner) == (5, ())
    assert function.dead_tuples == 2000 + 300
    assert {"public.orders", "other.prices"} <= _written(function)
    assert (batches.dead_tuples, batches.rows_at_once) == (2000, 501)
    assert (at_once.dead_tuples, at_once.rows_at_once) == (2000, None)
    assert (block.dead_tuples, block.rows_at_once) == (50, None)
    assert sum(inner.calls for inner in block.inner if inner.writes) == 50
    assert (trigger.dead_tuples, _written(trigger)) == (400, {"public.orders", "public.customers"})
    assert (cascade.dead_tuples, _written(cascade)) == (10 + 240, {"public.customers", "public.orders"})
    assert "public.drafts" in {rewrite.relation for rewrite in wipe.rewrites}
    assert "ACCESS EXCLUSIVE" in {lock.mode for lock in wipe.locks if lock.relation == "public.drafts"}
