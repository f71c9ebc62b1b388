"""What a statement asks of each of its tables, for many shapes of statements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inboxbench.advise.model import Need
from inboxbench.advise.needs import needs_of
from inboxbench.sqltree.commands import Relation

COLUMNS = {
    "orders": ["id", "customer_id", "status", "placed", "total", "meta", "tags", "doc", "note", "gone"],
    "customers": ["id", "email", "country", "meta", "active"],
}


def columns(relation: Relation) -> list[str] | None:
    return COLUMNS.get(relation.name)


def conditions(text: str, table: str = "orders", **options: bool) -> set[tuple[str, str]]:
    """Return kind and expression of all conditions on a table."""
    needs = needs_of(text, columns, **options)
    return {(part.kind, part.expression) for need in needs if need.relation.name == table for part in need.conditions}


def need(text: str, table: str = "orders") -> Need:
    return next(found for found in needs_of(text, columns) if found.relation.name == table)


SHAPES: list[tuple[str, str, set[tuple[str, str]]]] = [
    ("SELECT 1 FROM orders WHERE customer_id = $1 AND status = 'open'", "orders",
     {("equal", "customer_id"), ("equal", "status")}),
    ("SELECT 1 FROM orders WHERE $1 = customer_id AND now() > placed", "orders",
     {("equal", "customer_id"), ("range", "placed")}),
    ("SELECT 1 FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.active", "orders",
     {("join", "customer_id")}),
    ("SELECT 1 FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.active", "customers",
     {("join", "id"), ("given", "active")}),
    ("SELECT 1 FROM orders JOIN customers USING (id)", "customers", {("join", "id")}),
    ("SELECT 1 FROM orders, customers c WHERE customer_id = c.id AND total BETWEEN $1 AND $2", "orders",
     {("join", "customer_id"), ("range", "total")}),
    ("SELECT 1 FROM customers c WHERE EXISTS (SELECT * FROM orders WHERE customer_id = c.id AND gone IS NULL)",
     "orders", {("join", "customer_id"), ("null", "gone")}),
    ("SELECT 1 FROM customers c WHERE EXISTS (SELECT * FROM orders WHERE customer_id = c.id)", "customers",
     {("join", "id")}),
    ("SELECT 1 FROM customers WHERE id IN (SELECT customer_id FROM orders WHERE status = $1)", "customers",
     {("join", "id")}),
    ("SELECT 1 FROM orders WHERE status IN ('a', 'b') AND customer_id = ANY ($1)", "orders",
     {("equal", "status"), ("equal", "customer_id")}),
    ("SELECT 1 FROM customers WHERE lower(email::text) = $1", "customers", {("equal", "lower(email)")}),
    ("SELECT 1 FROM orders WHERE meta ->> 'plan' = $1", "orders", {("equal", "meta ->> 'plan'")}),
    ("SELECT 1 FROM orders WHERE note ILIKE $1 AND tags @> $2 AND doc @@ $3", "orders",
     {("pattern", "note"), ("contains", "tags"), ("search", "doc")}),
    ("SELECT 1 FROM orders WHERE (placed, id) < ($1, $2)", "orders", {("range", "placed"), ("range", "id")}),
    ("SELECT 1 FROM orders WHERE status = 'a' OR total > $1", "orders", {("equal", "status"), ("range", "total")}),
    ("SELECT 1 FROM orders WHERE note NOT LIKE $1 AND NOT (status = 'a') AND total + 1 = id", "orders", set()),
    ("UPDATE orders SET total = 0 WHERE customer_id = $1 AND NOT gone", "orders",
     {("equal", "customer_id"), ("given", "gone")}),
    ("DELETE FROM orders USING customers c WHERE c.id = customer_id AND c.country = $1", "customers",
     {("join", "id"), ("equal", "country")}),
    ("WITH w AS (SELECT * FROM orders WHERE status = $1) SELECT * FROM w WHERE total > 3", "orders",
     {("equal", "status")}),
    ("SELECT * FROM (SELECT * FROM orders WHERE customer_id = $1) o WHERE o.total > 3", "orders",
     {("equal", "customer_id")}),
    ("SELECT 1 FROM orders WHERE customer_id = (SELECT id FROM customers WHERE email = $1)", "orders",
     {("join", "customer_id")}),
    ("SELECT 1 FROM orders WHERE status = $1 UNION ALL SELECT 1 FROM orders WHERE customer_id = $1", "orders",
     {("equal", "status"), ("equal", "customer_id")}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "table", "expected"), SHAPES)
def test_conditions_by_shape(text: str, table: str, expected: set[tuple[str, str]]) -> None:
    assert conditions(text, table) == expected


def test_order_is_of_one_table_and_says_its_direction() -> None:
    found = need("SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id "
                 "ORDER BY o.placed DESC NULLS LAST, o.id, c.country LIMIT 5")  # fmt: skip
    assert [(key.expression, key.suffix) for key in found.order] == [("placed", " DESC NULLS LAST"), ("id", "")]
    assert found.limited


def test_names_and_places_of_the_select_list_stand_for_what_they_select() -> None:
    found = need("SELECT status AS s, max(total) FROM orders GROUP BY 1 ORDER BY s")
    assert found.group == ("status",)
    assert [key.expression for key in found.order] == ["status"]


def test_the_largest_value_asks_for_an_order() -> None:
    found = need("SELECT max(placed) FROM orders WHERE customer_id = $1")
    assert [key.expression for key in found.order] == ["placed"]
    assert found.limited


def test_columns_are_those_that_the_statement_uses_anywhere() -> None:
    text = (
        "SELECT total FROM orders o WHERE status = 'a' AND EXISTS (SELECT FROM customers c WHERE c.id = o.customer_id)"
    )
    assert need(text).columns == frozenset({"total", "status", "customer_id"})
    assert need("SELECT o.* FROM orders o").columns is None
    assert need("SELECT count(*) FROM orders").columns == frozenset()


def test_drawn_values_limit_no_index() -> None:
    text = "SELECT 1 FROM orders WHERE status = 'open' AND gone IS NULL AND total = 3"
    assert {part.predicate for part in need(text).conditions} == {"status = 'open'", "gone IS NULL", "total = 3"}
    drawn = needs_of(text, columns, literal=False)[0]
    assert {part.predicate for part in drawn.conditions} == {"", "gone IS NULL"}


@given(st.text(max_size=80))
def test_no_text_ends_in_an_error(text: str) -> None:
    assert isinstance(needs_of(text, columns), tuple)
    assert isinstance(needs_of(f"SELECT 1 FROM orders WHERE {text}", columns), tuple)
