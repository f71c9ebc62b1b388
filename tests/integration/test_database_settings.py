"""Settings of a source on its copy: wherever the source has them from, what is forced instead, what --set gives."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from inboxbench.bench.execute.session import measuring, open_probe
from inboxbench.database import connect, scratch_database
from inboxbench.database_copy import copied
from inboxbench.database_settings import override, replaced
from inboxbench.errors import UsageError
from inboxbench.server import Server

SETTINGS = {
    "random_page_cost": "1.1",
    "enable_bitmapscan": "off",
    "work_mem": "7MB",
    "effective_cache_size": "123MB",
    "hash_mem_multiplier": "3.5",
    "TimeZone": "Europe/Berlin",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "iso_8601",
    "statement_timeout": "90s",
    "lock_timeout": "7s",
    "default_statistics_target": "17",
    "from_collapse_limit": "1",
    "extra_float_digits": "-3",
    "bytea_output": "escape",
    "search_path": 'app, "Odd name", public',
    "app.tenant": "42",
    "plan_cache_mode": "force_generic_plan",
}


@pytest.fixture
def original(server: Server) -> Iterator[str]:
    with scratch_database(server, "original") as name:
        yield name


def _as_application(server: Server, database: str, setting: str) -> str:
    """Return what a session that sets nothing itself has."""
    with psycopg.connect(server.conninfo(database)) as connection:
        row = connection.execute("SELECT current_setting(%s)", (setting,)).fetchone()
        assert row is not None
        return str(row[0])


def _set(server: Server, database: str, whose: str, setting: str, value: str) -> None:
    with connect(server.conninfo(database)) as connection, connection.transaction():
        connection.execute("SELECT set_config(%s, %s, true)", (setting, value))
        name = sql.SQL(".").join(map(sql.Identifier, setting.split(".")))
        connection.execute(sql.SQL(whose + " SET {} FROM CURRENT").format(name))


@pytest.mark.parametrize("wire", [False, True])
def test_settings_of_the_database_come_along_and_on_to_copies_of_the_copy(
    server: Server, original: str, wire: bool
) -> None:
    for setting, value in SETTINGS.items():
        _set(server, original, f"ALTER DATABASE {original}", setting, value)
    expected = {setting: _as_application(server, original, setting) for setting in SETTINGS}
    with (
        copied(server, server.url(original) if wire else original) as copy,
        scratch_database(server, "set", copy.name) as clone,
    ):
        assert copy.remarks == ()
        for database in (copy.name, clone):
            assert {setting: _as_application(server, database, setting) for setting in SETTINGS} == expected


def test_settings_of_the_role_and_of_the_connection_string_count_more(server: Server, original: str) -> None:
    """A role in a database counts more than the role, that more than the database, and the options most of all."""
    role = f"owner_{secrets.token_hex(4)}"
    with connect(server.conninfo()) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN SUPERUSER PASSWORD 'geheim'".encode())
    try:
        for setting, value in (("work_mem", "1MB"), ("random_page_cost", "2"), ("seq_page_cost", "3")):
            _set(server, original, f"ALTER DATABASE {original}", setting, value)
        _set(server, original, f"ALTER ROLE {role}", "work_mem", "2MB")
        _set(server, original, f"ALTER ROLE {role}", "random_page_cost", "5")
        _set(server, original, f"ALTER ROLE {role} IN DATABASE {original}", "random_page_cost", "6")
        url = server.url(original).replace("postgres@", f"{role}:geheim@", 1)
        url += ("&" if "?" in url else "?") + "options=" + quote("-c search_path=app,public -c cpu_tuple_cost=0.5")
        with copied(server, url) as copy:
            seen = [
                _as_application(server, copy.name, setting)
                for setting in ("work_mem", "random_page_cost", "seq_page_cost", "search_path", "cpu_tuple_cost")
            ]
        assert seen == ["2MB", "6", "3", "app,public", "0.5"]
    finally:
        with connect(server.conninfo()) as connection:
            connection.execute(f"ALTER ROLE {role} IN DATABASE {original} RESET ALL".encode())
            connection.execute(f"DROP ROLE {role}".encode())


def test_a_time_limit_of_the_source_ends_the_applications_statements_and_none_of_ours(
    server: Server, original: str
) -> None:
    """Indexes are built and tables read in longer than a request may take."""
    _set(server, original, f"ALTER DATABASE {original}", "statement_timeout", "100ms")
    _set(server, original, f"ALTER DATABASE {original}", "datestyle", "German")
    with copied(server, server.url(original)) as copy:
        with connect(server.conninfo(copy.name)) as ours:
            row = ours.execute("SELECT pg_sleep(0.3)::text, timestamptz '2026-01-02 03:04:05+00'").fetchone()
            assert row is not None
            assert row[1].year == 2026
        with (
            psycopg.connect(server.conninfo(copy.name)) as theirs,
            pytest.raises(psycopg.errors.QueryCanceled),
        ):
            theirs.execute("SELECT pg_sleep(10)")


def test_what_a_measurement_forces_is_said_with_what_it_replaced(server: Server, original: str) -> None:
    for setting, value in (("work_mem", "9MB"), ("jit", "on"), ("statement_timeout", "20s")):
        _set(server, original, f"ALTER DATABASE {original}", setting, value)
    with copied(server, server.url(original)) as copy:
        (said,) = replaced(server, copy.name, measuring(14))
        assert "jit = off (was on)" in said
        assert "statement_timeout = 14000ms (was 20s)" in said
        assert "work_mem" not in said
        with open_probe(server, copy.name, timeout_s=14) as probe:
            assert probe.connection.execute("SHOW work_mem").fetchone() == ("9MB",)
            assert probe.connection.execute("SHOW jit").fetchone() == ("off",)


def test_an_override_is_forced_by_nobody(server: Server, original: str) -> None:
    given = {"jit": "on", "Work_Mem": "3MB", "enable_seqscan": "off", "app.tenant": "7"}
    with copied(server, server.url(original)) as copy:
        override(server, copy.name, given)
        with (
            scratch_database(server, "set", copy.name) as clone,
            open_probe(server, clone, timeout_s=14) as probe,
        ):
            for name, value in given.items():
                assert probe.connection.execute("SELECT current_setting(%s)", (name,)).fetchone() == (value,)
        assert "jit" not in "".join(replaced(server, copy.name, measuring(14)))


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("random_page_costs", "1", "unrecognized configuration parameter"),
        ("work_mem", "much", "invalid value for parameter"),
        ("shared_buffers", "1GB", "cannot be changed without restarting the server"),
    ],
)
def test_an_override_that_cannot_be_is_one_line(
    server: Server, original: str, name: str, value: str, complaint: str
) -> None:
    with pytest.raises(UsageError, match=f"--set {name}={value}: .*{complaint}") as raised:
        override(server, original, {name: value})
    assert "\n" not in str(raised.value)
