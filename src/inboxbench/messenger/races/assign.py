"""Two agents take one conversation, or the next one each of two (A1, P1.2)."""

from __future__ import annotations

from collections.abc import Sequence

from inboxbench.database import Connection
from inboxbench.race.atlas.model import ALL, Entry, Family, changed, committed, twice, value
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Outcome, SessionFunction

_SETUP = """
    CREATE TABLE race_ticket (id int PRIMARY KEY, holder int, version int NOT NULL DEFAULT 0,
                              claims int[] NOT NULL DEFAULT '{}');
    INSERT INTO race_ticket VALUES (1);
    CREATE TABLE race_ticket_claim (ticket int PRIMARY KEY, agent int NOT NULL);
"""
_RESET = """
    UPDATE race_ticket SET holder = NULL, version = 0, claims = '{}';
    DELETE FROM race_ticket_claim
"""
_READ = "SELECT holder FROM race_ticket WHERE id = 1"
_SET = "UPDATE race_ticket SET holder = %s, version = version + 1, claims = claims || %s::int"


def _write(connection: GatedConnection, agent: int) -> bool:
    return changed(connection, _SET + " WHERE id = 1", agent, agent)


def _one_holder(control: Connection, outcomes: Sequence[Outcome]) -> list[str]:
    """One claim in the row, and one agent who was told so."""
    claims = list(value(control, "SELECT claims FROM race_ticket"))
    answered = committed(outcomes).count(True)
    complaints = [f"assigned to {claims}, one after the other"] if len(claims) > 1 else []
    if answered > 1:
        complaints.append(f"{answered} agents were told that it is theirs")
    if answered < len(claims) <= 1:
        complaints.append("assigned, and nobody was told")
    return complaints


def _read_then_write(lock: str) -> SessionFunction:
    def claim(connection: GatedConnection, agent: int) -> bool:
        return value(connection, _READ + lock) is None and _write(connection, agent)

    return claim


def _skip_locked(connection: GatedConnection, agent: int) -> bool:
    free = value(connection, "SELECT id FROM race_ticket WHERE holder IS NULL FOR UPDATE SKIP LOCKED")
    return free is not None and _write(connection, agent)


def _compare_and_set(connection: GatedConnection, agent: int) -> bool:
    return changed(connection, _SET + " WHERE id = 1 AND holder IS NULL", agent, agent)


def _deaf_compare_and_set(connection: GatedConnection, agent: int) -> bool:
    if value(connection, _READ) is not None:
        return False
    _compare_and_set(connection, agent)
    return True


def _version(connection: GatedConnection, agent: int) -> bool:
    seen = value(connection, "SELECT version FROM race_ticket WHERE id = 1 AND holder IS NULL")
    return seen is not None and changed(connection, _SET + " WHERE id = 1 AND version = %s", agent, agent, seen)


def _write_then_check(connection: GatedConnection, agent: int) -> bool:
    if value(connection, _READ) is None:
        _write(connection, agent)
    return bool(value(connection, _READ) == agent)


def _advisory(connection: GatedConnection, agent: int) -> bool:
    connection.execute("SELECT pg_advisory_xact_lock(1)")
    return value(connection, _READ) is None and _write(connection, agent)


def _try_advisory(connection: GatedConnection, agent: int) -> bool:
    if not value(connection, "SELECT pg_try_advisory_xact_lock(1)"):
        return False
    return value(connection, _READ) is None and _write(connection, agent)


def _lock_of_its_own(connection: GatedConnection, agent: int) -> bool:
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (100 + agent,))
    return value(connection, _READ) is None and _write(connection, agent)


def _not_exists(connection: GatedConnection, agent: int) -> bool:
    guard = " WHERE id = 1 AND NOT EXISTS (SELECT FROM race_ticket AS same WHERE same.id = 1 AND holder IS NOT NULL)"
    return changed(connection, _SET + guard, agent, agent)


def _cte(lock: str) -> SessionFunction:
    def claim(connection: GatedConnection, agent: int) -> bool:
        free = f"WITH free AS MATERIALIZED (SELECT id FROM race_ticket WHERE id = 1 AND holder IS NULL {lock}) "
        return changed(connection, free + _SET + " FROM free WHERE race_ticket.id = free.id", agent, agent)

    return claim


def _unique_claim(on_conflict: str) -> SessionFunction:
    def claim(connection: GatedConnection, agent: int) -> bool:
        first = changed(connection, f"INSERT INTO race_ticket_claim VALUES (1, %s) {on_conflict}", agent)
        return first and _write(connection, agent)

    return claim


