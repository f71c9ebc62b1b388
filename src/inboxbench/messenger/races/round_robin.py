"""Whose turn it is: two conversations, two agents, and each should get one (A2)."""

from __future__ import annotations

from collections.abc import Sequence

from inboxbench.database import Connection
from inboxbench.race.atlas.family import ALL, Entry, Family, twice, value
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.schedule import Outcome
from inboxbench.race.explore.session import SessionFunction

_SETUP = """
    CREATE TABLE race_turn (id int PRIMARY KEY, next int NOT NULL);
    INSERT INTO race_turn VALUES (1, 1);
    CREATE TABLE race_agent (id int PRIMARY KEY, held int NOT NULL DEFAULT 0);
    INSERT INTO race_agent VALUES (1), (2);
    CREATE TABLE race_given (session int NOT NULL, agent int NOT NULL);
"""
_RESET = "UPDATE race_turn SET next = 1; UPDATE race_agent SET held = 0; DELETE FROM race_given"


def _one_each(referee: Connection, _outcomes: Sequence[Outcome]) -> list[str]:
    most = value(referee, "SELECT max(n) FROM (SELECT count(*) AS n FROM race_given GROUP BY agent) AS each")
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


def _turn_in_one_statement(connection: GatedConnection, session: int) -> int:
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


_LOCK = "SELECT FROM race_turn WHERE id = 1 FOR UPDATE"
_TOUCH = "UPDATE race_turn SET next = next WHERE id = 1"

TURNS = Family(
    "turn",
    "two conversations are given to two agents, one each",
    ("A2",),
    _SETUP,
    _RESET,
    _one_each,
    (
        Entry("round-robin", "read whose turn it is, write the next", twice(_round_robin("")), ("rr", "ser")),
        Entry("round-robin-locked", "read it FOR UPDATE", twice(_round_robin(" FOR UPDATE")), ALL, "round-robin"),
        Entry("round-robin-one", "UPDATE … RETURNING", twice(_turn_in_one_statement), ALL, "round-robin"),
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
            twice(_least_loaded(_LOCK)),
            ALL,
            "least-loaded",
        ),
        Entry("least-counted", "count what each has been given, give", twice(_least_by_count(None)), ("ser",)),
        Entry(
            "least-counted-locked",
            "lock the inbox, count, give",
            twice(_least_by_count(_LOCK)),
            ("rc", "ser"),
            "least-counted",
        ),
        Entry(
            "least-counted-written",
            "write the inbox, count, give",
            twice(_least_by_count(_TOUCH)),
            ALL,
            "least-counted",
        ),
    ),
)
