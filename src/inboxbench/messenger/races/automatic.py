"""Automatic assignment: two writers below one limit, and two agents who should get one each (A2, M8, P1.1, P1.2)."""

from __future__ import annotations

from collections.abc import Sequence

from inboxbench.database import Connection
from inboxbench.race.atlas.model import ALL, Entry, Family, changed, twice, value
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Outcome, SessionFunction

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


def _within_limit(control: Connection, _outcomes: Sequence[Outcome]) -> list[str]:
    count = value(control, "SELECT count(*) FROM race_item")
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


_ROTATION_SETUP = """
    CREATE TABLE race_turn (id int PRIMARY KEY, next int NOT NULL);
    INSERT INTO race_turn VALUES (1, 1);
    CREATE TABLE race_agent (id int PRIMARY KEY, held int NOT NULL DEFAULT 0);
    INSERT INTO race_agent VALUES (1), (2);
    CREATE TABLE race_given (session int NOT NULL, agent int NOT NULL);
"""
_ROTATION_RESET = "UPDATE race_turn SET next = 1; UPDATE race_agent SET held = 0; DELETE FROM race_given"


def _one_each(control: Connection, _outcomes: Sequence[Outcome]) -> list[str]:
    most = value(control, "SELECT max(n) FROM (SELECT count(*) AS n FROM race_given GROUP BY agent) AS each")
    return ["one agent got both, the other none"] if (most or 0) > 1 else []


def _give(connection: GatedConnection, session: int, agent: int) -> int:
    connection.execute("INSERT INTO race_given VALUES (%s, %s)", (session, agent))
    return agent


def _round_robin(lock: str) -> SessionFunction:
    def give(connection: GatedConnection, session: int) -> int:
        agent = int(value(connection, f"SELECT next FROM race_turn WHERE id = 1{lock}"))
        connection.execute("UPDATE race_turn SET next = %s WHERE id = 1", (3 - agent,))
        return _give(connection, session, agent)

    return give


def _rotate_in_one_statement(connection: GatedConnection, session: int) -> int:
    agent = int(value(connection, "UPDATE race_turn SET next = 3 - next WHERE id = 1 RETURNING 3 - next"))
    return _give(connection, session, agent)


def _least_loaded(guard: str | None, lock: str = "") -> SessionFunction:
    """By the agents' own counters."""

    def give(connection: GatedConnection, session: int) -> int:
        if guard:
            connection.execute(guard.encode())
        agent = int(value(connection, f"SELECT id FROM race_agent ORDER BY held, id LIMIT 1{lock}"))
        connection.execute("UPDATE race_agent SET held = held + 1 WHERE id = %s", (agent,))
        return _give(connection, session, agent)

    return give


_COUNTED = """
    SELECT id FROM race_agent
    ORDER BY (SELECT count(*) FROM race_given WHERE agent = race_agent.id), id LIMIT 1
"""


def _least_by_count(guard: str | None) -> SessionFunction:
    """By what each has been given: nothing that the two sessions write is the same row."""

    def give(connection: GatedConnection, session: int) -> int:
        if guard:
            connection.execute(guard.encode())
        return _give(connection, session, int(value(connection, _COUNTED)))

    return give


_LOCK_ROTATION = "SELECT FROM race_turn WHERE id = 1 FOR UPDATE"
_TOUCH_ROTATION = "UPDATE race_turn SET next = next WHERE id = 1"

ROTATION = Family(
    "turn",
    "two conversations are given to two agents, one each",
    ("A2",),
    _ROTATION_SETUP,
    _ROTATION_RESET,
    _one_each,
    (
        Entry("round-robin", "read whose turn it is, write the next", twice(_round_robin("")), ("rr", "ser")),
        Entry("round-robin-locked", "read it FOR UPDATE", twice(_round_robin(" FOR UPDATE")), ALL, "round-robin"),
        Entry("round-robin-one", "UPDATE … RETURNING", twice(_rotate_in_one_statement), ALL, "round-robin"),
        Entry("least-loaded", "read who has least, count one more", twice(_least_loaded(None)), ("rr", "ser")),
        Entry(
            "least-loaded-row-lock",
            "read who has least FOR UPDATE: the order is from before the wait",
            twice(_least_loaded(None, " FOR UPDATE")),
            ("rr", "ser"),
        ),
        Entry(
            "least-loaded-locked",
            "lock the inbox, then read who has least",
            twice(_least_loaded(_LOCK_ROTATION)),
            ALL,
            "least-loaded",
        ),
        Entry("least-counted", "count what each has been given, give", twice(_least_by_count(None)), ("ser",)),
        Entry(
            "least-counted-locked",
            "lock the inbox, count, give",
            twice(_least_by_count(_LOCK_ROTATION)),
            ("rc", "ser"),
            "least-counted",
        ),
        Entry(
            "least-counted-written",
            "write the inbox, count, give",
            twice(_least_by_count(_TOUCH_ROTATION)),
            ALL,
            "least-counted",
        ),
    ),
)
