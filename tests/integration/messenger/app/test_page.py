"""P2.2: a page of the list takes as many statements for 25 rows as for 5, and every way of reading it agrees.

Statements are counted twice: where they are sent, and by the server itself.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool
from tests.integration.messenger.conftest import ACCOUNT, ANN, CHAT, Office

from inboxbench.errors import UsageError
from inboxbench.messenger.app.message import MessageType
from inboxbench.messenger.app.page import (
    PREVIEW,
    READERS,
    LastMessage,
    Listing,
    Row,
    page_parameters,
    page_query,
    read_page,
)

WAYS = ["lateral", *READERS]
LISTED = Path(__file__).with_name("listed.sql")
LISTINGS = {
    "all": Listing(ACCOUNT),
    "mine": Listing(ACCOUNT, "mine", agent_id=ANN),
    "unassigned": Listing(ACCOUNT, "unassigned"),
    "one inbox": Listing(ACCOUNT, "mine", agent_id=ANN, inbox_id=CHAT, size=7),
    "resolved": Listing(ACCOUNT, status="resolved", size=100),
    "nothing": Listing(404),
}
# Other sessions' statements concern other databases; these are the rows' own.
CALLS = """
    SELECT coalesce(sum(calls), 0)::int FROM pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND query ~ 'FROM (conversations|contacts|inboxes|users|messages)' AND query !~ 'pg_stat_statements'
"""
Read = Callable[[str, Listing], tuple[list[Row], int]]


class CountingCursor(psycopg.Cursor[Any]):
    """Counts what is sent through it."""

    sent = 0

    def execute(self, *args: Any, **kwargs: Any) -> CountingCursor:
        CountingCursor.sent += 1
        super().execute(*args, **kwargs)
        return self


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """The statements that SQLAlchemy sends within the block."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
def read(office: Office) -> Iterator[Read]:
    """way, listing → rows, and statements sent for them by a session that knows nothing yet."""
    office.watch.execute(LISTED.read_bytes())
    office.execute("ANALYZE")
    engine = create_engine("postgresql+psycopg://", creator=office.database.connect, poolclass=NullPool)
    plain = office.session()
    plain.cursor_factory = CountingCursor

    def read(way: str, listing: Listing) -> tuple[list[Row], int]:
        if way == "lateral":
            before = CountingCursor.sent
            return read_page(plain, listing), CountingCursor.sent - before
        with counted(engine) as sent, Session(engine) as session:
            return READERS[way](session, listing), len(sent)

    yield read
    engine.dispose()


def sort_key(row: Row) -> tuple[Any, int]:
    return (row.last_activity_at, row.conversation_id)


def expected(office: Office, listing: Listing) -> list[Row]:
    """The rows put together in Python from the bare tables."""
    wanted = {"all": True, "mine": "assignee_id = %(agent)s", "unassigned": "assignee_id IS NULL"}[listing.tab]
    query = f"""
        SELECT id AS conversation_id, display_id, status, priority, last_activity_at, waiting_since,
               (SELECT name FROM contacts WHERE id = contact_id) AS contact_name,
               (SELECT name FROM inboxes WHERE id = inbox_id) AS inbox_name,
               (SELECT name FROM users WHERE id = assignee_id) AS assignee_name, agent_last_seen_at
        FROM conversations
        WHERE account_id = %(account)s AND status = %(status)s AND {wanted}
          AND inbox_id = coalesce(%(inbox)s, inbox_id)
    """
    with office.watch.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(query.encode(), page_parameters(listing)).fetchall()
    return sorted((_expected(office, **columns) for columns in found), key=sort_key, reverse=True)


def _expected(office: Office, *, agent_last_seen_at: dt.datetime | None, **shown: Any) -> Row:
    query = "SELECT created_at, id, message_type, body FROM messages WHERE conversation_id = %s"
    messages = office.rows(query, shown["conversation_id"])
    last = None
    if written := [message for message in messages if message[2] != MessageType.ACTIVITY]:
        at, id_, type_, body = max(written, key=lambda message: message[:2])
        last = LastMessage(id_, type_, at, body and body[:PREVIEW])
    seen = agent_last_seen_at or dt.datetime.min.replace(tzinfo=dt.UTC)
    unread = sum(type_ == MessageType.INCOMING and at > seen for at, _, type_, _ in messages)
    return Row(**shown, last_message=last, unread=unread)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", LISTINGS)
