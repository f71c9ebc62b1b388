"""Every invariant holds in a sound messenger, and sees the one fault that it is for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from inboxbench.database import Connection, connect, scratch_database
from inboxbench.invariants import read_invariants, violation, violations
from inboxbench.messenger.races.assignment_database import build_messenger
from inboxbench.project import Project
from inboxbench.server import Server

WORLD = """
    INSERT INTO accounts (id, name) VALUES (1, 'Ours'), (2, 'Theirs');
    INSERT INTO users (id, account_id, name, email, role)
    VALUES (1, 1, 'Ann', 'a@example.test', 'agent'), (2, 1, 'Root', 'r@example.test', 'administrator'),
           (3, 1, 'Outsider', 'o@example.test', 'agent'), (4, 2, 'Eve', 'e@example.test', 'administrator');
    INSERT INTO inboxes (id, account_id, name) VALUES (1, 1, 'Chat'), (2, 1, 'Mail');
    INSERT INTO inbox_members VALUES (1, 1);
    INSERT INTO contacts (id, account_id, name, external_id) VALUES (1, 1, 'Cy', 'x1'), (2, 1, 'Di', 'x2');
    INSERT INTO contact_inboxes (id, contact_id, inbox_id, source_id) VALUES (1, 1, 1, 'cy'), (2, 2, 1, 'di');
    INSERT INTO conversations (id, account_id, inbox_id, contact_id, contact_inbox_id, identifier)
    VALUES (1, 1, 1, 1, 1, 'k1'), (2, 1, 1, 2, 2, 'k2');
    INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, direction, message_type, body,
                          source_id, echo_id, created_at)
    VALUES (1, 1, 1, 'contact', 'incoming', 0, 'Hello?', 's1', 'e1', now() - interval '5 minutes'),
           (1, 1, 1, 'contact', 'incoming', 0, 'Anyone?', 's2', 'e2', now() - interval '4 minutes'),
           (1, 1, 2, 'contact', 'incoming', 0, 'Hi', 's3', 'e3', now() - interval '3 minutes'),
           (1, 1, 2, 'user', 'outgoing', 1, 'Hi back', NULL, NULL, now() - interval '2 minutes');
    UPDATE conversations SET assignee_id = 1, assignee_assigned_at = now() WHERE id = 1;
    UPDATE conversations SET assignee_id = 2, assignee_assigned_at = now() WHERE id = 2
"""
# Each fault is done behind the back of triggers and constraints, as a bug or an outage would.
FAULTS = {
    "no_double_assignment": "UPDATE conversations SET claims = '{1,2}' WHERE id = 2",
    "last_claim_holds": "UPDATE conversations SET claims = '{1}' WHERE id = 2",
    "assignee_works_in_inbox": "UPDATE conversations SET assignee_id = 3, claims = '{3}' WHERE id = 1",
    "assigned_at_with_assignee": "UPDATE conversations SET assignee_assigned_at = NULL WHERE id = 1",
    "display_id_unique": "DROP INDEX conversations_account_display_id_key; UPDATE conversations SET display_id = 1",
    "display_id_counted": "UPDATE conversation_counters SET last_display_id = 1",
    "identifier_unique": "DROP INDEX conversations_account_identifier_key; UPDATE conversations SET identifier = 'k'",
    "waiting_since_is_a_question": "UPDATE conversations SET waiting_since = now() WHERE id = 1",
    "snoozed_until_while_snoozed": "UPDATE conversations SET snoozed_until = now() WHERE id = 1",
    "first_reply_is_a_reply": "UPDATE conversations SET first_reply_created_at = now() WHERE id = 1",
    "last_activity_not_behind": "UPDATE conversations SET last_activity_at = now() - interval '1 day' WHERE id = 1",
    "echo_id_unique": "DROP INDEX messages_conversation_echo_id_key; UPDATE messages SET echo_id = 'e'",
    "source_id_unique": "DROP INDEX messages_inbox_source_id_key; UPDATE messages SET source_id = 's'",
    "body_within_limit": """
        ALTER TABLE messages DROP CONSTRAINT messages_body_length_check;
        UPDATE messages SET body = repeat('я', 150001) WHERE source_id = 's1'
    """,
    "message_in_its_conversation": "UPDATE messages SET inbox_id = 2 WHERE source_id = 's1'",
    "address_unique": "UPDATE conversations SET contact_inbox_id = 2 WHERE id = 1",
    "external_id_unique": "DROP INDEX contacts_account_external_id_key; UPDATE contacts SET external_id = 'x'",
}


@pytest.fixture(scope="module")
def world(server: Server, project: Project) -> Iterator[Connection]:
    with scratch_database(server, "invariants") as name, connect(server.conninfo(name)) as connection:
        build_messenger(connection, project)
        connection.execute(WORLD)
        yield connection


def test_all_hold_in_a_sound_messenger(world: Connection, project: Project) -> None:
    invariants = read_invariants(project.schema / "invariants.sql")
    assert violations(world, invariants.values()) == []
    assert invariants.keys() == FAULTS.keys()


@pytest.mark.parametrize("name", FAULTS)
def test_each_sees_its_fault(world: Connection, project: Project, name: str) -> None:
    invariants = read_invariants(project.schema / "invariants.sql")
    with world.transaction(force_rollback=True):
        world.execute("SET LOCAL session_replication_role = replica")
        world.execute(FAULTS[name].encode())
        broken = violation(world, invariants[name])
        others = violations(world, [other for other in invariants.values() if other.name != name])
    assert broken is not None
    assert broken.rows == len(broken.examples)
    assert [other.invariant.name for other in others] == []


def test_an_answered_question_ends_the_wait(world: Connection, project: Project) -> None:
    """The other half of the rule: a wait that an answer should have ended."""
    invariants = read_invariants(project.schema / "invariants.sql")
    with world.transaction(force_rollback=True):
        world.execute("SET LOCAL session_replication_role = replica")
        world.execute(
            "UPDATE conversations SET waiting_since = (SELECT created_at FROM messages WHERE source_id = 's3')"
        )
        broken = violation(world, invariants["waiting_since_is_a_question"])
    assert broken is not None
    assert [row["id"] for row in broken.examples] == [1, 2]
