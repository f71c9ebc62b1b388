"""Expressions that mean the same are the same text; those that do not are not."""

from __future__ import annotations

import pytest

from inboxbench.sqltree.expressions import normal


@pytest.mark.parametrize(
    ("one_way", "another"),
    [
        ("(a > 0)", "a > 0"),
        ("((a)::text = 'x'::text)", "a = 'x'"),
        ("lower((a)::text)", "lower(a)"),
        ("'{}'::jsonb", "'{}'::json"),
        ("a = ANY (ARRAY['x'::text, 'y'::text])", "((a)::text = ANY ((ARRAY['x'::character varying, 'y'])::text[]))"),
        ("CURRENT_TIMESTAMP", "current_timestamp"),
    ],
)
def test_spelling_makes_no_difference(one_way: str, another: str) -> None:
    assert normal(one_way) == normal(another)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ("(a OR b) AND c", "a OR (b AND c)"),
        ("a::int", "a"),
        ("a::date", "a::timestamp"),
        ("'A'", "'a'"),
        ('"A"', "a"),
        ("a - (b - c)", "a - b - c"),
        ("'a::text'", "'a'"),
    ],
)
def test_meaning_does(x: str, y: str) -> None:
    assert normal(x) != normal(y)


def test_columns_are_renamed_and_nothing_else_is() -> None:
    """Not in strings, not functions, not what is qualified by a table of that name."""
    assert normal("lower(a) || 'a' || t.a || a(b)", {"a": "x"}) == "((lower(x) || 'a') || t.x) || a(b)"
    assert normal('"Odd;" > 0', {"Odd;": 'q"x'}) == '"q""x" > 0'


def test_what_is_no_expression_is_itself() -> None:
    assert normal("sequence (of)) nothing") == "sequence (of)) nothing"
