"""What a write reads: regressions that write no WAL are caught by their pages, on the messenger and on a shop."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import pytest
from tests.integration.gate.conftest import Head, Regression, named, planted

from inboxbench.database import connect, scratch_database
from inboxbench.database_roles import check_role
from inboxbench.errors import UsageError
from inboxbench.gate import Budgets, Snapshot, compare, read_snapshot, write_snapshot
from inboxbench.gate.budgets import Budget
from inboxbench.gate.update import settled
from inboxbench.server import Server


@cache
def plain(head: Head, before: str = "", role: str | None = None) -> Snapshot:
    """The head without any regression, measured once."""
    return head.snapshot(before, role=role)


@pytest.mark.parametrize("regression", named("write path"))
def test_a_write_that_reads_more_is_worse(shop: Head, messenger: Head, regression: Regression) -> None:
    head = shop if regression.shop else messenger
    now = head.snapshot(regression.before, regression.sql, role=regression.role)
    changes = compare(plain(head, regression.before, regression.role), now, Budgets()).of("worse")
    pages = [change for change in changes if change.metric == "buffers"]
    assert [change for change in pages if change.query == regression.where], changes


@pytest.mark.parametrize("which", ["shop", "messenger"])
def test_the_same_head_raises_nothing(shop: Head, messenger: Head, which: str) -> None:
    head = shop if which == "shop" else messenger
    comparison = compare(plain(head), head.snapshot(), Budgets())
    assert not comparison.closed, comparison.changes
    assert comparison.compared > 20


def test_a_write_that_fails_leaves_the_others(shop: Head) -> None:
    comparison = compare(
        shop.snapshot(), shop.snapshot("ALTER TABLE orders RENAME COLUMN address TO street"), Budgets()
    )
    (broken,) = comparison.of("broken")
    assert broken.where == "place_order/migrated"
    assert 'fails now: column "address" of relation "orders" does not exist' in broken.text
    assert comparison.compared > 20


def test_a_write_that_changes_no_row_is_broken(shop: Head) -> None:
    """A trigger that swallows rows makes a write cheaper: it is no improvement."""
    swallow = """
        CREATE FUNCTION swallowed() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
        CREATE TRIGGER swallowed BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION swallowed()"""
    broken = compare(plain(shop), shop.snapshot(swallow), Budgets()).of("broken")
    assert [change.text for change in broken] == ["changes 0.0 rows an execution, 1.0 at the baseline"]


def test_a_budget_is_the_write_s_own(shop: Head) -> None:
    counting = next(one for one in planted.WRITE_REGRESSIONS if one.shop and one.name == "a trigger counts all rows")
    budgets = Budgets(named={"place_order": Budget(pages=1000.0)})
    worse = compare(plain(shop), shop.snapshot(counting.sql), budgets).of("worse")
    assert [change for change in worse if change.metric == "buffers"] == []


@cache
def _policy() -> Regression:
    return next(one for one in planted.WRITE_REGRESSIONS if one.shop and one.role)


def test_policies_bind_no_superuser(shop: Head) -> None:
    """So that without --role the same regression shows in the rules alone."""
    pages = compare(shop.snapshot(_policy().before), shop.snapshot(_policy().before, _policy().sql), Budgets())
    assert {change.metric for change in pages.of("worse", "broken")} == {"rule"}


def test_whom_it_is_measured_as(server: Server, shop: Head) -> None:
    assert check_role(server, None).endswith(", whom no row security policy binds")
    assert check_role(server, planted.CLERK) == f"measured as role {planted.CLERK}"
    with pytest.raises(UsageError, match=r"--role nobody: there is no such role on .*; let a migration create it"):
        check_role(server, "nobody")


def test_a_transaction_of_somebody_else_is_no_regression(
    shop: Head, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It keeps dead rows alive, which makes WAL grow: what it disturbed was not compared, and is never written down."""
    monkeypatch.setattr("inboxbench.disturbance.PATIENCE_S", 0.1)
    with scratch_database(server, "other") as name, connect(server.conninfo(name), autocommit=False) as theirs:
        theirs.execute("CREATE TABLE things ()")
        time.sleep(0.02)
        now = shop.snapshot()
        theirs.rollback()
    comparison = compare(plain(shop), now, Budgets())
    assert comparison.of("worse", "broken") == ()
    assert all(f"in database {name}" in change.text for change in comparison.of("uncompared"))
    assert {change.metric for change in comparison.of("uncompared")} <= {"wal", "hot"}
    write_snapshot(tmp_path / "now.json", now)
    read = read_snapshot(tmp_path / "now.json")
    assert all(writing.disturbed for writing in read.costs["migrated"].writes.values())
    for kept in (
        settled(plain(shop), read, Budgets(), accept=True),
        settled(read, plain(shop), Budgets(), accept=False),
    ):
        for write, writing in kept.costs["migrated"].writes.items():
            before = plain(shop).costs["migrated"].writes[write]
            assert (writing.disturbed, writing.wal_bytes) == (None, before.wal_bytes)
