"""A client sends one message again because no answer came: stored once, and both sends are told which it is (M1)."""

from __future__ import annotations

from collections.abc import Sequence

from inboxbench.database import Connection
from inboxbench.race.atlas.family import ALL, Entry, Family, committed, twice, value
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.schedule import Outcome

_SETUP = """
    CREATE TABLE race_echo (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, echo_id text NOT NULL);
    CREATE TABLE race_echo_once (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, echo_id text);
    CREATE UNIQUE INDEX ON race_echo_once (echo_id) WHERE echo_id IS NOT NULL;
"""
_RESET = "DELETE FROM race_echo; DELETE FROM race_echo_once"
_FIND = "SELECT id FROM race_echo_once WHERE echo_id = 'e'"
_INSERT = """
    INSERT INTO race_echo_once (echo_id) VALUES ('e')
    ON CONFLICT (echo_id) WHERE echo_id IS NOT NULL DO NOTHING RETURNING id
"""


def _one_and_known(referee: Connection, outcomes: Sequence[Outcome]) -> list[str]:
    rows = referee.execute("SELECT id FROM race_echo UNION ALL SELECT id FROM race_echo_once").fetchall()
    told = committed(outcomes)
    if len(rows) != 1:
        return [f"stored {len(rows)} times"]
    return [] if all(answer == rows[0][0] for answer in told) else ["stored, and one of the sends was not told where"]


def _look_then_insert(connection: GatedConnection, _session: int) -> int:
    known = value(connection, "SELECT id FROM race_echo WHERE echo_id = 'e'")
    return int(known or value(connection, "INSERT INTO race_echo (echo_id) VALUES ('e') RETURNING id"))


def _insert_only(connection: GatedConnection, _session: int) -> int | None:
    known = value(connection, _FIND)
    return int(known) if known else value(connection, _INSERT)


def _one_statement(connection: GatedConnection, _session: int) -> int | None:
    found: int | None = value(connection, f"WITH made AS ({_INSERT}) SELECT id FROM made UNION ALL {_FIND} LIMIT 1")
    return found


def _insert_then_look(connection: GatedConnection, _session: int) -> int:
    return int(value(connection, _INSERT) or value(connection, _FIND))


ECHOING = Family(
    "echo_id",
    "a client's retry arrives beside its first send",
    ("M1",),
    _SETUP,
    _RESET,
    _one_and_known,
    (
        Entry("look-then-insert", "SELECT, then INSERT when absent", twice(_look_then_insert), ("ser",)),
        Entry(
            "look-then-on-conflict",
            "SELECT, then INSERT … ON CONFLICT DO NOTHING: the loser is told nothing",
            twice(_insert_only),
            ("rr", "ser"),
        ),
        Entry(
            "one-statement",
            "insert or select in one statement: its snapshot is older than the winner",
            twice(_one_statement),
            ("rr", "ser"),
        ),
        Entry(
            "on-conflict-then-look",
            "INSERT … ON CONFLICT DO NOTHING, then SELECT",
            twice(_insert_then_look),
            ALL,
            "look-then-on-conflict",
        ),
    ),
)
