"""Candidates for what queries ask: keys in order, predicates, covering columns, the method that a condition wants."""

from __future__ import annotations

from typing import Any, cast

import pytest

from inboxbench.advise.candidates import candidates_of
from inboxbench.advise.needs import needs_of
from inboxbench.advise.tables import ColumnFacts, Facts, TableFacts


def _table(name: str, *columns: tuple[str, str, float, float], pages: int = 5000) -> TableFacts:
    facts = {
        column: ColumnFacts(column, kind, 8, distinct, correlation) for column, kind, distinct, correlation in columns
    }
    return TableFacts(name, name, 100_000, pages, facts, (("id",),), frozenset([name]), triggered=False)


ORDERS = _table(
    "orders",
    ("id", "bigint", 100_000, 1), ("customer_id", "bigint", 20_000, 0), ("status", "text", 3, 0.1),
    ("placed", "timestamp with time zone", 90_000, 0.99), ("total", "numeric", 500, 0), ("meta", "jsonb", 10, 0),
    ("tags", "text[]", 10, 0), ("doc", "tsvector", 10, 0), ("note", "text", 99_000, 0), ("gone", "timestamp", 2, 0),
    ("span", "tstzrange", 100, 0), ("active", "boolean", 2, 0),
)  # fmt: skip
SMALL = _table("small", ("id", "bigint", 9, 1), ("kind", "text", 2, 0), pages=1)


def definitions(*texts: str, extensions: tuple[str, ...] = ("pg_trgm",)) -> dict[str, tuple[str, ...]]:
    """Return who asks for each definition."""
    known: dict[str, TableFacts | None] = {"orders": ORDERS, "small": SMALL}
    facts = Facts(cast("Any", None), frozenset(extensions), (), known)
    asked = {f"q{number}": needs_of(text, lambda relation: getattr(known.get(relation.name), "columns", None))
             for number, text in enumerate(texts)}  # fmt: skip
    return {candidate.definition: candidate.asked_by for candidate in candidates_of(asked, facts)}


WANTED: list[tuple[str, str]] = [
    ("SELECT * FROM orders WHERE customer_id = $1", "orders (customer_id)"),
    ("SELECT * FROM orders WHERE customer_id = $1 AND placed > $2", "orders (customer_id, placed)"),
    ("SELECT * FROM orders WHERE customer_id = $1 ORDER BY placed DESC LIMIT 9", "orders (customer_id, placed)"),
    ("SELECT * FROM orders WHERE customer_id = $1 ORDER BY placed DESC NULLS LAST, id LIMIT 9",
     "orders (customer_id, placed DESC NULLS LAST, id)"),
    ("SELECT * FROM orders ORDER BY placed LIMIT 9", "orders (placed)"),
    ("SELECT * FROM orders WHERE customer_id = $1 AND status = 'open'", "orders (customer_id) WHERE status = 'open'"),
    ("SELECT * FROM orders WHERE gone IS NULL AND placed < $1", "orders (placed) WHERE gone IS NULL"),
    ("SELECT * FROM orders WHERE NOT active AND placed < $1", "orders (placed) WHERE NOT active"),
    ("SELECT total FROM orders WHERE customer_id = $1", "orders (customer_id) INCLUDE (total)"),
    ("SELECT status, count(*) FROM orders WHERE customer_id = $1 GROUP BY status", "orders (customer_id, status)"),
    ("SELECT * FROM orders WHERE lower(note) = $1", "orders ((lower(note)))"),
    ("SELECT * FROM orders WHERE meta ->> 'plan' = $1", "orders ((meta ->> 'plan'))"),
    ("SELECT * FROM orders WHERE note ILIKE '%x%'", "orders USING gin (note gin_trgm_ops)"),
    ("SELECT * FROM orders WHERE note LIKE 'x%'", "orders (note text_pattern_ops)"),
    ("SELECT * FROM orders WHERE tags && $1", "orders USING gin (tags)"),
    ("SELECT * FROM orders WHERE meta @> $1", "orders USING gin (meta jsonb_path_ops)"),
    ("SELECT * FROM orders WHERE span && $1", "orders USING gist (span)"),
    ("SELECT * FROM orders WHERE doc @@ $1", "orders USING gin (doc)"),
    ("SELECT * FROM orders WHERE to_tsvector('x', note) @@ $1", "orders USING gin ((to_tsvector('x', note)))"),
    ("SELECT * FROM orders WHERE placed > $1", "orders USING brin (placed)"),
    ("SELECT * FROM orders WHERE note ILIKE $1 OR status ILIKE $1",
     "orders USING gin (note gin_trgm_ops, status gin_trgm_ops)"),
    ("SELECT max(placed) FROM orders WHERE status = $1", "orders (status, placed)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "definition"), WANTED)
def test_what_a_query_asks_for_is_a_candidate(text: str, definition: str) -> None:
    found = definitions(text)
    assert definition in found, "\n".join(found)
    assert found[definition] == ("q0",)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM orders WHERE id = $1",  # the primary key answers
        "SELECT * FROM small WHERE kind = $1",  # a page is read whole for as much
        "SELECT * FROM orders WHERE note ~~ $1 || note",
        "SELECT count(*) FROM orders",
        "SELECT * FROM elsewhere WHERE kind = 'x'",
        "SELECT 1",
    ],
)
def test_nothing_is_made_where_nothing_can_be_gained(text: str) -> None:
    assert not definitions(text)


def test_no_list_and_no_document_is_a_key_of_a_btree() -> None:
    found = definitions("SELECT * FROM orders WHERE tags = $1 AND meta = $2 AND doc = $3")
    assert not found


def test_columns_that_most_queries_compare_come_first() -> None:
    found = definitions(
        "SELECT * FROM orders WHERE customer_id = $1 AND status = $2",
        "SELECT * FROM orders WHERE status = $1 AND total = $2",
    )
    assert {"orders (status, customer_id)", "orders (customer_id, status)"} <= set(found)  # by use, and the selective
    assert found["orders (status)"] == ("q0", "q1")


def test_without_the_extension_there_are_no_trigrams() -> None:
    assert not any(
        "gin_trgm" in text for text in definitions("SELECT 1 FROM orders WHERE note ILIKE $1", extensions=())
    )


@pytest.mark.parametrize("column", ["meta", "tags", "doc"])
def test_a_column_that_may_outgrow_an_entry_is_in_none(column: str) -> None:
    """The next row's document could not be inserted."""
    found = definitions(f"SELECT {column}, total FROM orders WHERE customer_id = 7")
    assert found
    assert not [definition for definition in found if column in definition]
