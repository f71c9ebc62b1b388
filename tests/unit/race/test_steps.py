"""Steps of a session: what is executed when, and what is refused."""

from __future__ import annotations

import pytest

from inboxbench.errors import UsageError
from inboxbench.race.steps import parse_steps


def test_a_condition_belongs_to_the_statement_below_it() -> None:
    first, second = parse_steps("SELECT 1 AS free;\n-- prose\n-- if free\nUPDATE t SET a = :session", "x.sql")
    assert (first.condition, first.statement, first.names) == (None, b"SELECT 1 AS free", ())
    assert (second.condition, second.statement, second.names) == ("free", b"UPDATE t SET a = %(session)s", ("session",))


@pytest.mark.parametrize(
    ("condition", "hit", "free", "wanted"),
    [
        ("", False, None, True),
        ("-- if some\n", True, None, True),
        ("-- if some\n", False, True, False),
        ("-- if none\n", False, None, True),
        ("-- if none\n", True, True, False),
        ("-- if free\n", False, True, True),
        ("-- if free\n", True, False, False),
        ("-- if free\n", True, None, False),
    ],
)
def test_a_statement_is_skipped_unless_its_condition_holds(
    condition: str, hit: bool, free: bool | None, wanted: bool
) -> None:
    step = parse_steps(f"SELECT true AS free;\n{condition}SELECT 2", "x.sql")[1]
    assert step.wanted({} if free is None else {"free": free}, hit) == wanted


@pytest.mark.parametrize(
    "text", ["UPDATE t SET a = :sesion", "SELECT 1;\n-- if fre\nSELECT 2", "SELECT :id; SELECT 1 AS id"]
)
def test_a_name_that_nothing_gives_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"x\.sql: no earlier statement gives"):
        parse_steps(text, "x.sql")


def test_a_semicolon_in_a_line_ends_no_statement() -> None:
    assert len(parse_steps("SELECT ';' AS a; -- no\n", "x.sql")) == 1
