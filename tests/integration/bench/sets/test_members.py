"""Members of a set that are no indexes of its own: each changes what it says, and a wrong one costs only itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inboxbench.bench import run_matrix
from inboxbench.bench.model import Cell, Matrix
from inboxbench.bench.sets.builder import SetBuilder
from inboxbench.bench.sets.catalogue import read_catalogue
from inboxbench.bench.sets.indexset import IndexSet
from inboxbench.bench.sets.template import prepared_template
from inboxbench.database import connect, scratch_database
from inboxbench.errors import UsageError
from inboxbench.project import Loose
from inboxbench.server import Server

# Two columns of which the second follows from the first; three orders a customer; a unique index without a constraint.
TABLES = """
    CREATE TABLE towns (id int PRIMARY KEY, region int NOT NULL, town int NOT NULL, code text NOT NULL);
    INSERT INTO towns SELECT g, g % 50, g % 50, 'code ' || g FROM generate_series(1, 3000) g;
    CREATE UNIQUE INDEX towns_code_uq ON towns (code);
    CREATE TABLE orders (id int PRIMARY KEY, town_id int NOT NULL REFERENCES towns, note text NOT NULL);
    INSERT INTO orders SELECT g, 1 + g % 3000, 'note ' || g FROM generate_series(1, 9000) g;
    CREATE INDEX orders_town ON orders (town_id);
    CREATE INDEX orders_note ON orders (note);
"""
QUERIES = {
    "of_town": "-- params: town int = 7\nSELECT id, note FROM orders WHERE town_id = :town",
    "follows": "SELECT id FROM towns WHERE region = 7 AND town = 7",
    "by_code": "-- params: code text = 'code 7'\nSELECT id FROM towns WHERE code = :code",
    "sorted": "SELECT note FROM orders ORDER BY note || id",
}
ALT = {
    "of_town": "SELECT id, note FROM orders WHERE town_id + 0 = $1",
    "wrong_rows": "SELECT id, note FROM orders WHERE town_id = $1 + 1",
    "more": "SELECT id, note FROM orders WHERE town_id = :city",
}
CATALOGUE = """
[index.own]
definition = "orders (town_id, id)"
unique = true
[index.twice]
definition = "orders (town_id)"
unique = true
[index.nowhere]
definition = "orders (no_such_column)"
[statistics.follows]
definition = "(dependencies) ON region, town FROM towns"

