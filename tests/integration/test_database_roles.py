"""Roles of a source on a server that has never heard of them, and whom row security binds there."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from inboxbench.bench import Matrix, run_matrix
from inboxbench.database import connect, scratch_database
from inboxbench.database_copy import copied
from inboxbench.database_roles import policies_remark, remove_left_roles
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.owner import this_process
from inboxbench.project import Loose
from inboxbench.server import Server, open_server

# web logs in and is a member of readers, whose privileges it inherits; owner owns; admin passes every policy by.
FILL = """
    CREATE ROLE readers_{n}; CREATE ROLE web_{n} LOGIN PASSWORD 'geheim' IN ROLE readers_{n};
    CREATE ROLE "Owner {n}"; CREATE ROLE admin_{n} BYPASSRLS NOINHERIT;
    CREATE SCHEMA app AUTHORIZATION "Owner {n}"; GRANT USAGE ON SCHEMA app TO readers_{n}, admin_{n};
    SET ROLE "Owner {n}";
    CREATE TABLE app.films (id int PRIMARY KEY, tenant int, title text, secret text);
    INSERT INTO app.films SELECT g, g % 4, 'film ' || g, 'x' FROM generate_series(1, 400) AS g;
    CREATE VIEW app.titles AS SELECT tenant, title FROM app.films;
    CREATE FUNCTION app.tenant() RETURNS int STABLE LANGUAGE sql
        AS $$ SELECT current_setting('app.tenant', true)::int $$;
    RESET ROLE;
    ALTER TABLE app.films ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON app.films TO readers_{n} USING (tenant = app.tenant());
    GRANT SELECT (id, tenant, title) ON app.films TO readers_{n}; GRANT SELECT ON app.films TO admin_{n};
    GRANT SELECT ON app.titles TO readers_{n};
    ALTER ROLE web_{n} SET work_mem = '3MB';
