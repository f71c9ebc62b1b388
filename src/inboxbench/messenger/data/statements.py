"""What `--describe` measures of the messenger, and the statements of its churn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString

from psycopg import sql

from inboxbench.messenger.data.profile import Churn as ChurnKeys
from inboxbench.seed.row_source import Churn, Measures


def _last_words(lines: LiteralString) -> dict[str, LiteralString]:
    """Shares of conversations whose last message is ours, by status. lines: a condition that leaves out messages."""
    statuses: tuple[LiteralString, ...] = ("open", "pending", "resolved")
    return {
        f"last word ours, {status}": f"""
            SELECT avg((direction = 'outgoing')::int) FROM (
                SELECT DISTINCT ON (m.conversation_id) m.direction
                FROM messages m JOIN conversations c ON c.id = m.conversation_id WHERE c.status = '{status}'{lines}
                ORDER BY m.conversation_id, m.id DESC) AS last"""  # noqa: S608 - constants
        for status in statuses
    }


MEASURES = Measures(
    skews={
        "conversations of accounts": "SELECT account_id AS owner, count(*) AS n FROM conversations GROUP BY 1",
        "messages of accounts": "SELECT account_id AS owner, count(*) AS n FROM messages GROUP BY 1",
        "conversations of inboxes": "SELECT inbox_id AS owner, count(*) AS n FROM conversations GROUP BY 1",
        "conversations of agents": """
            SELECT assignee_id AS owner, count(*) AS n FROM conversations WHERE assignee_id IS NOT NULL GROUP BY 1""",
        "conversations of contacts": "SELECT contact_id AS owner, count(*) AS n FROM conversations GROUP BY 1",
    },
    lengths={
        "messages_per_conversation": (
            "messages of a conversation",
            "SELECT count(*) AS n FROM messages GROUP BY conversation_id",
        ),
        "body_length": ("characters of a body", "SELECT char_length(body) AS n FROM messages"),
    },
    facts={"cyrillic_share": ("with Cyrillic", "SELECT avg((body ~ '[а-яё]')::int) FROM messages")},
    shares={
        "open": "SELECT avg((status = 'open')::int) FROM conversations",
        "pending": "SELECT avg((status = 'pending')::int) FROM conversations",
        "resolved": "SELECT avg((status = 'resolved')::int) FROM conversations",
        "assigned": "SELECT avg((assignee_id IS NOT NULL)::int) FROM conversations",
        "rated": "SELECT avg((rating_score IS NOT NULL)::int) FROM conversations",
        "with branch": "SELECT avg((branch IS NOT NULL)::int) FROM conversations",
        "incoming": "SELECT avg((direction = 'incoming')::int) FROM messages",
        "by bots": "SELECT avg((sender_type = 'bot')::int) FROM messages",
        "unread": "SELECT avg((read_at IS NULL)::int) FROM messages",
        "with external id": "SELECT avg((external_id IS NOT NULL)::int) FROM contacts",
        "repeated external id": """
            SELECT 1 - count(DISTINCT (account_id, external_id))::float / greatest(count(*), 1)
            FROM contacts WHERE external_id IS NOT NULL""",
        **_last_words(""),
    },
    shares_at_head={
        "unread": "SELECT avg((read_at IS NULL)::int) FROM messages WHERE message_type < 2",
        **_last_words(" AND m.message_type <> 2 AND m.content_type <> 9"),
        "snoozed": "SELECT avg((status = 'snoozed')::int) FROM conversations",
        "with priority": "SELECT avg((priority IS NOT NULL)::int) FROM conversations",
        "with identifier": "SELECT avg((identifier IS NOT NULL)::int) FROM conversations",
        "waiting": "SELECT avg((waiting_since IS NOT NULL)::int) FROM conversations",
        "lines of activity": "SELECT avg((message_type = 2)::int) FROM messages",
        "surveys": "SELECT avg((content_type = 9)::int) FROM messages",
        "cards, forms, articles": "SELECT avg((content_type BETWEEN 4 AND 7)::int) FROM messages",
        "stickers": "SELECT avg((content_type = 11)::int) FROM messages",
        "private notes": "SELECT avg(private::int) FROM messages",
        "templates": "SELECT avg((message_type = 3)::int) FROM messages",
        "with attachments": "SELECT avg((content_attributes ? 'attachments')::int) FROM messages",
        "with source id": "SELECT avg((source_id IS NOT NULL)::int) FROM messages",
        "repeated source id": """
            SELECT 1 - count(DISTINCT source_id)::float / greatest(count(*), 1) FROM messages
            WHERE source_id IS NOT NULL""",
        "blocked contacts": "SELECT avg(blocked::int) FROM contacts",
    },
    words=("messages", "body"),
    columns={
        "messages": ("id", "account_id", "inbox_id", "conversation_id", "created_at", "direction", "sender_type"),
        "conversations": (
            "id",
            "account_id",
            "inbox_id",
            "contact_id",
            "assignee_id",
            "status",
            "branch",
            "created_at",
        ),
        "contacts": ("id", "account_id", "external_id"),
    },
)

# Which rows: by a fixed scramble of the id, another one each round, in parts of 10,000.
_CHOSEN = sql.SQL("(id * 2654435761 + {round} * 40503) % 10000 < {parts}")
_UPDATE_CONVERSATIONS = sql.SQL(
    "UPDATE conversations SET updated_at = updated_at WHERE {chosen} OR status <> 'resolved'"
)
_UPDATE_MESSAGES = sql.SQL("UPDATE messages SET read_at = read_at WHERE {chosen} AND id > {after}")
# The last round touches the newest part of what an early round touches everywhere: a fifth of as many rows.
_NEWEST = 5
# Spam: stored, then removed by hand.
_INSERT_MESSAGES = sql.SQL("""
    INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, body, created_at)
    SELECT account_id, inbox_id, conversation_id, sender_type, sender_id, direction, left(body, 200), created_at
    FROM messages WHERE {chosen}
""")
_DELETE_MESSAGES = sql.SQL("DELETE FROM messages WHERE id > {last}")


def churn(section: Mapping[str, Any], rows: Mapping[str, int]) -> Churn:
    """A live messenger's past: spam, and updates of messages and conversations in rounds.

    Early rounds touch messages of all ages. The last one touches the newest only, so that old pages are all-visible
    and the hot tail is not.
    """
    keys = ChurnKeys(**section)
    last = sql.Literal(rows["messages"])
    return Churn(
        tables=("messages", "conversations"),
        first=(_INSERT_MESSAGES.format(chosen=_chosen(keys.messages_deleted, 7)), _DELETE_MESSAGES.format(last=last)),
        rounds=tuple(_updates(keys, number, rows["messages"]) for number in range(keys.rounds)),
    )


def _chosen(share: float, number: int) -> sql.Composed:
    return _CHOSEN.format(round=sql.Literal(number), parts=sql.Literal(round(share * 10_000)))


def _updates(keys: ChurnKeys, number: int, last: int) -> tuple[sql.Composed, ...]:
    newest = number == keys.rounds - 1
    after = round(last * (1 - keys.messages_updated / _NEWEST)) if newest else 0
    share = 0.5 if newest else keys.messages_updated / max(1, keys.rounds - 1)
    return (
        _UPDATE_MESSAGES.format(chosen=_chosen(share, number), after=sql.Literal(after)),
        _UPDATE_CONVERSATIONS.format(chosen=_chosen(keys.conversations_updated, number)),
    )
