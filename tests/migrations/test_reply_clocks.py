"""C3, C5: waiting_since and first_reply_created_at, told anew message by message and compared."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from inboxbench.migrate.session import Event, Progress, StepStarted

if TYPE_CHECKING:
    from tests.migrations.conftest import Messenger

Clocks = tuple[dt.datetime | None, dt.datetime | None]
START = dt.datetime(2026, 1, 1, 9, tzinfo=dt.UTC)
CUSTOMER, AGENT, BOT = ("contact", "incoming"), ("user", "outgoing"), ("bot", "outgoing")


def _told(messages: list[tuple[str, dt.datetime]], *, waits_from: int = 0) -> Clocks:
    """The rules applied to (sender, moment) in order; before `waits_from` nobody waits (resolved, or so it was)."""
    waiting: dt.datetime | None = None
    first: dt.datetime | None = None
    for place, (sender, moment) in enumerate(messages):
        if sender == "contact":
            waiting = waiting or (moment if place >= waits_from else None)
        else:
            waiting = None
            first = first or (moment if sender == "user" else None)
    return waiting, first


def _all_messages(messenger: Messenger) -> dict[int, list[tuple[str, dt.datetime]]]:
    found: dict[int, list[tuple[str, dt.datetime]]] = {}
    for conversation, sender, moment in messenger.rows(
        "SELECT conversation_id, sender_type, created_at FROM messages ORDER BY conversation_id, created_at, id"
    ):
        found.setdefault(conversation, []).append((sender, moment))
    return found


def _all_clocks(messenger: Messenger) -> dict[int, Clocks]:
    rows = messenger.rows("SELECT id, waiting_since, first_reply_created_at FROM conversations")
    return {conversation: (waiting, first) for conversation, waiting, first in rows}


def _statuses(messenger: Messenger) -> dict[int, str]:
    return dict(messenger.rows("SELECT id, status FROM conversations"))


def test_old_conversations_tell_the_same_as_their_messages(filled: Messenger) -> None:
    filled.up("0016")
    messages, statuses = _all_messages(filled), _statuses(filled)
    expected = {
        conversation: _told(messages.get(conversation, []), waits_from=10**6 if status == "resolved" else 0)
        for conversation, status in statuses.items()
    }
    assert _all_clocks(filled) == expected
    assert sum(waiting is not None for waiting, _ in expected.values()) > 500


def test_the_backfill_writes_only_rows_that_differ(filled: Messenger) -> None:
    run = filled.up("0016")
    told = sum(clocks != (None, None) for clocks in _all_clocks(filled).values())
    assert run.revisions[-1].rows == told


def test_messages_that_arrive_during_the_backfill_count(messenger_at: Callable[[str], Messenger]) -> None:
    """After each batch: one message to a conversation behind it and to one before it, answered or not."""
    messenger = messenger_at("0015")
    old = _all_messages(messenger)
    touched: list[int] = []

    def write(event: Event) -> None:
        if isinstance(event, Progress):
            for conversation in (len(touched) + 1, 3000 - len(touched)):
                _send(messenger, conversation, *(AGENT if len(touched) % 4 < 2 else CUSTOMER))
                touched.append(conversation)

    messenger.up("0016", listener=write, batch_ms=2)
    assert len(touched) > 10
    messages, statuses, clocks = _all_messages(messenger), _statuses(messenger), _all_clocks(messenger)
    for conversation in touched:
        before = len(old.get(conversation, [])) if statuses[conversation] == "resolved" else 0
        assert clocks[conversation] == _told(messages[conversation], waits_from=before), conversation


def _send(
    messenger: Messenger,
    conversation: int,
    sender: str,
    direction: str,
    *,
    at: dt.datetime | None = None,
    message_type: int = 0,
    private: bool = False,
) -> None:
    """Old code's insert unless a type or privacy is given."""
    messenger.execute(
        """INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, direction, body, created_at,
                                 message_type, private)
           SELECT account_id, inbox_id, id, %s, %s, '…', coalesce(%s, now()), %s, %s
           FROM conversations WHERE id = %s""",
        *(sender, direction, at, message_type, private, conversation),
    )


@pytest.fixture
def fresh(messenger_at: Callable[[str], Messenger]) -> tuple[Messenger, int]:
    """A messenger whose rules are in place, and a new conversation in it."""
    messenger = messenger_at("0016")
    conversation = messenger.value(
        """INSERT INTO conversations (account_id, inbox_id, contact_id)
           SELECT account_id, inbox_id, contact_id FROM conversations WHERE id = 1 RETURNING id"""
    )
    return messenger, conversation


def _at(minute: int) -> dt.datetime:
    return START + dt.timedelta(minutes=minute)


def _clocks(fresh: tuple[Messenger, int]) -> tuple[Any, ...]:
    messenger, conversation = fresh
    ((waiting, first),) = messenger.rows(
        "SELECT waiting_since, first_reply_created_at FROM conversations WHERE id = %s", conversation
    )
    return waiting, first


def test_nobody_waits_before_the_customer_has_written(fresh: tuple[Messenger, int]) -> None:
    assert _clocks(fresh) == (None, None)


