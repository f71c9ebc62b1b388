"""What queries leave open, and texts that leave less open, read by the server's own grammar."""

from __future__ import annotations

import pytest

from inboxbench.sqltree import parse
from inboxbench.sqltree.openings import openings
from inboxbench.sqltree.tie_breaks import settled_text, whole_text

C = 'COLLATE "C"'


@pytest.mark.parametrize(
    ("text", "outer", "within"),
    [
        ("SELECT a FROM t ORDER BY b DESC LIMIT 2", ["ORDER BY b DESC with LIMIT"], []),
        ("SELECT a FROM t OFFSET 2", ["no ORDER BY with OFFSET"], []),
        ("SELECT DISTINCT ON (a) a, b FROM t ORDER BY a", ["DISTINCT ON"], []),
        ("SELECT a FROM t ORDER BY a", ["ORDER BY a"], []),
        (
            "SELECT array_agg(a), array_agg(a ORDER BY a), array_agg(DISTINCT a) FROM t",
            ["no ORDER BY"],
            ["array_agg(a)"],
        ),
        ("SELECT rank() OVER (ORDER BY a), sum(a) OVER (ORDER BY a) FROM t", ["no ORDER BY"], []),
        ("SELECT a, ntile(4) OVER w FROM t WINDOW w AS (ORDER BY b)", ["no ORDER BY"], ["ntile(4) OVER w"]),
        ("WITH q AS (SELECT a FROM t LIMIT 1) SELECT * FROM q", ["no ORDER BY"], ["no ORDER BY with LIMIT"]),
        ("DELETE FROM t WHERE a IN (SELECT a FROM t ORDER BY b LIMIT 3)", [], ["ORDER BY b with LIMIT"]),
        ("no SQL at all", [], []),
    ],
)
def test_openings_are_named(text: str, outer: list[str], within: list[str]) -> None:
    found = openings(text)
    assert (list(found.outer), list(found.within)) == (outer, within)


@pytest.mark.parametrize(
    ("text", "settled"),
    [
        ("SELECT a FROM t ORDER BY b LIMIT $1", f"SELECT a FROM t ORDER BY b, a::text {C} ASC LIMIT $1"),
        ("SELECT * FROM t x JOIN u ON true LIMIT 1",
         f"SELECT * FROM t x JOIN u ON true ORDER BY ROW(x.*)::text {C} ASC, ROW(u.*)::text {C} ASC LIMIT 1"),
        ("SELECT json_agg(a) FROM t", f"SELECT json_agg(a ORDER BY a::text {C} ASC) FROM t"),
        ("SELECT sum(a) OVER (ORDER BY b) FROM t", "SELECT sum(a) OVER (ORDER BY b) FROM t"),
        ("SELECT a, lag(a) OVER (ORDER BY count(*)) FROM t GROUP BY a",
         f"SELECT a, lag(a) OVER (ORDER BY count(*), a::text {C} ASC) FROM t GROUP BY a"),
        ("SELECT DISTINCT a FROM t ORDER BY a LIMIT 3", "SELECT DISTINCT a FROM t ORDER BY a, a ASC LIMIT 3"),
        ("SELECT last_value(a) OVER (ORDER BY b) FROM t", None),
        ("SELECT row_number() OVER (ORDER BY a) FROM t GROUP BY 1", None),
    ],
)  # fmt: skip
def test_ties_are_broken_by_what_is_shown(text: str, settled: str | None) -> None:
    assert settled_text(text) == settled
    if settled:
        assert parse(settled).problem is None


def test_ties_are_broken_the_other_way_round() -> None:
    assert settled_text("SELECT a FROM t ORDER BY b LIMIT 1", reverse=True) == (
        f"SELECT a FROM t ORDER BY b, a::text {C} DESC LIMIT 1"
    )


def test_all_rows_are_ranked_by_the_keys_of_the_order() -> None:
    whole = whole_text("SELECT id, name AS n FROM t ORDER BY n DESC NULLS LAST, b LIMIT 2 OFFSET $1", ["id", "n"])
    assert whole is not None
    assert whole.text == (
        "SELECT dense_rank() OVER (ORDER BY s.c2 DESC NULLS LAST, s.k2), true, s.c1, s.c2 "
        "FROM (SELECT id, name AS n, b FROM t) AS s(c1, c2, k2) ORDER BY 1"
    )
    assert (whole.limit, whole.offset, whole.with_ties, whole.distinct) == ("2", "$1", False, False)


@pytest.mark.parametrize("text", ["SELECT a FROM t ORDER BY a USING >", "UPDATE t SET a = 1 RETURNING a"])
def test_what_has_no_such_text_has_none(text: str) -> None:
    assert whole_text(text, ["a"]) is None
