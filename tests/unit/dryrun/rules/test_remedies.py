"""Each command gets the advice that helps it, and not that of another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from inboxbench.dryrun.model import ClassSummary, DryRun, Finding, Lock, Problem, Rewrite, Scan, Statement
from inboxbench.dryrun.more import More, Schema
from inboxbench.dryrun.rewrites.partitioned import Partitions
from inboxbench.dryrun.rules import find
from inboxbench.dryrun.tools.alembic import Alembic


def _run(sql: str, mode: str = "ACCESS EXCLUSIVE", held_ms: float = 40.0, **changes: object) -> DryRun:
    lock = Lock("public.orders", "table", mode, 0.0, held_ms)  # type: ignore[arg-type]
    statement = replace(Statement(1, "r1", sql, 7, 1, 0.0, held_ms, locks=(lock,)), **changes)  # type: ignore[arg-type]
    return DryRun("18", "shop", "alembic", "2026-11-23", 100.0, (), (statement,), ())


def _found(run: DryRun) -> Finding:
    (finding,) = find(run, Alembic())
    return finding


_WRITTEN: dict[str, Any] = {"rewrites": (Rewrite("public.orders", 4_000_000),)}
_READ: dict[str, Any] = {"scans": (Scan("public.orders", 80_000),)}


@pytest.mark.parametrize(
    ("sql", "rule", "advice"),
    [
        ("CLUSTER orders USING ix", "table-rewrite", "pg_repack"),
        ("VACUUM FULL orders", "table-rewrite", "pg_repack"),
        ("ALTER TABLE orders SET UNLOGGED", "table-rewrite", "pg_repack"),
        ("ALTER TABLE orders ADD COLUMN n bigserial", "table-rewrite", "add a plain column"),
        ("ALTER TABLE orders ADD COLUMN n int GENERATED ALWAYS AS (1) STORED", "table-rewrite", "add a plain column"),
        ("ALTER TABLE orders ALTER COLUMN n TYPE bigint", "table-rewrite", "expand and contract"),
    ],
)
def test_what_rewrites_a_table_is_told_apart(sql: str, rule: str, advice: str) -> None:
    """Also where the rows are not known, as of commands that fire no event trigger."""
    for changes in (_WRITTEN, _WRITTEN | _READ):
        finding = _found(_run(sql, **changes))
        assert finding.rule == rule
        assert advice in finding.instead


@pytest.mark.parametrize(
    ("sql", "rule", "advice"),
    [
        ("CREATE TABLE o2 PARTITION OF orders FOR VALUES IN (2)", "scan-under-lock", "default partition a CHECK"),
        ("ALTER TABLE every ATTACH PARTITION orders FOR VALUES IN (2)", "scan-under-lock", "implies the bounds"),
        ("REINDEX TABLE orders", "scan-under-lock", "REINDEX … CONCURRENTLY"),
        ("ALTER TABLE orders ADD COLUMN q int CHECK (q > 0)", "check-validated", "without the CHECK"),
        ("ALTER TABLE orders ADD CHECK (q > 0)", "check-validated", "add it NOT VALID"),
        ("ALTER DOMAIN price ADD CHECK (VALUE > 0)", "scan-under-lock", "checked beforehand"),
    ],
)
def test_what_reads_a_table_under_its_lock_is_told_apart(sql: str, rule: str, advice: str) -> None:
    finding = _found(_run(sql, **_READ))
    assert (finding.rule, advice in finding.instead) == (rule, True)
    assert "80,000 rows" in finding.what
    assert find(_run(sql, scans=(Scan("public.orders", 900),)), Alembic()) == ()


def test_concurrently_is_not_proposed_for_a_partitioned_table() -> None:
    schema = Schema({"public.orders": "id"}, partitions={"public.orders": Partitions(("public.o1", "public.gone"))})
    locks = tuple(Lock(name, "table", "SHARE", 0.0, 9.0) for name in ("public.orders", "public.o1"))
    run = _run("CREATE INDEX ix ON orders (a)", "SHARE", locks=locks, scans=(Scan("public.o1", 80_000),))
    finding = _found(replace(run, more=More(schema)))
    assert finding.instead.startswith("CONCURRENTLY is impossible on a partitioned table")
    assert "ON ONLY orders" in finding.code
    assert "CONCURRENTLY o1_ix_idx ON public.o1" in finding.code
    assert "gone" not in finding.code


def test_a_not_null_that_the_code_of_today_breaks_is_spread_over_two_releases() -> None:
    refused = Problem("23502", 'null value in column "note" of relation "orders" violates not-null constraint', 8, 90.0)
    felt = ClassSummary("order", "write", 9, 1.0, 2.0, 3.0, 0.0, errors=8, problems=(refused,))
    run = replace(_run("ALTER TABLE orders ALTER COLUMN note SET NOT NULL", **_READ), traffic=(felt,))
    findings = find(run, Alembic())
    assert {finding.rule for finding in findings} == {"not-null-scan", "old-code-breaks"}
    assert all("two releases" in finding.instead and not finding.code for finding in findings)
    alone = _found(replace(run, traffic=()))
    assert "VALIDATE" in alone.code


@pytest.mark.parametrize(
    ("held_ms", "rows", "production", "spoken"),
    [
        (1_200.0, 100, {}, True),
        (400.0, 100, {}, False),
        (400.0, 150_000, {}, True),
        (100.0, 150_000, {}, False),
        (100.0, 150_000, {"public.orders": 90_000_000}, False),
    ],
)
def test_a_lock_is_judged_by_its_length_and_the_size_of_its_table(
    held_ms: float, rows: int, production: dict[str, int], spoken: bool
) -> None:
    run = _run("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE", held_ms=held_ms)
    schema = Schema(rows={"public.orders": rows}, production=production)
    assert bool(find(replace(run, more=More(schema)), Alembic())) is spoken


def test_work_over_rows_is_judged_by_the_rows_of_production() -> None:
    """Nothing is said of 40 ms here; a hundred times the rows take a hundred times as long."""
    run = _run("DELETE FROM orders", "SHARE", dead_tuples=1_500)
    here = replace(run, more=More(Schema(rows={"public.orders": 1_500})))
    there = replace(run, more=More(Schema(rows={"public.orders": 1_500}, production={"public.orders": 150_000})))
    assert find(here, Alembic()) == ()
    assert "With the rows of production it is 4 s" in _found(there).what
