"""`--workload` of `bench`, `bench drop-one` and `gate`: what a server was asked, measured in one go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.conftest import Database
from tests.integration.workload.conftest import shop
from tests.schemas import check_document, undocumented

from inboxbench.cli.bench.command import command as bench
from inboxbench.cli.gate.command import command as gate
from inboxbench.errors import InboxbenchError, UsageError
from inboxbench.server import Server

__all__ = ["shop"]

QUICK = ("--no-throughput", "--rounds", "1")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "s.csv"
    path.write_text(
        "query,calls,total_exec_time,rows\n"
        "SELECT id FROM orders WHERE customer_id = $1 ORDER BY placed DESC LIMIT $2,90,930,0\n"
        "UPDATE orders SET note = $1 WHERE id = $2,10,20,0\n"
        "COPY orders FROM stdin,3,50,0\n"
    )
    return path


def run(command: Any, server: Server, *words: object) -> Result:
    return CliRunner().invoke(command, [*map(str, words), "--server", server.url("postgres")])


def test_bench_measures_what_was_asked(server: Server, shop: Database, export: Path, tmp_path: Path) -> None:
    sets = tmp_path / "sets.toml"
    sets.write_text(
        '[index.of]\ndefinition = "orders (customer_id, placed)"\n[set.of]\nextends = ["current"]\nindexes = ["of"]\n'
    )
    words = ("--database", server.url(shop.name), "--workload", export, "--indexes", sets, "--format", "json", *QUICK)
    result = run(bench, server, *words, "--mix", "select=90,update=10", "--server", server.url("postgres"))
    assert result.exit_code == 0, (result.output, result.exception)
    document = json.loads(result.stdout)
    check_document("matrix", document)
    assert undocumented("matrix", document) == []
    assert document["verdict"]["recommended"] == "of"
    (contrast,) = document["contrast"]  # the same server twice
    assert contrast["upgrade"] | {"moved": []} == {
        "verdict": contrast["upgrade"]["verdict"], "raises": False, "cases": 8, "moved": [], "idle": [],
    }  # fmt: skip
    assert contrast["upgrade"]["verdict"].endswith("no plan of 8 changes, and no query gets dearer")
    assert any("95.0% of the execution time" in caveat for caveat in document["matrix"]["caveats"])
    assert {query["family"] for query in document["matrix"]["queries"]} == {"select", "update"}


def test_a_mix_of_what_is_not_asked_is_refused_before_anything_is_measured(
    server: Server, shop: Database, export: Path
) -> None:
    result = run(bench, server, "--database", server.url(shop.name), "--workload", export, "--mix", "delete=1", *QUICK)
    assert isinstance(result.exception, UsageError)
    assert "unknown query, write or family 'delete'" in str(result.exception)


def test_drop_one_by_what_was_asked(server: Server, shop: Database, export: Path) -> None:
    words = ("--database", server.url(shop.name), "--workload", export, "--top", "1", "--format", "json")
    result = run(bench, server, "drop-one", *words)
    assert result.exit_code == 0, (result.output, result.exception)
    (found,) = json.loads(result.stdout)["drop_one"]
    assert found["set"] == "current"


def test_gate_by_what_was_asked(server: Server, shop: Database, export: Path, tmp_path: Path) -> None:
    baseline = tmp_path / "baselines" / "shop.json"
    words = ("--database", server.url(shop.name), "--workload", export, "--baseline", baseline)
    assert run(gate, server, *words, "--update").exit_code == 0
    assert run(gate, server, *words).exit_code == 0
    export.write_text(export.read_text().replace("ORDER BY placed DESC LIMIT $2", "LIMIT $2"))
    result = run(gate, server, *words)  # another question, and the old one is missing
    assert isinstance(result.exception, InboxbenchError)
    assert result.exception.exit_code == 2


def test_an_imported_folder_is_measured_as_it_is(server: Server, shop: Database, tmp_path: Path) -> None:
    (tmp_path / "mix.toml").write_text("[mix]\ncount = 1\n")
    (tmp_path / "count.sql").write_text("SELECT count(*) FROM orders")
    words = ("--database", server.url(shop.name), "--workload", tmp_path, "--format", "json", *QUICK)
    result = run(bench, server, *words)
    assert result.exit_code == 0, (result.output, result.exception)
    assert [query["name"] for query in json.loads(result.stdout)["matrix"]["queries"]] == ["count"]


@pytest.mark.parametrize(
    ("command", "words", "message"),
    [
        (bench, ["--workload", "s.csv"], "name that with --database"),
        (bench, ["--workload", "s.csv", "--queries", "q"], "--workload and --queries"),
        (bench, ["--workload", "absent.csv", "--database", "d"], "there is no such workload"),
        (bench, ["--workload", "postgres:geheim@db/x", "--database", "d"], "the value of --workload"),
        (gate, ["--workload", "s.csv", "--database", "d"], "name that with --baseline"),
        (gate, ["--workload", "s.csv", "--database", "d", "--baseline", "b", "--run", "r"], "--workload is measured"),
    ],
)
def test_wrong_words_are_one_line(server: Server, export: Path, command: Any, words: list[str], message: str) -> None:
    result = run(command, server, *(str(export) if word == "s.csv" else word for word in words))
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)
    assert "geheim" not in str(result.exception)
