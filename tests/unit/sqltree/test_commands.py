"""Statements as values, where a regular expression would read something else."""

from __future__ import annotations

import pytest

from inboxbench.sqltree import Parsed, parse
from inboxbench.sqltree.commands import Command, Relation, Setting


def _only(sql: str) -> Command:
    command = parse(sql).only
    assert command is not None
    return command


def test_a_dot_within_quotes_is_no_schema() -> None:
    target = _only('ALTER TABLE ONLY "My.Schema"."or""ders" SET LOGGED').target
    assert target == Relation("My.Schema", 'or"ders', only=True, start=17)
    assert _only("ALTER TABLE ONLY App.Orders SET LOGGED").target == Relation("app", "orders", only=True, start=17)


def test_several_actions_are_read_each() -> None:
    command = _only(
        "ALTER TABLE a.b ADD COLUMN c int DEFAULT 7 NOT NULL, ADD CONSTRAINT \"Fk\" FOREIGN KEY (d, e) REFERENCES f "
        "NOT VALID, ALTER \"G\" TYPE bigint, ALTER h SET NOT NULL, DROP CONSTRAINT i CASCADE"
    )  # fmt: skip
    assert [(action.kind, action.name) for action in command.actions] == [
        ("add column", "c"), ("add constraint", "Fk"), ("alter column type", "G"), ("set not null", "h"),
        ("drop constraint", "i"),
    ]  # fmt: skip
    assert command.columns[0].has("default")
    assert not command.columns[0].has("unique")
    (key,) = command.constraints
    assert (key.kind, key.columns, key.valid, key.enforced) == ("foreign key", ("d", "e"), False, True)
    assert command.cascade


def test_an_index_need_not_have_a_name() -> None:
    command = _only("create unique index concurrently on app.orders (lower(note)) where note <> ';'")
    assert (command.kind, command.name, command.target) == ("create index", None, Relation("app", "orders", start=36))
    assert (command.unique, command.concurrently) == (True, True)


@pytest.mark.parametrize(
    ("sql", "plain", "where"),
    [
        ("UPDATE orders SET a = 1, (b, \"C\") = (1, 2) WHERE d IS NULL", True, True),
        ("UPDATE orders SET a = (SELECT b FROM c WHERE d)", True, False),
        ("UPDATE orders o SET a = 1", False, False),
        ("UPDATE ONLY orders SET a = 1", False, False),
        ("UPDATE orders SET a = c.a FROM customers c WHERE c.id = orders.id", False, True),
        ("UPDATE orders SET a = 1 RETURNING id", False, False),
        ("WITH x AS (SELECT 1) UPDATE orders SET a = 1", False, False),
    ],
)  # fmt: skip
def test_an_update_that_joins_is_not_plain(sql: str, plain: bool, where: bool) -> None:
    command = _only(sql)
    assert (command.kind, command.writes, command.plain, command.where) == ("update", True, plain, where)


def test_columns_that_an_update_sets() -> None:
    assert _only("UPDATE orders SET a = 1, (B, \"C\") = (1, 2)").assigned == ("a", "b", "C")  # fmt: skip


def test_a_query_may_write() -> None:
    parsed = parse(
        "WITH gone AS (DELETE FROM a RETURNING *), b AS (SELECT 1) SELECT f(c) FROM gone, b, app.d FOR SHARE"
    )
    assert parsed.only is not None
    assert (parsed.only.kind, parsed.only.writes) == ("select", True)
    assert {one.name for one in parsed.references.relations} == {"a", "d"}, "names of a WITH are no relations"
    assert parsed.references.functions == {"f"}
    assert parsed.references.columns == {"c"}
    assert parsed.references.locks_rows
    assert not parse("WITH b AS (SELECT 1) SELECT FROM b").references.locks_rows


