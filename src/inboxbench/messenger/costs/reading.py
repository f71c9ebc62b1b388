"""Unread messages: counted when asked for, or kept in a column that every message and every look writes to."""

from __future__ import annotations

from inboxbench.database import Connection
from inboxbench.messenger.app.message import incoming
from inboxbench.messenger.app.page import unread_of_page
from inboxbench.messenger.app.posting import post
from inboxbench.messenger.costs.measure import CONVERSATIONS, CUSTOMER, Alternative, Rule, conversation_of

_COLUMN = """
    ALTER TABLE conversations ADD COLUMN unread int NOT NULL DEFAULT 0;
    UPDATE conversations SET unread = 10
"""
_PAGE = 25


def _arrive(connection: Connection, number: int) -> None:
    post(connection, incoming(conversation_of(number), CUSTOMER, f"question number {number}"))


def _arrive_and_count(connection: Connection, number: int) -> None:
    _arrive(connection, number)
    connection.execute("UPDATE conversations SET unread = unread + 1 WHERE id = %s", (conversation_of(number),))


def _arrive_and_recount(connection: Connection, number: int) -> None:
    _arrive(connection, number)
    connection.execute(
        "UPDATE conversations c SET unread = (SELECT count(*) FROM messages m WHERE m.conversation_id = c.id "
        "AND m.message_type = 0 AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')) WHERE c.id = %s",
        (conversation_of(number),),
    )


ARRIVAL = Rule(
    "unread-arrival",
    "a message arrives and is unread",
    "message",
    ("C6", "P2.3"),
    (
        Alternative("on-demand", "nothing is kept", _arrive, ours=True),
        Alternative("counter", "SET unread = unread + 1", _arrive_and_count, ("unread", "increment"), setup=_COLUMN),
        Alternative("recount", "SET unread = (SELECT count(*) …)", _arrive_and_recount, setup=_COLUMN),
    ),
)


def _page(number: int) -> list[int]:
    first = number * _PAGE % CONVERSATIONS
    return list(range(first + 1, first + 1 + _PAGE))


def _count_page(connection: Connection, number: int) -> None:
    unread_of_page(connection, _page(number))


def _read_page(connection: Connection, number: int) -> None:
    connection.execute("SELECT id, unread FROM conversations WHERE id = ANY (%s)", (_page(number),)).fetchall()


PAGE = Rule(
    "unread-page",
    "a page of 25 conversations shows how many messages are unread (10 each)",
    "page",
    ("P2.3",),
    (
        Alternative("on-demand", "count(*) over an index, for the whole page", _count_page, ours=True),
        Alternative("counter", "the column", _read_page, setup=_COLUMN),
    ),
)


def _look(connection: Connection, number: int) -> None:
    connection.execute(
        "UPDATE conversations SET agent_last_seen_at = clock_timestamp() WHERE id = %s", (conversation_of(number),)
    )


def _look_and_clear(connection: Connection, number: int) -> None:
    connection.execute(
        "UPDATE conversations SET agent_last_seen_at = clock_timestamp(), unread = 0 WHERE id = %s",
        (conversation_of(number),),
    )


LOOK = Rule(
    "unread-look",
    "an agent opens a conversation: nothing is unread any more",
    "look",
    ("C6",),
    (
        Alternative("on-demand", "the time of the look is written", _look, ours=True),
        Alternative("counter", "and the column set to 0", _look_and_clear, ("unread", "mark-then-zero"), setup=_COLUMN),
    ),
)
