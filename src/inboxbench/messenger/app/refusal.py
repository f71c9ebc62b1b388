"""What the messenger answers instead of doing it: each error names the conversation and the rule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from inboxbench.errors import InboxbenchError, UsageError

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
