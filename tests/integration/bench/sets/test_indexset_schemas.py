"""Tables of any schema are measured as those of `public` are, and names mean what they mean at the source."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inboxbench.bench import Matrix, run_matrix
from inboxbench.bench.drop_one import removal
from inboxbench.bench.sets.builder import SetPruner
from inboxbench.bench.sets.catalogue import read_catalogue
from inboxbench.bench.sets.indexset import live_set
from inboxbench.bench.sets.template import tables
from inboxbench.database import connect, scratch_database, set_on_database
from inboxbench.project import Loose
from inboxbench.server import Server

# The same rows in three schemas, the same names in each; only the ones of `shop` are on the search_path.
FILL = """
    CREATE SCHEMA shop; CREATE SCHEMA "Odd. Shop";
    CREATE EXTENSION pg_trgm WITH SCHEMA shop;
    CREATE TABLE {schema}.orders (id int PRIMARY KEY, customer int, note text);
    INSERT INTO {schema}.orders SELECT g, g % 500, repeat('x', 200) FROM generate_series(1, 20000) AS g;
    CREATE INDEX orders_customer ON {schema}.orders (customer);
    CREATE INDEX orders_lower ON {schema}.orders (lower(note));
"""
QUERY = "-- params: customer int = 7\nSELECT count(note) FROM {table} WHERE customer = :customer"
INDEXES = """
[index.by_path]
definition = "orders (customer, note)"
[index.by_name]
definition = 'ONLY "Odd. Shop" . orders (customer, note)'
[index.words]
definition = 'public."orders" USING gin (note shop.gin_trgm_ops)'
[index.expression]
definition = '"Odd. Shop".orders ((orders.customer + 1))'
[set.covering]
indexes = ["by_path", "by_name", "words", "expression"]
"""
SCHEMAS = {"path": "shop", "named": '"Odd. Shop"', "public": "public"}


@pytest.fixture
def shops(server: Server) -> Iterator[str]:
    with scratch_database(server, "shops") as name:
        with connect(server.conninfo()) as connection:
            set_on_database(connection, name, "search_path", 'shop, "$user"')
        with connect(server.conninfo(name)) as connection:
            head, _, rest = FILL.partition("CREATE TABLE")
            connection.execute(head.encode())
            for schema in SCHEMAS.values():
                connection.execute(("CREATE TABLE" + rest).format(schema=schema).encode())
        yield name


@pytest.fixture
def questions(tmp_path: Path) -> Loose:
    (tmp_path / "path.sql").write_text(QUERY.format(table="orders"))
    (tmp_path / "named.sql").write_text(QUERY.format(table='"Odd. Shop".orders'))
    (tmp_path / "public.sql").write_text(QUERY.format(table="public.orders"))
    (tmp_path / "indexes.toml").write_text(INDEXES)
    return Loose(tmp_path, tmp_path / "indexes.toml")


def _matrix(server: Server, shops: str, questions: Loose, **options: object) -> Matrix:
    with connect(server.conninfo(shops)) as connection:
        current = live_set(connection, "current", "the indexes it has")
    sets = [current, *read_catalogue(questions.indexes).choose()]
    return run_matrix(server, shops, questions, sets=sets, writes=False, rounds=1, as_is=True, **options)  # type: ignore[arg-type]


def test_each_schema_is_measured_alike(server: Server, shops: str, questions: Loose) -> None:
    matrix = _matrix(server, shops, questions)
    assert not matrix.failures
    now, covering = matrix.sets
    assert [built.index.name for built in now.built] == [
        *("orders_customer", "orders_lower"),
        *("Odd. Shop.orders_customer", "Odd. Shop.orders_lower", "shop.orders_customer", "shop.orders_lower"),
    ]
    sizes = {built.index.name: built.bytes for built in (*now.built, *covering.built)}
    assert sizes["orders_customer"] == sizes["Odd. Shop.orders_customer"] == sizes["shop.orders_customer"] > 100_000
    assert sizes["by_path"] == sizes["by_name"] > 200_000
    assert now.bytes > covering.bytes > 0  # unique ones are in both
    pages = {(cell.case.query.name, cell.index_set): cell.plan.buffers for cell in matrix.cells if cell.plan}
    assert pages["path", "current"] == pages["named", "current"] == pages["public", "current"]
    assert pages["path", "covering"] == pages["named", "covering"] < 10
    assert pages["public", "covering"] > 500
    assert all(cell.plan and cell.plan.rows == 1 for cell in matrix.cells)


def test_an_index_that_goes_is_the_one_that_was_named(server: Server, shops: str, questions: Loose) -> None:
    """Two of one name in two schemas."""
    with connect(server.conninfo(shops)) as connection:
        whole = live_set(connection, "whole", "whole")
    kept = [index for index in whole.indexes if index.name != "shop.orders_customer"]
    part = type(whole)("part", "part", "", tuple(kept))
    matrix = run_matrix(
        server, shops, questions, sets=[whole, part], writes=False, rounds=1, as_is=True, make_builder=SetPruner
    )
    pages = {(cell.case.query.name, cell.index_set): cell.plan.buffers for cell in matrix.cells if cell.plan}
    assert pages["named", "part"] == pages["named", "whole"] < 100
    assert pages["path", "part"] > 500 > pages["path", "whole"]
    assert "path [given]" in removal(matrix, *matrix.sets).used_by


def test_materialized_views_are_tables_to_a_reader(server: Server) -> None:
    """One that was never filled cannot be read."""
    with scratch_database(server, "views") as name, connect(server.conninfo(name)) as connection:
        connection.execute("CREATE SCHEMA app; CREATE MATERIALIZED VIEW app.full_one AS SELECT 1 AS a")
        connection.execute("CREATE MATERIALIZED VIEW app.empty_one AS SELECT 1 AS a WITH NO DATA")
        connection.execute("CREATE TEMPORARY TABLE mine (a int); CREATE VIEW app.seen AS SELECT 1")
        assert tables(connection) == (("app", "full_one"),)
