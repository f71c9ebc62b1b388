"""A5: a message is announced on its account's channel, by the transaction that writes it.

PostgreSQL delivers on commit and forgets on rollback, so nobody hears of a message that does not exist. The price:
committing transactions that notify queue behind one lock of the whole server.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from inboxbench.database import Connection

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
