"""What the terminal says of a run was seen in it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from inboxbench.cli.dryrun.output import show_run
from inboxbench.dryrun.model import DryRun, Lock, Revision, Scan, Statement

QUIET = "1 revision without a lock that keeps others out, a rewrite, a full scan or an error that was seen"


def _shown(sql: str, wal_bytes: int = 0) -> str:
    statement = Statement(1, "r1", sql, 7, 1, 0.0, 900.0, wal_bytes=wal_bytes)
    revision = Revision("r1", "backfill", None, 0.0, 900.0)
    printed = io.StringIO()
    run = DryRun("18", "shop", "alembic", "2026-12-01", 900.0, (revision,), (statement,), ())
    show_run(Console(file=printed, width=200), run)
    return printed.getvalue()


@pytest.mark.parametrize("sql", ["CALL fill_in_batches()", "DO $$ BEGIN PERFORM fill(); END $$", "call shop.fill(1)"])
def test_a_revision_that_calls_code_of_the_database_is_shown_and_not_counted_as_quiet(sql: str) -> None:
    assert sql in _shown(sql)
    assert "without a lock" not in _shown(sql)


def test_what_wrote_much_is_shown_whatever_it_is_called() -> None:
    shown = _shown("SELECT fill()", wal_bytes=5_000_000)
    assert "SELECT fill()" in shown
    assert "of WAL\n" in shown
    assert "without a lock" not in shown


def test_nothing_that_was_seen_is_said_as_that() -> None:
    assert QUIET in _shown("COMMENT ON TABLE orders IS 'x'")


def test_each_tenants_run_of_a_revision_has_its_schema_and_its_statements_alone() -> None:
    schemas = ("t1", "t2", "t3")
    statements = tuple(
        Statement(
            n, "s2", f"UPDATE items SET n = {n}", 7, n, n * 100.0, 50.0,
            locks=(Lock(f"{schema}.items", "table", "ROW EXCLUSIVE", n * 100.0, 50.0),),
            scans=(Scan(f"{schema}.items", 50_000),),
        )
        for n, schema in enumerate(schemas, 1)
    )  # fmt: skip
    revisions = tuple(Revision("s2", "fill", None, n * 100.0, n * 100.0 + 60) for n in (1, 2, 3))
    printed = io.StringIO()
    run = DryRun("18", "shop", "alembic", "2026-12-01", 900.0, revisions, statements, ())
    show_run(Console(file=printed, width=200), run)
    parts = printed.getvalue().split(" s2 in ")[1:]
    assert [part.split()[0] for part in parts] == list(schemas)
    for schema, part, statement in zip(schemas, parts, statements, strict=True):
        assert part.count("UPDATE items") == part.count(statement.sql) == 1
        assert f"read {schema}.items 50,000 rows" in part
