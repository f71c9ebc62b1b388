"""C6: when an agent and when the customer last looked, carried over from what old code writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.migrations.conftest import Messenger


def _latest(*moments: Any) -> Any:
    return max((moment for moment in moments if moment is not None), default=None)


def test_old_conversations_get_the_latest_moment_of_each_side(filled: Messenger) -> None:
    filled.up("0019")
    by_side: dict[tuple[int, str], list[Any]] = {}
    for conversation, direction, read_at in filled.rows("SELECT conversation_id, direction, read_at FROM messages"):
        by_side.setdefault((conversation, direction), []).append(read_at)
    rows = filled.rows("SELECT id, assignee_last_read_at, agent_last_seen_at, contact_last_seen_at FROM conversations")
    for conversation, read_by_assignee, agent, contact in rows:
        assert agent == _latest(read_by_assignee, *by_side.get((conversation, "incoming"), []))
        assert contact == _latest(*by_side.get((conversation, "outgoing"), []))
    assert sum(agent is not None for _, _, agent, _ in rows) > 1000
    assert sum(contact is not None for _, _, _, contact in rows) > 1000


def _seen(messenger: Messenger, conversation: int) -> tuple[Any, ...]:
    (row,) = messenger.rows(
        """SELECT to_char(agent_last_seen_at, 'YYYY'), to_char(contact_last_seen_at, 'YYYY'),
                  to_char(assignee_last_read_at, 'YYYY') FROM conversations WHERE id = %s""",
        conversation,
    )
    return row


@pytest.fixture
def unread(messenger_at: Callable[[str], Messenger]) -> Messenger:
    """Conversation 11, both sides of which have written, as if nobody had looked yet."""
    messenger = messenger_at("0019")
    messenger.execute("UPDATE messages SET read_at = NULL WHERE conversation_id = 11")
    messenger.execute(
        """UPDATE conversations SET assignee_last_read_at = NULL, agent_last_seen_at = NULL,
                                    contact_last_seen_at = NULL WHERE id = 11"""
    )
    return messenger


@pytest.mark.parametrize("revision", ["0018", "0019"])
def test_the_assignee_reading_moves_the_agents_clock(messenger_at: Callable[[str], Messenger], revision: str) -> None:
    messenger = messenger_at(revision)
    messenger.execute("UPDATE conversations SET assignee_last_read_at = '2031-05-01' WHERE id = 11")
    agent, _, assignee = _seen(messenger, 11)
    assert (agent, assignee) == ("2031", "2031")


def test_reading_messages_moves_the_clock_of_the_side_that_read(unread: Messenger) -> None:
    unread.execute("UPDATE messages SET read_at = '2030-01-01' WHERE conversation_id = 11 AND direction = 'incoming'")
    assert _seen(unread, 11) == ("2030", None, None)
    unread.execute("UPDATE messages SET read_at = '2031-01-01' WHERE conversation_id = 11 AND direction = 'outgoing'")
    assert _seen(unread, 11) == ("2030", "2031", None)


def test_no_clock_goes_backwards(unread: Messenger) -> None:
    for year in ("2031", "2029"):
        unread.execute("UPDATE messages SET read_at = %s WHERE conversation_id = 11", f"{year}-01-01")
        unread.execute("UPDATE conversations SET assignee_last_read_at = %s WHERE id = 11", f"{year}-01-01")
    assert _seen(unread, 11) == ("2031", "2031", "2029")


def test_reading_many_messages_at_once_writes_the_conversation_once(unread: Messenger) -> None:
    before = unread.value("SELECT ctid::text FROM conversations WHERE id = 11")
    unread.execute("CREATE TABLE written (id bigint)")
    unread.execute(
        """CREATE FUNCTION note_write() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN INSERT INTO written VALUES (NEW.id); RETURN NULL; END $$"""
    )
    unread.execute("CREATE TRIGGER note_write AFTER UPDATE ON conversations FOR EACH ROW EXECUTE FUNCTION note_write()")
    unread.execute("UPDATE messages SET read_at = '2030-01-01' WHERE conversation_id = 11 AND direction = 'incoming'")
    assert unread.value("SELECT count(*) FROM messages WHERE conversation_id = 11 AND read_at IS NOT NULL") > 1
    assert unread.value("SELECT count(*) FROM written") == 1
    assert unread.value("SELECT ctid::text FROM conversations WHERE id = 11") != before


def test_a_newer_moment_of_new_code_survives_the_backfill(messenger_at: Callable[[str], Messenger]) -> None:
    messenger = messenger_at("0018")
    messenger.execute(
        "UPDATE conversations SET agent_last_seen_at = '2032-01-01', contact_last_seen_at = '2033-01-01' WHERE id = 11"
    )
    messenger.up("0019")
    assert _seen(messenger, 11)[:2] == ("2032", "2033")
