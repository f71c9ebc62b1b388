"""One schema read from a database, from its dump, from a file: the same, whichever way it comes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import Database
from tests.integration.schema.conftest import TRICKY, Compare

from inboxbench.database import connect, scratch_database
from inboxbench.errors import UsageError
from inboxbench.project import Project
from inboxbench.schema.model import Index, Schema
from inboxbench.schema.sources import read_side
from inboxbench.server import Server, open_server

Write = Callable[[str, str], Path]
DEBIAN = Path("/usr/lib/postgresql")


def url(database: Database) -> str:
    return database.server.url(database.name)


def dump(server: Server, database: str, *options: str) -> str:
    command = [str(server.program("pg_dump")), *options, f"--dbname={server.url(database)}"]
    return str(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def index(schema: Schema, table: str, name: str) -> Index:
    tables = {found.name: found for found in schema.tables}
    return next(found for found in tables[table].indexes if found.name == name)


@pytest.mark.parametrize("options", [("--schema-only",), ("--schema-only", "--clean", "--if-exists", "--create"), ()])
def test_a_dump_is_the_database_it_came_from(
    database: Database, compare: Compare, written: Write, options: tuple[str, ...]
) -> None:
    with database.connect() as connection:
        connection.execute(TRICKY.encode())
        connection.execute("INSERT INTO parent VALUES (1, 2)")  # rows of a dump that is not of the schema alone
    result = compare(url(database), written("dump.sql", dump(database.server, database.name, *options)))
    assert not result.differs, [part for table in result.tables for part in table.parts if part.state != "same"]
    assert result.remarks == []
    assert len(result.tables) == 6


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="no PostgreSQL of Debian on this machine")
def test_a_dump_of_an_older_server_is_the_same(database: Database, compare: Compare, written: Write) -> None:
    with database.connect() as connection:
        connection.execute(TRICKY.encode())
    older = sorted(DEBIAN.glob("*/bin"))[0]
    with open_server(f"bin:{older}") as server, scratch_database(server, "older") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(TRICKY.encode())
        text = dump(server, name, "--schema-only")
    result = compare(url(database), written("older.sql", text))
    assert not result.differs
    assert len(result.tables) == 6


def test_the_file_itself_is_the_same(database: Database, compare: Compare, written: Write) -> None:
    with database.connect() as connection:
        connection.execute(TRICKY.encode())
    assert not compare(url(database), written("tricky.sql", TRICKY)).differs


def test_what_is_read_of_each_kind(server: Server, project: Project, written: Write) -> None:
    schema = read_side(server, str(written("tricky.sql", TRICKY)), project)
    tables = {table.name: table for table in schema.tables}
    assert sorted(tables) == ["Order Items", "child", "events", "parent", "totals", "weird; name"]
    columns = {column.name: column.text for column in tables["Order Items"].columns}
    assert columns["Id"] == "bigint NOT NULL DEFAULT identity (always)"
    assert columns["mood"] == """"Mood"[] DEFAULT '{sad}'::"Mood"[]"""
    assert columns["code"] == "integer NOT NULL DEFAULT sequence"
    assert columns["name"] == 'text COLLATE "C"'
    assert columns["total"].startswith("numeric(10,2) GENERATED ALWAYS AS (price::numeric * 2::numeric) STORED")
    assert tables["events"].partitioned == "RANGE (day)"
    assert index(schema, "events", "events_day").text == "(day DESC NULLS LAST, id) INCLUDE (item)"
    assert index(schema, "Order Items", "siglen").text == "gist (name gist_trgm_ops (siglen=32))"
    assert index(schema, "Order Items", "collated").text == '(name COLLATE "POSIX")'
    overlap = index(schema, "Order Items", "no overlap").text
    assert overlap == "EXCLUSION gist (code WITH =, span WITH &&) WHERE code > 0 DEFERRABLE INITIALLY DEFERRED"
    assert [constraint.text for constraint in tables["events"].constraints] == [
        'FOREIGN KEY (item) REFERENCES app."Order Items" ("Id") ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED'
    ]
    assert tables["child"].constraints[0].text == "CHECK (c < 10) NOT VALID"
    assert [(kind.shown, kind.kind) for kind in schema.types] == [
        ("app.Mood", "enum"),
        ("app.amount", "domain"),
        ("point3", "composite"),
    ]


def test_what_psql_alone_understands_and_rows_are_passed_over(compare: Compare, written: Write) -> None:
    text = "\n".join([
        r"\restrict abc123",
        "SET transaction_timeout = 0;",
        "CREATE ROLE somebody;",
        "CREATE TABLE t (id int, name text);",
        "ALTER TABLE t OWNER TO nobody_here;",
        "GRANT ALL ON t TO nobody_here;",
        "COPY public.t (id, name) FROM stdin;",
        "1\tit's; \"a\" $$ row",
        r"\.",
        "",
        "CREATE INDEX CONCURRENTLY i ON t (name);",
        r"\unrestrict abc123",
    ])  # fmt: skip
    plain = written("plain.sql", "CREATE TABLE t (id int, name text); CREATE INDEX i ON t (name);")
    result = compare(written("dump.sql", text), plain)
    assert (result.differs, result.remarks) == (False, [])


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.sql", "CREATE TABLE t (id int);\n\nCREATE INDEX ON t (nme);", r'a\.sql:3: .*column "nme" does not exist'),
        ("a.sql", "CREATE TABLE t (id int;", r"a\.sql:1: cannot be read as SQL: syntax error"),
        ("a.sql", "CREATE TABLE t (\n a int,\n b nonsense);", r'a\.sql:3: .*type "nonsense" does not exist'),
        (
            "a.sql",
            "CREATE TABLE t (id int);\n\nCREATE TABEL u (id int);\nSELECT 1;",
            r"a\.sql:3: cannot be read as SQL",
        ),
        ("a.sql", "CREATE TABLE t (id int);\nSELECT 'x", r"a\.sql:2: cannot be read as SQL"),
        ("a.sql", "SELECT 1;", r"a\.sql: makes no table"),
        ("a.rb", "puts 1", r"a\.rb: has no ActiveRecord::Schema"),
        ("a.rb", "ActiveRecord::Schema.define do\n  create_table(\nend", r"a\.rb:\d+: is no Ruby"),
        ("a.toml", "[tables.t.columns]\nid = { typ = 'x' }", r"a\.toml \[tables\.t\] columns\.id: unknown key 'typ'"),
        ("a.toml", "[tables.t]\n", r"a\.toml \[tables\.t\] columns: missing"),
        ("a.txt", "", r"a\.txt: is neither \.rb, \.sql nor \.toml"),
    ],
)
def test_a_wrong_file_is_one_line_with_its_place(
    server: Server, project: Project, written: Write, *, name: str, text: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        read_side(server, str(written(name, text)), project)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("side", "said"),
    [
        ("chatwot", "did you mean 'chatwoot'"),
        ("missing.sql", "there is no such file"),
        ("json:nothing", "json has no nothing"),
        ("no_such_module:Base.metadata", "cannot import no_such_module"),
        ("postgres:s3cret", r"^a side as MODULE:ATTRIBUTE: cannot import postgres: No module named 'postgres'$"),
        ("json:dumps", "is no sqlalchemy.MetaData"),
        ("postgresql://u:p@h/@x/y", "malformed"),
    ],
)
def test_what_is_no_side_is_said(server: Server, project: Project, side: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_side(server, side, project)


METADATA = """
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.orm import DeclarativeBase