def test_every_way_gives_the_same_rows(office: Office, read: Read, way: str, name: str) -> None:
    listing = LISTINGS[name]
    rows, _ = read(way, listing)
    assert rows == expected(office, listing)[: listing.size]


def test_the_order_comes_from_the_statement(office: Office, read: Read) -> None:
    """And not a gift of the index that happens to be read: messages and conversations of one instant."""
    bare = office.session(enable_indexscan="off", enable_indexonlyscan="off", enable_bitmapscan="off")
    assert read_page(bare, LISTINGS["all"]) == expected(office, LISTINGS["all"])[:25]


def test_the_list_holds_what_it_is_to_tell_apart(office: Office, read: Read) -> None:
    """Otherwise agreement would prove nothing."""
    rows = expected(office, LISTINGS["all"])
    assert len(rows) > 100
    assert {row.assignee_name for row in rows} == {"Ann", "Bob", None}
    assert len({row.unread for row in rows}) > 2
    assert any(row.last_message is None for row in rows)
    assert any(row.last_message and row.last_message.preview is None for row in rows)
    assert any(row.last_message and len(row.last_message.preview or "") == PREVIEW for row in rows)
    assert len({row.last_activity_at for row in rows}) < len(rows)


@pytest.mark.parametrize("way", WAYS)
def test_pages_follow_each_other(office: Office, read: Read, way: str) -> None:
    """Keyset: the cursor passes through ties without losing or repeating a row."""
    seen: list[Row] = []
    after = None
    while rows := read(way, Listing(ACCOUNT, after=after, size=9))[0]:
        seen += rows
        after = rows[-1].cursor
    assert seen == expected(office, LISTINGS["all"])


@pytest.mark.parametrize(("way", "statements"), [("lateral", 1), ("joined", 1), ("selectin", 6)])
def test_statements_do_not_grow_with_the_page(read: Read, way: str, statements: int) -> None:
    assert [read(way, Listing(ACCOUNT, size=size))[1] for size in (5, 10, 25, 100)] == [statements] * 4


def test_lazy_loading_grows_with_the_page(read: Read) -> None:
    """One for the page, two for each row, one for each contact, inbox and assignee met for the first time."""
    for size in (5, 25):
        rows, statements = read("lazy", Listing(ACCOUNT, size=size))
        met = {name for row in rows for name in (row.contact_name, row.inbox_name, row.assignee_name) if name}
        assert statements == 1 + 2 * size + len(met)
    assert statements > 75


@pytest.mark.parametrize("way", WAYS)
def test_the_server_counts_the_same(office: Office, read: Read, way: str) -> None:
    preloaded = office.value("SHOW shared_preload_libraries")
    if "pg_stat_statements" not in preloaded:
        pytest.skip("this server does not load pg_stat_statements")
    office.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    read(way, Listing(ACCOUNT))  # what SQLAlchemy asks a new server once
    before = office.value(CALLS)
    _, statements = read(way, Listing(ACCOUNT))
    assert office.value(CALLS) - before == statements


def test_the_page_is_chosen_by_index_and_no_more_is_read(office: Office, read: Read) -> None:
    """C7 gives the order, so 25 rows are read for 25 shown; messages are reached by conversation."""
    listing = Listing(ACCOUNT)
    office.execute("SET enable_seqscan = off; SET enable_sort = off")  # the table is too small to need its indexes
    query = page_query(listing).as_string(office.watch)
    ((plan,),) = office.watch.execute(
        ("EXPLAIN (ANALYZE, FORMAT JSON) " + query).encode(), page_parameters(listing)
    ).fetchall()
    nodes = list(walk(plan[0]["Plan"]))
    (page,) = (node for node in nodes if node.get("Relation Name") == "conversations")
    assert page["Index Name"] == "conversations_account_status_activity_idx"
    assert page["Actual Rows"] < 30  # of more than 100 open ones; a few more than 25 because of ties
    messages = [node for node in nodes if node.get("Relation Name") == "messages"]
    assert len(messages) == 2
    assert all("conversation_id = " in node["Index Cond"] for node in messages)


def walk(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from walk(part)


def test_mine_needs_to_know_whose() -> None:
    with pytest.raises(UsageError, match="agent_id"):
        Listing(ACCOUNT, "mine")
