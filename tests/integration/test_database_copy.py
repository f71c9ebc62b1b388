"""Copies of somebody's database: by name on the same server, and over the wire by pg_dump and pg_restore."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from inboxbench.database import connect, first_row, list_databases, scratch_database
from inboxbench.database_copy import copied
from inboxbench.errors import InboxbenchError, ServerError, UsageError
from inboxbench.server import Server

SMALL = shutil.disk_usage("/")._replace(free=1_000_000)  # an empty database takes seven times as much


@pytest.fixture
def ours(server: Server) -> Server:
    if not server.owned or server.kind == "container":
        pytest.skip("a dry run copies to a server of our own on this machine")
    return server


@pytest.fixture
def original(server: Server) -> Iterator[str]:
    with scratch_database(server, "original") as name:
        yield name


@pytest.fixture
def role(server: Server) -> Iterator[str]:
    """A role that may log in, with a password, and nothing else."""
    name = f"copier_{secrets.token_hex(4)}"
    with connect(server.conninfo()) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'geheim'").format(sql.Identifier(name)))
        yield name
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.mark.parametrize("wire", [False, True])
def test_what_the_source_is_set_to_comes_with_the_copy(server: Server, original: str, wire: bool) -> None:
    """Two schemas in a search_path are two, not one with a comma in its name."""
    with connect(server.conninfo(original)) as connection:
        connection.execute("CREATE SCHEMA app CREATE TABLE things (id int)")
        connection.execute(f"ALTER DATABASE {original} SET search_path = app, public")
        connection.execute(f"ALTER DATABASE {original} SET lock_timeout = '7s'")
    with (
        copied(server, server.url(original) if wire else original) as copy,
        connect(server.conninfo(copy.name)) as connection,
    ):
        assert connection.execute("SHOW lock_timeout").fetchone() == ("7s",)
        assert connection.execute("SELECT to_regclass('things')::text").fetchone() == ("things",)
        assert copy.remarks == ()


def test_a_copy_over_the_wire_is_read_only_for_the_source(server: Server, original: str) -> None:
    """A URL is dumped and restored, also when it leads to the same server; its source stays as it was."""
    with connect(server.conninfo(original)) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS a")
    with copied(server, server.url(original)) as copy, connect(server.conninfo(copy.name)) as connection:
        assert connection.execute("SELECT reltuples FROM pg_class WHERE relname = 't'").fetchone() == (1,)
        connection.execute("DROP TABLE t")
    with connect(server.conninfo(original)) as connection:
        assert connection.execute("SELECT a FROM t").fetchall() == [(1,)]


def test_a_source_without_rights_is_one_line(server: Server, original: str, role: str) -> None:
    with connect(server.conninfo(original)) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS a")
    url = server.url(original).replace("postgres@", f"{role}:geheim@", 1)
    with pytest.raises(ServerError, match="permission denied for table t") as raised, copied(server, url):
        pass
    assert "geheim" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_database_that_is_not_there(server: Server) -> None:
    for source in ("no_such_database", server.url("no_such_database")):
        with (
            pytest.raises(InboxbenchError, match=r"no_such_database.*does not exist"),
            copied(server, source),
        ):
            pass


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("postgresql://nobody:geheim@127.0.0.1:1/none", "cannot reach 127.0.0.1:1/none"),
        ("postgresql://nobody:geheim@127.0.0.1", "--database 127.0.0.1/: names no database"),
        ("postgresql://nobody:ge heim@127.0.0.1/none", "the URL of --database is malformed"),
        ("mysql://nobody:geheim@127.0.0.1/none", "the URL of --database is malformed"),
    ],
)
def test_a_url_that_leads_nowhere_is_one_line_without_its_password(server: Server, url: str, complaint: str) -> None:
    with pytest.raises(UsageError) as raised, copied(server, url):
        pass
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "heim" not in str(raised.value)


def test_a_copy_that_does_not_fit_is_not_begun(ours: Server, original: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of the server's own database nor of one that comes over the wire."""
    monkeypatch.setattr("inboxbench.database_copy.shutil.disk_usage", lambda _path: SMALL)
    before = {info.name for info in list_databases(ours)}
    for source in (original, ours.url(original)):
        with (
            pytest.raises(ServerError, match=r"does not fit: it takes [\d.]+ MB .* [\d.,]+ k?B are free .* --data"),
            copied(ours, source),
        ):
            pass
    assert {info.name for info in list_databases(ours)} == before


