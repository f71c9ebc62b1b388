"""The search on a shop of a hundred thousand rows: the set that is known to be best comes out, within every budget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import Database

from inboxbench.advise.result import Advice
from inboxbench.advise.run import Asked, advise
from inboxbench.bench.cache.outcomes import Cache
from inboxbench.bench.cache.store import Store
from inboxbench.database import scratch_database
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.project import Loose
from inboxbench.server import Server

SHOP = """
    CREATE TABLE customers (id bigint PRIMARY KEY, email text NOT NULL);
    CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint REFERENCES customers, status text,
                         placed timestamptz, note text, tags text[]);
    CREATE TABLE items (id bigint PRIMARY KEY, order_id bigint REFERENCES orders, sku text);
    CREATE TABLE bare (id bigint PRIMARY KEY, kind text);
    INSERT INTO customers SELECT n, 'c' || n || '@x.org' FROM generate_series(1, 5000) n;
    INSERT INTO orders SELECT n, 1 + (n * 7919) % 5000, CASE WHEN n % 200 = 0 THEN 'open' ELSE 'done' END,
                              '2026-01-01'::timestamptz + n * interval '1 min', md5(n::text), ARRAY['t' || n % 200]
    FROM generate_series(1, 25000) n;
    INSERT INTO items SELECT n, 1 + (n * 31) % 25000, 's' || n % 1000 FROM generate_series(1, 70000) n;
    CREATE INDEX orders_note_idx ON orders (note);
    CREATE INDEX orders_customer_id_idx ON orders (customer_id);
    CREATE INDEX orders_customer_id_again_idx ON orders (customer_id);
    ANALYZE
