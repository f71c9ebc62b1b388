"""`inboxbench migrate` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from inboxbench.cli.migrate.command import command
from inboxbench.database import drop_database
from inboxbench.errors import ForeignDatabaseError, UsageError
from inboxbench.project import Project

if TYPE_CHECKING:
    from tests.conftest import Database

FILLER = Path(__file__).parents[3] / "migrations" / "filler.sql"


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


@pytest.fixture
def url(database: Database) -> str:
    return database.server.url(database.name)


def test_up_current_and_down(url: str) -> None:
    up = _run("upgrade", "--database", url, "--to", "0003")
    assert up.exit_code == 0
    assert "3 revisions, base → 0003, in " in up.stdout
    assert "Outgoing messages written before message_type existed" in up.stdout
    assert _run("current", "--database", url).stdout == "0003\n"
    again = _run("upgrade", "--database", url, "--to", "0003")
    assert "nothing to do: the database is at 0003" in again.stdout
    down = _run("downgrade", "--database", url, "--to", "0001")
    assert "2 revisions, 0003 → 0001, in " in down.stdout


def test_current_of_a_database_without_a_revision(url: str) -> None:
    assert _run("current", "--database", url).stdout == "base\n"


def test_json_is_the_record_and_nothing_else(url: str) -> None:
    record = json.loads(_run("upgrade", "--database", url, "--phase", "1", "--format", "json").stdout)
    assert (record["from"], record["to"], len(record["revisions"])) == ("base", "0011", 11)


def test_traffic_is_reported_beside_the_revisions(database: Database, url: str, project: Project) -> None:
    with database.connect() as connection:
        connection.execute((project.schema / "baseline.sql").read_bytes())
        connection.execute(FILLER.read_bytes())
    record = json.loads(_run("upgrade", "--database", url, "--to", "0003", "--traffic", "--format", "json").stdout)
    traffic = {row["class"]: row for row in record["traffic"]}
    assert {"insert message", "open conversation", "list an inbox"} <= traffic.keys()
    assert all(row["errors"] == 0 for row in traffic.values()), traffic
    assert all(row["p50_ms"] <= row["p99_ms"] <= row["max_stall_ms"] for row in traffic.values())


def test_history_lists_what_each_revision_delivers() -> None:
    rows = json.loads(_run("history", "--format", "json").stdout)
    assert rows[12]["revision"] == "0013"
    assert rows[12]["ids"] == ["C1", "P3"]
    assert "0013" in _run("history").stdout


def test_limits_must_make_sense(url: str) -> None:
    with pytest.raises(UsageError, match="lock timeout"):
        _run("upgrade", "--database", url, "--lock-timeout", "0")


def test_a_database_of_somebody_else_is_not_touched_by_name(database: Database) -> None:
    """The same server by its URL; the name alone does not say that this database is meant."""
    server = database.server
    name = "somebody_elses"
    with database.connect() as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    try:
        with pytest.raises(ForeignDatabaseError, match="was not made by inboxbench"):
            _run("upgrade", "--database", name, "--server", server.url())
        taken = _run("upgrade", "--database", name, "--server", server.url(), "--allow-foreign", "--to", "0001")
        assert "base → 0001" in taken.stdout
    finally:
        drop_database(server, name, allow_foreign=True)


def test_a_database_that_does_not_exist(database: Database) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        _run("current", "--database", "inboxbench_nothing", "--server", database.server.url())
