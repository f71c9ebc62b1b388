"""A small office at the messenger's head: the tables, people and conversations of its own races, and their rules."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from inboxbench.database import Connection
from inboxbench.invariants import Invariant, read_invariants, violations
from inboxbench.project import find_project
from inboxbench.race.atlas.family import committed, value
from inboxbench.race.explore.schedule import Outcome

ANN, BOB, IVAN, CHAT = 1, 2, 1, 1
FREE, DUE, HELD = 1, 2, 3

_OFFICE = """
    INSERT INTO accounts (id, name) VALUES (1, 'Ours');
    INSERT INTO users (id, account_id, name, email) VALUES
        (1, 1, 'Ann', 'a@example.test'), (2, 1, 'Bob', 'b@example.test');
    INSERT INTO inboxes (id, account_id, name) VALUES (1, 1, 'Chat');
    INSERT INTO inbox_members (inbox_id, user_id) VALUES (1, 1), (1, 2);
    INSERT INTO contacts (id, account_id, name) VALUES (1, 1, 'Ivan');
    INSERT INTO conversations (id, account_id, inbox_id, contact_id) VALUES (1, 1, 1, 1), (2, 1, 1, 1), (3, 1, 1, 1)
"""
RESET = """
    DELETE FROM messages;
    UPDATE conversations SET
        status = CASE id WHEN 2 THEN 'snoozed' ELSE 'open' END,
        snoozed_until = CASE id WHEN 2 THEN timestamptz '2024-01-01' END,
        assignee_id = CASE id WHEN 3 THEN 1 END,
        assignee_assigned_at = CASE id WHEN 3 THEN timestamptz '2024-01-01' END,
        waiting_since = NULL, first_reply_created_at = NULL, last_activity_at = '2024-01-01';
    UPDATE conversations SET claims = '{}';
    UPDATE contacts SET blocked = false
"""
_RULES = (
    "assigned_at_with_assignee",
    "waiting_since_is_a_question",
    "snoozed_until_while_snoozed",
    "first_reply_is_a_reply",
    "last_activity_not_behind",
    "message_in_its_conversation",
)


# Resolving and reopening are two changes; whatever else these sessions do, only one of them can.
_TWICE = """
    SELECT true FROM messages
    WHERE message_type = 2 AND NOT (conversation_id = 1 AND content_attributes -> 'activity' ->> 'kind' = 'status')
    GROUP BY conversation_id HAVING count(*) > 1
"""


def setup() -> str:
    head = (find_project().schema / "head.sql").read_text(encoding="utf-8")
    overlay = (files("inboxbench.messenger.races") / "lab.sql").read_text(encoding="utf-8")
    return f"{head};{overlay};{_OFFICE}"


@cache
def _invariants() -> tuple[Invariant, ...]:
    known = read_invariants(find_project().schema / "invariants.sql")
    return tuple(known[name] for name in _RULES)


def rules_hold(referee: Connection, outcomes: Sequence[Outcome]) -> list[str]:
    """The invariants, one winner at most, and a line for each change that a session was told it made."""
    told = sum(committed(outcomes))
    lines = value(referee, "SELECT count(*) FROM messages WHERE message_type = 2")
    complaints = [f"{broken.invariant.name}: {broken.examples[0]}" for broken in violations(referee, _invariants())]
    if value(referee, _TWICE):
        complaints.append("two lines tell of what only one session can have done")
    if lines != told:
        complaints.append(f"{told} changes and {lines} lines that tell of them")
    return complaints