"""


@pytest.fixture(scope="module")
def other() -> Iterator[Server]:
    """A server that has only its own superuser."""
    with open_server("embedded") as opened:
        yield opened


@pytest.fixture
def number(server: Server) -> Iterator[str]:
    number = secrets.token_hex(3)
    yield number
    with connect(server.conninfo()) as connection:
        for name in (f"web_{number}", f"readers_{number}", f'"Owner {number}"', f"admin_{number}"):
            connection.execute(f"DROP ROLE IF EXISTS {name}".encode())


@pytest.fixture
def films(server: Server, number: str) -> Iterator[str]:
    with scratch_database(server, "films") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(FILL.format(n=number).encode())
        yield name


def _names(server: Server, number: str) -> list[str]:
    with connect(server.conninfo()) as connection:
        rows = connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE %s ORDER BY 1", (f"%{number}",))
        return [name for (name,) in rows]


def _count(connection: psycopg.Connection[tuple[object, ...]], role: str, what: str, tenant: int = 2) -> object:
    with connection.transaction(force_rollback=True):
        connection.execute(f"SET LOCAL app.tenant = '{tenant}'".encode())
        connection.execute("SELECT set_config('role', %s, true)", (role,))
        row = connection.execute(f"SELECT count(*) FROM {what}".encode()).fetchone()
        assert row is not None
        return row[0]


def test_roles_come_with_all_that_decides_and_go_with_the_copy(
    server: Server, other: Server, films: str, number: str
) -> None:
    with copied(other, server.url(films), roles=[f"web_{number}"]) as copy:
        assert copy.remarks == ()
        with connect(other.conninfo(copy.name)) as connection:
            assert _count(connection, f"web_{number}", "app.films") == 100
            assert _count(connection, f"web_{number}", "app.titles") == 400  # a view reads as its owner
            assert _count(connection, f"admin_{number}", "app.films") == 400
            assert _count(connection, f"Owner {number}", "app.films") == 400
            assert connection.execute("SHOW work_mem").fetchone() == ("3MB",)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                _count(connection, f"web_{number}", "(SELECT secret FROM app.films) AS kept")
            assert f"does not bind role admin_{number}" in str(policies_remark(connection, f"admin_{number}"))
            assert "owns" in str(policies_remark(connection, f"Owner {number}"))
            assert policies_remark(connection, f"web_{number}") is None
            assert "app.films do not bind postgres" in str(policies_remark(connection, None))
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(other.conninfo(copy.name), user=f"web_{number}", password="geheim")
        assert len(_names(other, number)) == 4
    assert _names(other, number) == []
    assert len(_names(server, number)) == 4  # the source's are nobody's to remove


def test_two_copies_share_a_role_and_the_last_removes_it(
    server: Server, other: Server, films: str, number: str
) -> None:
    with copied(other, server.url(films), roles=[f"web_{number}"]) as last:
        with copied(other, server.url(films), roles=[f"web_{number}"]):
            pass
        with connect(other.conninfo(last.name)) as connection:
            assert _count(connection, f"web_{number}", "app.films") == 100
    assert _names(other, number) == []


def test_roles_of_the_server_are_used_as_they_are(server: Server, other: Server, films: str, number: str) -> None:
    with connect(other.conninfo()) as connection:
        connection.execute(f"CREATE ROLE readers_{number} SUPERUSER".encode())
        try:
            with copied(other, server.url(films)) as copy:
                (said,) = copy.remarks
                assert said == (
                    f"row security binds role readers_{number} at the source and not here, where it may read every row"
                )
            assert _names(other, number) == [f"readers_{number}"]
        finally:
            connection.execute(f"DROP ROLE readers_{number}".encode())


def test_a_role_that_the_source_lacks_is_refused_before_anything_is_copied(server: Server, films: str) -> None:
    with (
        pytest.raises(UsageError, match="role wbe: the source has no such role"),
        copied(server, server.url(films), roles=["wbe"]),
    ):
        pass


def test_a_server_that_lets_us_make_no_roles_leaves_policies_out(
    server: Server, other: Server, films: str, number: str
) -> None:
    with connect(other.conninfo()) as connection:
        connection.execute(f"CREATE ROLE guest_{number} LOGIN CREATEDB PASSWORD 'geheim'".encode())
        try:
            url = other.url("postgres").replace("postgres@", f"guest_{number}:geheim@", 1)
            with open_server(url) as limited, copied(limited, server.url(films)) as copy:
                assert any("row security policies are left out: their role" in said for said in copy.remarks)
                with connect(limited.conninfo(copy.name)) as ours:
                    assert ours.execute("SELECT count(*) FROM pg_policy").fetchone() == (0,)
                    assert ours.execute("SELECT count(*) FROM app.films").fetchone() == (400,)
            assert _names(other, number) == [f"guest_{number}"]
        finally:
            connection.execute(f"DROP ROLE guest_{number}".encode())


def test_what_a_killed_command_left_is_removed_and_nothing_else(other: Server) -> None:
    gone = replace(this_process(), pid=2**22 - 1, started=1.0)
    marks = {"left_over": gone.to_json(), "used": this_process().to_json(), "strange": {"pid": 1}}
    with connect(other.conninfo()) as connection:
        try:
            for name, owner in marks.items():
                comment = "inboxbench role: " + json.dumps(owner)
                connection.execute(f"CREATE ROLE {name}; COMMENT ON ROLE {name} IS '{comment}'".encode())
            connection.execute("CREATE ROLE plain; COMMENT ON ROLE plain IS 'inboxbench: mine'")
            assert remove_left_roles(other) == ["left_over"]
        finally:
            connection.execute("DROP ROLE IF EXISTS left_over, used, strange, plain")


def _matrix(server: Server, database: str, folder: Path, role: str | None = None) -> Matrix:
    (folder / "indexes.toml").write_text('[set.none]\ntitle = "none"\n')
    project = Loose(folder, folder / "indexes.toml")
    return run_matrix(server, database, project, writes=False, rounds=1, as_is=True, role=role)


def test_queries_are_executed_as_their_headers_say(server: Server, films: str, number: str, tmp_path: Path) -> None:
    query = "SELECT title FROM app.films"
    (tmp_path / "two.sql").write_text(f"-- role: web_{number}\n-- set: app.tenant = '2'\n{query} WHERE tenant > 0")
    (tmp_path / "none.sql").write_text(f"-- role: web_{number}\n-- set: app.tenant = '77', work_mem = '1MB'\n{query}")
    (tmp_path / "all.sql").write_text(query)
    matrix = _matrix(server, films, tmp_path)
    rows = {cell.case.query.name: cell.plan.rows for cell in matrix.cells if cell.plan}
    assert rows == {"two": 100, "none": 0, "all": 400}
    assert "app.films do not bind" in matrix.caveats[0]
    assert matrix.to_json()["caveats"] == list(matrix.caveats)


def test_the_role_of_the_command_binds_what_says_none(server: Server, films: str, number: str, tmp_path: Path) -> None:
    (tmp_path / "mine.sql").write_text("-- set: app.tenant = '3'\nSELECT title FROM app.films")
    matrix = _matrix(server, films, tmp_path, f"web_{number}")
    assert {cell.plan.rows for cell in matrix.cells if cell.plan} == {100}  # under the present indexes and without
    assert matrix.caveats == ()
    assert f"queries are executed as role web_{number}" in matrix.notes


def test_a_setting_that_the_server_refuses_is_named(server: Server, films: str, tmp_path: Path) -> None:
    (tmp_path / "bad.sql").write_text("-- set: work_mem = 'much'\nSELECT title FROM app.films")
    with pytest.raises(SubjectFailed, match="work_mem = much: invalid value"):
        _matrix(server, films, tmp_path)
