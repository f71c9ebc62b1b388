"""Tokens of awkward texts, and what is cut out between them."""

from __future__ import annotations

from inboxbench.sqltree import parse
from inboxbench.sqltree.tokens import flat, inlined, listed, name_parts, placeholders, quoted, scan, split, unquoted


def test_places_are_characters_and_not_bytes() -> None:
    sql = "/* größer */ UPDATE \"Öрd\".\"tä\" SET ü = 'ß→' WHERE b = 2; SELECT 'ж'"
    assert [sql[one.start : one.end] for one in parse(sql).commands] == [
        'UPDATE "Öрd"."tä" SET ü = \'ß→\' WHERE b = 2',
        "SELECT 'ж'",
    ]
    assert [sql[one.start : one.end] for one in scan(sql)] == [one.text for one in scan(sql)]
    target = parse(sql).commands[0].target
    assert target is not None
    assert target.start == sql.index('"Öрd"')


def test_a_semicolon_in_a_literal_ends_nothing() -> None:
    sql = "INSERT INTO a VALUES (';', $x$;$x$, E'\\';'); DO $$ BEGIN DELETE FROM b; END $$;"
    assert [one.kind for one in parse(sql).commands] == ["insert", "do"]


def test_one_line_keeps_what_is_quoted() -> None:
    sql = "-- why\nUPDATE  t /* a /* b */ */ SET\n a='x\n\n y' ,b =$q$ c\n d $q$ -- end\n;"
    assert parse(sql).flat == "UPDATE t SET a='x\n\n y' ,b =$q$ c\n d $q$"
    assert parse(" SELECT 1 ; ").bare == "SELECT 1"
    assert parse("SELECT\n  'open").flat == "SELECT 'open"


def test_words_are_those_of_bodies_too() -> None:
    parsed = parse("DO $$ BEGIN EXECUTE 'DROP TABLE \"My Table\"'; PERFORM f('orders'); END $$")
    assert {"drop", "My Table", "orders", "f", "execute"} <= parsed.words
    assert "orders" not in parse("UPDATE orders_old SET a = 1 -- not orders").words
    assert "orders" in parse("LOCK Orders").words


def test_placeholders_are_not_in_literals_or_bodies() -> None:
    sql = "UPDATE t SET a = $2, b = E'\\'$3', c = $f$ $4 $f$ WHERE d = $1 AND e = $2"
    assert placeholders(sql) == ["2", "1"]
    assert inlined(sql, {"1": "'ö'", "4": "NULL"}) == sql.replace("$1", "'ö'")
    assert inlined("SELECT 'ö', $1, $10", {"1": "'x'", "10": "'y'"}) == "SELECT 'ö', 'x', 'y'"


def test_lists_and_names() -> None:
    assert listed('a, "b, c" , f(d, e), g[1, 2]') == ["a", '"b, c"', "f(d, e)", "g[1, 2]"]
    assert listed("") == []
    assert name_parts('"a.b" . C') == ['"a.b"', "C"]
    assert [flat(part) for part in split(scan("a AND (b AND c) AND d"), "and")] == ["a", "(b AND c)", "d"]


def test_names_go_there_and_back() -> None:
    for name in ("orders", "Orders", "or ders", 'a"b', "select", "größe", "1st", "int", "name", "a--b", "a'"):
        assert unquoted(quoted(name)) == name
        assert name_parts(quoted(name)) == [quoted(name)]
    assert unquoted("ÖRDERS") == "Örders", "as the server folds: ASCII letters alone"
    assert (quoted("select"), quoted("int"), quoted("name")) == ('"select"', '"int"', "name")
