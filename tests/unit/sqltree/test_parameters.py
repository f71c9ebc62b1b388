"""What the placeholders of a statement stand for."""

from __future__ import annotations

import pytest

from inboxbench.sqltree.parameters import renumbered, same_groups, uses


@pytest.mark.parametrize(
    ("text", "kind", "operator", "expression", "table"),
    [
        ("SELECT 1 FROM orders o WHERE o.a = $1", "compared", "=", "o.a", "orders"),
        ("SELECT 1 FROM orders WHERE $1 < a", "compared", ">", "a", "orders"),
        ("SELECT 1 FROM orders WHERE lower(b) = $1", "compared", "=", "lower(b)", "orders"),
        ("SELECT 1 FROM orders WHERE a BETWEEN $1 AND 9", "compared", ">=", "a", "orders"),
        ("SELECT 1 FROM orders WHERE a IN ($1)", "member", "=", "a", "orders"),
        ("SELECT 1 FROM orders WHERE a = ANY ($1)", "member", "=", "a", "orders"),
        ("SELECT 1 FROM orders WHERE $1 = ANY (tags)", "element", "=", "tags", "orders"),
        ("SELECT 1 FROM orders WHERE b ILIKE $1", "pattern", "~~*", "b", "orders"),
        ("SELECT 1 FROM orders WHERE doc @@ plainto_tsquery($1)", "search", "@@", "doc", "orders"),
        ("SELECT 1 FROM orders WHERE m @> $1", "contains", "@>", "m", "orders"),
        ("SELECT 1 FROM orders WHERE m -> $1 IS NOT NULL", "key", "->", "m", "orders"),
        ("SELECT 1 FROM s.orders o JOIN c ON c.id = o.c WHERE EXISTS (SELECT 1 FROM d WHERE d.o = o.id AND o.x = $1)",
         "compared", "=", "o.x", "orders"),
        ("WITH w AS (SELECT * FROM orders) SELECT * FROM w WHERE w.x = $1", "compared", "=", "w.x", "orders"),
        ("DELETE FROM orders WHERE a = $1", "compared", "=", "a", "orders"),
    ],
)  # fmt: skip
def test_a_comparison(text: str, kind: str, operator: str, expression: str, table: str) -> None:
    use = uses(text)[1]
    assert (use.kind, use.operator, use.expression) == (kind, operator, expression)
    assert table in [origin.relation.name for origin in use.origins]


def test_rows_are_compared_column_by_column() -> None:
    found = uses("SELECT 1 FROM t WHERE (a, b) < ($1, $2)")
    assert [(use.column, use.operator) for use in found.values()] == [("a", "<"), ("b", "<")]


def test_an_insert_and_an_update_assign() -> None:
    found = uses("INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) ON CONFLICT (a) DO UPDATE SET b = $5")
    assert [(use.kind, use.column, use.row) for use in found.values()] == [
        ("assigned", "a", 0), ("assigned", "b", 0), ("assigned", "a", 1), ("assigned", "b", 1), ("assigned", "b", 0),
    ]  # fmt: skip
    assert uses("UPDATE t SET a = $1 WHERE b = $2")[1].column == "a"


def test_sizes_of_pages_and_words_of_functions_are_no_data() -> None:
    found = uses("SELECT date_trunc($1, a) FROM t WHERE doc @@ to_tsquery($2, $3) LIMIT $4 OFFSET $5")
    assert {number: use.kind for number, use in found.items()} == {
        1: "unit", 2: "configuration", 3: "search", 4: "limit", 5: "offset",
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "SELECT", "SELECT $1", "SELECT \ud800", "not sql at all", "SELECT 1;;"])
def test_what_cannot_be_read_has_no_uses(text: str) -> None:
    assert uses(text) == {}


def test_placeholders_of_one_grouping_are_one() -> None:
    text = "SELECT trunc(x, $1), sum(y) FROM t WHERE z = $2 GROUP BY trunc(x, $3) ORDER BY trunc(x, $4)"
    merged = same_groups(text)
    assert merged == {1: 3, 4: 3}
    assert renumbered(text, merged) == (
        "SELECT trunc(x, $2), sum(y) FROM t WHERE z = $1 GROUP BY trunc(x, $2) ORDER BY trunc(x, $2)"
    )
