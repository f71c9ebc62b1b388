"""Answers that differ because a query leaves open which rows come are all right, and others are found out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from inboxbench.bench import Matrix, run_matrix
from inboxbench.bench.model import Cell
from inboxbench.database import connect, scratch_database
from inboxbench.project import Loose
from inboxbench.server import Server

# 20 rows in each of 600 groups; five rows share each moment, and rows lie in the order of their moments.
SCHEMA = """
    CREATE TABLE entries (id int PRIMARY KEY, grp int NOT NULL, moment int NOT NULL, note text NOT NULL,
                          amount numeric NOT NULL, weight float8 NOT NULL);
    INSERT INTO entries
    SELECT g * 7919 % 12000 + 1, g % 600, g / 3000, repeat('note ', 30) || g % 7,
           CASE WHEN g / 600 % 2 = 0 THEN 1.0 ELSE 1.00 END, 0.1 * g
    FROM generate_series(0, 11999) g;
    CREATE FUNCTION deceiving(int) RETURNS int IMMUTABLE LANGUAGE sql AS
    $$ SELECT $1 + (current_setting('plan_cache_mode') <> 'force_custom_plan')::int $$;
    CREATE INDEX entries_moment ON entries (moment)
"""
SETS = """
[index.by_id]
definition = "entries (grp, id DESC)"
[index.by_moment]
definition = "entries (grp, moment, note DESC, id DESC)"
[index.deceived]
definition = "entries (deceiving(grp), moment)"
[set.by_id]
indexes = ["by_id"]
[set.by_moment]
indexes = ["by_moment"]
[set.deceived]
indexes = ["deceived"]
"""
OPEN = {
    "latest": "SELECT id, note FROM entries WHERE grp = :g ORDER BY moment DESC LIMIT 7",
    "page": "SELECT * FROM entries WHERE grp = :g ORDER BY moment OFFSET 3 LIMIT 4",
    "no_order": "SELECT id FROM entries WHERE grp = :g LIMIT 6",
    "by_expression": "SELECT id FROM entries WHERE grp = :g ORDER BY length(note) || 'x', moment / 2 LIMIT 6",
    "by_output": "SELECT id, moment / 2 AS half FROM entries WHERE grp = :g ORDER BY half DESC, 2 LIMIT 6",
    "united": "SELECT id, moment FROM entries WHERE grp = :g UNION ALL SELECT 0, 9 ORDER BY 2 LIMIT 8",
    "one_each": "SELECT DISTINCT ON (note, moment) note, id FROM entries WHERE grp IN (:g, :g + 3)",
    "one_each_ordered": "SELECT DISTINCT ON (note) note, id FROM entries WHERE grp IN (4, :g) ORDER BY 1, moment",
    "gathered": "SELECT array_agg(id), string_agg(note || id, ', ') FROM entries WHERE grp = :g",
    "as_json": "SELECT coalesce(json_agg(json_build_object('id', id)), '[]')::text FROM entries WHERE grp = :g",
    "gathered_by_moment": "SELECT grp, array_agg(id ORDER BY moment) FROM entries WHERE grp = :g GROUP BY grp",
    "numbered": "SELECT id, row_number() OVER (ORDER BY moment) FROM entries WHERE grp = :g",
    "first_of_each": "SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY moment) AS n FROM entries "
    "WHERE grp = :g) AS s WHERE n <= 2",
    "before": "SELECT id, lag(id) OVER w, rank() OVER w FROM entries WHERE grp = :g WINDOW w AS (ORDER BY moment)",
    "running": "SELECT id, sum(id) OVER (ORDER BY moment ROWS UNBOUNDED PRECEDING) FROM entries WHERE grp = :g",
    "within": "WITH few AS (SELECT id FROM entries WHERE grp = :g ORDER BY moment LIMIT 7) SELECT sum(id) FROM few",
    "lateral": "SELECT a.id, b.id FROM entries a, LATERAL (SELECT id FROM entries WHERE grp = a.grp + :g - a.grp "
    "ORDER BY moment LIMIT 2) AS b WHERE a.id = 5",
    "drawn": "SELECT id FROM entries WHERE grp = :g ORDER BY random() LIMIT 5",
    "claimed": "SELECT id FROM entries WHERE grp = :g ORDER BY moment LIMIT 3 FOR UPDATE SKIP LOCKED",
    "spelled": "SELECT DISTINCT ON (amount) amount FROM entries WHERE grp IN (:g, :g + 1)",
    "taken": "UPDATE entries SET note = '' WHERE id IN (SELECT id FROM entries WHERE grp = :g ORDER BY moment LIMIT 3)"
    " RETURNING id",
}
CLOSED = {
    "total": "SELECT id FROM entries WHERE grp = :g ORDER BY moment, id LIMIT 7",
    "with_ties": "SELECT id FROM entries WHERE grp = :g ORDER BY moment FETCH FIRST 7 ROWS WITH TIES",
    "ranked": "SELECT id, rank() OVER (ORDER BY moment), sum(id) OVER (ORDER BY moment) FROM entries WHERE grp = :g",
    "kinds": "SELECT DISTINCT note FROM entries WHERE grp = :g",
}
OTHER = {
    "deceived": "SELECT id FROM entries WHERE deceiving(grp) = :g ORDER BY moment LIMIT 7",
    "deceived_all": "SELECT id FROM entries WHERE deceiving(grp) = :g",
    "deceived_within": "SELECT sum(id) FROM (SELECT id FROM entries WHERE deceiving(grp) = :g ORDER BY 1 LIMIT 7) s",
    "deceived_gathered": "SELECT array_agg(id) FROM entries WHERE deceiving(grp) = :g",
}
UNSURE = {"by_chance": "SELECT id, random() FROM entries WHERE grp = :g ORDER BY id"}


class Measured(NamedTuple):
    matrix: Matrix

    def cells(self, query: str) -> list[Cell]:
        return [cell for cell in self.matrix.cells if cell.case.query.name == query]


@pytest.fixture(scope="module")
def measured(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    folder = tmp_path_factory.mktemp("ties")
    for name, text in {**OPEN, **CLOSED, **OTHER, **UNSURE}.items():
        order = "unordered" if name in ("kinds", "spelled") else "ordered"
        (folder / f"{name}.sql").write_text(f"-- params: g int = 17\n-- order: {order}\n{text}\n", encoding="utf-8")
    (folder / "indexes.toml").write_text(SETS, encoding="utf-8")
    with scratch_database(server, "ties") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(SCHEMA.encode())
            connection.execute("ANALYZE entries")
        project = Loose(folder, folder / "indexes.toml")
        sets = ["deceived", "by_id", "by_moment"]
        yield Measured(run_matrix(server, name, project, sets=sets, rounds=1, timeout_s=30, as_is=True))


@pytest.mark.parametrize("name", OPEN)
def test_any_of_the_rows_that_a_query_leaves_open_is_right(measured: Measured, name: str) -> None:
    cells = measured.cells(name)
    assert [cell.failure for cell in cells] == [None] * 3
    assert not any(cell.same_rows is False for cell in cells), [cell.undecided for cell in cells]
    if len({cell.answer for cell in cells}) > 1:
        assert any(remark.startswith(f"{name} [given]: other rows under") for remark in measured.matrix.ties)


def test_most_of_them_did_come_out_different(measured: Measured) -> None:
    """Else nothing was shown: with these indexes each kind of opening gives other rows under one set than another."""
    differing = {name for name in OPEN if len({cell.answer for cell in measured.cells(name)}) > 1}
    assert len(differing) >= len(OPEN) - 5, set(OPEN) - differing


@pytest.mark.parametrize("name", CLOSED)
def test_what_leaves_nothing_open_gives_the_same_rows(measured: Measured, name: str) -> None:
    assert {cell.answer is None or cell.same_rows for cell in measured.cells(name)} <= {True, None}
    assert not any(cell.undecided for cell in measured.cells(name))


@pytest.mark.parametrize("name", OTHER)
def test_rows_of_an_index_that_deceives_fail(measured: Measured, name: str) -> None:
    """Its set comes first, so that it is the first answer that is found out."""
    deceived, *right = measured.cells(name)
    assert (deceived.same_rows, deceived.undecided) == (False, None)
    assert all(cell.same_rows is not False for cell in right)
    assert (
        f"{name} [given] under deceived: other rows than under the first set that answered" in measured.matrix.failures
    )


def test_what_cannot_be_decided_is_said_and_fails(measured: Measured) -> None:
    failures = [failure for failure in measured.matrix.failures if failure.startswith("by_chance")]
    assert len(failures) == 2
    assert "it cannot be decided whether both are right: it uses random()" in failures[0]


def test_the_number_of_rows_that_tie_is_said(measured: Measured) -> None:
    (remark,) = [remark for remark in measured.matrix.ties if remark.startswith("latest")]
    assert "any of these rows is right, for ORDER BY moment DESC with LIMIT leaves open which come: " in remark
    assert "5 rows tie for 2 places" in remark
    assert json.dumps(measured.matrix.to_json()["ties"])


def test_the_same_plan_takes_the_same_time_under_every_set(measured: Measured) -> None:
    by_plan: dict[tuple[str, str], set[float]] = {}
    for cell in measured.matrix.cells:
        if cell.plan and cell.timing and "by_" not in cell.plan.line and "deceived" not in cell.plan.line:
            by_plan.setdefault((cell.case.name, cell.plan.line), set()).add(cell.timing.median_ms)
    shared = [times for times in by_plan.values() if len(times) > 0]
    assert shared
    assert all(len(times) == 1 for times in shared)
