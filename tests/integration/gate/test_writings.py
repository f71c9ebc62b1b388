"""What a write reads: regressions that write no WAL are caught by their pages, on the messenger and on a shop."""

from __future__ import annotations

from functools import cache

import pytest
from tests.integration.gate.conftest import Head, Regression, planted

from inboxbench.errors import UsageError
from inboxbench.gate import Budgets, Snapshot, compare
from inboxbench.gate.budgets import Budget
from inboxbench.gate.measure_head import check_role
from inboxbench.server import Server

WRITES = [regression for regression in planted.WRITE_REGRESSIONS if regression.kind == "write path"]


@cache
def plain(head: Head, before: str = "", role: str | None = None) -> Snapshot:
    """The head without any regression, measured once."""
    return head.snapshot(before, role=role)


def name_of(regression: Regression) -> str:
    return f"{'shop' if regression.shop else 'messenger'}: {regression.name}"


@pytest.mark.parametrize("regression", WRITES, ids=name_of)
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
    counting = next(one for one in WRITES if one.shop and one.name == "a trigger counts all rows")
    budgets = Budgets(named={"place_order": Budget(pages=1000.0)})
    worse = compare(plain(shop), shop.snapshot(counting.sql), budgets).of("worse")
    assert [change for change in worse if change.metric == "buffers"] == []


@cache
def _policy() -> Regression:
    return next(one for one in WRITES if one.shop and one.role)


def test_policies_bind_no_superuser(shop: Head) -> None:
    """So that without --role the same regression shows in the rules alone."""
    pages = compare(shop.snapshot(_policy().before), shop.snapshot(_policy().before, _policy().sql), Budgets())
    assert {change.metric for change in pages.of("worse", "broken")} == {"rule"}


def test_whom_it_is_measured_as(server: Server, shop: Head) -> None:
    assert check_role(server, None).endswith(", whom no row security policy binds")
    assert check_role(server, planted.CLERK) == f"measured as role {planted.CLERK}"
    with pytest.raises(UsageError, match=r"--role nobody: there is no such role on .*; let a migration create it"):
        check_role(server, "nobody")
