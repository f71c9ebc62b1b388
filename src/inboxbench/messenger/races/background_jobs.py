"""Jobs that run twice at once, and locks taken in different order (C4, A3)."""

from __future__ import annotations

from collections.abc import Sequence

from inboxbench.database import Connection
from inboxbench.race.atlas.family import ALL, Entry, Family, changed, twice, value
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.schedule import Outcome
from inboxbench.race.explore.session import SessionFunction

_SETUP = """
    CREATE TABLE race_snoozed (id int PRIMARY KEY, status text NOT NULL);
    INSERT INTO race_snoozed VALUES (1, 'snoozed');
    CREATE TABLE race_note (conversation int NOT NULL);
"""
_RESET = "UPDATE race_snoozed SET status = 'snoozed'; DELETE FROM race_note"


def _noted_once(referee: Connection, _outcomes: Sequence[Outcome]) -> list[str]:
    status, notes = value(referee, "SELECT status FROM race_snoozed"), value(referee, "SELECT count(*) FROM race_note")
    return [] if (status, notes) == ("open", 1) else [f"{status}, with {notes} notes of its reopening"]


def _note(connection: GatedConnection) -> bool:
    return changed(connection, "INSERT INTO race_note VALUES (1)")


def _reopen_due(lock: str) -> SessionFunction:
    def reopen(connection: GatedConnection, _session: int) -> bool:
        if value(connection, f"SELECT id FROM race_snoozed WHERE status = 'snoozed' {lock}") is None:
            return False
        connection.execute("UPDATE race_snoozed SET status = 'open' WHERE id = 1")
        return _note(connection)

    return reopen


def _reopen_if_snoozed(connection: GatedConnection, _session: int) -> bool:
    hit = changed(connection, "UPDATE race_snoozed SET status = 'open' WHERE status = 'snoozed'")
    return hit and _note(connection)


REOPENING = Family(
    "snooze",
    "two jobs reopen one snoozed conversation and note it",
    ("C4", "A3"),
    _SETUP,
    _RESET,
    _noted_once,
    (
        Entry("select-then-update", "find the due, reopen, note", twice(_reopen_due("")), ("rr", "ser")),
        Entry(
            "skip-locked",
            "find the due with SKIP LOCKED",
            twice(_reopen_due("FOR UPDATE SKIP LOCKED")),
            ALL,
            "select-then-update",
        ),
        Entry(
            "returning",
            "UPDATE … WHERE snoozed RETURNING, note what it hit",
            twice(_reopen_if_snoozed),
            ALL,
            "select-then-update",
        ),
    ),
)

_BULK_SETUP = """
    CREATE TABLE race_bulk (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);
    INSERT INTO race_bulk VALUES (1), (2);
    CREATE TABLE race_bulk_child (parent int NOT NULL REFERENCES race_bulk);
"""
_BULK_RESET = "DELETE FROM race_bulk_child; UPDATE race_bulk SET n = 0"


def _no_deadlock(_referee: Connection, outcomes: Sequence[Outcome]) -> list[str]:
    return ["a deadlock: one session was ended for the other"] if any(o.deadlocked for o in outcomes) else []


def _bulk(*rows: int) -> SessionFunction:
    def update(connection: GatedConnection, _session: int) -> None:
        for row in rows:
            connection.execute("UPDATE race_bulk SET n = n + 1 WHERE id = %s", (row,))

    return update


def _child_then_parent(statement: str) -> SessionFunction:
    """The insert shares the parent's key; what follows wants more of the parent."""

    def write(connection: GatedConnection, _session: int) -> None:
        connection.execute("INSERT INTO race_bulk_child VALUES (1)")
        connection.execute(statement.encode())

    return write


def _parent_then_child(connection: GatedConnection, _session: int) -> None:
    connection.execute("SELECT FROM race_bulk WHERE id = 1 FOR UPDATE")
    connection.execute("INSERT INTO race_bulk_child VALUES (1)")


LOCK_ORDER = Family(
    "lock order",
    "two sessions want the same rows",
    ("A1", "A5"),
    _BULK_SETUP,
    _BULK_RESET,
    _no_deadlock,
    (
        Entry("any-order", "bulk updates in opposite order", (_bulk(1, 2), _bulk(2, 1)), ()),
        Entry("one-order", "bulk updates in the order of the key", (_bulk(1, 2), _bulk(1, 2)), ALL, "any-order"),
        Entry(
            "child-then-lock",
            "insert a message, then lock its conversation FOR UPDATE",
            twice(_child_then_parent("SELECT FROM race_bulk WHERE id = 1 FOR UPDATE")),
            (),
        ),
        Entry(
            "child-then-update",
            "insert a message, then update its conversation",
            twice(_child_then_parent("UPDATE race_bulk SET n = n + 1 WHERE id = 1")),
            ALL,
            "child-then-lock",
        ),
        Entry("lock-then-child", "lock the conversation first", twice(_parent_then_child), ALL, "child-then-lock"),
    ),
)
