"""`inboxbench workload import`: from statistics, exports, logs and files to a folder that `bench` measures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator
from psycopg.conninfo import conninfo_to_dict
from tests.conftest import Database
from tests.integration.workload.conftest import SHOP, shop

from inboxbench.cli.workload.command import command
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.server import Server
from inboxbench.server.binaries import find_bindir
from inboxbench.server.cluster import start_cluster, stop_cluster, temporary_cluster
from inboxbench.server.handle import Embedded

__all__ = ["shop"]


def run(server: Server, *words: object) -> Result:
    return CliRunner().invoke(command, ["import", *map(str, words), "--server", server.url()])


def document(result: Result) -> dict[str, Any]:
    assert result.exception is None, result.exception
    value: dict[str, Any] = json.loads(result.stdout)
    schema = json.loads(files("inboxbench.workload").joinpath("import.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(value)
    return dict(value["workload"])


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "s.csv"
    path.write_text(
        "query,calls,total_exec_time,rows\n"
        "SELECT id FROM orders WHERE customer_id = $1 ORDER BY placed DESC LIMIT $2,90,930,0\n"
        "COPY orders FROM stdin,3,70,0\n"
    )
    return path


def test_an_export_becomes_a_folder(server: Server, shop: Database, export: Path, tmp_path: Path) -> None:
    into = tmp_path / "new" / "queries"
    result = run(server, "--database", shop.name, "--csv", export, "--into", into)
    assert result.exception is None, result.exception
    assert "93.0% of the execution time" in " ".join(result.output.split())
    assert "3 × COPY" in result.output
    assert sorted(path.name for path in into.iterdir())[:2] == ["classes.toml", "draws"]
    assert [path.name for path in into.parent.iterdir()] == ["queries"]  # nothing half-done beside it


def test_the_document_follows_its_schema(server: Server, shop: Database, export: Path, tmp_path: Path) -> None:
    found = document(
        run(server, "--database", shop.name, "--csv", export, "--into", tmp_path / "q", "--format", "json")
    )
    assert found["share"] == pytest.approx(0.93)
    assert [part["reason"] for part in found["left_out"]] == ["COPY"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--csv", "s.csv", "--log", "a.log"], "name one source"),
        (["--csv", "s.csv", "--role", "app"], "does not say who sent what"),
        (["--csv", "s.csv", "--values"], "--values are those of a log"),
        (["--csv", "absent.csv"], "No such file"),
        (["--log", "absent.log"], "No such file"),
        (["--sql", "absent"], "is no folder"),
        ([], "has no statistics of its own"),
    ],
)
def test_wrong_words_are_one_line_and_leave_nothing(
    server: Server, shop: Database, export: Path, words: list[str], said: str
) -> None:
    parts = [str(export) if word == "s.csv" else word for word in words]
    result = run(server, "--database", shop.name, *parts, "--into", export.parent / "q")
    assert isinstance(result.exception, UsageError)
    assert said in str(result.exception)
    assert [path.name for path in export.parent.iterdir()] == ["s.csv"]


def test_a_folder_with_something_in_it_is_left_alone(server: Server, shop: Database, export: Path) -> None:
    result = run(server, "--database", shop.name, "--csv", export, "--into", export.parent)
    assert isinstance(result.exception, UsageError)
    assert export.is_file()


def test_nothing_that_can_be_run_fails(server: Server, shop: Database, export: Path) -> None:
    export.write_text("query,calls,total_exec_time\nBEGIN,3,1\n")
    result = run(server, "--database", shop.name, "--csv", export, "--into", export.parent / "q")
    assert isinstance(result.exception, SubjectFailed)
    assert "transaction control" in str(result.exception)
    assert not (export.parent / "q").exists()


def test_plain_files(server: Server, shop: Database, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "Of-a-customer.sql").write_text(
        "SELECT id FROM orders WHERE customer_id = %s AND status = 'open';"
    )
    (tmp_path / "app" / "two.sql").write_text("SELECT 1 FROM orders; UPDATE orders SET note = :note WHERE id = :id")
    found = document(
        run(server, "--database", shop.name, "--sql", tmp_path / "app", "--into", tmp_path / "q", "--format", "json")
    )
    assert [question["name"] for question in found["questions"]] == ["of_a_customer", "two_1", "two_2"]
    assert "status = 'open'" in (tmp_path / "q" / "of_a_customer.sql").read_text()


@pytest.fixture(scope="module")
def counted() -> Iterator[str]:
    """A server of its own with pg_stat_statements, and a shop that was asked something."""
    with temporary_cluster(find_bindir(Embedded())) as cluster:
        with psycopg.connect(cluster.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
            connection.execute("CREATE DATABASE shop")
        stop_cluster(cluster)
        start_cluster(cluster)
        url = cluster.url.replace("/postgres?", "/shop?")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SHOP)
            connection.execute("CREATE SCHEMA ext")
            connection.execute("CREATE EXTENSION pg_stat_statements SCHEMA ext")
            for number in range(1, 20):
                connection.execute("SELECT note FROM orders WHERE customer_id = %s AND status = 'open'", (number,))
            connection.execute("SELECT total FROM orders WHERE placed > '2026-01-05' ORDER BY placed, id LIMIT 5")
        yield url


def test_statistics_of_a_server(counted: str, server: Server, tmp_path: Path) -> None:
    found = document(run(server, "--database", counted, "--into", tmp_path / "q", "--format", "json"))
    calls = {question["name"].rsplit("_", 1)[0]: question["shape"]["calls"] for question in found["questions"]}
    assert calls["orders_select"] in (1, 19)
    assert {question["shape"]["calls"] for question in found["questions"]} >= {1, 19}
    assert "catalogue queries" not in [question["name"] for question in found["questions"]]


def test_a_url_is_completed_by_the_variables_of_libpq(
    counted: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = conninfo_to_dict(counted)
    for name in ("host", "port", "user"):
        monkeypatch.setenv(f"PG{name}".upper(), str(address[name]))
    words = ("--database", "postgresql:///shop", "--into", tmp_path / "q", "--format", "json")
    assert document(run(server, *words))["questions"]


def test_a_role_that_sent_nothing(counted: str, server: Server, tmp_path: Path) -> None:
    result = run(server, "--database", counted, "--role", "pg_monitor", "--into", tmp_path / "q")
    assert isinstance(result.exception, SubjectFailed)


def test_a_server_without_statistics_says_how_to_switch_them_on(server: Server, shop: Database, tmp_path: Path) -> None:
    result = run(server, "--database", server.url(shop.name), "--into", tmp_path / "q")
    assert isinstance(result.exception, UsageError)
    assert "CREATE EXTENSION pg_stat_statements" in str(result.exception)