ASSIGNING = Family(
    "assign",
    "two agents take one conversation",
    ("A1", "P1.2"),
    _SETUP,
    _RESET,
    _one_holder,
    (
        Entry("naive", "read, branch, write", twice(_read_then_write("")), ("rr", "ser")),
        Entry("write-then-check", "write if free, then read whether it stuck", twice(_write_then_check), ("rr", "ser")),
        Entry("for-update", "read FOR UPDATE, branch, write", twice(_read_then_write(" FOR UPDATE")), ALL, "naive"),
        Entry(
            "for-no-key-update",
            "the same, without blocking foreign-key checks",
            twice(_read_then_write(" FOR NO KEY UPDATE")),
            ALL,
            "naive",
        ),
        Entry(
            "for-share",
            "read FOR SHARE: both may, then neither can write",
            twice(_read_then_write(" FOR SHARE")),
            ALL,
            "naive",
        ),
        Entry(
            "nowait",
            "FOR UPDATE NOWAIT: error instead of a wait",
            twice(_read_then_write(" FOR UPDATE NOWAIT")),
            ALL,
            "naive",
        ),
        Entry("skip-locked", "FOR UPDATE SKIP LOCKED, then write", twice(_skip_locked), ALL, "naive"),
        Entry("compare-and-set", "UPDATE … WHERE holder IS NULL", twice(_compare_and_set), ALL, "naive"),
        Entry(
            "deaf-compare-and-set", "the same, not looking whether it hit", twice(_deaf_compare_and_set), ("rr", "ser")
        ),
        Entry("version", "UPDATE … WHERE version is the one seen", twice(_version), ALL, "naive"),
        Entry("advisory", "advisory lock for the transaction, read, write", twice(_advisory), ALL, "own-lock"),
        Entry("try-advisory", "advisory lock or give up", twice(_try_advisory), ALL, "naive"),
        Entry("own-lock", "each agent locks its own row, not the shared one", twice(_lock_of_its_own), ("rr", "ser")),
        Entry("not-exists", "UPDATE … WHERE NOT EXISTS (subquery)", twice(_not_exists), ("rr", "ser")),
        Entry("cte", "WITH free AS (SELECT …) UPDATE … FROM free", twice(_cte("")), ("rr", "ser")),
        Entry("cte-for-update", "WITH free AS (SELECT … FOR UPDATE) UPDATE …", twice(_cte("FOR UPDATE")), ALL, "cte"),
        Entry("unique-claim", "INSERT a claim under a unique key, then write", twice(_unique_claim("")), ALL, "naive"),
        Entry(
            "on-conflict",
            "INSERT … ON CONFLICT DO NOTHING, then write",
            twice(_unique_claim("ON CONFLICT DO NOTHING")),
            ALL,
            "naive",
        ),
    ),
)


_QUEUE_SETUP = """
    CREATE TABLE race_queue (id int PRIMARY KEY, holder int, claims int[] NOT NULL DEFAULT '{}');
    INSERT INTO race_queue VALUES (1), (2);
"""
_QUEUE_RESET = "UPDATE race_queue SET holder = NULL, claims = '{}'"
_NEXT = "SELECT id FROM race_queue WHERE holder IS NULL ORDER BY id LIMIT 1"
_SET_NEXT = "UPDATE race_queue SET holder = %s, claims = claims || %s::int"


def _nobody_twice(control: Connection, outcomes: Sequence[Outcome]) -> list[str]:
    twice_given = value(control, "SELECT array_agg(id) FROM race_queue WHERE cardinality(claims) > 1")
    taken = [row for row in committed(outcomes) if row is not None]
    complaints = [f"conversation {twice_given} went to both"] if twice_given else []
    return complaints + (["both were told the same one"] if len(set(taken)) < len(taken) else [])


def _take(lock: str, guard: str = "") -> SessionFunction:
    def take(connection: GatedConnection, agent: int) -> int | None:
        row = value(connection, _NEXT + lock)
        if row is None or not changed(connection, _SET_NEXT + " WHERE id = %s" + guard, agent, agent, row):
            return None
        return int(row)

    return take


def _one_statement(lock: str) -> SessionFunction:
    def take(connection: GatedConnection, agent: int) -> int | None:
        row = value(connection, f"{_SET_NEXT} WHERE id = ({_NEXT} {lock}) RETURNING id", agent, agent)
        return None if row is None else int(row)

    return take


QUEUEING = Family(
    "take",
    "two agents take the next of two conversations",
    ("A1", "P1.2"),
    _QUEUE_SETUP,
    _QUEUE_RESET,
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
