"""The migration part of run.json: a dry run with the facts of the history, without what nobody could notice."""

from __future__ import annotations

from pathlib import Path

from inboxbench.dryrun.model import ClassSummary, DryRun, Lock, Revision, Stall, Statement, Transaction
from inboxbench.messenger.cli.demo_migration import migration_document
from inboxbench.migrate import history
from inboxbench.report.document import checked_run

_COUNT = "UPDATE backfill_progress SET last_key = $1, rows = rows + $2 WHERE name = $3"


def _statement(number: int, revision: str, sql: str, started: float, took: float, **more: object) -> Statement:
    return Statement(number, revision, sql, 1, number, started, took, **more)  # type: ignore[arg-type]


def _run() -> DryRun:
    index = Lock("public.things_pkey", "index", "ACCESS EXCLUSIVE", 0, 5, covered=True)
    table = Lock("public.things", "table", "ACCESS EXCLUSIVE", 0, 5)
    statements = (
        _statement(1, "0001", "SELECT 1", 100, 0.1),
        _statement(2, "0001", "ALTER TABLE things ADD note text", 101, 2, locks=(table, index)),
        _statement(3, "0002", "UPDATE things SET note = ''", 200, 700.12345),
        _statement(4, "0002", _COUNT, 900, 0.2, values={"1": "'500'", "2": "'480'", "3": "'things.note'"}),
        _statement(5, "0002", _COUNT, 910, 0.2, values={"1": "'900'", "2": "'20'", "3": "'things.note'"}),
        _statement(6, "0002", "COMMIT", 920, 0.3),
    )
    waited = ClassSummary(
        "insert", "write", 9, 1, 2, 400, 0, stalls=(Stall(920, 60, 6),), max_wait_ms=390, longest_at_ms=250,
    )  # fmt: skip
    revisions = (Revision("0001", "One", None, 100, 150), Revision("0002", "Two", None, 150, 950))
    transactions = (Transaction(1, 1, 100, 150, "commit"),)
    return DryRun("server", "profile tiny", "command", "now", 900, revisions, statements, transactions, (waited,))


def _history() -> tuple[history.Revision, ...]:
    return (
        history.Revision("0001", (), "One", Path("0001_expand_note.py"), "expand", 1, ("M1",)),
        history.Revision("0002", ("0001",), "Two", Path("0002_backfill_note.py"), "backfill", 2),
    )


def test_it_says_what_the_history_says_of_each_revision_and_how_many_rows_were_filled() -> None:
    document = migration_document(_run(), _history())
    first, second = document["revisions"]
    assert (first["slug"], first["kind"], first["phase"], first["ids"]) == ("expand_note", "expand", 1, ["M1"])
    assert (first["started_s"], first["elapsed_s"], first["rows"]) == (0.0, 0.05, None)
    assert (second["started_s"], second["elapsed_s"], second["rows"]) == (0.05, 0.8, 500)
    assert (document["from"], document["to"], document["elapsed_s"]) == ("base", "0002", 0.9)
    assert document["traffic"][0]["worst_revision"] == "0002"


def test_statements_that_nobody_could_notice_are_counted_and_left_out() -> None:
    document = migration_document(_run(), _history())
    assert document["statement_count"] == 6
    assert [statement["number"] for statement in document["statements"]] == [2, 3, 6], "locked, took long, stalled"
    assert [lock["relation"] for lock in document["statements"][0]["locks"]] == ["public.things"]
    assert document["statements"][1]["duration_ms"] == 700.123
    assert "480" not in str(document["statements"])


def test_it_is_the_migration_of_a_run() -> None:
    run = {"schema_version": 1, "tool": {"name": "inboxbench"}, "migration": migration_document(_run(), _history())}
    checked_run(run)