[set.unique]
indexes = ["own"]
[set.part]
title = "in part"
indexes = ["own", "twice", "nowhere"]
[set.none_left]
indexes = ["twice"]
[set.swap]
drops = ["orders_town"]
indexes = ["own"]
[set.no_rule]
drops = ["towns_code_uq"]
[set.constraint]
drops = ["towns_pkey"]
[set.misspelt]
drops = ["orders_twn"]
[set.statistics]
extends = ["current"]
statistics = ["follows"]
targets = { "orders.note" = 7 }
[set.settings]
extends = ["current"]
settings = { enable_indexscan = false, enable_bitmapscan = false, work_mem = "64kB" }
[set.unknown_setting]
settings = { randompagecost = 2 }
[set.other_query]
extends = ["current"]
queries = { of_town = "alt/of_town.sql" }
[set.other_rows]
extends = ["current"]
queries = { of_town = "alt/wrong_rows.sql" }
"""


@pytest.fixture(scope="module")
def source(server: Server) -> Iterator[str]:
    with scratch_database(server, "members") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(TABLES.encode())
        yield name


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Loose:
    folder = tmp_path_factory.mktemp("members")
    (folder / "alt").mkdir()
    for name, text in QUERIES.items():
        (folder / f"{name}.sql").write_text(text, encoding="utf-8")
    for name, text in ALT.items():
        (folder / "alt" / f"{name}.sql").write_text(text, encoding="utf-8")
    (folder / "sets.toml").write_text(CATALOGUE, encoding="utf-8")
    return Loose(folder, folder / "sets.toml")


@pytest.fixture(scope="module")
def matrix(server: Server, source: str, questions: Loose) -> Matrix:
    current = IndexSet("bare", "bare", "", ())
    sets = [current, *read_catalogue(questions.indexes).choose()]
    return run_matrix(server, source, questions, sets=sets, rounds=1, as_is=True, lenient=True)


def _cell(matrix: Matrix, query: str, index_set: str) -> Cell:
    return matrix.cell(query, "given", index_set)


def _plan(matrix: Matrix, query: str, index_set: str) -> str:
    cell = _cell(matrix, query, index_set)
    assert cell.plan is not None, cell.failure
    return cell.plan.line


def test_a_unique_index_is_built_and_used(matrix: Matrix) -> None:
    assert "own" in _plan(matrix, "of_town", "unique")
    (built,) = next(result.built for result in matrix.sets if result.index_set.name == "unique")
    assert built.index.create.as_string().startswith('CREATE UNIQUE INDEX "own" ON ')


def test_a_refused_index_leaves_the_rest_of_its_set_measured_and_the_set_says_so(matrix: Matrix) -> None:
    (result,) = (result for result in matrix.sets if result.index_set.name == "part")
    assert [built.index.name for built in result.built] == ["own"]
    assert result.index_set.title == "in part (without nowhere, twice)"
    assert result.to_json()["lacks"] == ["nowhere", "twice"]
    assert "own" in _plan(matrix, "of_town", "part")
    said = "\n".join(matrix.refused)
    assert "set part is measured without index nowhere: " in said
    assert 'column "no_such_column" does not exist' in said
    assert "set part is measured without index twice: [index.twice] definition: could not create unique index" in said
    assert "Key (town_id)=(" in said


def test_a_set_of_which_nothing_is_left_is_left_out(matrix: Matrix) -> None:
    names = [result.index_set.name for result in matrix.sets]
    assert "none_left" not in names
    assert any(line.startswith("set none_left is left out: [index.twice]") for line in matrix.refused)


def test_a_dropped_index_is_gone_and_the_others_are_there(matrix: Matrix) -> None:
    (result,) = (result for result in matrix.sets if result.index_set.name == "swap")
    assert [built.index.name for built in result.built] == ["orders_note", "own"]
    assert "own" in _plan(matrix, "of_town", "swap")


def test_a_unique_index_without_a_constraint_can_be_dropped(matrix: Matrix) -> None:
    assert "towns_code_uq" in _plan(matrix, "by_code", "bare")
    assert _plan(matrix, "by_code", "no_rule") == "Seq Scan towns"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("constraint", "drops: index towns_pkey is that of the constraint towns_pkey on towns; a constraint is a rule"),
        ("misspelt", "drops: unknown index 'orders_twn'; did you mean 'orders_town'?"),
        ("unknown_setting", 'settings: randompagecost = 2: unrecognized configuration parameter "randompagecost"'),
    ],
)
def test_a_wrong_member_leaves_its_set_out_in_one_line(matrix: Matrix, name: str, message: str) -> None:
    (line,) = (line for line in matrix.refused if line.startswith(f"set {name} is left out: "))
    assert message in line
    assert "\n" not in line


def test_statistics_and_targets_reach_the_planner(server: Server, source: str, questions: Loose) -> None:
    """Every town of a region has the region's number, so 60 rows match both, not 60 / 50."""
    chosen = read_catalogue(questions.indexes).sets["statistics"]
    with (
        prepared_template(server, source, as_is=True) as template,
        SetBuilder(server, template, [chosen]) as builder,
        builder.built(chosen, lambda _name: None) as (name, _built),
        connect(server.conninfo(name)) as connection,
    ):
        (row,) = (
            connection.execute("EXPLAIN (FORMAT JSON) SELECT FROM towns WHERE region = 7 AND town = 7").fetchone() or ()
        )
        assert row[0]["Plan"]["Plan Rows"] == 60
        statistics = (
            "SELECT array_length(histogram_bounds, 1) FROM pg_stats WHERE tablename = 'orders' AND attname = %s"
        )
        assert connection.execute(statistics, ("note",)).fetchone() == (8,)


def test_settings_are_those_of_the_sessions_even_where_one_is_forced(matrix: Matrix) -> None:
    assert _plan(matrix, "of_town", "settings") == "Seq Scan orders"
    plan = _cell(matrix, "sorted", "settings").plan
    assert plan is not None
    assert plan.settings["work_mem"] == "64kB"


def test_a_query_written_in_another_way_is_measured_with_the_same_values(matrix: Matrix) -> None:
    cell = _cell(matrix, "of_town", "other_query")
    assert _plan(matrix, "of_town", "other_query") == "Seq Scan orders"
    assert cell.same_rows
    assert cell.case.values == {"town": 7}


def test_a_query_written_in_another_way_with_other_rows_fails(matrix: Matrix) -> None:
    assert _cell(matrix, "of_town", "other_rows").same_rows is False
    assert any("of_town [given] under other_rows" in failure for failure in matrix.failures)


@pytest.mark.parametrize(
    "wrong",
    [
        ('{ of_twn = "alt/of_town.sql" }', "queries: unknown query 'of_twn'; did you mean 'of_town'?"),
        ('{ of_town = "alt/gone.sql" }', "queries: of_town: there is no file"),
        ('{ of_town = "alt/more.sql" }', "more.sql: unknown parameter 'city'"),
    ],
)
def test_a_wrong_query_of_a_set_is_named_before_the_work(
    server: Server, source: str, questions: Loose, tmp_path: Path, wrong: tuple[str, str]
) -> None:
    queries, message = wrong
    path = questions.root / f"{tmp_path.name}.toml"
    path.write_text(f"[set.s]\nqueries = {queries}\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        run_matrix(server, source, Loose(questions.root, path), rounds=1, as_is=True, lenient=True)
    assert message in str(caught.value)


def test_what_a_set_has_is_a_note_of_the_result(matrix: Matrix) -> None:
    (note,) = (note for note in matrix.notes if note.startswith("set statistics has, besides its own indexes: "))
    assert "the indexes that the database has" in note
    assert "CREATE STATISTICS follows (dependencies) ON region, town FROM towns" in note
    assert "statistics target 7 for orders.note" in note
