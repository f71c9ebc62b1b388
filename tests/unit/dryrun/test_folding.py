"""Many statements that differ in their values alone are one line, one backfill, and can still be run again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from inboxbench.cli.dryrun.output import show_run
from inboxbench.dryrun.folding import FEWEST, fold, unfolded
from inboxbench.dryrun.model import DryRun, Lock, Revision, Statement, Transaction
from inboxbench.dryrun.output.markdown import as_markdown
from inboxbench.dryrun.rules import with_findings
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.report.dry_run import render_dry_run

_STRONG = Lock("public.orders", "table", "ACCESS EXCLUSIVE", 0.0, 90_000.0)


def _statement(number: int, text: str, **changes: object) -> Statement:
    made = Statement(number, "r1", text, 7, 1, 10.0 * number, 1.0, dead_tuples=1, wal_bytes=100)
    return replace(made, **changes)  # type: ignore[arg-type]


def _updates(count: int, first: int = 2) -> list[Statement]:
    return [_statement(n, f"UPDATE orders SET note = 'n{n}' WHERE id = {n}") for n in range(first, first + count)]


def _run(statements: tuple[Statement, ...]) -> DryRun:
    revisions = (Revision("r1", "many", None, 0.0, 90_000.0),)
    transactions = (Transaction(1, 7, 0.0, 90_000.0, "commit", ("r1",)),)
    return DryRun("18", "shop", "alembic", "2026-11-23", 90_000.0, revisions, statements, transactions)


def test_alike_statements_are_one_whose_figures_are_their_sums() -> None:
    statements = _updates(20_000)
    (joined,) = fold(statements)
    assert (joined.number, joined.times, joined.sql) == (2, 20_000, statements[0].sql)
    assert (joined.duration_ms, joined.dead_tuples, joined.wal_bytes) == (20_000.0, 20_000, 2_000_000)
    assert [repeat.sql for repeat in unfolded([joined])] == [statement.sql for statement in statements]


def test_two_kinds_that_take_turns_are_two_and_keep_their_order() -> None:
    texts = [f"UPDATE orders SET note = '{n}'" if n % 2 else f"INSERT INTO log VALUES ({n})" for n in range(40)]
    statements = [_statement(n, text) for n, text in enumerate(texts, start=1)]
    joined = fold(statements)
    assert [(statement.number, statement.times) for statement in joined] == [(1, 20), (2, 20)]
    assert [repeat.sql for repeat in unfolded(joined)] == texts


@pytest.mark.parametrize(
    "border",
    [
        {"sql": "ALTER TABLE orders ADD COLUMN c int", "locks": (_STRONG,)},
        {"sql": "SET LOCAL lock_timeout = '1s'"},
        {"sql": "UPDATE orders SET note = 'n' WHERE id = 1", "error": "deadlock detected"},
        {"sql": "SELECT set_config('search_path', 'a', true)"},
    ],
)
def test_what_changes_the_order_of_things_is_a_border(border: dict[str, object]) -> None:
    middle = _statement(100, "", **border)
    joined = fold([*_updates(FEWEST), middle, *_updates(FEWEST, first=101)])
    assert [statement.times for statement in joined] == [FEWEST, 1, FEWEST]


def test_few_are_left_as_they_are() -> None:
    statements = _updates(FEWEST - 1)
    assert fold(statements) == tuple(statements)


def test_other_transactions_and_revisions_are_not_joined() -> None:
    statements = [
        replace(statement, transaction=statement.number % 4, revision=f"r{statement.number % 2}")
        for statement in _updates(4 * (FEWEST - 1))
    ]
    assert fold(statements) == tuple(statements)


@pytest.mark.parametrize("text", ["UPDATE orders SET note = '{n}' WHERE id = {n}", "INSERT INTO orders VALUES ({n})"])
def test_many_small_writes_under_a_strong_lock_are_one_backfill(text: str) -> None:
    alter = _statement(1, "ALTER TABLE orders ADD COLUMN c int", locks=(_STRONG,))
    writes = [_statement(n, text.format(n=n), dead_tuples=int("UPDATE" in text)) for n in range(2, 20_002)]
    run = with_findings(_run(fold([alter, *writes])), Alembic())
    (finding,) = [finding for finding in run.findings if finding.rule == "backfill-in-ddl-transaction"]
    assert "×20,000 went over 20,000 rows" in finding.what


def test_small_writes_of_many_kinds_are_one_backfill_together() -> None:
    """Thirty kinds of a hundred rows each: none of them is worth a word alone."""
    alter = _statement(1, "ALTER TABLE orders ADD COLUMN c int", locks=(_STRONG,))
    writes = [_statement(n, f"UPDATE orders SET c{n % 30} = {n} WHERE id = {n}") for n in range(2, 3_002)]
    run = with_findings(_run(fold([alter, *writes])), Alembic())
    assert [finding.rule for finding in run.findings] == ["backfill-in-ddl-transaction"]
    assert run.findings[0].what.startswith("3,000 small writes such as UPDATE orders SET c")
    fewer = with_findings(_run(fold([alter, *writes[:900]])), Alembic())
    assert [finding.rule for finding in fewer.findings] == ["long-lock"]  # the lock alone is worth a word


def test_every_output_has_them_in_one_line() -> None:
    alter = _statement(1, "ALTER TABLE orders ADD COLUMN c int", locks=(_STRONG,))
    run = with_findings(_run(fold([alter, *_updates(20_000)])), Alembic())
    document = run.to_json()
    assert (document["statement_count"], len(document["statements"])) == (20_001, 2)
    console = Console(record=True, width=200, quiet=False)
    show_run(console, run)
    for text in (console.export_text(), as_markdown(run), render_dry_run(document)):
        assert "UPDATE orders SET note = ? WHERE id = ? ×20,000" in text
        assert "20,001 statements" in text
        assert text.count("SET note") < 10
