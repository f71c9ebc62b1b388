"""Candidates from the indexes that there are."""

from __future__ import annotations

import pytest

from inboxbench.advise.model import Candidate
from inboxbench.advise.sources import merged, read_definition


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("orders USING btree (a, b DESC)", (("a", "b DESC"), "btree", (), "")),
        ('"Orders" (lower(a), "B" NULLS FIRST) INCLUDE (c)', (("(lower(a))", '"B" NULLS FIRST'), "btree", ("c",), "")),
        ("s.orders USING gin (a gin_trgm_ops) WHERE (b IS NULL)", (("a gin_trgm_ops",), "gin", (), "b IS NULL")),
        ("orders USING brin (a) WITH (pages_per_range=4)", None),
        ("no index", None),
    ],
)
def test_a_definition_is_read(definition: str, expected: object) -> None:
    assert read_definition(definition) == expected


def test_two_that_begin_alike_are_tried_as_one_and_each_without_its_last_key() -> None:
    found = {candidate.keys for candidate in merged([Candidate("t", ("a", "b")), Candidate("t", ("a", "c"))])}
    assert found == {("a",), ("a", "b", "c"), ("a", "c", "b")}


def test_what_differs_in_predicate_or_table_is_not_merged() -> None:
    assert not list(merged([Candidate("t", ("a",)), Candidate("u", ("a",)), Candidate("t", ("a",), where="b")]))


def test_names_say_what_an_index_is_and_never_meet() -> None:
    plain, covering = Candidate("s.orders", ("a", "b")), Candidate("s.orders", ("a", "b"), include=("c",))
    assert plain.name == "orders_a_b_idx"
    assert covering.name.startswith("orders_a_b_")
    assert covering.name != plain.name
    assert all(len(Candidate("orders", (f"({'x' * width})",)).name) <= 63 for width in range(1, 99))
