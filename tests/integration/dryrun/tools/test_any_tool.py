"""A command of any tool: recognised by what it writes; of a tool that nobody knows, each transaction is a revision."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from inboxbench.dryrun.model import DryRun
from inboxbench.dryrun.rules import find
from inboxbench.dryrun.run import rehearse
from inboxbench.dryrun.source import Source, copy_of
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.dryrun.tools.any_tool import AnyTool, settled
from inboxbench.errors import UsageError
from inboxbench.project import Project
from inboxbench.server import Server

# Two sessions, as some tools have: one for the revisions, one for the version table.
PROGRAM = """
import os, psycopg
url = os.environ["DATABASE_URL"]
with psycopg.connect(url, autocommit=True) as work, psycopg.connect(url, autocommit=True) as notes:
    for step in {steps!r}:
        with work.transaction():
            for sql in step[1:]:
                work.execute(sql)
        if step[0]:
            notes.execute(step[0])
"""
ORDERS = "CREATE TABLE orders AS SELECT n AS id, n AS total FROM generate_series(1, 2000) n"
INDEX = "CREATE INDEX orders_total ON orders (total)"
GOOSE = "INSERT INTO goose_db_version (version_id, is_applied) VALUES ({}, true)"
FLYWAY = "INSERT INTO history (installed_rank, script, checksum, success) VALUES ({0}, 'V{0}__orders.sql', 1, true)"
TABLES = ("CREATE TABLE goose_db_version (id serial, version_id bigint, is_applied boolean)",
          "CREATE TABLE history (installed_rank int, script text, checksum int, success bool)")  # fmt: skip


def go(server: Server, project: Project, folder: Path, *steps: tuple[str, ...], target: str = "head") -> DryRun:
    if not server.owned or server.kind == "container":
        pytest.skip("the observer reads the log of a server of our own on this machine")
    (folder / "up.py").write_text(PROGRAM.format(steps=steps))
    tool = AnyTool(Alembic(program=f"{sys.executable} up.py", folder=folder))
    with copy_of(server, Source(), project) as copy:
        run = rehearse(server, copy.name, tool, source="nothing", begin=None, target=target)
    findings = tuple(find(run, settled(tool, run.statements)))
    return DryRun(**{name: getattr(run, name) for name in run.__dataclass_fields__} | {"findings": findings})


def test_two_tools_whose_files_are_found(server: Server, project: Project, tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "00002_index.sql").write_text(f"-- +goose Up\n{INDEX};\n")
    (tmp_path / "sql" / "V1__orders.sql").write_text(f"\n\n{ORDERS};\n")
    run = go(server, project, tmp_path, ("", *TABLES), (FLYWAY.format(1), ORDERS), (GOOSE.format(2), INDEX))
    assert (run.error, [item.revision for item in run.revisions]) == (None, ["V1__orders.sql", "2"])
    placed = {item.sql: (item.revision, Path(item.file or "").name, item.line) for item in run.statements if item.line}
    assert placed == {ORDERS: ("V1__orders.sql", "V1__orders.sql", 3), INDEX: ("2", "00002_index.sql", 2)}
    (built,) = (finding for finding in run.findings if finding.rule == "index-not-concurrent")
    assert built.code.endswith("CREATE INDEX CONCURRENTLY orders_total ON orders (total);")


def test_a_tool_that_nobody_knows_and_one_that_fails(server: Server, project: Project, tmp_path: Path) -> None:
    run = go(
        server, project, tmp_path, ("", ORDERS), ("", "SELECT 1", INDEX, "UPDATE orders SET total = 1 WHERE id = 1")
    )
    assert (run.error, run.exit_status) == (None, 0)
    first, second = (revision.revision for revision in run.revisions)
    assert (first[:22], second) == ("1: CREATE TABLE orders", f"2: {INDEX}")
    by_revision = {item.sql: item.revision for item in run.statements}
    assert by_revision[INDEX] == by_revision["UPDATE orders SET total = 1 WHERE id = 1"] == second
    (built,) = (item for item in run.statements if item.sql == INDEX)
    assert [(scan.relation, scan.rows) for scan in built.scans] == [("public.orders", 2000)]
    failed = go(server, project, tmp_path, ("", ORDERS), ("", INDEX, "SELECT 1 / 0"))
    assert failed.error == f"revision 2: {INDEX} failed: division by zero"


def test_a_command_that_never_comes_to_the_copy_is_refused(server: Server, project: Project, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does it read its URL from"):
        go(server, project, tmp_path, ("", "SELECT 1"))
