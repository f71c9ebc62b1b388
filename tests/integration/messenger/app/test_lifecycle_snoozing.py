"""C4: put away, brought back by hand, and by the clock in batches that workers share; each with its line (A3)."""

from __future__ import annotations

import datetime as dt

import pytest
from tests.integration.messenger.conftest import BY_ANN, BY_BOB, Office

from inboxbench.database import Connection
from inboxbench.errors import UsageError
from inboxbench.messenger.app.lifecycle import reopen_due, snooze, unsnooze
from inboxbench.messenger.app.message import SYSTEM

MORNING = dt.datetime(2100, 1, 2, 9, 30, tzinfo=dt.timezone(dt.timedelta(hours=3)))
BACK = "The conversation is back: its time has come"


def due(office: Office, number: int) -> list[int]:
    """Snoozed conversations, the first due the longest."""
    talks = [office.conversation() for _ in range(number)]
    statement = "UPDATE conversations SET status = 'snoozed', snoozed_until = now() - %s WHERE id = %s"
    for position, talk in enumerate(talks):
        office.execute(statement, dt.timedelta(minutes=number - position), talk)
    return talks


def test_put_away_and_brought_back(office: Office, db: Connection) -> None:
    talk = office.conversation()
    assert snooze(db, talk, MORNING, BY_ANN)
    assert not snooze(db, talk, MORNING, BY_BOB)
    db.commit()
    assert office.state(talk, "status, snoozed_until") == ("snoozed", MORNING)
    assert snooze(db, talk, None, BY_BOB)
    assert not snooze(db, talk, None, BY_BOB)
    db.commit()
    assert office.state(talk, "status, snoozed_until") == ("snoozed", None)
    assert snooze(db, talk, MORNING, BY_ANN)
    assert unsnooze(db, talk, BY_BOB)
    assert not unsnooze(db, talk, BY_BOB)
    db.commit()
    assert office.state(talk, "status, snoozed_until") == ("open", None)
    assert office.lines(talk) == [
        "Ann snoozed the conversation until 2100-01-02 06:30 UTC",
        "Bob snoozed the conversation until the customer writes",
        "Ann snoozed the conversation until 2100-01-02 06:30 UTC",
        "Bob opened the conversation",
    ]


def test_resolved_is_not_opened_by_unsnoozing(office: Office, db: Connection) -> None:
    talk = office.conversation(status="resolved")
    assert not unsnooze(db, talk, BY_ANN)
    assert not snooze(db, 404, None, BY_ANN)


def test_a_time_needs_a_zone(office: Office, db: Connection) -> None:
    with pytest.raises(UsageError, match="without a zone"):
        snooze(db, office.conversation(), dt.datetime(2100, 1, 1), BY_ANN)


def test_due_ones_come_back_longest_first_in_batches(office: Office, db: Connection) -> None:
    """Neither those due later nor those that wait for their customer."""
    talks = due(office, 5)
    later, waiting = office.conversation(), office.conversation()
    snooze(db, later, MORNING, BY_ANN)
    snooze(db, waiting, None, BY_ANN)
    db.commit()
    batches = []
    while found := reopen_due(db, 2):
        batches.append(sorted(found))
        db.commit()
    assert batches == [talks[0:2], talks[2:4], talks[4:5]]
    states = "SELECT status, count(*), count(snoozed_until) FROM conversations GROUP BY 1 ORDER BY 1"
    assert office.rows(states) == [("open", 5, 0), ("snoozed", 2, 1)]
    assert [office.lines(talk) for talk in talks] == [[BACK]] * 5
    sender = "SELECT DISTINCT sender_type, sender_id FROM messages WHERE body = %s"
    assert office.rows(sender, BACK) == [(SYSTEM.kind, SYSTEM.id)]


def test_workers_share_the_due_ones(office: Office, db: Connection) -> None:
    """The second does not wait for the first; together they open each once. What rolls back is due again."""
    talks = due(office, 5)
    second = office.session()
    first_share = reopen_due(db, 2)
    second_share = reopen_due(second, 10)
    assert (sorted(first_share), sorted(second_share)) == (talks[:2], talks[2:])
    db.rollback()
    second.commit()
    assert sorted(reopen_due(db)) == talks[:2]
    db.commit()
    assert [office.lines(talk) for talk in talks] == [[BACK]] * 5


def test_unsnoozed_while_due(office: Office, db: Connection) -> None:
    """A3: a colleague has it in hand, so the worker passes; one line."""
    (talk,) = due(office, 1)
    worker = office.session()
    assert unsnooze(db, talk, BY_ANN)
    assert reopen_due(worker) == []
    worker.commit()
    db.commit()
    assert office.lines(talk) == ["Ann opened the conversation"]