def test_the_first_unanswered_message_starts_the_wait(fresh: tuple[Messenger, int]) -> None:
    for minute in (0, 1, 2):
        _send(*fresh, *CUSTOMER, at=_at(minute))
    assert _clocks(fresh) == (_at(0), None)


def test_a_reply_ends_it_and_is_remembered_once(fresh: tuple[Messenger, int]) -> None:
    _send(*fresh, *CUSTOMER, at=_at(0))
    _send(*fresh, *AGENT, at=_at(1))
    assert _clocks(fresh) == (None, _at(1))
    _send(*fresh, *CUSTOMER, at=_at(2))
    _send(*fresh, *AGENT, at=_at(3))
    _send(*fresh, *CUSTOMER, at=_at(4))
    assert _clocks(fresh) == (_at(4), _at(1))


def test_a_bot_ends_the_wait_but_is_no_first_reply(fresh: tuple[Messenger, int]) -> None:
    _send(*fresh, *CUSTOMER, at=_at(0))
    _send(*fresh, *BOT, at=_at(1))
    assert _clocks(fresh) == (None, None)


@pytest.mark.parametrize(
    ("message_type", "private"), [(1, True), (2, False), (3, False)], ids=["note", "activity", "template"]
)
def test_what_the_customer_does_not_read_as_an_answer_changes_nothing(
    fresh: tuple[Messenger, int], message_type: int, private: bool
) -> None:
    _send(*fresh, *CUSTOMER, at=_at(0))
    _send(*fresh, *AGENT, at=_at(1), message_type=message_type, private=private)
    assert _clocks(fresh) == (_at(0), None)


def test_resolving_ends_the_wait_and_keeps_the_first_reply(fresh: tuple[Messenger, int]) -> None:
    messenger, conversation = fresh
    _send(*fresh, *AGENT, at=_at(0))
    _send(*fresh, *CUSTOMER, at=_at(1))
    messenger.execute("UPDATE conversations SET status = 'pending' WHERE id = %s", conversation)
    assert _clocks(fresh) == (_at(1), _at(0))
    messenger.execute("UPDATE conversations SET status = 'resolved' WHERE id = %s", conversation)
    assert _clocks(fresh) == (None, _at(0))


def test_assigning_does_not_end_the_wait(fresh: tuple[Messenger, int]) -> None:
    messenger, conversation = fresh
    _send(*fresh, *CUSTOMER, at=_at(0))
    messenger.execute(
        "UPDATE conversations SET assignee_id = 12, assignee_assigned_at = now() WHERE id = %s", conversation
    )
    assert _clocks(fresh) == (_at(0), None)


def test_two_first_replies_at_once_set_it_once(fresh: tuple[Messenger, int]) -> None:
    """The second agent waits for the first to commit, and then finds the clock set."""
    messenger, conversation = fresh
    insert = """INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, direction, created_at)
                SELECT account_id, inbox_id, id, 'user', 'outgoing', %s FROM conversations WHERE id = %s"""
    with messenger.connect() as first, first.transaction():
        first.execute(insert, (_at(1), conversation))
        with messenger.connect() as second:
            second.execute("SET lock_timeout = '100ms'")
            with pytest.raises(Exception, match="lock timeout"):
                second.execute(insert, (_at(0), conversation))
    _send(*fresh, *AGENT, at=_at(0))
    assert _clocks(fresh) == (None, _at(1))


def test_the_list_by_waiting_time_reads_its_index(messenger_at: Callable[[str], Messenger]) -> None:
    messenger = messenger_at("0017")
    plan = messenger.rows(
        """EXPLAIN SELECT id FROM conversations WHERE account_id = 2 AND status = 'open'
           ORDER BY waiting_since, created_at LIMIT 20"""
    )
    text = "\n".join(line for (line,) in plan)
    assert "conversations_account_status_waiting_idx" in text
    assert "Sort" not in text


def test_a_crash_in_the_middle_writes_no_row_twice(messenger_at: Callable[[str], Messenger]) -> None:
    messenger = messenger_at("0015")
    messenger.execute("CREATE TABLE written (id bigint)")
    messenger.execute(
        """CREATE FUNCTION note_write() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN INSERT INTO written VALUES (NEW.id); RETURN NULL; END $$"""
    )
    messenger.execute(
        "CREATE TRIGGER note_write AFTER UPDATE ON conversations FOR EACH ROW EXECUTE FUNCTION note_write()"
    )
    batches = 0

    def crash(event: Event) -> None:
        nonlocal batches
        if isinstance(event, Progress):
            batches += 1
            if batches == 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        messenger.up("0016", listener=crash, batch_ms=2)
    done = messenger.value("SELECT count(*) FROM written")
    resumed: list[str] = []
    run = messenger.up("0016", listener=lambda e: resumed.append(e.text) if isinstance(e, StepStarted) else None)
    assert resumed[0] == "backfill conversations.reply_clocks"
    total = messenger.value("SELECT count(*) FROM written")
    assert 0 < done < total
    assert run.revisions[-1].rows == total == messenger.value("SELECT count(DISTINCT id) FROM written")
