"""Two agents, two conversations: the next one each (A1, P1.2)."""

from __future__ import annotations

from collections.abc import Sequence

from inboxbench.database import Connection
from inboxbench.race.atlas.family import ALL, Entry, Family, changed, committed, twice, value
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.schedule import Outcome
from inboxbench.race.explore.session import SessionFunction

_SETUP = """
    CREATE TABLE race_queue (id int PRIMARY KEY, holder int, claims int[] NOT NULL DEFAULT '{}');
    INSERT INTO race_queue VALUES (1), (2);
"""
_RESET = "UPDATE race_queue SET holder = NULL, claims = '{}'"
_NEXT = "SELECT id FROM race_queue WHERE holder IS NULL ORDER BY id LIMIT 1"
_SET = "UPDATE race_queue SET holder = %s, claims = claims || %s::int"


def _nobody_twice(referee: Connection, outcomes: Sequence[Outcome]) -> list[str]:
    twice_given = value(referee, "SELECT array_agg(id) FROM race_queue WHERE cardinality(claims) > 1")
    taken = [row for row in committed(outcomes) if row is not None]
    complaints = [f"conversation {twice_given} went to both"] if twice_given else []
    return complaints + (["both were told the same one"] if len(set(taken)) < len(taken) else [])


def _take(lock: str, guard: str = "") -> SessionFunction:
    def take(connection: GatedConnection, agent: int) -> int | None:
        row = value(connection, _NEXT + lock)
        if row is None or not changed(connection, _SET + " WHERE id = %s" + guard, agent, agent, row):
            return None
        return int(row)

    return take


def _one_statement(lock: str) -> SessionFunction:
    def take(connection: GatedConnection, agent: int) -> int | None:
        row = value(connection, f"{_SET} WHERE id = ({_NEXT} {lock}) RETURNING id", agent, agent)
        return None if row is None else int(row)

    return take


QUEUEING = Family(
    "take",
    "two agents take the next of two conversations",
    ("A1", "P1.2"),
    _SETUP,
    _RESET,
    _nobody_twice,
    (
        Entry("naive", "read the head, write it", twice(_take("")), ("rr", "ser")),
        Entry("for-update", "lock the head, write it", twice(_take(" FOR UPDATE")), ALL, "naive"),
        Entry(
            "skip-locked", "lock the first that is not locked", twice(_take(" FOR UPDATE SKIP LOCKED")), ALL, "naive"
        ),
        Entry(
            "compare-and-set",
            "read the head, write it if still free",
            twice(_take("", " AND holder IS NULL")),
            ALL,
            "naive",
        ),
        Entry("one-statement", "UPDATE … WHERE id = (SELECT … LIMIT 1)", twice(_one_statement("")), ("rr", "ser")),
        Entry(
            "one-statement-skip-locked",
            "the same, FOR UPDATE SKIP LOCKED inside",
            twice(_one_statement("FOR UPDATE SKIP LOCKED")),
            ALL,
            "one-statement",
        ),
    ),
)
