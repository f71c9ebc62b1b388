"""Traffic made from a schema that nobody has told us about: it runs, leaves no trace, and is old code ever after."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import psycopg
import pytest

from inboxbench.database import Connection
from inboxbench.dryrun.under_traffic import choose_traffic
from inboxbench.errors import UsageError
from inboxbench.migrate.history import read_folders
from inboxbench.traffic.file import read_traffic
from inboxbench.traffic.generated import Generated, generate

if TYPE_CHECKING:
    from tests.conftest import Database

_SCHEMA = """
    CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE TABLE teams (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name varchar(8) NOT NULL UNIQUE,
        label text GENERATED ALWAYS AS (upper(name)) STORED
    );
    CREATE TABLE people (
        id uuid PRIMARY KEY, team_id int NOT NULL REFERENCES teams DEFERRABLE INITIALLY DEFERRED, feels mood,
        "odd %% name" jsonb, tags text[], born date CHECK (born > '1900-01-01'), UNIQUE (team_id, born, id)
    );
    CREATE TABLE joins (
        team_id int REFERENCES teams, person_id uuid REFERENCES people, PRIMARY KEY (team_id, person_id)
    );
    CREATE TABLE rooms (id serial, room int NOT NULL, during tstzrange, EXCLUDE USING gist (during WITH &&));
    CREATE TABLE "No Key" (a int);
    CREATE TABLE empty (id int PRIMARY KEY);
    CREATE TABLE strict (id bigint PRIMARY KEY DEFERRABLE, small varchar(2) UNIQUE);
    CREATE TABLE parts (id bigint, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    CREATE TABLE alembic_version (version_num text PRIMARY KEY);
    INSERT INTO alembic_version VALUES ('r0');
    INSERT INTO teams (name) SELECT 'team ' || n FROM generate_series(1, 30) n;
    INSERT INTO people SELECT gen_random_uuid(), 1 + n % 30, 'good', '{"a": [1]}', '{x,"y,z"}', '2000-01-01'
    FROM generate_series(1, 100) n;
    INSERT INTO joins SELECT team_id, id FROM people;
    INSERT INTO rooms (room, during) VALUES (1, '[2025-01-01, 2025-01-02)');
    INSERT INTO "No Key" VALUES (1);
    INSERT INTO strict VALUES (1, 'a');
    INSERT INTO parts VALUES (1, '2025-06-01');
    ANALYZE;
"""


def _play(connection: Connection, made: Generated, rounds: int = 5) -> dict[str, str]:
    """The first error of each class that had one."""
    random = Random(7)
    errors: dict[str, str] = {}
    for _ in range(rounds):
        for item in made.classes:
            try:
                with connection.transaction(force_rollback=item.undo):
                    for statement in item.statements:
                        connection.execute(statement, item.draw(random))
            except psycopg.Error as error:
                errors.setdefault(item.name, str(error).splitlines()[0])
    return errors


@pytest.fixture
def connection(database: Database) -> Connection:
    connection = database.connect()
    connection.execute(_SCHEMA.encode())
    return connection


def test_every_table_gets_what_it_can_take_and_nothing_is_left_behind(connection: Connection) -> None:
    with connection:
        made = generate(connection)
        names = {item.name for item in made.classes}
        for table in ("teams", "people"):
            assert {f"{what} {table}" for what in ("select", "range", "insert", "update")} <= names
        assert {
            "insert joins",
            "range joins",
            "insert rooms",
            "range empty",
            "range No Key",
            "insert parts",
        } <= names
        assert not {"insert empty", "select No Key", "range alembic_version", "range parts_1", "update joins"} & names
        assert "empty is empty: its traffic only lists it" in made.notes
        # No new value of two letters is sure to be new, and a deferrable key forbids ON CONFLICT.
        assert any(note.startswith("no class `insert strict`: duplicate key") for note in made.notes)
        count = "SELECT (SELECT count(*) FROM teams), (SELECT count(*) FROM people), (SELECT count(*) FROM joins)"
        before = connection.execute(count).fetchone()
        assert _play(connection, made) == {}
        assert connection.execute(count).fetchone() == before == (30, 100, 100)


def test_it_is_old_code_to_a_schema_that_moved_on(connection: Connection) -> None:
    with connection:
        made = generate(connection, frozenset({"public.teams", "public.people"}))
        assert {name for item in made.classes for name in item.tables} == {"public.teams", "public.people"}
        connection.execute("ALTER TABLE teams RENAME name TO title")
        connection.execute("ALTER TABLE people ADD rank int; UPDATE people SET rank = 1")
        connection.execute("ALTER TABLE people ALTER rank SET NOT NULL")
        errors = _play(connection, made, 1)
    assert errors["select teams"] == 'column "name" does not exist'
    assert errors["insert people"].startswith('null value in column "rank" of relation "people" violates not-null')
    assert "select people" not in errors


def test_it_runs_on_the_tables_that_the_revisions_to_come_name(connection: Connection, tmp_path: Path) -> None:
    for revision, parent, body in (("r0", None, "joins"), ("r1", "r0", "op.drop_column('people', 'feels')")):
        text = f'"""Step."""\nrevision = {revision!r}\ndown_revision = {parent!r}\n{body}\n'
        (tmp_path / f"{revision}.py").write_text(text, encoding="utf-8")
    with connection:
        pending = read_folders([tmp_path]).pending(["r0"])
        assert [one.revision for one in pending] == ["r1"]
        made = choose_traffic(connection, revisions=pending)
        assert {name for item in made.classes for name in item.tables} == {"public.people"}
        assert made.notes[0] == "traffic runs on the tables that the revisions to come name, 1 of 8"


_FILE = """
-- Ours.
-- name: of a team
-- weight: 3
-- draw: SELECT id AS team, name FROM teams
SELECT count(*) FROM people WHERE team_id = :team AND "odd %% name"::text LIKE '{%';
SELECT ':no' -- :neither

-- name: hello
-- kind: write
INSERT INTO "No Key" VALUES (2);
"""


def test_a_file_of_the_users_own(connection: Connection, tmp_path: Path) -> None:
    path = tmp_path / "traffic.sql"
    path.write_text(_FILE, encoding="utf-8")
    with connection:
        made = choose_traffic(connection, file=path)
        first, second = made.classes
        assert (first.name, first.kind, first.weight, len(first.statements)) == ("of a team", "read", 3, 2)
        assert (second.name, second.kind, second.weight, second.undo) == ("hello", "write", 1, False)
        assert _play(connection, made, 1) == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("SELECT 1;", " line 1: SQL before the first `-- name: …`; name the request it belongs to"),
        ("-- hello", ": no request in it; begin one with a line `-- name: …` and put its SQL below"),
        ("-- name: a\n-- wait: 3\nSELECT", " line 2: unknown key 'wait'; did you mean 'weight'? "
         "Known: draw, kind, name, weight"),
        ("-- name: a\n-- weight: many\nSELECT 1", " line 1 (a): weight 'many' is no number above zero"),
        ("-- name: a\n-- kind: both\nSELECT 1", " line 1 (a): kind 'both' is neither read nor write"),
        ("-- name: a\n\n", " line 1 (a): there is no statement below the header"),
        ("-- name: a\nSELECT :x", " line 1 (a): :x has no values; add a line `-- draw: …`, a query with a column x"),
        ("-- name: a\n-- draw: SELECT 1 AS y\nSELECT :x", " line 1 (a): draw gives y, and the request uses :x"),
        ("-- name: a\n-- draw: SELECT 1 AS x WHERE false\nSELECT :x", " line 1 (a): draw gives no rows on this "
         "database; fill its tables or widen the query"),
        ("-- name: a\nSELECT gone FROM pg_class", ' line 1 (a): it fails before the migrations begin: column "gone" '
         "does not exist"),
        ("-- name: a\nSELECT 1\n-- name: a\nSELECT 1", ": two requests are named 'a'; give each a name of its own"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_one_line_that_names_the_place(
    database: Database, tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "traffic.sql"
    path.write_text(text, encoding="utf-8")
    with database.connect() as connection, pytest.raises(UsageError) as caught:
        read_traffic(path, connection)
    assert str(caught.value) == f"{path}{complaint}"


def test_later_in_the_chain_a_request_may_fail(database: Database, tmp_path: Path) -> None:
    """Its columns may be gone by then, which is what a rehearsal has to show."""
    path = tmp_path / "traffic.sql"
    path.write_text("-- name: a\nSELECT gone FROM pg_class", encoding="utf-8")
    with database.connect() as connection:
        (item,) = read_traffic(path, connection, first=False)
    assert item.name == "a"
