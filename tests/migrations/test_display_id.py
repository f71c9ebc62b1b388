"""C1, P3: every conversation has a number of its own in its account, without gaps, whoever inserts meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event as Flag
from threading import Thread
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from inboxbench.errors import SubjectFailed
from inboxbench.migrate.session import Event, LockRefused, Progress, StepStarted

if TYPE_CHECKING:
    from tests.migrations.conftest import Messenger

    from inboxbench.database import Connection

# Old code: the baseline's columns and no other.
INSERT = """
    INSERT INTO conversations (account_id, inbox_id, contact_id)
    SELECT %(account)s, (SELECT min(id) FROM inboxes WHERE account_id = %(account)s),
           (SELECT min(id) FROM contacts WHERE account_id = %(account)s) RETURNING id
"""
GAPS = """
    SELECT account_id, count(*), min(display_id), max(display_id), count(DISTINCT display_id) FROM conversations
    GROUP BY account_id
    HAVING min(display_id) <> 1 OR max(display_id) <> count(*) OR count(DISTINCT display_id) <> count(*)
"""
MISNUMBERED = """
    SELECT a.id, a.display_id FROM conversations a
    WHERE a.id <= %(last)s AND a.display_id <> (
        SELECT count(*) FROM conversations b
        WHERE b.account_id = a.account_id AND b.id <= %(last)s AND (b.created_at, b.id) <= (a.created_at, a.id)
    )
"""
LAST_NUMBERS = """
    SELECT account_id, last_display_id FROM conversation_counters EXCEPT
    SELECT a.id, count(c.id) FROM accounts a LEFT JOIN conversations c ON c.account_id = a.id GROUP BY a.id