@pytest.mark.parametrize(
    ("sql", "setting"),
    [
        ("SET lock_timeout = '100ms'", Setting("lock_timeout", "100ms")),
        ("set session LOCK_TIMEOUT to 100", Setting("lock_timeout", "100")),
        ("SET LOCAL search_path = a, b", Setting("search_path", "a, b", local=True)),
        ("SET lock_timeout TO DEFAULT", Setting("lock_timeout", None)),
        ("RESET lock_timeout", Setting("lock_timeout", None)),
        ("SELECT pg_catalog.set_config('lock_timeout', $1, true)", Setting("lock_timeout", "$1", local=True)),
        ("SELECT set_config('a.b', '7'::text, false)", Setting("a.b", "7")),
        ("SELECT set_config()", Setting("…", "…", local=True)),
        ("SET ROLE ann", Setting("role", "ann")),
    ],
)
def test_settings(sql: str, setting: Setting) -> None:
    assert _only(sql).settings == (setting,)


@pytest.mark.parametrize(
    ("sql", "kind", "name"),
    [
        ("BEGIN", "begin", None),
        ("START TRANSACTION READ ONLY", "start", None),
        ("END", "commit", None),
        ("ABORT", "rollback", None),
        ("SAVEPOINT \"S 1\"", "savepoint", "S 1"),
        ("ROLLBACK WORK TO x", "rollback to", "x"),
        ("RELEASE x", "release", "x"),
        ("PREPARE TRANSACTION 'a'", "prepare", None),
    ],
)  # fmt: skip
def test_what_controls_a_transaction(sql: str, kind: str, name: str | None) -> None:
    command = _only(sql)
    assert (command.kind, command.name, command.controls) == (kind, name, True)


@pytest.mark.parametrize(
    ("sql", "kind", "names"),
    [
        ("DROP INDEX CONCURRENTLY IF EXISTS app.ix", "drop index", ["ix"]),
        ("DROP TABLE a, app.b CASCADE", "drop table", ["a", "b"]),
        ("TRUNCATE a, b", "truncate", ["a", "b"]),
        ("LOCK TABLE a IN SHARE MODE", "lock", ["a"]),
        ("VACUUM (FULL) a", "vacuum", ["a"]),
        ("ANALYZE", "analyze", []),
        ("ALTER TABLE a RENAME COLUMN b TO c", "rename", ["a"]),
        ("ALTER INDEX a SET (fillfactor = 70)", "alter index", ["a"]),
        ("CREATE TABLE a AS SELECT 1", "create table as", ["a"]),
        ("SHOW lock_timeout", "show", []),
        ("SET CONSTRAINTS ALL DEFERRED", "set constraints", []),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "set transaction", []),
    ],
)
def test_kinds_and_targets(sql: str, kind: str, names: list[str]) -> None:
    command = _only(sql)
    assert (command.kind, [one.name for one in command.relations]) == (kind, names)


def test_what_commits_on_its_way() -> None:
    several = ["VACUUM", "CLUSTER a", "REINDEX TABLE a", "CREATE INDEX CONCURRENTLY ON a (b)",
               "DROP INDEX CONCURRENTLY a", "REFRESH MATERIALIZED VIEW CONCURRENTLY a",
               "ALTER TABLE a DETACH PARTITION b CONCURRENTLY"]  # fmt: skip
    assert all(_only(sql).commits_inside for sql in several)
    assert not _only("COMMENT ON TABLE a IS 'CONCURRENTLY'").commits_inside


@pytest.mark.parametrize(
    "sql", ["\\d orders", "SELECT 1 FROM", "SELECT 'open", "REPACK TABLE a IN THE FUTURE", "SELECT '\ud800'", "(", "$$"]
)
def test_what_cannot_be_read_is_a_value(sql: str) -> None:
    parsed = parse(sql)
    assert (parsed.commands, bool(parsed.problem), parsed.only) == ((), True, None)
    assert parsed.references.relations == ()
    assert parsed.bare == sql


def test_nothing_but_a_comment_is_no_statement() -> None:
    assert parse("-- why\n/* and /* how */ */ ; ") == Parsed("-- why\n/* and /* how */ */ ; ")
    assert parse("-- why\n").bare == ""


def test_an_expression_that_is_nested_too_deeply_keeps_its_kind() -> None:
    sql = f"UPDATE orders SET a = {' || '.join('b' * 300)}; SELECT 1"
    assert [(one.kind, one.writes) for one in parse(sql).commands] == [("update", True), ("select", False)]
    assert parse(sql).problem
