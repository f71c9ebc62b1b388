"""Plans, pages and statements as assertions: each passes on good code and tells a reader why on bad."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from inboxbench.database import Connection, connect, scratch_database
from inboxbench.errors import UsageError
from inboxbench.server import Server
from inboxbench.testing import PlanError, assert_buffers, assert_plan, assert_statements
from inboxbench.testing.statements import explain_rolled_back

LATEST = "SELECT * FROM note WHERE owner = %(owner)s ORDER BY written DESC LIMIT 20"


@pytest.fixture(scope="module")
def notes(server: Server) -> Iterator[str]:
    """50,000 notes of 500 owners, in random order; an index of owner and time."""
    with scratch_database(server, "notes") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute("""
                CREATE TABLE note AS SELECT n AS id, (n * 7919) % 500 AS owner, now() - n * interval '1 s' AS written,
                    repeat('x', 200) AS body FROM generate_series(1, 50000) AS n ORDER BY md5(n::text)
            """)
            connection.execute("CREATE INDEX note_latest_idx ON note (owner, written DESC)")
            connection.execute("CREATE TABLE owner AS SELECT n AS id FROM generate_series(0, 499) AS n")
            connection.execute("VACUUM ANALYZE note, owner")
        yield server.conninfo(name)


@pytest.fixture
def connection(notes: str) -> Iterator[Connection]:
    with connect(notes) as opened:
        yield opened


def test_a_good_plan_passes(connection: Connection) -> None:
    found = assert_plan(connection, LATEST, {"owner": 7}, uses="note_latest_idx", sorts=False)
    assert found.plan.rows == 20
    assert assert_buffers(connection, LATEST, {"owner": 7}, at_most=25).plan.buffers > 2


@pytest.mark.parametrize(
    ("query", "asked", "message"),
    [
        (LATEST.replace("owner =", "owner + 0 ="), {}, "scans all of note, about 50,000 rows"),
        (LATEST, {"uses": "note_owner_idx"}, "does not use note_owner_idx"),
        (LATEST.replace("written", "body"), {"sorts": False}, "the query sorts"),
        (LATEST, {"sorts": True}, "the query does not sort"),
    ],
)
def test_a_bad_plan_is_told(connection: Connection, query: str, asked: dict[str, object], message: str) -> None:
    with pytest.raises(PlanError, match=message) as caught:
        assert_plan(connection, query, {"owner": 7}, **asked)  # type: ignore[arg-type]
    assert "  plan   " in str(caught.value)


def test_a_small_table_may_be_scanned(connection: Connection) -> None:
    assert assert_plan(connection, "SELECT count(*) FROM owner").scanned == ("owner",)
    with pytest.raises(PlanError, match="scans all of owner"):
        assert_plan(connection, "SELECT count(*) FROM owner", scans_over=100)


def test_too_many_pages_are_told(connection: Connection) -> None:
    with pytest.raises(PlanError, match=r"touches \d,\d{3} pages, 100 are allowed"):
        assert_buffers(connection, "SELECT count(body) FROM note", at_most=100)


def test_writes_are_rolled_back(connection: Connection) -> None:
    explain_rolled_back(connection, "DELETE FROM owner")
    assert connection.execute("SELECT count(*) FROM owner").fetchone() == (500,)


def test_statements_of_psycopg(connection: Connection) -> None:
    with assert_statements(connection, at_most=1):
        connection.execute("SELECT 1")

    def one_each() -> None:
        with assert_statements(connection, at_most=2):
            for number in range(3):
                connection.execute("SELECT %s", (number,))

    with pytest.raises(PlanError, match=r"3 statements were sent, 2 are allowed\n +3 × SELECT %s"):
        one_each()
    assert connection.cursor_factory is psycopg.Cursor


def test_statements_and_plans_through_sqlalchemy(server: Server, notes: str) -> None:
    database = str(psycopg.conninfo.conninfo_to_dict(notes)["dbname"])
    engine = create_engine(server.url(database).replace("postgresql://", "postgresql+psycopg://"))
    with Session(engine) as session:
        assert_plan(session, LATEST, {"owner": 7}, uses="note_latest_idx")
        with assert_statements(session, at_most=1):
            owners = session.execute(text("SELECT id FROM owner LIMIT 5")).scalars().all()

        def one_each() -> None:
            with assert_statements(session, at_most=1):
                for owner in owners:
                    session.execute(text("SELECT count(*) FROM note WHERE owner = :owner"), {"owner": owner})

        with pytest.raises(PlanError, match="5 statements were sent"):
            one_each()
    with engine.connect() as connection:
        assert_buffers(connection, "SELECT 1", at_most=0)
    engine.dispose()


def test_another_driver_is_refused() -> None:
    with pytest.raises(UsageError, match="str is no connection of psycopg 3"):
        explain_rolled_back("postgresql://", "SELECT 1")
