"""What a load removes when it ends badly: all that it made, and nothing that somebody else made in the meantime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import psycopg
import pytest

from inboxbench.database import Connection, connect
from inboxbench.errors import UsageError
from inboxbench.owner import this_process
from inboxbench.project import Project
from inboxbench.seed import Step, left_loads, remove_load, seed_into
from inboxbench.seed.load.created import is_listing, listed, remove_listed
from inboxbench.server import Server

_OBJECTS = """
    SELECT 'relation ' || oid::regclass FROM pg_class WHERE relnamespace = 'public'::regnamespace
        AND (relkind <> 'i' OR relname LIKE 'theirs%') AND relname NOT LIKE 'inboxbench_loading%'
    UNION ALL SELECT 'function ' || oid::regprocedure FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL SELECT 'extension ' || extname FROM pg_extension
    UNION ALL SELECT 'type ' || typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'
"""
# Each is made by somebody while the load is in its rows; then what of the load has to stay for it.
STRANGERS = {
    "table": ("CREATE TABLE theirs (x int)", set[str]()),
    "view": ("CREATE VIEW theirs AS SELECT 1 AS x", set[str]()),
    "function": ("CREATE FUNCTION theirs() RETURNS int LANGUAGE sql AS 'SELECT 1'", set[str]()),
    "extension": ("CREATE EXTENSION pg_stat_statements", set[str]()),
    "schema": ("CREATE SCHEMA theirs CREATE TABLE t (x int)", set[str]()),
    "type": ("CREATE TYPE theirs AS ENUM ('a')", set[str]()),
    "view of ours": ("CREATE VIEW theirs AS SELECT id FROM contacts", {"relation contacts"}),
    "trigger on ours": (
        "CREATE FUNCTION theirs() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER theirs AFTER UPDATE ON contacts FOR EACH ROW EXECUTE FUNCTION theirs()",
        {"relation contacts"},
    ),
    "function over our row type": (
        "CREATE FUNCTION theirs(c contacts) RETURNS bigint LANGUAGE sql AS 'SELECT c.id'",
        {"relation contacts"},
    ),
    "index on ours": ("CREATE INDEX theirs ON contacts (created_at)", {"relation contacts"}),
    "table that inherits ours": ("CREATE TABLE theirs () INHERITS (contacts)", {"relation contacts"}),
}


class Database(Protocol):
    server: Server
    name: str
    conninfo: str

    def connect(self) -> Connection: ...


class _Stop(Exception):
    pass


def _objects(database: Database) -> set[str]:
    with database.connect() as connection:
        return {str(name) for (name,) in connection.execute(_OBJECTS)}


def _stopping(conninfo: str, statement: str) -> Callable[[Step], None]:
    """Let somebody run `statement` when the first rows are there, then fail."""

    def stop(step: Step) -> None:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(statement.encode())
        raise _Stop

    return stop


@pytest.mark.parametrize("stranger", STRANGERS)
def test_what_somebody_made_meanwhile_stays(database: Database, project: Project, stranger: str) -> None:
    statement, needed = STRANGERS[stranger]
    before = _objects(database)
    with pytest.raises(_Stop) as stopped:
        seed_into(
            database.server, database.name, "tiny", 1, project=project, allow_foreign=True,
            progress=_stopping(database.conninfo, statement),
        )  # fmt: skip
    left = _objects(database) - before
    theirs = {name for name in left if "theirs" in name or "pg_stat_statements" in name}
    assert theirs, "what was made meanwhile is gone"
    assert not needed - left
    sequences = {f"{name}_id_seq" for name in needed}
    assert not left - theirs - needed - sequences
    notes = getattr(stopped.value, "__notes__", [])
    assert bool(notes) == bool(needed)
    assert all("contacts" in note for note in notes)
    with database.connect() as connection:
        assert is_listing(connection) == bool(needed)
    if not needed:
        return
    with pytest.raises(UsageError, match=r"still has what an earlier load left .*: .*contacts"):
        seed_into(database.server, database.name, "tiny", 1, project=project, allow_foreign=True)
    assert [load.name for load in left_loads(database.server)] == [database.name]
    with database.connect() as connection:
        connection.execute(f"DROP {_kind(statement)} CASCADE".encode())
    assert remove_load(database.server, database.name) == []
    assert _objects(database) - before - theirs == set()
    assert left_loads(database.server) == []


def _kind(statement: str) -> str:
    """What of somebody's keeps a table of ours, as DROP takes it."""
    words = statement.rpartition("CREATE ")[2].split()
    return f"TRIGGER theirs ON {words[words.index('ON') + 1]}" if words[0] == "TRIGGER" else f"{words[0]} theirs"


def test_a_killed_load_is_known_by_its_database_and_owner(database: Database) -> None:
    with connect(database.conninfo) as connection, listed(connection, begin=True):
        connection.execute("CREATE TABLE half (id int PRIMARY KEY)")
    (load,) = left_loads(database.server)
    assert (load.what, load.name, load.state) == ("load", database.name, "running")
    assert load.owner == this_process()
    assert not load.is_over(())


def test_the_next_load_removes_what_a_killed_one_left(database: Database, project: Project) -> None:
    with connect(database.conninfo) as connection:
        with listed(connection, begin=True):
            connection.execute(
                "CREATE TABLE half_a (id int PRIMARY KEY); CREATE TABLE half_b (a int REFERENCES half_a)"
            )
            connection.execute("ALTER TABLE half_a ADD b int; CREATE UNIQUE INDEX ON half_b (a)")
            connection.execute("ALTER TABLE half_a ADD FOREIGN KEY (b) REFERENCES half_b (a)")
        with listed(connection):
            connection.execute("CREATE FUNCTION half() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    seeded = seed_into(database.server, database.name, "tiny", 1, project=project, allow_foreign=True)
    assert seeded.size
    assert not [name for name in _objects(database) if "half" in name or "inboxbench_loading" in name]


def test_without_a_list_nothing_is_removed(database: Database) -> None:
    with connect(database.conninfo) as connection:
        connection.execute(
            "CREATE TABLE inboxbench_loading (number int, classid oid, objid oid, attached bool, name text)"
        )
        connection.execute(
            "INSERT INTO inboxbench_loading VALUES (1, 'pg_class'::regclass, 'inboxbench_loading'::regclass, false)"
        )
        assert remove_listed(connection) == []
        assert connection.execute("SELECT count(*) FROM inboxbench_loading").fetchone() == (1,)
