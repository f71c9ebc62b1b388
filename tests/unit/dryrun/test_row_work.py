"""Rules on what functions, procedures and triggers change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inboxbench.dryrun.model import ClassSummary, DryRun, Lock, Revision, Stall, Statement, Transaction
from inboxbench.dryrun.more import Inner
from inboxbench.dryrun.row_work import modifies, rows_changed
from inboxbench.dryrun.rules import find
from inboxbench.dryrun.tools.alembic import Alembic

STRONG = Lock("public.orders", "table", "ACCESS EXCLUSIVE", 0.0, 90.0)
WRITTEN = Lock("public.orders", "table", "ROW EXCLUSIVE", 0.0, 90.0)
UPDATE = "UPDATE orders SET total = amount"


def _statement(
    sql: str, *, dead: int = 0, inner: int = 0, at_once: int | None = None, lock: Lock = WRITTEN
) -> Statement:
    parts = (Inner(UPDATE, 1, inner),) if inner else ()
    return Statement(1, "r1", sql, 7, 1, 10.0, 5.0, locks=(lock,), dead_tuples=dead, inner=parts, rows_at_once=at_once)


def _run(*statements: Statement, traffic: tuple[ClassSummary, ...] = ()) -> DryRun:
    numbered = tuple(replace(item, number=at) for at, item in enumerate(statements, start=1))
    transactions = (Transaction(1, 7, 0.0, 3_000.0, "commit"),)
    return DryRun("s", "d", "c", "t", 99.0, (), numbered, transactions, traffic)


@pytest.mark.parametrize(
    ("statements", "rules"),
    [
        ([_statement("SELECT backfill()", dead=50_000, inner=50_000)], ["unbatched-backfill"]),
        ([_statement("CALL fill()", dead=50_000, inner=50_000)], ["unbatched-backfill"]),
        ([_statement("CALL fill()", dead=50_000, inner=50_000, at_once=5_000)], []),
        ([_statement("CALL fill()", dead=50_000, inner=50_000, at_once=25_000)], ["unbatched-backfill"]),
        ([_statement("DO 'BEGIN END'", dead=9_000, inner=9_000)], []),
        ([_statement("DELETE FROM customers", dead=50_000, inner=49_000)], ["unbatched-backfill"]),
        ([_statement("SELECT evolve()", dead=50_000, inner=50_000, lock=STRONG)], ["backfill-in-ddl-transaction"]),
        (
            [_statement("ALTER TABLE orders ADD a int", lock=STRONG), _statement("SELECT fill()", inner=2_000)],
            ["backfill-in-ddl-transaction"],
        ),
        ([_statement("ALTER TABLE orders ADD a int", lock=STRONG), _statement("SELECT now()")], []),
        ([_statement("REFRESH MATERIALIZED VIEW CONCURRENTLY v", dead=50_000, inner=50_000)], []),
    ],
)
def test_code_that_changes_rows_is_a_backfill(statements: list[Statement], rules: list[str]) -> None:
    found = [finding.rule for finding in find(_run(*statements), Alembic())]
    assert [rule for rule in found if "backfill" in rule] == rules


def test_what_wrote_within_is_named() -> None:
    (finding,) = find(_run(_statement("SELECT backfill()", dead=50_000, inner=50_000)), Alembic())
    assert f"(within it: {UPDATE}, 50,000 rows)" in finding.what


def test_rows_that_kept_a_request_waiting_for_a_second_are_a_finding() -> None:
    stall = Stall(20.0, 2_500.0, 1, "public.orders", "transactionid", "EXCLUSIVE")
    waited = ClassSummary("update orders", "write", 9, 1.0, 2.0, 2_500.0, 2_400.0, stalls=(stall,))
    (finding,) = find(_run(_statement(UPDATE, dead=5), traffic=(waited,)), Alembic())
    assert (finding.rule, finding.relation) == ("long-stall", "public.orders")
    assert "rows of orders, which stayed locked against other updates" in finding.what


def test_inserted_rows_count_where_code_wrote_them() -> None:
    copied = replace(
        _statement("SELECT copy_them()"), inner=(Inner("INSERT INTO a SELECT 1", 1, 40), Inner("SELECT 1", 9, 9))
    )
    assert (rows_changed(copied), modifies(copied), modifies(_statement("SELECT 1"))) == (40, True, False)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ('cannot ALTER TABLE "orders" because it has pending trigger events', "SET CONSTRAINTS ALL IMMEDIATE"),
        ('cannot ALTER TABLE "orders" because it is being used by active queries in this session', "still uses"),
    ],
)
def test_what_is_in_use_is_freed_in_its_own_way(error: str, advice: str) -> None:
    failed = replace(_statement("ALTER TABLE orders ALTER note SET NOT NULL"), error=error, sqlstate="55006")
    revision = Revision("r1", "r1", None, 0.0, 9.0, error=error)
    (finding,) = [
        item for item in find(replace(_run(failed), revisions=(revision,)), Alembic()) if item.rule == "revision-failed"
    ]
    assert advice in finding.instead