"""


def _insert(connection: Connection, account: int = 1) -> int:
    ((conversation,),) = connection.execute(INSERT, {"account": account}).fetchall()
    return int(conversation)


def _number(messenger: Messenger, conversation: int) -> Any:
    return messenger.value("SELECT display_id FROM conversations WHERE id = %s", conversation)


def _assert_numbered(messenger: Messenger, last_old: int) -> None:
    """Old rows by (created_at, id), no NULL, no gap, no double, counters at the highest number."""
    assert messenger.value("SELECT count(*) FROM conversations WHERE display_id IS NULL") == 0
    assert messenger.rows(GAPS) == []
    with messenger.connect() as connection:
        assert connection.execute(MISNUMBERED, {"last": last_old}).fetchall() == []
    assert messenger.rows(LAST_NUMBERS) == []
    assert messenger.value("SELECT to_regclass('conversation_display_plan')") is None


def test_old_conversations_are_numbered_by_creation_inside_their_account(filled: Messenger) -> None:
    filled.up("0014")
    _assert_numbered(filled, 3000)


def test_new_conversations_of_old_code_go_on_counting(messenger_at: Callable[[str], Messenger]) -> None:
    messenger = messenger_at("0014")
    count = messenger.value("SELECT count(*) FROM conversations WHERE account_id = 1")
    with messenger.connect() as connection:
        assert [_number(messenger, _insert(connection)) for _ in range(3)] == [count + 1, count + 2, count + 3]


def test_before_the_account_is_open_a_new_conversation_waits_for_its_number(
    messenger_at: Callable[[str], Messenger],
) -> None:
    messenger = messenger_at("0012")
    with messenger.connect() as connection:
        conversation = _insert(connection)
    assert _number(messenger, conversation) is None
    messenger.up("0014")
    assert _number(messenger, conversation) == messenger.value(
        "SELECT count(*) FROM conversations WHERE account_id = 1"
    )


@pytest.mark.parametrize("revision", ["0012", "0013", "0014"])
def test_an_account_born_after_the_trigger_counts_from_one(
    messenger_at: Callable[[str], Messenger], revision: str
) -> None:
    messenger = messenger_at(revision)
    messenger.execute("INSERT INTO accounts (id, name) VALUES (900, 'newcomer')")
    messenger.execute("INSERT INTO inboxes (account_id, name) VALUES (900, 'first')")
    messenger.execute("INSERT INTO contacts (account_id, name) VALUES (900, 'first')")
    with messenger.connect() as connection:
        assert _number(messenger, _insert(connection, 900)) == 1
    messenger.up("0014")
    with messenger.connect() as connection:
        assert _number(messenger, _insert(connection, 900)) == 2


def test_a_number_comes_back_when_the_insert_fails(messenger_at: Callable[[str], Messenger]) -> None:
    messenger = messenger_at("0014")
    with messenger.connect() as connection:
        with connection.transaction(force_rollback=True):
            _insert(connection)
        _insert(connection)
    assert messenger.rows(GAPS) == []


def test_a_number_supplied_by_the_writer_is_ignored(messenger_at: Callable[[str], Messenger]) -> None:
    messenger = messenger_at("0014")
    messenger.execute(
        """INSERT INTO conversations (account_id, inbox_id, contact_id, display_id)
           SELECT account_id, inbox_id, contact_id, 77777 FROM conversations WHERE id = 1"""
    )
    assert messenger.rows(GAPS) == []


def test_the_index_has_the_last_word(messenger_at: Callable[[str], Messenger]) -> None:
    messenger = messenger_at("0014")
    with pytest.raises(psycopg.errors.UniqueViolation, match="conversations_account_display_id_key"):
        messenger.execute("UPDATE conversations SET display_id = 1 WHERE account_id = 1")
    with pytest.raises(psycopg.errors.NotNullViolation):
        messenger.execute("UPDATE conversations SET display_id = NULL WHERE id = 1")


def test_an_account_can_be_deleted_as_before(messenger_at: Callable[[str], Messenger]) -> None:
    messenger = messenger_at("0014")
    messenger.execute("INSERT INTO accounts (id, name) VALUES (900, 'short-lived')")
    messenger.execute("DELETE FROM accounts WHERE id = 900")
    assert messenger.rows("SELECT * FROM conversation_counters WHERE account_id = 900") == []


# Concurrency -----------------------------------------------------------------------------------------------


def test_eight_writers_insert_all_the_while(filled: Messenger) -> None:
    """From before the trigger exists until after NOT NULL; the batches are kept small so that there are many."""
    stop, last_old = Flag(), 3000
    inserted: list[int] = []

    def write(account: int) -> None:
        with filled.connect() as connection:
            while not stop.wait(0.02):
                inserted.append(_insert(connection, account))

    writers = [Thread(target=write, args=(1 + n % 3,)) for n in range(8)]
    for writer in writers:
        writer.start()
    try:
        filled.up("0014", batch_ms=5)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert len(inserted) > 50
    _assert_gap_free(filled)
    # The old ones come first, in order of creation; those that arrived before their account opened follow them.
    order = """
        SELECT account_id FROM conversations GROUP BY account_id
        HAVING max(display_id) FILTER (WHERE id <= %s) > min(display_id) FILTER (WHERE id > %s)
    """
    assert filled.rows(order, last_old, last_old) == []


def _assert_gap_free(messenger: Messenger) -> None:
    assert messenger.value("SELECT count(*) FROM conversations WHERE display_id IS NULL") == 0
    assert messenger.rows(GAPS) == []
    assert messenger.rows(LAST_NUMBERS) == []


def test_opening_waits_for_an_insert_in_flight(messenger_at: Callable[[str], Messenger]) -> None:
    messenger = messenger_at("0012")
    refused = Flag()

    def watch(event: Event) -> None:
        if isinstance(event, LockRefused) and "open account 1" in event.text:
            refused.set()

    with messenger.connect() as writer, ThreadPoolExecutor(1) as pool:
        with writer.transaction():
            _insert(writer)
            upgrade = pool.submit(messenger.up, "0014", listener=watch)
            assert refused.wait(60), "the upgrade did not wait for the insert"
        upgrade.result()
    _assert_gap_free(messenger)


def test_inserts_that_wait_for_the_opening_all_draw_their_number(messenger_at: Callable[[str], Messenger]) -> None:
    """Several at once: with row locks FOR SHARE instead of the advisory lock they would deadlock here."""
    messenger = messenger_at("0012")
    count = messenger.value("SELECT count(*) FROM conversations WHERE account_id = 1")

    def insert() -> int:
        with messenger.connect() as connection:
            return _insert(connection)

    with messenger.connect() as opener, ThreadPoolExecutor(4) as pool:
        with opener.transaction():
            opener.execute("SELECT pg_advisory_xact_lock(hashtextextended('conversation_counters', 1))")
            opener.execute("UPDATE conversation_counters SET last_display_id = %s WHERE account_id = 1", (count,))
            waiting = [pool.submit(insert) for _ in range(4)]
            _wait_for_sessions_that_wait(messenger, 4)
        conversations = [future.result() for future in waiting]
    assert sorted(_number(messenger, one) for one in conversations) == [count + n for n in (1, 2, 3, 4)]


def _wait_for_sessions_that_wait(messenger: Messenger, number: int) -> None:
    query = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"""
    deadline = time.monotonic() + 60
    while messenger.value(query) < number:
        assert time.monotonic() < deadline, "nobody waits for the opening"
        time.sleep(0.01)


