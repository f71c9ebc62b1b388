"""Which statements are questions, which of them are the same, and what is said of the rest."""

from __future__ import annotations

import pytest

from inboxbench.workload.model import Recorded
from inboxbench.workload.shapes import measurable, shapes_of


def test_statements_that_differ_in_values_and_spelling_are_one() -> None:
    shapes, left_out = shapes_of([
        Recorded("SELECT a FROM t WHERE b = 1 AND c IN (1, 2)", 3, 10.0, 5),
        Recorded("select  A from t where b=$1 and c in ($2)", 1, 2.0, 1),
        Recorded("SELECT a FROM t WHERE b = 9 AND c IN (1, 2, 3)", 1, 1.0, 1),
    ])  # fmt: skip
    assert not left_out
    assert [(shape.calls, shape.ms, shape.rows, shape.statements) for shape in shapes] == [(5, 13.0, 7, 3)]
    assert shapes[0].samples == ({1: "1", 2: "1", 3: "2"},)


def test_values_are_read_with_their_signs_and_quotes() -> None:
    shapes, _ = shapes_of([Recorded("SELECT 1 FROM t WHERE a = -5 AND b = 'it''s' AND c = $1", samples=({1: "x"},))])
    assert shapes[0].samples[0][1] == "x"
    assert {"-5", "it's"} < set(shapes[0].samples[0].values())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("BEGIN", "transaction control"),
        ("SAVEPOINT s", "transaction control"),
        ("SET x = 1", "settings of a session"),
        ("CREATE INDEX ON t (a)", "DDL"),
        ("SELECT * INTO u FROM t", "DDL"),
        ("TRUNCATE t", "DDL"),
        ("COPY t FROM stdin", "COPY"),
        ("VACUUM t", "VACUUM"),
        ("EXPLAIN SELECT 1 FROM t", "EXPLAIN"),
        ("FETCH 10 FROM c", "FETCH"),
        ("CALL p()", "CALL"),
        ("SELECT relname FROM pg_class", "catalogue queries"),
        ("SELECT 1 FROM information_schema.tables", "catalogue queries"),
        ("<insufficient privilege>", "text hidden: grant pg_read_all_stats to the role that reads it"),
        ("SELECT 1; SELECT 2", "several statements in one text"),
        ("", "empty"),
    ],
)
def test_what_is_left_out_has_its_reason(text: str, reason: str) -> None:
    assert measurable(text)[1] == reason


def test_a_cut_text_is_named_and_shows_no_value() -> None:
    shapes, left_out = shapes_of([Recorded("SELECT * FROM people WHERE name = 'Ada Lovel")])
    assert not shapes
    assert left_out[0].reason.startswith("cut, or no SQL of this parser")
    assert "Ada" not in left_out[0].example


def test_a_cursor_is_its_query() -> None:
    shapes, _ = shapes_of([Recorded('DECLARE "c" NO SCROLL CURSOR FOR SELECT a FROM t WHERE b = 4')])
    assert shapes[0].text == "SELECT a FROM t WHERE b = $1"


def test_files_keep_their_constants() -> None:
    shapes, _ = shapes_of([Recorded("SELECT a FROM t WHERE b = 'open'", name="open_orders")])
    assert (shapes[0].text, shapes[0].name) == ("SELECT a FROM t WHERE b = 'open'", "open_orders")


@pytest.mark.parametrize("size", [1023, 4095])
def test_a_text_as_long_as_what_holds_it_was_cut(size: int) -> None:
    text = "SELECT id FROM orders WHERE note <> '".ljust(size - 1, "x") + "'"
    shapes, left_out = shapes_of([Recorded(text), Recorded(text + " ", calls=7), Recorded(text, name="file")])
    assert [shape.calls for shape in shapes] == [7, 1]
    assert ["track_activity_query_size" in part.reason for part in left_out] == [True]
