"""A message on its way into the database, who sends it, and the notice (LISTEN/NOTIFY) that announces it on commit.

`refusals` turns what the server refuses (flood, length, an unknown conversation) into errors that a caller can name.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal, LiteralString

import psycopg
from psycopg import sql

from inboxbench.database import Connection
from inboxbench.errors import InboxbenchError, UsageError

SenderType = Literal["contact", "user", "bot"]


class MessageType(IntEnum):
    """messages.message_type (M9a). An activity line tells what was done to the conversation, not what was said."""

    INCOMING = 0
    OUTGOING = 1
    ACTIVITY = 2
    TEMPLATE = 3


class ContentType(IntEnum):
    """messages.content_type (M9b): Chatwoot's numbers. ATTACHMENT, for which it has none, is far from those to come."""

    TEXT = 0
    INPUT_SELECT = 4
    CARDS = 5
    FORM = 6
    ARTICLE = 7
    INPUT_CSAT = 9
    STICKER = 11
    ATTACHMENT = 100


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a contact, a user by id, or an automation (bot), which may have none."""

    kind: SenderType
    id: int | None = None


SYSTEM = Actor("bot")


@dataclass(frozen=True, slots=True)
class NewMessage:
    """Holds what a sender supplies; account and inbox are those of the conversation.

    echo_id (M1): the client's own key of this send, one message per conversation. source_id (M6): the key in the
    outside system, one message per inbox. created_at: only for what happened earlier; None is the
    server's clock when the conversation is locked.
    """

    conversation_id: int
    sender: Actor
    body: str | None
    type: MessageType
    private: bool = False
    content_type: ContentType = ContentType.TEXT
    content_attributes: Mapping[str, Any] = field(default_factory=dict)
    echo_id: str | None = None
    source_id: str | None = None
    created_at: dt.datetime | None = None

    @property
    def asks(self) -> bool:
        """C3: it starts the customer's wait."""
        return self.sender.kind == "contact" and self.type is MessageType.INCOMING and not self.private

    @property
    def answers(self) -> bool:
        """C3: it ends the wait. What an automation rule sent answers nobody, whoever it was sent as."""
        replies = self.sender.kind in ("user", "bot") and self.type is MessageType.OUTGOING
        return replies and not self.private and "automation_rule_id" not in self.content_attributes

    @property
    def is_human_reply(self) -> bool:
        """C5: the first of these is the first reply."""
        return self.answers and self.sender.kind == "user"


def incoming(
    conversation_id: int,
    contact_id: int,
    body: str | None,
    *,
    echo_id: str | None = None,
    source_id: str | None = None,
    created_at: dt.datetime | None = None,
) -> NewMessage:
    """Return a customer's message."""
    sender = Actor("contact", contact_id)
    return NewMessage(
        conversation_id,
        sender,
        body,
        MessageType.INCOMING,
        echo_id=echo_id,
        source_id=source_id,
        created_at=created_at,
    )


def reply(
    conversation_id: int,
    user_id: int,
    body: str | None,
    *,
    echo_id: str | None = None,
    created_at: dt.datetime | None = None,
) -> NewMessage:
    """Return an operator's public answer."""
    sender = Actor("user", user_id)
    return NewMessage(conversation_id, sender, body, MessageType.OUTGOING, echo_id=echo_id, created_at=created_at)


def note(conversation_id: int, user_id: int, body: str) -> NewMessage:
    """Return a private note, for colleagues only."""
    return NewMessage(conversation_id, Actor("user", user_id), body, MessageType.OUTGOING, private=True)


_CHANNEL: LiteralString = "inboxbench_account_"

# For a query with a message `m`: what listeners need to decide whether to fetch it. Far below the 8,000 bytes allowed.
NOTIFY = sql.SQL("""
    pg_notify({channel} || m.account_id, jsonb_build_object(
        'conversation', m.conversation_id, 'message', m.id, 'inbox', m.inbox_id, 'type', m.message_type)::text)
""").format(channel=sql.Literal(_CHANNEL))


@dataclass(frozen=True, slots=True)
class Notice:
    """A message as announced; fetch it by `message`, whose type is that of messages.message_type."""

    conversation: int
    message: int
    inbox: int
    type: int


def channel(account_id: int) -> str:
    """Return the name that an account's messages are announced under."""
    return f"{_CHANNEL}{account_id}"


def listen(connection: Connection, account_id: int) -> None:
    """Hear of an account's messages from the next commit on; `connection.notifies()` yields them."""
    connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel(account_id))))


def read_notice(payload: str) -> Notice:
    """Return the payload of a notification."""
    return Notice(**json.loads(payload))


BODY_LIMIT = 150_000  # characters; messages_body_length_check
_FLOOD = "IB001"
_FLOOD_TEXT = re.compile(r"conversation (\d+): at most (\d+) per (.+)$")


class MessageRefused(InboxbenchError):
    """The database did not take a message. The transaction can only be rolled back, to a savepoint at least."""

    def __init__(self, text: str, conversation_id: int) -> None:
        super().__init__(text)
        self.conversation_id = conversation_id


class TooManyMessages(MessageRefused):
    """M8, P1.1: the conversation has had its messages of this window. window: an interval as PostgreSQL writes it."""

    def __init__(self, conversation_id: int, limit: int, window: str) -> None:
        super().__init__(
            f"conversation {conversation_id} takes at most {limit} messages per {window} and has had them; "
            "wait, or raise inboxbench.flood_limit for this role",
            conversation_id,
        )
        self.limit = limit
        self.window = window


class MessageTooLong(MessageRefused):
    """M7, P1.3: the body has more characters than a message may have."""

    def __init__(self, conversation_id: int, length: int) -> None:
        super().__init__(
            f"a message for conversation {conversation_id} has {length:,} characters, "
            f"and at most {BODY_LIMIT:,} are taken; split it or send it as a file",
            conversation_id,
        )
        self.length = length
        self.limit = BODY_LIMIT


class NoSuchConversation(UsageError):
    """Nothing has this id, or not any more."""

    def __init__(self, conversation_id: int) -> None:
        super().__init__(f"there is no conversation with id {conversation_id}; display_id is another number")
        self.conversation_id = conversation_id


def _flood(error: psycopg.Error) -> TooManyMessages | None:
    """The trigger's message carries what it decided by, so that nobody has to ask an aborted transaction."""
    found = _FLOOD_TEXT.search(error.diag.message_primary or "") if error.sqlstate == _FLOOD else None
    return TooManyMessages(int(found[1]), int(found[2]), found[3]) if found else None


@contextmanager
def refusals(conversation_id: int, body: str | None = None) -> Iterator[None]:
    """Errors of the messages table's rules as MessageRefused; every other error passes."""
    try:
        yield
    except psycopg.errors.CheckViolation as error:
        if error.diag.constraint_name != "messages_body_length_check":
            raise
        raise MessageTooLong(conversation_id, len(body or "")) from error
    except psycopg.DatabaseError as error:
        if (flood := _flood(error)) is None:
            raise
        raise flood from error
