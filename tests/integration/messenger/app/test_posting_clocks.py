"""A5: the trigger and the application move the same clocks to the same values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from random import Random

import pytest
from psycopg import sql
from tests.conftest import Database
from tests.integration.messenger.conftest import ANN, IVAN

from inboxbench.database import Connection
from inboxbench.messenger.app.message import Actor, MessageType, NewMessage, SenderType
from inboxbench.messenger.app.posting import TRIGGER, Clocks, post

START = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
SENDERS: dict[SenderType, int | None] = {"contact": IVAN, "user": ANN, "bot": None}
# Every sender, type, privacy, with and without an automation rule: also those that no application should send.
KINDS = list(product(SENDERS, MessageType, (False, True), ({}, {"automation_rule_id": 7})))
OFFICE = """
    INSERT INTO accounts (id, name) VALUES (1, 'Ours');
    INSERT INTO users (id, account_id, name, email) VALUES (1, 1, 'Ann', 'ann@example.test');
    INSERT INTO inboxes (id, account_id, name) VALUES (1, 1, 'Chat');
    INSERT INTO contacts (id, account_id, name) VALUES (1, 1, 'Ivan');
"""
OPEN = """
    INSERT INTO conversations (account_id, inbox_id, contact_id, last_activity_at, waiting_since,
                               first_reply_created_at)
    VALUES (1, 1, 1, %s, %s, %s) RETURNING id
"""
READ = "SELECT last_activity_at, waiting_since, first_reply_created_at FROM conversations WHERE id = %s"
Values = tuple[dt.datetime, dt.datetime | None, dt.datetime | None]


@pytest.fixture
def rules(head: Database) -> Iterator[Connection]:
    with closing(head.connect(autocommit=False)) as connection:
        connection.execute(OFFICE)
        connection.commit()
        yield connection


def disable_trigger(connection: Connection) -> None:
    statement = sql.SQL("ALTER TABLE messages DISABLE TRIGGER {}").format(sql.Identifier(TRIGGER))
    connection.execute(statement)


def message(conversation: int, kind: int, at: dt.datetime) -> NewMessage:
    sender, type_, private, attributes = KINDS[kind]
    actor = Actor(sender, SENDERS[sender])
    return NewMessage(conversation, actor, "text", type_, private, content_attributes=attributes, created_at=at)


def history(connection: Connection, before: Values, kinds: list[int], clocks: Clocks) -> list[Values]:
    """The clocks of a new conversation after each message; every third one comes late."""
    row = connection.execute(OPEN, before).fetchone()
    assert row is not None
    seen: list[Values] = []
    for number, kind in enumerate(kinds):
        minutes = number - 5 if number % 3 == 2 else number
        post(connection, message(row[0], kind, START + dt.timedelta(minutes=minutes)), clocks=clocks)
        values = connection.execute(READ, (row[0],)).fetchone()
        assert values is not None
        seen.append((values[0], values[1], values[2]))
    return seen


def test_every_kind_of_message_from_every_state(rules: Connection) -> None:
    """C3, C5, C7: one message of each kind upon each state of the clocks, and random histories of forty."""
    early = START - dt.timedelta(days=1)
    states: list[Values] = [(early, waiting, first) for waiting in (None, early) for first in (None, early)]
    chance = Random(5)
    tales = [(state, [kind]) for state in states for kind in range(len(KINDS))]
    tales += [(states[0], chance.choices(range(len(KINDS)), k=40)) for _ in range(10)]
    by_trigger = [history(rules, state, kinds, "trigger") for state, kinds in tales]
    rules.rollback()
    disable_trigger(rules)
    by_application = [history(rules, state, kinds, "application") for state, kinds in tales]
    untouched = [history(rules, state, kinds, "trigger")[-1] for state, kinds in tales]
    assert by_application == by_trigger
    assert untouched == [state for state, _ in tales]  # the trigger really was off
    ends = {(a is not None, b is not None) for _, a, b in (values for tale in by_trigger for values in tale)}
    assert len(ends) == 4  # waiting or not, answered or not: all of it was seen


def test_both_at_once_do_no_harm(rules: Connection) -> None:
    """While one is being rolled out and the other not yet off."""
    before: Values = (START - dt.timedelta(days=1), None, None)
    kinds = Random(6).choices(range(len(KINDS)), k=60)
    assert history(rules, before, kinds, "application") == history(rules, before, kinds, "trigger")
