"""Rules of two schemas: each one that is gone or weaker closes the gate, and what only looks like one does not."""

from __future__ import annotations

import pytest
from tests.integration.gate.conftest import Head, Regression, named, planted

from inboxbench.database import connect
from inboxbench.gate.rules import Rules, compare_rules, kept_rules, read_rules


def rules(head: Head, *statements: str) -> Rules:
    with head.altered(*statements) as name, connect(head.server.conninfo(name)) as connection:
        return read_rules(connection)


@pytest.fixture(scope="module")
def before(shop: Head, messenger: Head) -> dict[bool, Rules]:
    return {True: rules(shop), False: rules(messenger)}


@pytest.mark.parametrize("regression", named("rule"))
def test_a_rule_that_is_gone_or_weaker_is_worse(
    shop: Head, messenger: Head, before: dict[bool, Rules], regression: Regression
) -> None:
    now = rules(shop if regression.shop else messenger, regression.sql)
    changes = [change for change in compare_rules(before[regression.shop], now) if change]
    worse = [change for change in changes if change.verdict == "worse"]
    assert [change for change in worse if change.where.startswith(regression.where)], changes
    kept = kept_rules(before[regression.shop], now)
    again = [change for change in compare_rules(before[regression.shop], kept) if change and change.verdict == "worse"]
    assert again == []  # nothing is dropped from a baseline that nobody accepted it for
    assert [change.where for change in compare_rules(kept, now) if change and change.verdict == "worse"] == [
        change.where for change in worse
    ]


@pytest.mark.parametrize("statement", planted.HARMLESS)
def test_a_rule_by_another_name_or_stronger_is_none_that_is_gone(
    shop: Head, before: dict[bool, Rules], statement: str
) -> None:
    changes = [change for change in compare_rules(before[True], rules(shop, statement)) if change]
    assert [change for change in changes if change.verdict not in ("note", "better")] == []


def test_the_same_schema_has_the_same_rules(shop: Head, before: dict[bool, Rules]) -> None:
    assert rules(shop) == before[True]
    assert set(compare_rules(before[True], before[True])) == {None}
    assert {"public.orders", '"Stock"."Shelf"', 'domain "Stock".amount'} <= set(before[True])
