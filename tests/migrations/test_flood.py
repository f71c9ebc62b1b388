"""M8, P1.1: at most N messages per conversation and window, exactly, whoever writes at the same time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from tests.migrations.conftest import Messenger

WRITERS, LIMIT, ATTEMPTS = 16, 50, 10
INSERT = """
    INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, direction, body, created_at)
    SELECT account_id, inbox_id, id, 'contact', 'incoming', 'again', now() - %s::interval
    FROM conversations WHERE id = %s
"""


@pytest.fixture
def messenger(messenger_at: Callable[[str], Messenger]) -> Messenger:
    found = messenger_at("0005")
    found.execute(f"ALTER DATABASE {found.name} SET inboxbench.flood_limit = '{LIMIT}'")
    return found


def _send(messenger: Messenger, conversation: int, times: int, age: str = "0") -> int:
    """Messages that got through."""
    through = 0
    with messenger.connect() as connection:
        for _ in range(times):
            try:
                connection.execute(INSERT, (age, conversation))
                through += 1
            except psycopg.errors.DatabaseError as error:
                if error.sqlstate != "IB001":
                    raise
    return through


def test_exactly_the_limit_gets_through_under_sixteen_writers(messenger: Messenger) -> None:
    together = Barrier(WRITERS)

    def write(_writer: int) -> int:
        together.wait()
        return _send(messenger, 5, ATTEMPTS)

    with ThreadPoolExecutor(WRITERS) as pool:
        assert sum(pool.map(write, range(WRITERS))) == LIMIT
    recent = "SELECT count(*) FROM messages WHERE conversation_id = 5 AND created_at > now() - interval '1 minute'"
    assert messenger.value(recent) == LIMIT


def test_the_last_place_is_given_once_because_the_second_writer_waits_for_the_first(messenger: Messenger) -> None:
    _send(messenger, 5, LIMIT - 1)
    with messenger.connect() as first, messenger.connect() as second:
        second.execute("SET lock_timeout = '200ms'")
        with first.transaction():
            first.execute(INSERT, ("0", 5))
            with pytest.raises(psycopg.errors.LockNotAvailable):
                second.execute(INSERT, ("0", 5))
        with pytest.raises(psycopg.errors.DatabaseError, match="too many messages"):
            second.execute(INSERT, ("0", 5))


def test_the_refusal_names_conversation_limit_and_window(messenger: Messenger) -> None:
    _send(messenger, 5, LIMIT)
    with pytest.raises(psycopg.errors.DatabaseError) as refusal:
        messenger.execute(INSERT, "0", 5)
    assert refusal.value.sqlstate == "IB001"
    assert "too many messages in conversation 5: at most 50 per 00:01:00" in str(refusal.value)


def test_other_conversations_are_not_touched(messenger: Messenger) -> None:
    _send(messenger, 5, LIMIT)
    assert _send(messenger, 6, 1) == 1


def test_messages_older_than_the_window_do_not_count(messenger: Messenger) -> None:
    _send(messenger, 5, LIMIT)
    messenger.execute("UPDATE messages SET created_at = created_at - interval '61 seconds' WHERE conversation_id = 5")
    assert _send(messenger, 5, 1) == 1


def test_imported_history_is_no_flood(messenger: Messenger) -> None:
    assert _send(messenger, 5, LIMIT + 5, age="2 days") == LIMIT + 5


def test_a_message_that_was_rolled_back_does_not_count(messenger: Messenger) -> None:
    _send(messenger, 5, LIMIT - 1)
    with messenger.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute(INSERT, ("0", 5))
    assert _send(messenger, 5, 2) == 1


def test_the_window_can_be_set(messenger: Messenger) -> None:
    messenger.execute(f"ALTER DATABASE {messenger.name} SET inboxbench.flood_window = '1 day'")
    assert _send(messenger, 5, LIMIT, age="2 hours") == LIMIT
    assert _send(messenger, 5, 1) == 0


def test_the_default_is_two_hundred_a_minute(messenger_at: Callable[[str], Messenger]) -> None:
    assert _send(messenger_at("0005"), 5, 205) == 200


def test_the_count_reads_the_index_and_stops_at_the_limit(messenger: Messenger) -> None:
    with messenger.connect() as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(
            """EXPLAIN SELECT count(*) FROM (SELECT FROM messages WHERE conversation_id = 5
               AND created_at >= now() - interval '1 minute' LIMIT 50) AS counted"""
        ).fetchall()
    assert any("messages_conversation_created_idx" in line for (line,) in plan), plan