"""
QUERIES = {
    "list": "-- params: customer bigint = 77\nSELECT * FROM orders WHERE customer_id = :customer",
    "open": "SELECT count(*) FROM orders WHERE status = 'open'",
    "items": "-- params: orders bigint = 555\nSELECT sku FROM items WHERE order_id = :orders",
    "login": "-- params: mail text = 'c9@x.org'\nSELECT * FROM customers WHERE lower(email) = :mail",
    "tags": "-- params: tag text[] = '{t3}'\nSELECT id FROM orders WHERE tags @> :tag",
    "reopen": "-- params: id bigint = 5\nUPDATE orders SET note = 'again' WHERE id = :id",
    "broken": "SELECT nothing FROM orders",
}


@pytest.fixture(scope="module")
def shop(server: Server) -> Iterator[Database]:
    with scratch_database(server, "shop") as name:
        database = Database(server, name)
        with database.connect() as connection:
            connection.execute(SHOP)
        yield database


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("queries")
    for name, text in QUERIES.items():
        (path / f"{name}.sql").write_text(text)
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(Store(tmp_path_factory.mktemp("cells")))


def advised(
    shop: Database, folder: Path, asked: Asked | None = None, cache: Cache | None = None, *queries: str
) -> Advice:
    project = Loose(folder, catalogue=folder / "indexes.toml")
    named = list(queries) or None
    return advise(shop.server, shop.name, project, asked or Asked(), queries=named, as_is=True, cache=cache)


@pytest.fixture(scope="module")
def advice(shop: Database, folder: Path, cache: Cache) -> Advice:
    return advised(shop, folder, Asked(), cache)


def test_the_best_set_is_found(advice: Advice) -> None:
    chosen = {index.definition.replace(" USING btree", "").partition(" INCLUDE")[0] for index in advice.indexes}
    partial = {text for text in chosen if "WHERE status = 'open'" in text}
    assert len(partial) == 1
    assert chosen - partial == {
        "orders (customer_id)", "items (order_id)", "customers ((lower(email)))", "orders USING gin (tags)",
    }  # fmt: skip
    assert advice.advised.cost < advice.present.cost / 20
    assert not advice.losers


def test_what_the_database_has_is_kept_or_can_go(advice: Advice) -> None:
    dropped = {gone.name for gone in advice.dropped}
    kept = {index.name for index in advice.indexes if not index.new}
    assert "orders_note_idx" in dropped  # no query reads it, and an update maintains it
    assert len(kept & {"orders_customer_id_idx", "orders_customer_id_again_idx"}) == 1  # one of two that are alike
    assert len(dropped) == 2


def test_every_index_says_what_it_is_worth_and_who_uses_it(advice: Advice) -> None:
    by_query = {name: index for index in advice.indexes for name in index.used_by}
    assert set(by_query) >= {"list", "open", "items", "login", "tags"}
    assert all(index.worth is not None and index.worth > 0 for index in advice.indexes)
    assert all(refused.why for refused in advice.refused)


def test_a_query_that_fails_is_named_and_the_rest_is_advised_on(advice: Advice) -> None:
    assert [failure.partition(" ")[0] for failure in advice.failures] == ["broken"]


def test_the_check_takes_both_sets(advice: Advice) -> None:
    checked = {query.name for query in advice.queries if query.before_ms is not None and query.now_ms is not None}
    assert checked == {"list", "open", "items", "login", "tags"}
    assert advice.clock


def test_a_run_that_goes_on_builds_nothing_again(shop: Database, folder: Path, cache: Cache, advice: Advice) -> None:
    again = advised(shop, folder, Asked(check=False), cache)
    assert (again.built, again.executed) == (0, 0)
    assert again.reused == again.tried == advice.tried
    assert again.indexes == advice.indexes


def test_a_budget_of_bytes_is_kept(shop: Database, folder: Path, cache: Cache, advice: Advice) -> None:
    limit = advice.advised.bytes // 2
    small = advised(shop, folder, Asked(bytes=limit, check=False), cache)
    assert 0 < small.advised.bytes <= limit
    assert advice.advised.cost < small.advised.cost < small.nothing.cost


@pytest.mark.long
def test_a_budget_of_wal_is_kept(shop: Database, folder: Path, cache: Cache, advice: Advice) -> None:
    lean = advised(shop, folder, Asked(wal=1.0, check=False), cache)
    assert lean.advised.wal is not None
    assert lean.present.wal is not None
    assert lean.advised.wal <= lean.present.wal


@pytest.mark.long
def test_keep_all_only_adds(shop: Database, folder: Path, cache: Cache) -> None:
    added = advised(shop, folder, Asked(keep="all", check=False), cache)
    assert not added.dropped
    assert sum(not index.new for index in added.indexes) == 3


def test_no_time_gives_the_best_so_far(shop: Database, folder: Path) -> None:
    found = advised(shop, folder, Asked(seconds=1e-9, check=False), None, "items")
    assert found.stopped == "time budget"
    assert found.advised.cost <= found.present.cost
    assert not found.dropped  # nobody shall drop what was not tried


def test_what_cannot_be_advised_on_is_one_line(shop: Database, folder: Path) -> None:
    with pytest.raises(SubjectFailed, match="no query can be executed"):
        advised(shop, folder, None, None, "broken")
    with pytest.raises(UsageError, match="nothing in the workload writes"):
        advised(shop, folder, Asked(wal=1.5), None, "open")


def test_a_table_without_rows_and_a_query_that_never_ends(shop: Database, tmp_path: Path) -> None:
    (tmp_path / "bare.sql").write_text("SELECT * FROM bare WHERE kind = 'x'")
    (tmp_path / "endless.sql").write_text(
        "SELECT count(*) FROM generate_series(1, 100000000) a, items WHERE sku = 's3'"
    )
    found = advised(shop, tmp_path, replace(Asked(), timeout_s=0.2, check=False))
    assert found.advised.cost <= found.present.cost
    assert not found.failures


def test_what_alone_serves_a_foreign_key_stays(shop: Database, folder: Path) -> None:
    """No query of this workload asks for it, and a delete of a customer would read all orders without it."""
    found = advised(shop, folder, Asked(check=False), None, "open")
    assert {index.name for index in found.indexes if not index.new} == {"orders_customer_id_again_idx"}
    assert {dropped.name for dropped in found.dropped} == {"orders_note_idx", "orders_customer_id_idx"}
