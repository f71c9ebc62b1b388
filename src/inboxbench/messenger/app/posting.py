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

TRIGGER = "messages_conversation_clocks"  # on messages; a benchmark disables it by this name

# Computed from the row as it is now, in one statement: had the old values been read first, two writers could take
# each other's back.
_MOVE = """
    UPDATE conversations SET
        last_activity_at = greatest(last_activity_at, %(at)s),
        waiting_since = CASE
            WHEN %(asks)s THEN coalesce(waiting_since, %(at)s)
            WHEN NOT %(answers)s THEN waiting_since
        END,
        first_reply_created_at = CASE
            WHEN %(human)s THEN coalesce(first_reply_created_at, %(at)s)
            ELSE first_reply_created_at
        END
    WHERE id = %(id)s
"""


def move_clocks(connection: Connection, message: NewMessage, at: dt.datetime) -> None:
    """Do for a message stored at `at` what the trigger does for every row."""
    connection.execute(
        _MOVE,
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

_THERE = sql.SQL("""
    SELECT m.id, m.conversation_id, m.created_at FROM messages m
    WHERE m.conversation_id = %(conversation)s AND m.echo_id = %(echo)s
    UNION ALL
    SELECT m.id, m.conversation_id, m.created_at FROM messages m
    WHERE m.inbox_id = (SELECT inbox_id FROM conversations WHERE id = %(conversation)s) AND m.source_id = %(source)s
    LIMIT 1
""")

# clock_timestamp() and not now(), which is when the transaction began: read under the lock, it puts the messages of a
# conversation in the order in which they were taken. With now() a question that had waited for the lock would be
# older than the reply it waited for, and its customer would wait since before an answer that did not answer them.
_INSERT = sql.SQL("""
    WITH there AS MATERIALIZED ({there}), m AS (
        INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type,
                              private, content_type, content_attributes, body, echo_id, source_id, created_at)
        SELECT c.account_id, c.inbox_id, c.id, %(sender_type)s, %(sender)s, %(direction)s, %(type)s,
               %(private)s, %(content_type)s, %(attributes)s, %(body)s, %(echo)s, %(source)s,
               coalesce(%(at)s, clock_timestamp())
        FROM conversations c WHERE c.id = %(conversation)s AND NOT EXISTS (SELECT FROM there)
        ON CONFLICT DO NOTHING
        RETURNING *
    )
    SELECT id, conversation_id, created_at, false, NULL FROM there
    UNION ALL
    SELECT m.id, m.conversation_id, m.created_at, true, ({notify})::text FROM m
""").format(there=_THERE, notify=NOTIFY)

# A blocked contact reopens nothing, and in a resolved conversation nobody waits. Contacts are read after the lock:
# a mute that held it has committed by now.
_REOPEN = """
    WITH old AS MATERIALIZED (
        SELECT c.id, c.status, k.blocked FROM conversations c JOIN contacts k ON k.id = c.contact_id
        WHERE c.id = %s AND c.status IN ('resolved', 'snoozed')
    )
    UPDATE conversations c SET
        status = CASE WHEN old.blocked THEN c.status ELSE 'open' END,
        waiting_since = CASE WHEN old.blocked AND old.status = 'resolved' THEN NULL ELSE c.waiting_since END,
        updated_at = now()
    FROM old WHERE c.id = old.id
    RETURNING old.status, old.blocked
"""


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
    row = connection.execute(_REOPEN, (message.conversation_id,)).fetchone()
    if row is None or row[1]:
        return False
    record(connection, [message.conversation_id], status_changed(row[0], "open", message.sender))
    return True
