"""The messenger's application as it was before the migration: it knows the baseline's columns and no other.

It runs on while revisions are applied, which is what "online" has to survive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from inboxbench.database import Connection
from inboxbench.errors import UsageError
from inboxbench.migrate.traffic import TrafficClass

_SAMPLED = 2000
_BODIES = ("Где мой заказ?", "It has not arrived yet.", "Спасибо, всё хорошо!", "Could you call me back?")

_CONVERSATIONS = """
    SELECT DISTINCT c.id, c.account_id, c.inbox_id, c.contact_id,
           (SELECT min(u.id) FROM users u WHERE u.account_id = c.account_id) AS agent
    FROM unnest(%s::bigint[]) AS guess (id)
    CROSS JOIN LATERAL (SELECT * FROM conversations WHERE id >= guess.id ORDER BY id LIMIT 1) c
    ORDER BY c.id
"""
_INSERT_MESSAGE = """
    INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, body)
    VALUES (%(account)s, %(inbox)s, %(conversation)s, %(sender_type)s, %(sender)s, %(direction)s, %(body)s)
"""
_OPEN_CONVERSATION = """
    INSERT INTO conversations (account_id, inbox_id, contact_id) VALUES (%(account)s, %(inbox)s, %(contact)s)
"""
_ASSIGN = """
    UPDATE conversations SET assignee_id = %(agent)s, assignee_assigned_at = now(), updated_at = now()
    WHERE id = %(conversation)s
"""
_READ_MESSAGES = """
    UPDATE messages SET read_at = now()
    WHERE conversation_id = %(conversation)s AND direction = 'incoming' AND read_at IS NULL
"""
_READ_CONVERSATION = """
    UPDATE conversations SET assignee_last_read_at = now() WHERE id = %(conversation)s
"""
_LIST = """
    SELECT id, status, assignee_id, contact_id, created_at FROM conversations
    WHERE inbox_id = %(inbox)s AND status = 'open' ORDER BY created_at DESC LIMIT 25
"""
_LATEST = """
    SELECT id, sender_type, sender_id, direction, body, read_at, created_at FROM messages
    WHERE conversation_id = %(conversation)s ORDER BY created_at DESC, id DESC LIMIT 20
"""
_SEARCH = """
    SELECT id, body, created_at FROM messages
    WHERE conversation_id = %(conversation)s AND body ILIKE '%%' || %(word)s || '%%' ORDER BY id DESC LIMIT 20
"""
_WORDS = ("order", "заказ", "refund", "спасибо")


@dataclass(frozen=True, slots=True)
class _Conversation:
    id: int
    account_id: int
    inbox_id: int
    contact_id: int
    agent: int | None


def old_code(connection: Connection) -> list[TrafficClass]:
    """The application's requests over conversations drawn from the database. Raises UsageError when it is empty."""
    known = _draw_conversations(connection)

    def draw(random: Random) -> Mapping[str, Any]:
        return _parameters(random, known)

    return [
        TrafficClass("insert message", "write", 40, (_INSERT_MESSAGE,), draw),
        TrafficClass("open conversation", "write", 10, (_OPEN_CONVERSATION,), draw),
        TrafficClass("assign conversation", "write", 10, (_ASSIGN,), draw),
        TrafficClass("mark messages read", "write", 5, (_READ_CONVERSATION, _READ_MESSAGES), draw),
        TrafficClass("list an inbox", "read", 5, (_LIST,), draw),
        TrafficClass("latest 20 messages", "read", 20, (_LATEST,), draw),
        TrafficClass("search a conversation", "read", 5, (_SEARCH,), draw),
    ]


def _draw_conversations(connection: Connection) -> Sequence[_Conversation]:
    """Up to 2000, evenly over the ids: a large account is met as often as it is large."""
    row = connection.execute("SELECT min(id), max(id) FROM conversations").fetchone()
    if row is None or row[0] is None:
        raise UsageError("the database holds no conversations, so there is no traffic to run; seed it first")
    random = Random(1)
    guesses = [random.randint(row[0], row[1]) for _ in range(_SAMPLED)]
    return [_Conversation(*found) for found in connection.execute(_CONVERSATIONS, (guesses,))]


def _parameters(random: Random, known: Sequence[_Conversation]) -> Mapping[str, Any]:
    one = random.choice(known)
    answers = random.random() < 0.4
    return {
        "conversation": one.id,
        "account": one.account_id,
        "inbox": one.inbox_id,
        "contact": one.contact_id,
        "agent": one.agent,
        "sender_type": "user" if answers else "contact",
        "sender": one.agent if answers else one.contact_id,
        "direction": "outgoing" if answers else "incoming",
        "body": random.choice(_BODIES),
        "word": random.choice(_WORDS),
    }
