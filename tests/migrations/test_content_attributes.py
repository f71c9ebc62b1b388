"""M3: content_attributes is an object on every row, and automation answers nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.types.json import Jsonb

from inboxbench.errors import SubjectFailed

if TYPE_CHECKING:
    from tests.migrations.conftest import Messenger

At = Callable[[str], "Messenger"]

QUIET = "SELECT id FROM conversations WHERE id % 12 = 0 AND status = 'open' ORDER BY id LIMIT 1"  # no messages yet
CLOCKS = "SELECT waiting_since IS NOT NULL, first_reply_created_at IS NOT NULL FROM conversations WHERE id = %s"


def say(messenger: Messenger, conversation: int, sender: str, direction: str, attributes: dict[str, object]) -> None:
    messenger.execute(
        """
        INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, body,
                              content_attributes)
        SELECT account_id, inbox_id, id, %s, 1, %s, 'text', %s FROM conversations WHERE id = %s
        """,
        sender,
        direction,
        Jsonb(attributes),
        conversation,
    )


def test_old_messages_get_an_empty_object(messenger_at: At) -> None:
    messenger = messenger_at("0020")
    assert messenger.rows("SELECT content_attributes, count(*) > 10000 FROM messages GROUP BY 1") == [({}, True)]


@pytest.mark.parametrize("value", ["null", "[]", '"{}"', "1"])
def test_only_objects_are_let_in(messenger_at: At, value: str) -> None:
    messenger = messenger_at("0020")
    with pytest.raises(psycopg.errors.CheckViolation, match="messages_content_attributes_check"):
        messenger.execute("UPDATE messages SET content_attributes = %s::jsonb WHERE id = 1", value)


def test_attributes_can_be_searched_as_they_are(messenger_at: At) -> None:
    """Not a JSON string inside JSON: ->> finds what was written, and a deleted message can be told."""
    messenger = messenger_at("0020")
    messenger.execute(
        'UPDATE messages SET content_attributes = \'{"deleted": true, "in_reply_to": 7}\' WHERE id IN (5, 6)'
    )
    assert messenger.rows("SELECT id FROM messages WHERE content_attributes ->> 'in_reply_to' = '7' ORDER BY id") == [
        (5,),
        (6,),
    ]
    kept = "SELECT count(*) FROM messages WHERE id <= 10 AND NOT content_attributes @> '{\"deleted\": true}'"
    assert messenger.value(kept) == 8


@pytest.mark.parametrize("revision", ["0020", "0023", "0040"])
def test_automation_answers_nobody(messenger_at: At, revision: str) -> None:
    messenger = messenger_at(revision)
    conversation = messenger.value(QUIET)
    say(messenger, conversation, "contact", "incoming", {})
    say(messenger, conversation, "user", "outgoing", {"automation_rule_id": 3})
    say(messenger, conversation, "bot", "outgoing", {"automation_rule_id": 3})
    assert messenger.rows(CLOCKS, conversation) == [(True, False)]
    say(messenger, conversation, "user", "outgoing", {"in_reply_to": 1})
    assert messenger.rows(CLOCKS, conversation) == [(False, True)]


def test_below_it_the_clocks_are_what_they_were(messenger_at: At) -> None:
    """Down again, the function must not look for a column that is gone."""
    messenger = messenger_at("0020")
    messenger.down("0019")
    conversation = messenger.value(QUIET)
    messenger.execute(
        """
        INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, body)
        SELECT account_id, inbox_id, id, 'contact', 1, 'incoming', 'text' FROM conversations WHERE id = %s
        """,
        conversation,
    )
    assert messenger.rows(CLOCKS, conversation) == [(True, False)]


def test_a_column_of_another_type_stops_the_upgrade(messenger_at: At) -> None:
    messenger = messenger_at("0019")
    messenger.execute("ALTER TABLE messages ADD COLUMN content_attributes json")
    with pytest.raises(SubjectFailed, match=r"0020: messages\.content_attributes exists already as json"):
        messenger.up("0020")
    assert messenger.current() == "0019"
