"""K1 and A4: every conversation knows the contact as its inbox does, made once however many arrive at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from inboxbench.migrate.session import Progress, StepStarted

if TYPE_CHECKING:
    from tests.migrations.conftest import Messenger

At = Callable[[str], "Messenger"]

NEW_CONTACT = "INSERT INTO contacts (account_id, name) VALUES (1, 'new') RETURNING id"
OLD_INSERT = """
    INSERT INTO conversations (account_id, inbox_id, contact_id)
    VALUES (1, (SELECT min(id) FROM inboxes WHERE account_id = 1), %s) RETURNING id
"""
STRAY = """
    SELECT count(*) FROM conversations c LEFT JOIN contact_inboxes e ON e.id = c.contact_inbox_id
    WHERE (e.contact_id, e.inbox_id) IS DISTINCT FROM (c.contact_id, c.inbox_id)
"""


def test_old_conversations_get_the_entry_of_their_contact_and_inbox(messenger_at: At) -> None:
    messenger = messenger_at("0036")
    pairs = set(messenger.rows("SELECT contact_id, inbox_id FROM conversations"))
    contacts = dict(messenger.rows("SELECT id, created_at FROM contacts"))
    entries = messenger.rows("SELECT contact_id, inbox_id, source_id, created_at FROM contact_inboxes")
    assert {(contact, inbox) for contact, inbox, _, _ in entries} == pairs
    assert len(entries) == len(pairs)
    assert all(source == f"contact:{contact}" and at == contacts[contact] for contact, _, source, at in entries)
    assert messenger.value(STRAY) == 0


def test_a_conversation_of_old_code_finds_or_makes_its_entry(messenger_at: At) -> None:
    messenger = messenger_at("0035")
    contact = messenger.value(NEW_CONTACT)
    first, second = messenger.value(OLD_INSERT, contact), messenger.value(OLD_INSERT, contact)
    linked = messenger.rows("SELECT contact_inbox_id FROM conversations WHERE id IN (%s, %s)", first, second)
    assert linked[0] == linked[1]
    assert messenger.rows("SELECT source_id FROM contact_inboxes WHERE contact_id = %s", contact) == [
        (f"contact:{contact}",)
    ]


def test_an_address_that_is_known_is_used(messenger_at: At) -> None:
    messenger = messenger_at("0040")
    contact = messenger.value(NEW_CONTACT)
    entry = messenger.value(
        "INSERT INTO contact_inboxes (contact_id, inbox_id, source_id)"
        " SELECT %s, min(id), '+7 900 000-00-00' FROM inboxes WHERE account_id = 1 RETURNING id",
        contact,
    )
    conversation = messenger.value(OLD_INSERT, contact)
    assert messenger.value("SELECT contact_inbox_id FROM conversations WHERE id = %s", conversation) == entry
    assert messenger.value("SELECT count(*) FROM contact_inboxes WHERE contact_id = %s", contact) == 1


def test_a_conversation_that_old_code_moves_gets_another_entry(messenger_at: At) -> None:
    messenger = messenger_at("0040")
    contact = messenger.value(NEW_CONTACT)
    messenger.execute("UPDATE conversations SET contact_id = %s WHERE id IN (12, 24)", contact)
    assert messenger.value(STRAY) == 0
    assert messenger.rows("SELECT source_id FROM contact_inboxes WHERE contact_id = %s", contact)[0] == (
        f"contact:{contact}",
    )


def test_new_code_may_move_both_itself(messenger_at: At) -> None:
    messenger = messenger_at("0040")
    contact = messenger.value(NEW_CONTACT)
    entry = messenger.value(
        "INSERT INTO contact_inboxes (contact_id, inbox_id, source_id)"
        " SELECT %s, inbox_id, 'own address' FROM conversations WHERE id = 12 RETURNING id",
        contact,
    )
    messenger.execute("UPDATE conversations SET contact_id = %s, contact_inbox_id = %s WHERE id = 12", contact, entry)
    assert messenger.value("SELECT contact_inbox_id FROM conversations WHERE id = 12") == entry
    assert messenger.value("SELECT count(*) FROM contact_inboxes WHERE contact_id = %s", contact) == 1


def test_old_code_may_delete_a_contact_without_conversations(messenger_at: At) -> None:
    messenger = messenger_at("0040")
    contact = messenger.value(NEW_CONTACT)
    conversation = messenger.value(OLD_INSERT, contact)
    delete = "DELETE FROM contacts WHERE id = %s"
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="conversations"):
        messenger.execute(delete, contact)
    messenger.execute("DELETE FROM conversations WHERE id = %s", conversation)
    messenger.execute(delete, contact)
    assert messenger.value("SELECT count(*) FROM contact_inboxes WHERE contact_id = %s", contact) == 0


def test_other_entries_of_a_large_inbox_are_not_read(messenger_at: At) -> None:
    messenger = messenger_at("0040")
    contact = messenger.value(NEW_CONTACT)
    messenger.execute(
        """
        INSERT INTO contact_inboxes (contact_id, inbox_id, source_id)
        SELECT 1 + n %% 500, (SELECT min(id) FROM inboxes WHERE account_id = 1), n::text
        FROM generate_series(1, %s) n
        """,
        5000,
    )
    messenger.execute("ANALYZE contact_inboxes")
    read = """
        SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index
        WHERE indrelid = 'contact_inboxes'::regclass
    """
    with psycopg.connect(messenger.conninfo) as connection:
        connection.execute(OLD_INSERT.encode(), (contact,))
        row = connection.execute(read.encode()).fetchone()
    assert row is not None
    assert row[0] < 10


def test_sixteen_at_once_make_one_entry(messenger_at: At) -> None:
    messenger = messenger_at("0040")
    writers, contacts = 16, [messenger.value(NEW_CONTACT) for _ in range(5)]
    start = threading.Barrier(writers)

    def write(_writer: int) -> None:
        with psycopg.connect(messenger.conninfo, autocommit=True) as connection:
            for contact in contacts:
                start.wait(timeout=60)
                connection.execute(OLD_INSERT.encode(), (contact,))

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    counts = messenger.rows(
        "SELECT count(*), count(DISTINCT contact_inbox_id) FROM conversations WHERE contact_id = ANY(%s)"
        " GROUP BY contact_id",
        contacts,
    )
    assert counts == [(writers, 1)] * len(contacts)
    assert messenger.value("SELECT count(*) FROM contact_inboxes WHERE contact_id = ANY(%s)", contacts) == len(contacts)


def test_conversations_that_arrive_during_the_upgrade_are_not_missed(messenger_at: At) -> None:
    """At each step and after each batch somebody writes, as old code does."""
    messenger = messenger_at("0034")
    written: list[int] = []

    def listener(event: Any) -> None:
        if isinstance(event, StepStarted | Progress):
            contact = messenger.value(NEW_CONTACT) if len(written) % 2 else 1
            written.append(messenger.value(OLD_INSERT, contact))

    messenger.up("0037", listener=listener)
    assert len(written) > 10
    assert messenger.value(STRAY) == 0


def test_the_foreign_key_is_enforced_and_validated(messenger_at: At) -> None:
    messenger = messenger_at("0040")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        messenger.execute("UPDATE conversations SET contact_inbox_id = -1 WHERE id = 1")
    validated = "SELECT convalidated FROM pg_constraint WHERE conname = 'conversations_contact_inbox_id_fkey'"
    assert messenger.value(validated) is True


def test_nobody_is_blocked_at_first(messenger_at: At) -> None:
    """A4, the column it needs."""
    messenger = messenger_at("0039")
    assert messenger.rows("SELECT DISTINCT blocked FROM contacts") == [(False,)]
    messenger.value(NEW_CONTACT)
    messenger.execute("UPDATE contacts SET blocked = true WHERE id = 1")
    assert messenger.value("SELECT count(*) FROM contacts WHERE blocked") == 1
