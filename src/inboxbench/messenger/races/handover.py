"""Stale writes: handing a conversation over on the strength of what was read before (A1)."""

from __future__ import annotations

from collections.abc import Sequence

from inboxbench.database import Connection
from inboxbench.race.atlas.family import ALL, Entry, Family, changed, value
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.schedule import Outcome
from inboxbench.race.explore.session import SessionFunction

ANN, BOB, NOBODY = 10, 20, 0

# Each change appends the version that its author had seen; the n-th change must have seen version n.
_SETUP = """
    CREATE TABLE race_held (id int PRIMARY KEY, holder int NOT NULL, version int NOT NULL, seen int[] NOT NULL);
    INSERT INTO race_held VALUES (1, 10, 0, '{}');
"""
_RESET = "UPDATE race_held SET holder = 10, version = 0, seen = '{}'"
_SET = "UPDATE race_held SET holder = %s, version = version + 1, seen = seen || %s::int WHERE id = 1"


def _nothing_stale(referee: Connection, _outcomes: Sequence[Outcome]) -> list[str]:
    seen = list(value(referee, "SELECT seen FROM race_held"))
    stale = [number for number, version in enumerate(seen) if version != number]
    return [f"change {stale[0] + 1} was made on the strength of version {seen[stale[0]]}"] if stale else []


def _read(connection: GatedConnection, lock: str = "") -> tuple[int, int]:
    row = connection.execute(f"SELECT holder, version FROM race_held WHERE id = 1{lock}".encode()).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def _hand(expected: int, to: int, *, lock: str = "", guard: str = "") -> SessionFunction:
    """From `expected` to `to`; guard: a condition on what was seen, as the UPDATE tests it."""

    def hand(connection: GatedConnection, _session: int) -> bool:
        holder, version = _read(connection, lock)
        if holder != expected:
            return False
        condition = guard.format(holder=holder, version=version)
        return changed(connection, _SET + condition, to, version)

    return hand


def _pair(**how: str) -> tuple[SessionFunction, SessionFunction]:
    """Ann gives it back while her supervisor moves it to Bob."""
    return _hand(ANN, NOBODY, **how), _hand(ANN, BOB, **how)


def _there_and_back(**how: str) -> tuple[SessionFunction, SessionFunction, SessionFunction]:
    """Ann gives it back, while it goes to Bob and returns: the holder is the same again, the story is not."""
    return _hand(ANN, NOBODY, **how), _hand(ANN, BOB, **how), _hand(BOB, ANN, **how)


_HOLDER = " AND holder = {holder}"
_VERSION = " AND version = {version}"

HANDING = Family(
    "hand over",
    "a conversation is given back and reassigned at once",
    ("A1",),
    _SETUP,
    _RESET,
    _nothing_stale,
    (
        Entry("last-write-wins", "read, decide, write", _pair(), ("rr", "ser")),
        Entry("for-update", "read FOR UPDATE, decide, write", _pair(lock=" FOR UPDATE"), ALL, "last-write-wins"),
        Entry("same-holder", "UPDATE … WHERE holder is the one seen", _pair(guard=_HOLDER), ALL, "last-write-wins"),
        Entry(
            "same-holder-aba",
            "the same, and it goes away and returns",
            _there_and_back(guard=_HOLDER),
            ("rr", "ser"),
            preemptions=2,
        ),
        Entry(
            "same-version-aba",
            "UPDATE … WHERE version is the one seen, and it returns",
            _there_and_back(guard=_VERSION),
            ALL,
            "same-holder-aba",
            preemptions=2,
        ),
    ),
)
