"""C7: last_activity_at is the time of the newest message, for old rows and new, whoever writes at once."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from inboxbench.catalog import read_catalog
from inboxbench.migrate.session import LockRefused, StepStarted

if TYPE_CHECKING:
    from tests.migrations.conftest import Messenger

At = Callable[[str], "Messenger"]

LAST = "SELECT last_activity_at FROM conversations WHERE id = %s"
SAY = """
    INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, direction, message_type, body, created_at)
    SELECT account_id, inbox_id, id, 'user', 'outgoing', 2, 'activity', %s FROM conversations WHERE id = %s
"""
UTC = dt.UTC
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=UTC)
FAR_AHEAD = dt.datetime(2031, 1, 1, tzinfo=UTC)


def newest(messenger: Messenger) -> dict[int, dt.datetime]:
    """The rule once more, by hand."""
    times = dict(messenger.rows("SELECT id, created_at FROM conversations"))
    spoken: dict[int, dt.datetime] = {}
    for conversation, at in messenger.rows("SELECT conversation_id, created_at FROM messages"):
        spoken[conversation] = max(at, spoken.get(conversation, at))
    return times | spoken


def test_old_rows_get_the_time_of_their_newest_message(messenger_at: At) -> None:
    messenger = messenger_at("0023")
    assert messenger.value("SELECT count(*) FROM conversations WHERE last_activity_at IS NOT NULL") == 0
    messenger.up("0024")
    assert dict(messenger.rows("SELECT id, last_activity_at FROM conversations")) == newest(messenger)


def test_what_moves_before_the_batch_comes_is_kept(messenger_at: At) -> None:
    messenger = messenger_at("0023")
    messenger.execute(SAY, FAR_AHEAD, 1)
    messenger.execute(SAY, LONG_AGO, 2)
    messenger.up("0024")
    assert messenger.value(LAST, 1) == FAR_AHEAD
    assert dict(messenger.rows("SELECT id, last_activity_at FROM conversations")) == newest(messenger)


def test_a_message_in_flight_while_the_function_is_replaced_is_not_missed(messenger_at: At) -> None:
    """It went through the old function, which knew no last_activity_at; the revision waits for it to commit."""
    messenger = messenger_at("0022")
    flights: list[psycopg.Connection[Any]] = []
    refused: list[str] = []

    def listener(event: Any) -> None:
        match event:
            case StepStarted(text="let messages move last_activity_at"):
                flights.append(psycopg.connect(messenger.conninfo))
                flights[0].execute(SAY, (FAR_AHEAD, 7))
            case LockRefused(text=text):
                refused.append(text)
                flights[0].commit()

    messenger.up("0023", listener=listener)
    flights[0].close()
    messenger.up("0024")
    assert refused == ["let messages move last_activity_at"]
    assert messenger.value(LAST, 7) == FAR_AHEAD


def test_no_row_is_without_it(messenger_at: At) -> None:
    messenger = messenger_at("0025")
    with messenger.connect() as connection:
        columns = {entry.name: entry.definition for entry in read_catalog(connection).of("column", "conversations")}
    assert columns["last_activity_at"] == "timestamp with time zone NOT NULL DEFAULT now()"
    with pytest.raises(psycopg.errors.NotNullViolation):
        messenger.execute("UPDATE conversations SET last_activity_at = NULL WHERE id = 1")


def test_a_late_message_does_not_move_it_back(messenger_at: At) -> None:
    messenger = messenger_at("0040")
    messenger.execute(SAY, FAR_AHEAD, 1)
    messenger.execute(SAY, LONG_AGO, 1)
    assert messenger.value(LAST, 1) == FAR_AHEAD


def test_a_message_writes_its_conversation_once(messenger_at: At) -> None:
    """last_activity_at, waiting_since and first_reply_created_at come in one UPDATE."""
    messenger = messenger_at("0040")
    with psycopg.connect(messenger.conninfo) as connection:
        for sender, direction in (("contact", "incoming"), ("user", "outgoing"), ("bot", "outgoing")):
            before = _updates(connection)
            connection.execute(
                """
                INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, direction, body)
                SELECT account_id, inbox_id, id, %s, %s, 'text' FROM conversations WHERE id = 12
                """,
                (sender, direction),
            )
            assert _updates(connection) - before == 1


def _updates(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT pg_stat_get_xact_tuples_updated('conversations'::regclass)").fetchone()
    assert row is not None
    return int(row[0])


def test_it_never_goes_backwards_under_concurrent_writers(messenger_at: At) -> None:
    messenger = messenger_at("0040")
    rng = random.Random(7)
    writers = [[FAR_AHEAD + dt.timedelta(seconds=rng.randrange(10_000)) for _ in range(15)] for _ in range(8)]

    def write(times: list[dt.datetime]) -> list[tuple[dt.datetime, dt.datetime]]:
        """What the writer wrote, and what the conversation said in the same transaction."""
        seen = []
        with psycopg.connect(messenger.conninfo, autocommit=True) as connection:
            for at in times:
                with connection.transaction():
                    connection.execute(SAY, (at, 1))
                    row = connection.execute(LAST, (1,)).fetchone()
                    assert row is not None
                    seen.append((at, row[0]))
        return seen

    with ThreadPoolExecutor(len(writers)) as pool:
        histories = list(pool.map(write, writers))
    for history in histories:
        said = [last for _, last in history]
        assert said == sorted(said)
        assert all(last >= at for at, last in history)
    assert messenger.value(LAST, 1) == max(max(times) for times in writers)


def test_priority_is_one_of_four(messenger_at: At) -> None:
    messenger = messenger_at("0023")
    messenger.execute("UPDATE conversations SET priority = 3 WHERE id = 1")
    for wrong in (-1, 4):
        with pytest.raises(psycopg.errors.CheckViolation, match="conversations_priority_check"):
            messenger.execute("UPDATE conversations SET priority = %s WHERE id = 1", wrong)
