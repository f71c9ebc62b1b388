"""A5: a message and all that follows from it, in the caller's transaction.

The row is inserted once however often it is sent (M1, M6), refused when the conversation is flooded (M8, P1.1) or
the body too long (M7, P1.3), moves the conversation's clocks (C3, C5, C7), reopens a conversation that was put away,
and is announced on commit. The clocks are moved by the trigger of the schema or, for comparison, by
the application (`move_clocks`).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal

from psycopg import sql
from psycopg.types.json import Jsonb

from inboxbench.database import Connection
from inboxbench.messenger.app.activity import record
from inboxbench.messenger.app.lifecycle import status_changed
from inboxbench.messenger.app.message import NOTIFY, MessageType, NewMessage, NoSuchConversation, refusals
from inboxbench.sqlfile import read_sections

_SQL = read_sections(__file__)

TRIGGER = "messages_conversation_clocks"  # on messages; a benchmark disables it by this name


def move_clocks(connection: Connection, message: NewMessage, at: dt.datetime) -> None:
    """Do for a message stored at `at` what the trigger does for every row."""
    connection.execute(
        _SQL["move"],
        {
            "id": message.conversation_id,
            "at": at,
            "asks": message.asks,
            "answers": message.answers,
            "human": message.is_human_reply,
        },
    )


Clocks = Literal["trigger", "application"]


@dataclass(frozen=True, slots=True)
class Posted:
    """The message as it stands. stored: this call wrote it; else an earlier one did, and nothing was changed.

    conversation_id: of the message that stands, which for a source_id may be another one of the same inbox.
    """

    id: int
    conversation_id: int
    created_at: dt.datetime
    stored: bool
    reopened: bool = False


# The trigger would take this lock too, but before it looks for duplicates it counts: a retry that waited for the
# first send would be refused as flood although its message is stored. The lock is a statement of its own because
# only a later statement's snapshot shows what the lock's previous holder has committed.
_LOCK = "SELECT id FROM conversations WHERE id = %s FOR NO KEY UPDATE"

_THERE = sql.SQL(_SQL["there"])

_INSERT = sql.SQL(_SQL["insert"]).format(there=_THERE, notify=NOTIFY)


def post(connection: Connection, message: NewMessage, *, clocks: Clocks = "trigger") -> Posted:
    """Store `message` with what follows from it; a second delivery returns the row that is there.

    clocks: "application" moves the clocks from here, for a database whose trigger is disabled (see `clocks`).
    Raises NoSuchConversation, TooManyMessages, MessageTooLong; after the last two only a rollback is possible.
    """
    if connection.execute(_LOCK, (message.conversation_id,)).fetchone() is None:
        raise NoSuchConversation(message.conversation_id)
    posted = _store(connection, message)
    if not posted.stored:
        return posted
    if clocks == "application":
        move_clocks(connection, message, posted.created_at)
    if message.type is MessageType.INCOMING and _reopen(connection, message):
        return Posted(posted.id, posted.conversation_id, posted.created_at, stored=True, reopened=True)
    return posted


def _store(connection: Connection, message: NewMessage) -> Posted:
    """Insert, or find what made the insert do nothing; again, if that has just been deleted."""
    parameters = _parameters(message)
    while True:
        with refusals(message.conversation_id, message.body):
            row = connection.execute(_INSERT, parameters).fetchone()
        if row is not None:
            return Posted(row[0], row[1], row[2], row[3])
        row = connection.execute(_THERE, parameters).fetchone()
        if row is not None:
            return Posted(row[0], row[1], row[2], stored=False)


def _parameters(message: NewMessage) -> dict[str, Any]:
    return {
        "conversation": message.conversation_id,
        "sender_type": message.sender.kind,
        "sender": message.sender.id,
        "direction": "incoming" if message.type is MessageType.INCOMING else "outgoing",
        "type": message.type,
        "private": message.private,
        "content_type": message.content_type,
        "attributes": Jsonb(dict(message.content_attributes)),
        "body": message.body,
        "echo": message.echo_id,
        "source": message.source_id,
        "at": message.created_at,
    }


def _reopen(connection: Connection, message: NewMessage) -> bool:
    row = connection.execute(_SQL["reopen"], (message.conversation_id,)).fetchone()
    if row is None or row[1]:
        return False
    record(connection, [message.conversation_id], status_changed(row[0], "open", message.sender))
    return True
