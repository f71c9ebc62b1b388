"""The same changes twice: as migrations/ makes them, and naively. What the rules say, by rows and locks alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from inboxbench.database import connect, first_row, scratch_database
from inboxbench.dryrun.model import DryRun
from inboxbench.dryrun.rules import find
from inboxbench.dryrun.run import rehearse
from inboxbench.dryrun.source import Source, copy_of
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.dryrun.tools.base import Tool
from inboxbench.project import Project
from inboxbench.server import Server

_NAIVE = Path(__file__).parents[2] / "migrations_naive"
Rehearse = Callable[[Tool], DryRun]


@pytest.fixture
def rehearsed(server: Server, project: Project) -> Rehearse:
    """On messages enough for a scan to be worth a word."""
    if not server.owned or server.kind == "container":
        pytest.skip("the observer reads the log of a server of our own on this machine")

    def run(chain: Tool) -> DryRun:
        with copy_of(server, Source(dataset="tiny", seed=72), project) as copy:
            return rehearse(server, copy.name, chain, source="tiny", begin=None, target="head")

    return run


def test_the_naive_chain_is_found_out(rehearsed: Rehearse) -> None:
    run = rehearsed(Alembic(script_location=_NAIVE))
    assert (run.error, len(run.revisions)) == (None, len(list((_NAIVE / "versions").glob("n*.py"))))
    assert {one.rule for one in find(run, Alembic())} >= {
        "index-not-concurrent",
        "backfill-in-ddl-transaction",
        "lock-held-across-work",
        "not-null-scan",
        "check-validated",
        "unique-built",
        "volatile-default",
        "foreign-key-validated",
    }
    assert {relation for one in run.statements for relation in (each.relation for each in one.rewrites)} >= {
        "public.conversations"
    }


def test_nothing_is_said_of_the_real_chain(rehearsed: Rehearse) -> None:
    run = rehearsed(Alembic())
    assert run.error is None
    timed = ("long-lock",)  # a busy machine makes one of any lock
    findings = [one for one in find(run, Alembic()) if one.rule not in timed]
    assert [(one.revision, one.rule, one.what) for one in findings] == []


_TWO_CONNECTIONS = """
import os, psycopg
first, second = psycopg.connect(os.environ["DATABASE_URL"]), psycopg.connect(os.environ["DATABASE_URL"])
first.execute("ALTER TABLE orders ADD COLUMN total int")
second.execute("UPDATE orders SET n = 2")
"""


def test_a_command_that_waits_for_itself_is_explained(server: Server, tmp_path: Path) -> None:
    """By the locks of that moment: the error that the UPDATE meets once the command is ended is none of its own."""
    if not server.owned or server.kind == "container":
        pytest.skip("the observer reads the log of a server of our own on this machine")
    script = tmp_path / "up.py"
    script.write_text(_TWO_CONNECTIONS, encoding="utf-8")
    tool = Alembic(program=f"{sys.executable} {script}", timeout_s=20)
    with scratch_database(server, "dryrun") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute("CREATE TABLE orders (id int PRIMARY KEY, n int); INSERT INTO orders VALUES (1, 1)")
        run = rehearse(server, name, tool, source="orders", begin=None, target="head")
        with connect(server.conninfo()) as connection:
            left = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
            assert first_row(connection, left, (name,))[0] == 0
    assert run.error is not None
    assert run.error.endswith("so neither goes on; no --timeout helps")
    (finding,) = [finding for finding in find(run, tool) if finding.rule == "waits-for-itself"]
    assert finding.relation == "public.orders"
    assert [statement.sql for statement in run.statements if statement.number == finding.statement] == [
        "UPDATE orders SET n = 2"
    ]
    assert "does not exist" not in str(run.to_json())
