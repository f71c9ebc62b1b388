"""Which index a foreign key cannot do without."""

from __future__ import annotations

from typing import Any, cast

import pytest

from inboxbench.advise.foreign_keys import only_served_by
from inboxbench.advise.model import Candidate
from inboxbench.advise.tables import Facts, ForeignKey, TableFacts


def _facts(*columns: str, rules: tuple[tuple[str, ...], ...] = (("id",),)) -> Facts:
    table = TableFacts("orders", "orders", 1000, 100, {}, rules, frozenset(["orders"]), triggered=False)
    return Facts(cast("Any", None), frozenset(), (ForeignKey("orders", columns, "customers"),), {"orders": table})


def _index(*keys: str, **options: Any) -> Candidate:
    return Candidate("orders", keys, **options)


SERVING = [
    _index("customer_id"),
    _index("customer_id DESC", "placed"),
    _index("customer_id", where="(customer_id IS NOT NULL)"),
    _index("customer_id", include=("total",)),
]
OTHERS = [
    _index("placed", "customer_id"),
    _index("customer_id", where="gone IS NULL"),
    _index("customer_id", method="brin"),
    _index("lower(customer_id)"),
]


@pytest.mark.parametrize("index", SERVING, ids=lambda index: index.definition)
def test_what_alone_serves_it_stays(index: Candidate) -> None:
    assert only_served_by([*OTHERS, index], OTHERS, _facts("customer_id")) == [index]


@pytest.mark.parametrize("chosen", SERVING, ids=lambda index: index.definition)
def test_one_that_is_chosen_is_enough(chosen: Candidate) -> None:
    assert only_served_by(SERVING, [chosen], _facts("customer_id")) == []


def test_the_narrowest_stays_and_once_for_two_keys() -> None:
    wide, narrow = _index("customer_id", "placed"), _index("customer_id")
    facts = _facts("customer_id")
    facts.foreign_keys *= 2
    assert only_served_by([wide, narrow], [], facts) == [narrow]


def test_a_unique_index_serves_and_columns_come_in_any_order() -> None:
    assert only_served_by(SERVING, [], _facts("customer_id", rules=(("customer_id", "no"),))) == []
    both = _index("shop", "customer_id", "placed")
    assert only_served_by([*SERVING, both], [], _facts("customer_id", "shop")) == [both]
