"""Statements that do nothing but read, lock and write rows: after them a session needs no renewal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.conftest import Database

from inboxbench.database import Connection
from inboxbench.race.explore.footprint import Footprints

SETUP = """
    CREATE TABLE item (id int PRIMARY KEY, n int CHECK (n >= 0), name text);
    CREATE TABLE numbered (id serial PRIMARY KEY, n int);
    CREATE FUNCTION locks(int) RETURNS bool LANGUAGE sql AS $$ SELECT pg_try_advisory_lock($1) $$;
    CREATE TABLE checked (n int CHECK (locks(n)));
    CREATE TABLE watched (n int);
    CREATE FUNCTION on_insert() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM locks(1); RETURN NEW; END $$;
    CREATE TRIGGER t BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION on_insert();
    CREATE VIEW seen AS SELECT locks(id) FROM item;
"""
PLAIN = (
    "SELECT n FROM item WHERE id = %s FOR UPDATE",
    "SELECT count(*), max(n) FROM item i JOIN item j USING (id)",
    "INSERT INTO item (id, n) VALUES (%s, 1) ON CONFLICT (id) DO UPDATE SET n = item.n + 1",
    "UPDATE item SET n = n + %s",
    "DELETE FROM item WHERE name = upper('x') RETURNING id",
    "INSERT INTO item SELECT id, n FROM numbered",
)
NOT_PLAIN = (
    "SELECT pg_advisory_lock(%s)",
    "SELECT set_config('app.x', 'y', false)",
    "SELECT locks(n) FROM item",
    "SELECT * FROM seen",
    "SELECT * INTO TEMP copy FROM item",
    "WITH gone AS (DELETE FROM item RETURNING n) SELECT n FROM gone",
    "INSERT INTO numbered (n) VALUES (1)",
    "INSERT INTO checked VALUES (1)",
    "INSERT INTO watched VALUES (1)",
    "SELECT n FROM item; SET work_mem = '1MB'",
    "SET lock_timeout = 1",
    "LISTEN news",
    "PREPARE p AS SELECT 1",
    "CREATE TEMP TABLE t (n int)",
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    "LOCK item",
    "CALL anything()",
    "SELECT pg_cancel_backend(1)",
    "SELECT nextval('numbered_id_seq')",
)
HIDDEN_CALLS = (
    "CREATE OPERATOR ~=~= (LEFTARG = int, FUNCTION = likes, RIGHTARG = int)",
    "CREATE DOMAIN careful AS int CHECK (locks(VALUE))",
    "CREATE CAST (money AS item) WITH FUNCTION becomes(money)",
)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.connect() as opened:
        opened.execute(SETUP.encode())
        yield opened


def loaded(connection: Connection) -> Footprints:
    footprints = Footprints(connection)
    footprints.load()
    return footprints


def test_rows_alone(connection: Connection) -> None:
    footprints = loaded(connection)
    given = {text: (1,) if "%s" in text else None for text in (*PLAIN, *NOT_PLAIN)}
    assert [text for text, values in given.items() if footprints.is_plain(text, values)] == list(PLAIN)


def test_nothing_is_known_before_the_catalogue_is_read(connection: Connection) -> None:
    assert not Footprints(connection).is_plain("SELECT 1", None)


def test_a_function_that_is_called_without_its_name_makes_nothing_plain(connection: Connection) -> None:
    connection.execute(
        "CREATE FUNCTION likes(int, int) RETURNS bool LANGUAGE sql VOLATILE AS $$ SELECT locks($1) $$;"
        "CREATE FUNCTION becomes(money) RETURNS item LANGUAGE sql VOLATILE AS $$ SELECT (1, 1, '')::item $$"
    )
    for statement in HIDDEN_CALLS:
        with connection.transaction(force_rollback=True):
            assert loaded(connection).is_plain("SELECT n FROM item", None)
            connection.execute(statement.encode())
            assert not loaded(connection).is_plain("SELECT n FROM item", None), statement