class Base(DeclarativeBase):
    metadata = sa.MetaData()

class Order(Base):
    __tablename__ = "orders"
    __table_args__ = (
        sa.Index("ix_lower", sa.text("lower(note) DESC NULLS LAST"), postgresql_where=sa.text("note LIKE '100%'")),
        sa.Index("ix_note", "note", postgresql_using="gin", postgresql_ops={"note": "gin_trgm_ops"}),
        sa.CheckConstraint("total % 2 = 0", name="even"),
        {"schema": "shop"},
    )
    id = sa.Column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    note = sa.Column(sa.Text, nullable=False, server_default="50% off")
    total = sa.Column(sa.Integer)
    mood = sa.Column(pg.ENUM("sad", "ok", name="mood"))
"""
SAME = """
CREATE SCHEMA shop; CREATE EXTENSION pg_trgm; CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE shop.orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text NOT NULL DEFAULT '50% off',
    total int CONSTRAINT even CHECK (total % 2 = 0), mood mood
);
CREATE INDEX ix_lower ON shop.orders (lower(note) DESC NULLS LAST) WHERE note LIKE '100%';
CREATE INDEX ix_note ON shop.orders USING gin (note gin_trgm_ops);
"""


def test_metadata_is_what_it_makes(
    compare: Compare, written: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written("models_of_a_shop.py", METADATA)
    monkeypatch.chdir(tmp_path)
    try:
        result = compare("models_of_a_shop:Base.metadata", written("same.sql", SAME))
    finally:
        sys.modules.pop("models_of_a_shop", None)
        sys.path.remove(str(tmp_path))
    assert not result.differs, result


def test_what_needs_an_extension_that_is_not_there_is_left_out_and_said(compare: Compare, written: Write) -> None:
    lacking = "CREATE EXTENSION nosuch;\nCREATE TABLE t (id int);\nCREATE TABLE u (x nosuch);\nCREATE INDEX ON u (x);"
    result = compare(written("a.sql", lacking), written("b.sql", "CREATE TABLE t (id int); CREATE TABLE u (x int);"))
    assert not result.differs  # u is not said to be lacking: it could not be read
    assert len(result.remarks) == 1
    assert "a.sql:3:" in result.remarks[0]
    assert "lacks the extension nosuch" in result.remarks[0]


def test_a_database_is_only_read(database: Database, compare: Compare) -> None:
    with database.connect() as connection:
        connection.execute("CREATE TABLE t (id int)")
        before = connection.execute("SELECT pg_current_xact_id_if_assigned(), count(*) FROM pg_class").fetchone()
        compare(url(database), url(database))
        assert (
            connection.execute("SELECT pg_current_xact_id_if_assigned(), count(*) FROM pg_class").fetchone() == before
        )