def test_a_repeatable_read_writer_is_told_rather_than_left_without_a_number(
    messenger_at: Callable[[str], Messenger],
) -> None:
    messenger = messenger_at("0012")
    with messenger.connect() as writer:
        writer.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        writer.autocommit = False
        writer.execute("SELECT count(*) FROM accounts")
        messenger.up("0013")
        with pytest.raises(psycopg.errors.SerializationFailure):
            _insert(writer)
    messenger.up("0014")
    _assert_gap_free(messenger)


# Crashes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "moment",
    [
        "open 12 accounts",
        "plan the numbers",
        "backfill conversations.display_id",
        "drop table conversation_display_plan",
    ],
)
def test_an_upgrade_killed_at_any_step_is_finished_by_the_next(
    messenger_at: Callable[[str], Messenger], moment: str
) -> None:
    messenger = messenger_at("0012")

    def kill(event: Event) -> None:
        if isinstance(event, StepStarted) and event.text == moment:
            _end_migration(messenger)

    with pytest.raises(SubjectFailed, match="0013 failed"):
        messenger.up("0014", listener=kill)
    with messenger.connect() as connection:
        _insert(connection)
    messenger.up("0014")
    _assert_gap_free(messenger)


def test_a_backfill_killed_between_batches_keeps_the_plan(messenger_at: Callable[[str], Messenger]) -> None:
    messenger = messenger_at("0012")
    batches: list[Progress] = []

    def kill(event: Event) -> None:
        if isinstance(event, Progress):
            batches.append(event)
            if len(batches) == 3:
                _end_migration(messenger)

    with pytest.raises(SubjectFailed, match="0013 failed"):
        messenger.up("0014", listener=kill, batch_ms=1)
    assert 0 < messenger.value("SELECT count(*) FROM conversations WHERE display_id IS NULL") < 3000
    with messenger.connect() as connection:
        _insert(connection)
    messenger.up("0014")
    _assert_numbered(messenger, 3000)


def _end_migration(messenger: Messenger) -> None:
    ended = messenger.value(
        """SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
           WHERE application_name = 'inboxbench migrate' AND datname = current_database()"""
    )
    assert ended == 1


def test_rows_written_past_the_triggers_are_swept_up(messenger_at: Callable[[str], Messenger]) -> None:
    messenger = messenger_at("0012")

    def write_past(event: Event) -> None:
        if isinstance(event, StepStarted) and event.text == "backfill conversations.display_id":
            with messenger.connect() as connection:
                connection.execute("SET session_replication_role = replica")
                _insert(connection)

    messenger.up("0014", listener=write_past)
    _assert_gap_free(messenger)
