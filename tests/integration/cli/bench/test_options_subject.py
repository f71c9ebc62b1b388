"""Every sub-command of bench on a database of somebody's own: a folder of queries, and nothing that it needs not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.schemas import check_document, undocumented

from inboxbench.bench.growth.curve import SIZE_KEY
from inboxbench.bench.growth.thinning import thinned
from inboxbench.cli.bench.command import command
from inboxbench.database import connect, first_row, scratch_database
from inboxbench.errors import UsageError
from inboxbench.server import Server

# A schema that is not public, a key of text, an enum, and a table without any key.
TABLES = """
    CREATE SCHEMA app;
    CREATE TYPE app.state AS ENUM ('open', 'done');
    CREATE TABLE app.products (sku text PRIMARY KEY, name text NOT NULL, parent text REFERENCES app.products);
    INSERT INTO app.products SELECT 'SKU-' || g, 'product ' || g % 50, NULL FROM generate_series(1, 500) g;
    CREATE TABLE app.orders (sku text NOT NULL REFERENCES app.products, state app.state NOT NULL, note jsonb NOT NULL);
    INSERT INTO app.orders SELECT 'SKU-' || 1 + g % 500, (CASE WHEN g % 9 = 0 THEN 'open' ELSE 'done' END)::app.state,
        jsonb_build_object('n', g) FROM generate_series(1, 20000) g;
    CREATE INDEX orders_sku ON app.orders (sku);
    CREATE INDEX orders_note ON app.orders USING gin (note);
