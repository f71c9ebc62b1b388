"""A message on its way into the database, who sends it, and the notice (LISTEN/NOTIFY) that announces it on commit."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal, LiteralString

from psycopg import sql

from inboxbench.database import Connection

SenderType = Literal["contact", "user", "bot"]


class MessageType(IntEnum):
    """messages.message_type (M9a). An activity line tells what was done to the conversation, not what was said."""

    INCOMING = 0
    OUTGOING = 1
    ACTIVITY = 2
    TEMPLATE = 3


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a contact, a user by id, or an automation (bot), which may have none."""

    kind: SenderType
    id: int | None = None


SYSTEM = Actor("bot")


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What a sender supplies; account and inbox are those of the conversation.

    echo_id (M1): the client's own key of this send, one message per conversation. source_id (M6): the key in the
    outside system, one message per inbox. created_at: only for what happened earlier; None is the
    server's clock when the conversation is locked.
    """

    conversation_id: int
    sender: Actor
    body: str | None
    type: MessageType
    private: bool = False
    content_type: int = 0
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
    """A customer's message."""
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
    """An operator's public answer."""
    sender = Actor("user", user_id)
    return NewMessage(conversation_id, sender, body, MessageType.OUTGOING, echo_id=echo_id, created_at=created_at)


def note(conversation_id: int, user_id: int, body: str) -> NewMessage:
    """A private note, for colleagues only."""
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
    """The name that an account's messages are announced under."""
    return f"{_CHANNEL}{account_id}"


def listen(connection: Connection, account_id: int) -> None:
    """Hear of an account's messages from the next commit on; `connection.notifies()` yields them."""
    connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel(account_id))))


def read_notice(payload: str) -> Notice:
    """The payload of a notification."""
    return Notice(**json.loads(payload))
