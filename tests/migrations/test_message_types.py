"""M9a, M9b: message_type follows from direction, for old rows, for old code and beside new code."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from tests.migrations.conftest import Messenger

OLD_INSERT = """
    INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, body)
    SELECT account_id, inbox_id, id, %s, 1, %s, 'hello' FROM conversations WHERE id = 7
"""


def test_old_rows_get_their_type_and_only_outgoing_ones_are_written(filled: Messenger) -> None:
    outgoing = filled.value("SELECT count(*) FROM messages WHERE direction = 'outgoing'")
    run = filled.up("0003")
    assert filled.rows("SELECT DISTINCT direction, message_type FROM messages ORDER BY 1") == [
        ("incoming", 0),
        ("outgoing", 1),
    ]
    assert run.revisions[-1].rows == outgoing


@pytest.mark.parametrize("revision", ["0002", "0003"])
def test_old_code_writes_rows_of_the_right_type(messenger_at: Callable[[str], Messenger], revision: str) -> None:
    messenger = messenger_at(revision)
    messenger.execute(OLD_INSERT, "user", "outgoing")
    messenger.execute(OLD_INSERT, "contact", "incoming")
    newest = "SELECT message_type, content_type, private FROM messages ORDER BY id DESC LIMIT 2"
    assert messenger.rows(newest) == [(0, 0, False), (1, 0, False)]


def test_old_code_that_turns_a_message_round_turns_its_type(messenger_at: Callable[[str], Messenger]) -> None:
    messenger = messenger_at("0003")
    messenger.execute("UPDATE messages SET direction = 'outgoing' WHERE id = (SELECT min(id) FROM messages)")
    assert messenger.value("SELECT message_type FROM messages ORDER BY id LIMIT 1") == 1


def test_what_new_code_says_stays(messenger_at: Callable[[str], Messenger]) -> None:
    messenger = messenger_at("0003")
    messenger.execute(
        """INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, direction, message_type, private)
           SELECT account_id, inbox_id, id, 'user', 'outgoing', 2, true FROM conversations WHERE id = 7"""
    )
    assert messenger.rows("SELECT message_type, private FROM messages ORDER BY id DESC LIMIT 1") == [(2, True)]


def test_an_unknown_type_is_refused(messenger_at: Callable[[str], Messenger]) -> None:
    messenger = messenger_at("0002")
    with pytest.raises(psycopg.errors.CheckViolation, match="messages_message_type_check"):
        messenger.execute("UPDATE messages SET message_type = 4 WHERE id = 1")
