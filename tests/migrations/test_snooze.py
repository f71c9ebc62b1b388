"""C4: snoozed conversations come back when they are due, each once, however many workers look."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from inboxbench.migrate.session import StepStarted

if TYPE_CHECKING:
    from tests.migrations.conftest import Messenger

At = Callable[[str], "Messenger"]

SNOOZE = "UPDATE conversations SET status = 'snoozed', snoozed_until = now() + %s::interval WHERE id BETWEEN %s AND %s"


def test_the_status_is_let_in_and_others_are_not(messenger_at: At) -> None:
    messenger = messenger_at("0028")
    update = "UPDATE conversations SET status = %s WHERE id = 1"
    with pytest.raises(psycopg.errors.CheckViolation):
        messenger.execute(update, "snoozed")
    messenger.up("0029")
    messenger.execute(update, "snoozed")
    with pytest.raises(psycopg.errors.CheckViolation, match="conversations_status_check"):
        messenger.execute(update, "closed")


def test_at_no_moment_is_any_status_let_in(messenger_at: At) -> None:
    messenger = messenger_at("0028")
    let_in: list[str] = []

    def listener(event: Any) -> None:
        if isinstance(event, StepStarted):
            try:
                messenger.execute("UPDATE conversations SET status = 'closed' WHERE id = 1")
            except psycopg.errors.CheckViolation:
                return
            let_in.append(event.text)

    messenger.up("0029", listener=listener)
    assert let_in == []


def test_snoozed_until_goes_with_the_status(messenger_at: At) -> None:
    messenger = messenger_at("0040")
    until = "SELECT snoozed_until IS NOT NULL FROM conversations WHERE id = 1"
    messenger.execute(SNOOZE, "1 hour", 1, 1)
    assert messenger.value(until) is True
    messenger.execute("UPDATE conversations SET status = 'pending' WHERE id = 1")
    assert messenger.value(until) is False
    messenger.execute("UPDATE conversations SET snoozed_until = now() WHERE id = 1")
    assert messenger.value(until) is False
    inserted = messenger.value(
        """
        INSERT INTO conversations (account_id, inbox_id, contact_id, status, snoozed_until)
        SELECT account_id, inbox_id, contact_id, 'open', now() FROM conversations WHERE id = 1 RETURNING snoozed_until
        """
    )
    assert inserted is None


def test_only_what_is_due_reopens(messenger_at: At) -> None:
    messenger = messenger_at("0040")
    messenger.execute(SNOOZE, "-1 minute", 1, 5)
    messenger.execute(SNOOZE, "1 hour", 6, 9)
    messenger.execute("UPDATE conversations SET status = 'snoozed' WHERE id = 10")
    assert sorted(messenger.rows("SELECT reopen_snoozed(100)")) == [(1,), (2,), (3,), (4,), (5,)]
    found = messenger.rows("SELECT status, count(*), count(snoozed_until) FROM conversations WHERE id <= 10 GROUP BY 1")
    assert sorted(found) == [("open", 5, 0), ("snoozed", 5, 4)]


def test_four_workers_take_each_conversation_once(messenger_at: At) -> None:
    """Each round all four hold their batch before any commits: what one has locked, the others skip."""
    messenger = messenger_at("0040")
    messenger.execute(SNOOZE, "-1 minute", 1, 300)
    workers, rounds = 4, 12
    held = threading.Barrier(workers)

    def work(_worker: int) -> list[int]:
        taken: list[int] = []
        with psycopg.connect(messenger.conninfo, autocommit=True) as connection:
            for _ in range(rounds):
                with connection.transaction():
                    taken += [id_ for (id_,) in connection.execute("SELECT reopen_snoozed(7)")]
                    held.wait(timeout=60)
        return taken

    with ThreadPoolExecutor(workers) as pool:
        taken = [id_ for ids in pool.map(work, range(workers)) for id_ in ids]
    assert sorted(taken) == list(range(1, 301))
    assert messenger.value("SELECT count(*) FROM conversations WHERE status = 'snoozed'") == 0


def test_the_due_query_reads_the_partial_index(messenger_at: At) -> None:
    messenger = messenger_at("0040")
    messenger.execute(SNOOZE, "-1 minute", 1, 20)
    messenger.execute("ANALYZE conversations")
    plan = messenger.rows(
        """
        EXPLAIN SELECT id FROM conversations WHERE status = 'snoozed' AND snoozed_until <= now()
        ORDER BY snoozed_until LIMIT 5 FOR NO KEY UPDATE SKIP LOCKED
        """
    )
    assert any("conversations_snoozed_until_idx" in line for (line,) in plan), plan


def test_down_opens_what_is_snoozed(messenger_at: At) -> None:
    messenger = messenger_at("0029")
    messenger.execute(SNOOZE, "1 hour", 1, 1200)
    messenger.down("0028")
    assert messenger.rows("SELECT DISTINCT status FROM conversations WHERE id <= 1200") == [("open",)]
    with pytest.raises(psycopg.errors.CheckViolation, match="conversations_status_check"):
        messenger.execute("UPDATE conversations SET status = 'snoozed' WHERE id = 1")
