"""Each parameterised query is measured by its generic plan, too, where that does other steps than the custom one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from inboxbench.bench import Matrix, run_matrix
from inboxbench.bench.model import Cell
from inboxbench.database import connect, scratch_database
from inboxbench.project import Loose
from inboxbench.server import Server

# One order in 500 is open; the shop 0 has nearly all rows, each other shop a few.
SCHEMA = """
    CREATE TABLE orders (id int PRIMARY KEY, shop int NOT NULL, state text NOT NULL, note text NOT NULL);
    INSERT INTO orders
    SELECT g, CASE WHEN g % 50 = 0 THEN g / 50 ELSE 0 END, CASE WHEN g % 500 = 7 THEN 'open' ELSE 'closed' END,
           repeat('note ', 20)
    FROM generate_series(1, 20000) g;
    CREATE INDEX orders_open ON orders (id) WHERE state = 'open';
    CREATE INDEX orders_shop ON orders (shop)
"""
QUERIES = {
    "partial": ("state text = 'open'", "SELECT id FROM orders WHERE state = :state ORDER BY id LIMIT 20"),
    "frequent": ("shop int = 0", "SELECT count(note) FROM orders WHERE shop = :shop"),
    "same": ("id int = 5", "SELECT note FROM orders WHERE id = :id"),
    "pattern": ("id int = 5", "SELECT note FROM orders WHERE id = :id AND note LIKE 'n%'"),
    "locking": ("state text = 'open'", "SELECT id FROM orders WHERE state = :state ORDER BY id LIMIT 20 FOR UPDATE"),
    "changing": ("state text = 'open'", "UPDATE orders SET note = '' WHERE state = :state RETURNING id"),
    "dividing": ("n int = 0", "SELECT id FROM orders WHERE state = 'open' AND (:n = 0 OR id / :n > 3) ORDER BY id"),
    "constant": ("", "SELECT count(*) FROM orders WHERE state = 'open'"),
}


@pytest.fixture(scope="module")
def matrix(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    folder = tmp_path_factory.mktemp("generic")
    for name, (params, text) in QUERIES.items():
        head = f"-- params: {params}\n" if params else ""
        (folder / f"{name}.sql").write_text(f"{head}{text}\n", encoding="utf-8")
    with scratch_database(server, "generic") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(SCHEMA.encode())
            connection.execute("ANALYZE orders")
        yield run_matrix(server, name, Loose(folder, folder / "indexes.toml"), rounds=1, writes=False, as_is=True)


def cell(matrix: Matrix, query: str) -> Cell:
    return matrix.cell(query, "given", "current")


@pytest.mark.parametrize("query", ["partial", "locking"])
def test_a_partial_index_that_only_the_custom_plan_uses_is_named(matrix: Matrix, query: str) -> None:
    measured = cell(matrix, query)
    assert measured.plan
    assert measured.generic
    assert measured.plan.indexes == ("orders_open",)
    assert measured.generic.partial == ("orders_open",)
    assert measured.generic.buffers is not None
    assert measured.generic.buffers > 3 * measured.plan.buffers
    (remark,) = [remark for remark in matrix.generic_plans if remark.startswith(f"{query} ")]
    assert "does not use the partial index orders_open" in remark


def test_a_frequent_value_that_only_the_custom_plan_sees_is_executed_by_both(matrix: Matrix) -> None:
    measured = cell(matrix, "frequent")
    assert measured.plan
    assert measured.generic
    assert measured.plan.line.startswith("Seq Scan orders")
    assert "orders_shop" in measured.generic.line
    assert measured.generic.buffers is not None
    assert measured.generic.partial == ()


def test_the_same_steps_are_not_executed_again(matrix: Matrix) -> None:
    assert [cell(matrix, query).generic for query in ("same", "pattern", "constant")] == [None] * 3


def test_a_query_that_changes_rows_is_planned_and_not_executed(matrix: Matrix) -> None:
    generic = cell(matrix, "changing").generic
    assert generic
    assert (generic.buffers, generic.partial) == (None, ("orders_open",))
    assert any("the generic plan was not executed" in remark for remark in matrix.generic_plans)


def test_nothing_else_of_a_cell_is_touched_by_it(matrix: Matrix) -> None:
    assert [measured.failure for measured in matrix.cells] == [None] * len(QUERIES)
    assert all(measured.steady for measured in matrix.cells)


def test_both_plans_are_in_the_record(matrix: Matrix) -> None:
    document = matrix.to_json()
    cells = {row["query"]: row for row in document["cells"]}
    assert cells["partial"]["generic"]["partial"] == ["orders_open"]
    assert cells["same"]["generic"] is None
    assert document["generic_plans"] == list(matrix.generic_plans)
