"""Differences name the table, the object and both sides; what follows from a missing table is not repeated."""

from __future__ import annotations

from inboxbench.catalog import Catalog, Difference, Entry, compare, explain


def catalog(*entries: Entry) -> Catalog:
    return Catalog(tuple(sorted(entries)))


TABLE = Entry("table", "messages", "", "")
BODY = Entry("column", "messages", "body", "text", position=3)
TYPE = Entry("column", "messages", "message_type", "smallint NOT NULL DEFAULT 0", position=4)


def test_equal_descriptions_have_no_difference_and_one_hash() -> None:
    moved = Entry("column", "messages", "body", "text", position=9)
    assert compare(catalog(TABLE, BODY), catalog(TABLE, moved)) == ()
    assert catalog(TABLE, BODY).hash == catalog(TABLE, moved).hash
    assert catalog(TABLE, BODY).hash != catalog(TABLE, TYPE).hash


def test_a_changed_definition_shows_both_sides() -> None:
    wider = Entry("column", "messages", "message_type", "integer NOT NULL DEFAULT 0")
    differences = compare(catalog(TABLE, TYPE), catalog(TABLE, wider))
    assert explain(differences, expected="schema/head.sql", found="migrations") == (
        "messages: column message_type\n"
        "  schema/head.sql  smallint NOT NULL DEFAULT 0\n"
        "  migrations       integer NOT NULL DEFAULT 0"
    )


def test_an_absent_object_is_said_to_be_absent() -> None:
    (difference,) = compare(catalog(TABLE, BODY, TYPE), catalog(TABLE, BODY))
    assert difference == Difference("messages", "column", "message_type", TYPE.definition, None)
    assert explain([difference]).endswith("found     absent")


def test_a_missing_table_is_one_difference() -> None:
    differences = compare(catalog(TABLE, BODY, TYPE), catalog())
    assert explain(differences) == "messages: table\n  expected  present\n  found     absent"


def test_a_function_is_compared_line_by_line() -> None:
    before = Entry("function", "", "follow()", "BEGIN\n  RETURN NEW;\nEND")
    after = Entry("function", "", "follow()", "BEGIN\n  RETURN OLD;\nEND")
    text = explain(compare(catalog(before), catalog(after)))
    assert text.splitlines()[0] == "function follow()"
    assert "  -  RETURN NEW;" in text
    assert "  +  RETURN OLD;" in text
