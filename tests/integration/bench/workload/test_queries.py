"""Values of parameters of any type; and a locale without letters beyond ASCII, which only some queries mind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inboxbench.bench.execute.overhead import as_text
from inboxbench.bench.execute.pgbench import pgbench_literal
from inboxbench.bench.execute.session import prepared
from inboxbench.bench.workload.queries import GIVEN, Case, given_values, locale_remark
from inboxbench.cli.bench.source import Source, opened_database
from inboxbench.cli.options import Session
from inboxbench.config import Settings
from inboxbench.database import connect, create_database, drop_database
from inboxbench.database_marks import database_name
from inboxbench.project import Project
from inboxbench.server import Server, open_server
from inboxbench.sqlfile import parse_query, read_queries

ORDERS = (
    "-- title: Orders of a customer\nSELECT id FROM orders WHERE customer_id = 7 AND 3 % 2 = 1 -- ILIKE is not used\n"
)


@pytest.fixture(scope="module")
def c_server() -> Iterator[Server]:
    """A server of ours whose cluster was made with --locale=C."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inboxbench.server.cluster._locale_arguments", lambda _: ["--encoding=UTF8", "--locale=C"])
        with open_server("embedded") as opened:
            yield opened


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    (tmp_path / "bench" / "queries").mkdir(parents=True)
    (tmp_path / "schema").mkdir()
    (tmp_path / "bench" / "queries" / "orders.sql").write_text(ORDERS, encoding="utf-8")
    return Project(tmp_path)


@pytest.mark.parametrize("c_locale", [True, False])
def test_the_messenger_is_warned_with_its_queries_and_a_shop_is_not(
    c_server: Server, project: Project, shop: Project, capsys: pytest.CaptureFixture[str], *, c_locale: bool
) -> None:
    name = database_name("letters")
    create_database(c_server, name, c_locale=c_locale)
    source = Source(name, "tiny", 1, allow_foreign=False)
    said = {}
    for who in (project, shop):
        with opened_database(Session(Settings(), who), c_server, source):
            said[who] = " ".join(capsys.readouterr().err.split())
    drop_database(c_server, name)
    assert said[shop] == ""
    if c_locale:
        assert f"the locale of database '{name}' knows the letters of ASCII alone" in said[project]
        assert (
            "for search_contact, search_conversation, search_substring; make it with LOCALE 'C.UTF-8'" in said[project]
        )
    else:
        assert said[project] == ""


def test_its_own_databases_are_warned_of_as_well(c_server: Server, project: Project) -> None:
    """The maintenance database of such a server has its locale."""
    with connect(c_server.conninfo()) as connection:
        remark = locale_remark(connection, read_queries(project.queries))
    assert remark is not None
    assert remark.startswith("the locale of database 'postgres' knows the letters of ASCII alone")


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("jsonb", "'{\"k\": [1, null]}'", '{"k": [1, null]}'),
        ("json", "'\"word\"'", '"word"'),
        ("jsonb[]", "array['[1]'::jsonb]", "{[1]}"),
        ('"Mixed Mode"', "'on call'", "on call"),
        ('app."Mixed Mode"[]', "'{\"on call\",off}'", '{"on call",off}'),
        ("app.positive", "5", "5"),
        ("app.document", "'{}'", "{}"),
        ("numeric(4,1)", "1.25", "1.3"),
        ("varchar(2)", "'abc'", "ab"),
        ("timestamptz(0)", "'2026-01-01 10:00:00.4+00'", "2026-01-01 10:00:00+00"),
        ("interval", "'1 month'", "1 mon"),
        ("date", "'infinity'", "infinity"),
        ("int4range", "'[1,5)'", "[1,5)"),
        ("datemultirange", "'{[2026-01-01,2026-02-01)}'", "{[2026-01-01,2026-02-01)}"),
        ("int[][]", "'{{1,2},{3,4}}'", "{{1,2},{3,4}}"),
        ("bytea", r"'\x00ff'", r"\x00ff"),
        ("inet", "'10.0.0.0/8'", "10.0.0.0/8"),
        ("app.pair", "row(1, 'a b')", '(1,"a b")'),
    ],
)
def test_a_value_of_any_type_arrives_as_it_was_said(
    server: Server, database: str, kind: str, value: str, text: str
) -> None:
    query = parse_query(Path("q.sql"), f"-- params: a {kind} = {value}\nSELECT :a::text", strict=False)
    with connect(server.conninfo(database), autocommit=True) as connection:
        connection.execute("SET search_path = public, app")
        connection.execute("SET timezone = 'UTC'")
        case = Case(query, GIVEN, given_values(connection, query))
        with prepared(connection, case) as execute:
            assert connection.execute(execute).fetchall() == [(text,)]
        literal = pgbench_literal(as_text(connection, list(case.values.values()))[0].decode(), kind)
        assert connection.execute(f"SELECT {literal}::text".encode()).fetchall() == [(text,)]


@pytest.fixture(scope="module")
def database(server: Server) -> Iterator[str]:
    name = database_name("types")
    create_database(server, name)
    with connect(server.conninfo(name), autocommit=True) as connection:
        connection.execute(
            "CREATE SCHEMA app CREATE TABLE pair (a int, b text);"
            "CREATE TYPE app.\"Mixed Mode\" AS ENUM ('on call', 'off');"
            "CREATE DOMAIN app.positive AS int CHECK (value > 0); CREATE DOMAIN app.document AS jsonb"
        )
    yield name
    drop_database(server, name)
