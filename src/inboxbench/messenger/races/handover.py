"""Stale writes: handing a conversation over, or changing its team, on the strength of what was read before (A1)."""

from __future__ import annotations

from collections.abc import Sequence

from inboxbench.database import Connection
from inboxbench.race.atlas.model import ALL, Entry, Family, changed, value
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Outcome, SessionFunction
from inboxbench.race.explore.oracle import SerialEquivalence

ANN, BOB, NOBODY = 10, 20, 0

# Each change appends the version that its author had seen; the n-th change must have seen version n.
_SETUP = """
    CREATE TABLE race_held (id int PRIMARY KEY, holder int NOT NULL, version int NOT NULL, seen int[] NOT NULL);
    INSERT INTO race_held VALUES (1, 10, 0, '{}');
"""
_RESET = "UPDATE race_held SET holder = 10, version = 0, seen = '{}'"
_SET = "UPDATE race_held SET holder = %s, version = version + 1, seen = seen || %s::int WHERE id = 1"


def _nothing_stale(control: Connection, _outcomes: Sequence[Outcome]) -> list[str]:
    seen = list(value(control, "SELECT seen FROM race_held"))
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


OTHER_TEAM = 2

_TEAM_SETUP = """
    CREATE TABLE race_teamed (id int PRIMARY KEY, team int NOT NULL, holder int);
    INSERT INTO race_teamed VALUES (1, 1, NULL);
    CREATE TABLE race_team_member (team int NOT NULL, agent int NOT NULL);
    INSERT INTO race_team_member VALUES (1, 10), (2, 10), (1, 20);
"""
_TEAM_RESET = "UPDATE race_teamed SET team = 1, holder = NULL"


def _take(connection: GatedConnection, _session: int) -> bool:
    return changed(connection, "UPDATE race_teamed SET holder = %s WHERE id = 1 AND holder IS NULL", ANN)


_LOCK = "SELECT FROM race_teamed WHERE id = 1 FOR UPDATE"


def _whole_row(lock: str = "", before: str | None = None) -> SessionFunction:
    """As an object that is loaded, changed and saved: what was read of the holder is written again.

    `lock` in the reading statement itself is not enough: after its wait the server looks at the locked row again, but
    joins it to what the other tables held before.
    """

    def change(connection: GatedConnection, _session: int) -> None:
        if before:
            connection.execute(before.encode())
        row = connection.execute(
            "SELECT holder FROM race_teamed LEFT JOIN race_team_member m ON m.agent = holder AND m.team = %s"
            f" WHERE id = 1 AND (holder IS NULL OR m.agent IS NOT NULL){lock}",
            (OTHER_TEAM,),
        ).fetchone()
        holder = row[0] if row else None
        connection.execute("UPDATE race_teamed SET team = %s, holder = %s WHERE id = 1", (OTHER_TEAM, holder))

    return change


def _own_column(connection: GatedConnection, _session: int) -> None:
    """The holder leaves only if the statement itself finds that they are not in the team."""
    connection.execute(
        "UPDATE race_teamed SET team = %(team)s, holder ="
        " (SELECT agent FROM race_team_member WHERE team = %(team)s AND agent = holder) WHERE id = 1",
        {"team": OTHER_TEAM},
    )


TEAMS = Family(
    "team",
    "a conversation changes its team while an agent of both takes it",
    ("A1",),
    _TEAM_SETUP,
    _TEAM_RESET,
    SerialEquivalence(("race_teamed",)),
    (
        Entry("whole-row", "read the row, write all of it back", (_whole_row(), _take), ("rr", "ser")),
        Entry(
            "whole-row-locked-join",
            "the same, read FOR UPDATE with a join",
            (_whole_row(" FOR UPDATE OF race_teamed"), _take),
            ("rr", "ser"),
        ),
        Entry(
            "whole-row-locked",
            "lock the row, then read it, write all of it back",
            (_whole_row(before=_LOCK), _take),
            ALL,
            "whole-row",
        ),
        Entry("own-column", "let the UPDATE itself look at the holder", (_own_column, _take), ALL, "whole-row"),
    ),
)
