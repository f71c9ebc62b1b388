"""Two writers below one limit: an agent's capacity, a conversation's flood limit (A2, M8, P1.1, P1.2)."""

from __future__ import annotations

from collections.abc import Sequence

from inboxbench.database import Connection
from inboxbench.race.atlas.family import ALL, Entry, Family, changed, twice, value
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.schedule import Outcome
from inboxbench.race.explore.session import SessionFunction

# One agent who may hold one conversation, or one conversation that may get one message: the same shape.
_SETUP = """
    CREATE TABLE race_owner (id int PRIMARY KEY, held int NOT NULL DEFAULT 0, touched int NOT NULL DEFAULT 0);
    INSERT INTO race_owner VALUES (1);
    CREATE TABLE race_item (owner int NOT NULL REFERENCES race_owner, session int NOT NULL);
    CREATE TABLE race_slot (owner int NOT NULL, slot int NOT NULL, session int, PRIMARY KEY (owner, slot));
    INSERT INTO race_slot VALUES (1, 1);
"""
_RESET = """
    DELETE FROM race_item;
    UPDATE race_owner SET held = 0, touched = 0;
    UPDATE race_slot SET session = NULL
"""
_ADD = "INSERT INTO race_item VALUES (1, %s)"


def _within_limit(referee: Connection, _outcomes: Sequence[Outcome]) -> list[str]:
    count = value(referee, "SELECT count(*) FROM race_item")
    return [f"{count} where 1 is allowed"] if count > 1 else []


def _count_then_add(guard: str | None) -> SessionFunction:
    def add(connection: GatedConnection, session: int) -> bool:
        if guard:
            connection.execute(guard.encode())
        if value(connection, "SELECT count(*) FROM race_item WHERE owner = 1") >= 1:
            return False
        return changed(connection, _ADD, session)

    return add


def _counter(connection: GatedConnection, session: int) -> bool:
    room = changed(connection, "UPDATE race_owner SET held = held + 1 WHERE id = 1 AND held < 1")
    return room and changed(connection, _ADD, session)


def _read_counter(connection: GatedConnection, session: int) -> bool:
    if value(connection, "SELECT held FROM race_owner WHERE id = 1") >= 1:
        return False
    connection.execute("UPDATE race_owner SET held = held + 1 WHERE id = 1")
    return changed(connection, _ADD, session)


def _slot(connection: GatedConnection, session: int) -> bool:
    free = "SELECT slot FROM race_slot WHERE owner = 1 AND session IS NULL LIMIT 1 FOR UPDATE SKIP LOCKED"
    slot = value(connection, free)
    if slot is None:
        return False
    connection.execute("UPDATE race_slot SET session = %s WHERE owner = 1 AND slot = %s", (session, slot))
    return changed(connection, _ADD, session)


def _slot_unlocked(connection: GatedConnection, session: int) -> bool:
    slot = value(connection, "SELECT slot FROM race_slot WHERE owner = 1 AND session IS NULL LIMIT 1")
    if slot is None:
        return False
    connection.execute("UPDATE race_slot SET session = %s WHERE owner = 1 AND slot = %s", (session, slot))
    return changed(connection, _ADD, session)


def _conditional_insert(connection: GatedConnection, session: int) -> bool:
    insert = "INSERT INTO race_item SELECT 1, %s WHERE (SELECT count(*) FROM race_item WHERE owner = 1) < 1"
    return changed(connection, insert, session)


_LOCK = "SELECT FROM race_owner WHERE id = 1 FOR NO KEY UPDATE"
_TOUCH = "UPDATE race_owner SET touched = touched + 1 WHERE id = 1"

LIMITS = Family(
    "limit",
    "two writers where one more is allowed",
    ("A2", "M8", "P1.1", "P1.2"),
    _SETUP,
    _RESET,
    _within_limit,
    (
        Entry("count", "count, then insert", twice(_count_then_add(None)), ("ser",)),
        Entry("conditional-insert", "INSERT … WHERE (SELECT count) < limit", twice(_conditional_insert), ("ser",)),
        Entry(
            "lock-then-count", "lock the owner, count, insert", twice(_count_then_add(_LOCK)), ("rc", "ser"), "count"
        ),
        Entry("write-then-count", "write the owner's row, count, insert", twice(_count_then_add(_TOUCH)), ALL, "count"),
        Entry(
            "advisory-then-count",
            "advisory lock, count, insert",
            twice(_count_then_add("SELECT pg_advisory_xact_lock(2)")),
            ("rc", "ser"),
            "count",
        ),
        Entry("read-counter", "read the counter, add one, insert", twice(_read_counter), ("rr", "ser")),
        Entry("counter", "UPDATE … WHERE held < limit, insert", twice(_counter), ALL, "read-counter"),
        Entry("slots-unlocked", "read a free slot, take it, insert", twice(_slot_unlocked), ("rr", "ser")),
        Entry("slots", "take a free slot with SKIP LOCKED, insert", twice(_slot), ALL, "slots-unlocked"),
    ),
)
