"""`inboxbench advise`: the advice in every form, the migration that is really applied, and input that is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator
from tests.conftest import Database

from inboxbench.cli.advise.command import command
from inboxbench.database import scratch_database
from inboxbench.errors import UsageError
from inboxbench.server import Server

SHOP = """
    CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint, note text);
    INSERT INTO orders SELECT n, n % 2000, md5(n::text) FROM generate_series(1, 20000) n;
    CREATE INDEX orders_note_idx ON orders (note)
"""


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
    (path / "list.sql").write_text("-- params: c bigint = 7\nSELECT * FROM orders WHERE customer_id = :c")
    return path


def run(shop: Database, folder: Path, *words: object) -> Result:
    given = ["--server", shop.server.url(), "--database", shop.name, "--allow-foreign", "--queries", str(folder)]
    return CliRunner().invoke(command, [*given, *map(str, words)])


def document(result: Result) -> dict[str, Any]:
    assert result.exception is None, result.exception
    value: dict[str, Any] = json.loads(result.stdout)
    schema = json.loads(files("inboxbench.advise").joinpath("advise.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(value)
    return value


def test_the_migration_is_the_advice(shop: Database, folder: Path, tmp_path: Path) -> None:
    path, page = tmp_path / "set.sql", tmp_path / "set.md"
    found = document(run(shop, folder, "--format", "json", "--output", page, "--migration", path))
    assert found["migration"]["upgrade"] == [
        "CREATE INDEX CONCURRENTLY orders_customer_id_idx ON orders (customer_id)",
        "DROP INDEX CONCURRENTLY IF EXISTS orders_note_idx",
    ]
    assert page.read_text().startswith("# Indexes chosen by measuring")
    with shop.connect() as connection:
        for statement in [line for line in path.read_text().splitlines() if line and not line.startswith("--")]:
            connection.execute(statement.encode())
    again = run(shop, folder, "--no-check")
    assert "Change nothing" in again.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--budget-bytes", "0B"], "no index takes 0 bytes"),
        (["--budget-bytes", "plenty"], "plenty"),
        (["--budget-wal", "-1x"], "no factor above 0"),
        (["--budget-time", "0s"], "nothing can be tried in no time"),
        (["--migration", "set.txt"], "--migration set.txt"),
        (["--mix", "nothing=3"], "nothing"),
        (["--rehearse"], "out of reach"),  # of somebody's server there is no log to read
    ],
)
def test_input_that_is_refused_before_any_work(shop: Database, folder: Path, words: list[str], message: str) -> None:
    result = run(shop, folder, *words)
    assert isinstance(result.exception, UsageError), result.exception
    assert message in str(result.exception)


def test_a_folder_without_queries_is_one_line(shop: Database, tmp_path: Path) -> None:
    result = run(shop, tmp_path)
    assert isinstance(result.exception, UsageError)
    assert "\n" not in str(result.exception)
