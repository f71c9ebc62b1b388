"""Jobs that run twice at once, locks taken in different order, and workers that die (A1, A3, C4, P1.2)."""

from __future__ import annotations

from collections.abc import Sequence

from inboxbench.database import Connection
from inboxbench.race.atlas.model import ALL, Entry, Family, changed, twice, value
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Outcome, SessionFunction

_SETUP = """
    CREATE TABLE race_snoozed (id int PRIMARY KEY, status text NOT NULL);
    INSERT INTO race_snoozed VALUES (1, 'snoozed');
    CREATE TABLE race_note (conversation int NOT NULL);
"""
_RESET = "UPDATE race_snoozed SET status = 'snoozed'; DELETE FROM race_note"


def _noted_once(control: Connection, _outcomes: Sequence[Outcome]) -> list[str]:
    status, notes = value(control, "SELECT status FROM race_snoozed"), value(control, "SELECT count(*) FROM race_note")
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


def _no_deadlock(_control: Connection, outcomes: Sequence[Outcome]) -> list[str]:
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


# A lease counts claims: whoever claims last holds the highest. NULL: a claim that nobody may ever take away.
_WORK_SETUP = """
    CREATE TABLE race_work (id int PRIMARY KEY, state text NOT NULL, lease int, claims int NOT NULL DEFAULT 0,
                            done int NOT NULL DEFAULT 0);
    INSERT INTO race_work VALUES (1, 'new');
"""
_WORK_RESET = "UPDATE race_work SET state = 'new', lease = NULL, claims = 0, done = 0"
_FREE = "SELECT id FROM race_work WHERE {which} LIMIT 1 FOR UPDATE SKIP LOCKED"
_NEW, _NEW_OR_OVER = "state = 'new'", "state = 'new' OR state = 'taken' AND lease IS NOT NULL"
_DONE = "UPDATE race_work SET state = 'done', done = done + 1 WHERE id = 1"


def _done_or_to_be_had(control: Connection, _outcomes: Sequence[Outcome]) -> list[str]:
    """All sessions are over: what is taken now stays so, unless its lease ends."""
    lost = value(control, "SELECT true FROM race_work WHERE state = 'taken' AND lease IS NULL")
    done = value(control, "SELECT done FROM race_work")
    return (["taken by somebody who is gone, and never done"] if lost else []) + (
        [f"done {done} times"] if done > 1 else []
    )


def _each_statement_commits(connection: GatedConnection) -> None:
    with connection.ungated():
        connection.autocommit = True


def _claim_then_work(connection: GatedConnection, _session: int) -> bool:
    """The claim is committed before the work is done, so that no transaction is open meanwhile."""
    _each_statement_commits(connection)
    free = _FREE.format(which=_NEW)
    return changed(connection, f"UPDATE race_work SET state = 'taken' WHERE id = ({free})") and changed(
        connection, _DONE
    )


def _work_in_transaction(connection: GatedConnection, _session: int) -> bool:
    return value(connection, _FREE.format(which=_NEW)) is not None and changed(connection, _DONE)


def _leased(fence: str) -> SessionFunction:
    """Any lease may be over by now, as that of a worker who is slow: the worst case, always."""

    def work(connection: GatedConnection, _session: int) -> bool:
        _each_statement_commits(connection)
        free = _FREE.format(which=_NEW_OR_OVER)
        lease = value(
            connection,
            f"UPDATE race_work SET state = 'taken', claims = claims + 1, lease = claims + 1 WHERE id = ({free})"
            " RETURNING lease",
        )
        return lease is not None and changed(connection, _DONE + fence.format(lease=lease))

    return work


LOSING = Family(
    "work lost",
    "two workers, one piece of work, and either may die",
    ("A1", "P1.2"),
    _WORK_SETUP,
    _WORK_RESET,
    _done_or_to_be_had,
    (
        Entry("claim-then-work", "commit the claim, then do the work", twice(_claim_then_work), (), deaths=1),
        Entry(
            "work-in-transaction",
            "hold the claim open until the work is done",
            twice(_work_in_transaction),
            ALL,
            "claim-then-work",
            deaths=1,
        ),
        Entry("lease", "commit the claim with a lease; done by whoever", twice(_leased("")), (), deaths=1),
        Entry(
            "lease-fenced",
            "the same, and only the holder of the last lease may finish",
            twice(_leased(" AND lease = {lease} AND state = 'taken'")),
            ALL,
            "lease",
            deaths=1,
        ),
    ),
)