"""
QUERIES = {
    "of_product": "-- params: sku text = 'SKU-7'\nSELECT count(*) FROM app.orders WHERE sku = :sku",
    "open": "-- params: state app.state = 'open'\nSELECT count(*) FROM app.orders WHERE state = :state",
    "claim": "-- params: sku text = 'SKU-8'\nUPDATE app.orders SET state = 'done' WHERE sku = :sku AND state = 'open'",
}
WRITES = {
    "place": "-- params: sku text = 'SKU-7'\nINSERT INTO app.orders VALUES (:sku, 'open', '{}')",
    "close": "UPDATE app.orders SET state = 'done' WHERE sku = 'SKU-9' AND state = 'open'",
}
CATALOGUE = """
[index.twice]
definition = "app.orders (sku)"
unique = true
[index.both]
definition = "app.orders (sku, state)"
[set.both]
indexes = ["both"]
[set.twice]
indexes = ["twice"]
"""


@pytest.fixture(scope="module")
def foreign(server: Server) -> Iterator[str]:
    with scratch_database(server, "foreign") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(TABLES.encode())
        yield name


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    folder = tmp_path / "questions"
    (folder / "writes").mkdir(parents=True)
    for name, text in QUERIES.items():
        (folder / f"{name}.sql").write_text(text, encoding="utf-8")
    for name, text in WRITES.items():
        (folder / "writes" / f"{name}.sql").write_text(text, encoding="utf-8")
    return folder


def _invoke(server: Server, name: str, *arguments: str | Path) -> Result:
    words = [str(word) for word in arguments]
    given = ["--server", server.url("postgres"), "--database", server.url(name), "--format", "json"]
    return CliRunner().invoke(command, [words[0], *given, *words[1:]])


def _document(kind: str, result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, (result.output, result.exception)
    document: dict[str, Any] = json.loads(result.stdout)
    check_document(kind, document)
    assert undocumented(kind, document) == []
    return document


def test_drop_one_says_which_of_the_indexes_that_are_there_can_go(
    server: Server, foreign: str, questions: Path
) -> None:
    (found,) = _document("drop_one", _invoke(server, foreign, "drop-one", "--queries", questions))["drop_one"]
    assert found["set"] == "current"
    assert {removal["indexes"][0]: removal["verdict"] for removal in found["removals"]} == {
        "orders_sku": "needed",
        "orders_note": "harmful",  # no query reads it, and `claim` has to maintain it
    }


def test_drop_one_of_a_set_of_ones_own(server: Server, foreign: str, questions: Path, tmp_path: Path) -> None:
    sets = tmp_path / "sets.toml"
    sets.write_text(f'{CATALOGUE}[set.more]\nextends = ["current"]\nindexes = ["both"]\n', encoding="utf-8")
    result = _invoke(server, foreign, "drop-one", "more", "--queries", questions, "--indexes", sets, "--no-writes")
    (found,) = _document("drop_one", result)["drop_one"]
    assert {removal["indexes"][0] for removal in found["removals"]} == {"orders_sku", "orders_note", "both"}


UNTYPED = {
    "of_product": "-- params: sku = 'SKU-7'\nSELECT count(*) FROM app.orders WHERE sku = :sku",
    "by_state": "SELECT sku FROM app.orders WHERE state = $1 AND note @> $2 ORDER BY sku LIMIT $3",
    "filtered": "SELECT sku FROM app.orders WHERE (%(state)s IS NULL OR state = %(state)s) AND sku LIKE 'SKU-1%%'",
    "typed": QUERIES["open"],
}


def test_types_and_values_that_no_header_says_are_found_on_the_copy(
    server: Server, foreign: str, questions: Path
) -> None:
    for name, text in UNTYPED.items():
        (questions / f"{name}.sql").write_text(text, encoding="utf-8")
    (questions / "open.sql").unlink()
    given = ["--server", server.url("postgres"), "--database", server.url(foreign), "--queries", str(questions)]
    result = CliRunner().invoke(command, [*given, "--format", "json", "--no-writes", "--rounds", "1"])
    assert result.exit_code == 0, (result.output, result.exception)
    matrix = json.loads(result.stdout)["matrix"]
    cells = {(cell["query"], cell["class"]): cell for cell in matrix["cells"]}
    assert {name for name, _ in cells} == {*UNTYPED, "claim"}
    assert (cells["of_product", "given"]["params"], cells["of_product", "given"]["rows"]) == ({"sku": "SKU-7"}, 1)
    assert cells["filtered", "filtered_common"]["params"] == {"state": "done"}
    assert cells["filtered", "filtered_common"]["rows"] > cells["filtered", "filtered_rare"]["rows"] > 0
    assert set(cells["by_state", "by_state_common"]["params"]) == {"state", "note", "limit"}
    assert any("types of parameters found by PREPARE in 3 queries" in remark for remark in matrix["caveats"])
    assert sorted(path.name for path in questions.iterdir()) == sorted(
        ["claim.sql", *(f"{name}.sql" for name in UNTYPED), "writes"]
    )


def test_a_project_needs_neither_seeds_nor_migrations(
    server: Server, foreign: str, questions: Path, tmp_path: Path
) -> None:
    (tmp_path / "schema").mkdir()
    (tmp_path / "schema" / "indexes.toml").write_text(CATALOGUE, encoding="utf-8")
    (tmp_path / "bench" / "queries").mkdir(parents=True)
    head = "-- name: of_product\n-- title: by product\n-- family: list\n-- order: unordered\n"
    query = head + (questions / "of_product.sql").read_text(encoding="utf-8")
    (tmp_path / "bench" / "queries" / "of_product.sql").write_text(query, encoding="utf-8")
    result = _invoke(server, foreign, "drop-one", "both", "--project", tmp_path, "--no-writes")
    (found,) = _document("drop_one", result)["drop_one"]
    assert [removal["verdict"] for removal in found["removals"]] == ["needed"]


def test_decay_and_load_execute_writes_that_say_their_own_values(server: Server, foreign: str, questions: Path) -> None:
    acting = "-- role: pg_monitor\n-- set: app.tenant = 'a:b'\nSELECT 1 / (current_user = 'pg_monitor')::int"
    (questions / "acting.sql").write_text(f"{acting} WHERE current_setting('app.tenant') = 'a:b'", encoding="utf-8")
    given = ("--queries", questions)
    decay = _document("decay", _invoke(server, foreign, "decay", *given, "--churn", "place=50,close=1"))["decay"]
    assert decay["churn"] == {"place": 50, "close": 1}
    assert [cell["set"] for cell in decay["cells"]] == ["current"] * 4
    assert decay["sets"][0]["rows_updated"] > 0
    load = _document("load", _invoke(server, foreign, "load", *given, "--seconds", "1", "--clients", "1"))["load"]
    assert {cell["operation"] for cell in load["cells"]} == {"queries", "insert", "update"}
    assert not [cell for cell in load["cells"] if cell["failure"]]


def test_growth_is_measured_on_smaller_copies(server: Server, foreign: str, questions: Path) -> None:
    result = _invoke(server, foreign, "growth", "--queries", questions, "--scales", "0.2,0.4,0.6", "--check", "1")
    found = _document("growth", result)["growth"]
    sizes = [size[SIZE_KEY] for size in found["scales"]]
    assert [round(size / 20_000, 1) for size in sizes] == [0.2, 0.4, 0.6]
    assert found["check"][SIZE_KEY] == 20_000
    (scan,) = (drawn for drawn in found["curves"] if drawn["query"] == "open")
    assert scan["k"] == pytest.approx(1, abs=0.1)
    assert scan["check"]["held"]


def test_a_smaller_copy_keeps_every_row_that_another_one_refers_to(server: Server, foreign: str) -> None:
    with thinned(server, foreign, 0.25) as copy, connect(server.conninfo(copy.name)) as connection:
        assert copy.tables == ("app.orders",)
        assert first_row(connection, "SELECT count(*) FROM app.products") == (500,)
        orphans = "SELECT count(*) FROM app.orders o WHERE NOT EXISTS (SELECT FROM app.products p WHERE p.sku = o.sku)"
        assert first_row(connection, orphans) == (0,)
        assert copy.rows == first_row(connection, "SELECT count(*) FROM app.orders")[0]
        pages = "SELECT pg_relation_size('app.orders') / 8192"
        assert first_row(connection, pages)[0] < 20_000 * 0.26 / 80


@pytest.mark.parametrize("words", [("decay", "--churn", "place=5"), ("load", "--seconds", "1", "--clients", "1")])
def test_a_set_that_the_rows_refuse_leaves_the_others_measured(
    server: Server, foreign: str, questions: Path, words: tuple[str, ...]
) -> None:
    (questions / "indexes.toml").write_text(CATALOGUE, encoding="utf-8")
    result = _invoke(server, foreign, *words, "--queries", questions)
    assert isinstance(result.exception, UsageError)
    assert "set twice is left out: [index.twice] definition: could not create unique index" in str(result.exception)
    document = json.loads(result.stdout)
    assert {cell["set"] for cell in document[words[0]]["cells"]} == {"current", "both"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("growth", "--scales", "0.5,1,2"),
            "--scales and --check of a --database are shares of its rows; give 1 at most",
        ),
        (("drop-one", "curent"), "unknown index set 'curent'; did you mean 'current'?"),
        (("decay", "--churn", "plac=5"), "--churn: unknown write 'plac'; did you mean 'place'?"),
    ],
)
def test_what_cannot_be_asked_is_one_line(
    server: Server, foreign: str, questions: Path, words: tuple[str, ...], message: str
) -> None:
    error = _invoke(server, foreign, *words, "--queries", questions).exception
    assert isinstance(error, UsageError)
    assert message in str(error)


def test_a_folder_without_writes_says_where_they_go(server: Server, foreign: str, tmp_path: Path) -> None:
    (tmp_path / "all.sql").write_text("SELECT count(*) FROM app.orders", encoding="utf-8")
    error = _invoke(server, foreign, "decay", "--queries", tmp_path).exception
    assert isinstance(error, UsageError)
    assert str(error) == f"{tmp_path / 'writes'} holds no writes to change rows by; put one write a file there"