def test_a_newer_postgresql_is_refused_before_it_is_read(server: Server, original: str) -> None:
    older = replace(server, version=150004)
    complaint = r"newer than .*; name a server as new with --server"
    with pytest.raises(UsageError, match=complaint), copied(older, server.url(original)):
        pass


def test_no_part_of_a_password_stands_in_a_command_line(
    server: Server, original: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[str] = []
    start = subprocess.Popen

    def watched(command: Sequence[str | Path], **options: Any) -> subprocess.Popen[bytes]:
        commands.append(" ".join(map(str, command)))
        return start(command, **options)

    monkeypatch.setattr("inboxbench.lifetime.subprocess.Popen", watched)
    with copied(server, server.url(original).replace("postgres@", f"{role}:geheim@", 1)):
        pass
    started = [command for command in commands if "--version" not in command]
    assert ["/pg_dump " in started[0], "/pg_restore " in started[1], len(started)] == [True, True, 2]
    assert not any("geheim" in command for command in commands)


def test_sequences_that_may_not_be_read_begin_anew(server: Server, original: str, role: str) -> None:
    with connect(server.conninfo(original)) as connection:
        connection.execute("CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY); INSERT INTO t DEFAULT VALUES")
        connection.execute(sql.SQL("GRANT SELECT ON t TO {}").format(sql.Identifier(role)))
        with copied(server, server.url(original).replace("postgres@", f"{role}:geheim@", 1)) as copy:
            assert copy.remarks == (
                "public.t_id_seq may not be read, so its next value is the first (1 sequences in all)",
            )
        connection.execute("DROP TABLE t")


def test_policies_stay_behind_with_their_roles(server: Server, original: str, role: str) -> None:
    """They come along where each role that they name is on the server, as it is here."""
    with connect(server.conninfo(original)) as connection:
        connection.execute("CREATE TABLE t (id int)")
        connection.execute(sql.SQL("CREATE POLICY own ON t TO {} USING (id = 1)").format(sql.Identifier(role)))
        with copied(server, server.url(original)) as copy, connect(server.conninfo(copy.name)) as other:
            assert (copy.remarks, _policies(other)) == ((), 1)
            other.execute("DROP TABLE t")
        connection.execute("DROP TABLE t")


def _policies(connection: Any) -> int:
    return int(connection.execute("SELECT count(*) FROM pg_policy").fetchone()[0])


@pytest.mark.parametrize(
    ("locale", "sorts"),
    [
        ("LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'", "C"),
        ("LOCALE_PROVIDER libc LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'", "C.UTF-8"),
    ],
)
def test_the_copy_sorts_as_the_original_does(server: Server, locale: str, sorts: str) -> None:
    with (
        scratch_database(server, "original", locales=[sql.SQL(locale)]) as name,
        copied(server, server.url(name)) as copy,
        connect(server.conninfo(copy.name)) as connection,
    ):
        query = "SELECT datcollate, datlocprovider::text FROM pg_database WHERE datname = current_database()"
        assert connection.execute(query).fetchone() == (sorts, "c")
        assert copy.remarks == ()


def test_an_extension_that_the_server_lacks_is_refused_before_the_copy(server: Server, original: str) -> None:
    with connect(server.conninfo(original)) as connection:
        connection.execute("SET allow_system_table_mods = on")
        connection.execute(
            "INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion) "
            "VALUES (99999, 'postgis', 10, 2200, false, '1')"
        )
    with (
        pytest.raises(ServerError, match="it lacks postgis; use a server that has it: --server bin:DIR"),
        copied(server, server.url(original)),
    ):
        pass


def test_another_version_of_the_collation_is_said(server: Server, original: str) -> None:
    with connect(server.conninfo(original)) as connection:
        connection.execute("UPDATE pg_database SET datcollversion = 'older' WHERE datname = current_database()")
    with copied(server, server.url(original)) as copy, connect(server.conninfo(copy.name)) as connection:
        query = "SELECT to_jsonb(d) ->> 'datcollversion' FROM pg_database AS d WHERE datname = current_database()"
        version = first_row(connection, query)[0]
    assert [
        remark for remark in copy.remarks if f"version older at the original, by {version} on" in remark
    ] or not version
