"""What is half done after a run is said, whether it was so before or not, and wherever the copy comes from."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from inboxbench.database import connect, scratch_database
from inboxbench.dryrun.more import Unfinished
from inboxbench.dryrun.source import Source, copy_of
from inboxbench.dryrun.unfinished import compared, read_unfinished, unfinished_notes
from inboxbench.project import Project
from inboxbench.server import Server

SETUP = """
    CREATE TABLE people (id int, email text, age int);
    INSERT INTO people SELECT n, 'p' || n % 50, n FROM generate_series(1, 100) n;
    ALTER TABLE people ADD CONSTRAINT age_ok CHECK (age > 50) NOT VALID;
    CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
    CREATE TRIGGER stamp BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION nothing();
    ALTER TABLE people DISABLE TRIGGER stamp;
    CREATE TABLE events (at date) PARTITION BY RANGE (at);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE INDEX events_at ON ONLY events (at);
    CREATE INDEX people_age ON people (age);
    UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'people_age'::regclass;
"""
INDEXES = {"public.Mail of people", "public.people_age", "public.events_at"}


@pytest.fixture
def shop(server: Server) -> Iterator[str]:
    if not server.owned or server.kind == "container":
        pytest.skip("a dry run works on a server of our own on this machine")
    with scratch_database(server, "dryrun") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(SETUP)
            with pytest.raises(psycopg.errors.UniqueViolation):
                connection.execute('CREATE UNIQUE INDEX CONCURRENTLY "Mail of people" ON people (email)')
        yield name


def test_every_kind_is_seen(server: Server, shop: str) -> None:
    seen = read_unfinished(server, shop)
    assert {item.name for item in seen if item.index} == INDEXES
    assert {(item.kind, item.name, item.table) for item in seen if not item.index} == {
        ("constraint", "age_ok", "people"), ("trigger", "stamp", "people"),
    }  # fmt: skip
    assert {item.what for item in seen if item.name == "public.events_at"} == {
        "is invalid: not each partition has an index attached to it"
    }


def test_a_copy_from_a_url_has_the_invalid_indexes_that_a_dump_leaves_out(
    server: Server, shop: str, project: Project
) -> None:
    with copy_of(server, Source(server.url(shop)), project) as copy:
        assert {item.name for item in read_unfinished(server, copy.name) if item.index} == INDEXES
        assert [remark.split(",")[0] for remark in copy.remarks] == ["invalid at the source"]


def test_what_was_so_before_is_said_to_have_been() -> None:
    old, new = Unfinished("constraint", "old", "t", "is not validated"), Unfinished("trigger", "t1", "t", "is disabled")
    index = Unfinished("index", "public.i", "t", "is invalid")
    gone = Unfinished("rule", "gone", "t", "is disabled")
    assert unfinished_notes(compared([old, gone], [old, new, index])) == (
        "constraint old of t is not validated, as it was before the run",
        "trigger t1 of t is disabled",
    )
