"""A number, an outside id or the id of a retry, each of which may be used once (C1, M1, M6)."""

from __future__ import annotations

from collections.abc import Sequence

from inboxbench.database import Connection
from inboxbench.race.atlas.model import ALL, Entry, Family, changed, committed, twice, value
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Outcome, SessionFunction

_SETUP = """
    CREATE TABLE race_account (id int PRIMARY KEY, last int NOT NULL DEFAULT 0);
    INSERT INTO race_account VALUES (1);
    CREATE TABLE race_numbered (account int NOT NULL, number int NOT NULL);
    CREATE TABLE race_numbered_once (account int NOT NULL, number int NOT NULL, UNIQUE (account, number));
    CREATE SEQUENCE race_number;
"""
_RESET = """
    UPDATE race_account SET last = 0;
    DELETE FROM race_numbered; DELETE FROM race_numbered_once;
    SELECT setval('race_number', 1, false)
"""
_DOUBLE = """
    SELECT count(*) FROM (
        SELECT number FROM (TABLE race_numbered UNION ALL TABLE race_numbered_once) AS both_tables
        GROUP BY number HAVING count(*) > 1
    ) AS doubles
"""


def _once(control: Connection, _outcomes: Sequence[Outcome]) -> list[str]:
    return ["two rows have one number"] if value(control, _DOUBLE) else []


def _insert(connection: GatedConnection, number: int, table: str = "race_numbered") -> None:
    connection.execute(f"INSERT INTO {table} VALUES (1, %s)".encode(), (number,))


def _highest_plus_one(guard: str | None, table: str = "race_numbered") -> SessionFunction:
    def number(connection: GatedConnection, _session: int) -> int:
        if guard:
            connection.execute(guard.encode())
        highest = value(connection, f"SELECT coalesce(max(number), 0) FROM {table} WHERE account = 1")
        _insert(connection, highest + 1, table)
        return int(highest) + 1

    return number


def _counter(connection: GatedConnection, _session: int) -> int:
    number = int(value(connection, "UPDATE race_account SET last = last + 1 WHERE id = 1 RETURNING last"))
    _insert(connection, number)
    return number


def _read_counter(connection: GatedConnection, _session: int) -> int:
    number = int(value(connection, "SELECT last FROM race_account WHERE id = 1")) + 1
    connection.execute("UPDATE race_account SET last = %s WHERE id = 1", (number,))
    _insert(connection, number)
    return number


def _sequence(connection: GatedConnection, _session: int) -> int:
    number = int(value(connection, "SELECT nextval('race_number')"))
    _insert(connection, number)
    return number


NUMBERING = Family(
    "display_id",
    "two conversations get their number",
    ("C1",),
    _SETUP,
    _RESET,
    _once,
    (
        Entry("max-plus-one", "read the highest, insert one more", twice(_highest_plus_one(None)), ("ser",)),
        Entry(
            "max-plus-one-unique",
            "the same under a unique index: an error instead",
            twice(_highest_plus_one(None, "race_numbered_once")),
            ALL,
            "max-plus-one",
        ),
        Entry(
            "advisory",
            "advisory lock, then the highest plus one",
            twice(_highest_plus_one("SELECT pg_advisory_xact_lock(3)")),
            ("rc", "ser"),
            "max-plus-one",
        ),
        Entry("read-counter", "read the account's counter, write it back", twice(_read_counter), ("rr", "ser")),
        Entry("counter", "UPDATE … SET last = last + 1 RETURNING", twice(_counter), ALL, "read-counter"),
        Entry("sequence", "nextval: never twice, with gaps", twice(_sequence), ALL, "max-plus-one"),
    ),
)

_DELIVERY_SETUP = """
    CREATE TABLE race_delivery (inbox int NOT NULL, source_id text NOT NULL);
    CREATE TABLE race_delivery_once (inbox int NOT NULL, source_id text NOT NULL, UNIQUE (inbox, source_id));
"""
_DELIVERY_RESET = "DELETE FROM race_delivery; DELETE FROM race_delivery_once"


def _stored_once(control: Connection, _outcomes: Sequence[Outcome]) -> list[str]:
    count = value(control, "SELECT (SELECT count(*) FROM race_delivery) + (SELECT count(*) FROM race_delivery_once)")
    return [] if count == 1 else [f"stored {count} times"]


def _look_then_insert(guard: str | None) -> SessionFunction:
    def deliver(connection: GatedConnection, _session: int) -> bool:
        if guard:
            connection.execute(guard.encode())
        if value(connection, "SELECT 1 FROM race_delivery WHERE inbox = 1 AND source_id = 'm'"):
            return False
        return changed(connection, "INSERT INTO race_delivery VALUES (1, 'm')")

    return deliver


def _insert_where_not_exists(connection: GatedConnection, _session: int) -> bool:
    guard = "WHERE NOT EXISTS (SELECT FROM race_delivery WHERE inbox = 1 AND source_id = 'm')"
    return changed(connection, f"INSERT INTO race_delivery SELECT 1, 'm' {guard}")


def _insert_once(on_conflict: str) -> SessionFunction:
    def deliver(connection: GatedConnection, _session: int) -> bool:
        return changed(connection, f"INSERT INTO race_delivery_once VALUES (1, 'm') {on_conflict}")

    return deliver


DELIVERY = Family(
    "source_id",
    "one outside message is delivered twice",
    ("M1", "M6"),
    _DELIVERY_SETUP,
    _DELIVERY_RESET,
    _stored_once,
    (
        Entry("look-then-insert", "SELECT, then INSERT when absent", twice(_look_then_insert(None)), ("ser",)),
        Entry("where-not-exists", "INSERT … WHERE NOT EXISTS", twice(_insert_where_not_exists), ("ser",)),
        Entry(
            "advisory",
            "advisory lock on the id, look, insert",
            twice(_look_then_insert("SELECT pg_advisory_xact_lock(hashtext('m'))")),
            ("rc", "ser"),
            "look-then-insert",
        ),
        Entry("unique", "INSERT under a unique index: an error", twice(_insert_once("")), ALL, "look-then-insert"),
        Entry(
            "on-conflict",
            "INSERT … ON CONFLICT DO NOTHING",
            twice(_insert_once("ON CONFLICT DO NOTHING")),
            ALL,
            "look-then-insert",
        ),
    ),
)


_ECHO_SETUP = """
    CREATE TABLE race_echo (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, echo_id text NOT NULL);
    CREATE TABLE race_echo_once (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, echo_id text);
    CREATE UNIQUE INDEX ON race_echo_once (echo_id) WHERE echo_id IS NOT NULL;
"""
_ECHO_RESET = "DELETE FROM race_echo; DELETE FROM race_echo_once"
_FIND = "SELECT id FROM race_echo_once WHERE echo_id = 'e'"
_INSERT_ECHO = """
    INSERT INTO race_echo_once (echo_id) VALUES ('e')
    ON CONFLICT (echo_id) WHERE echo_id IS NOT NULL DO NOTHING RETURNING id
"""


def _one_and_known(control: Connection, outcomes: Sequence[Outcome]) -> list[str]:
    rows = control.execute("SELECT id FROM race_echo UNION ALL SELECT id FROM race_echo_once").fetchall()
    told = committed(outcomes)
    if len(rows) != 1:
        return [f"stored {len(rows)} times"]
    return [] if all(answer == rows[0][0] for answer in told) else ["stored, and one of the sends was not told where"]


def _look_then_insert_echo(connection: GatedConnection, _session: int) -> int:
    known = value(connection, "SELECT id FROM race_echo WHERE echo_id = 'e'")
    return int(known or value(connection, "INSERT INTO race_echo (echo_id) VALUES ('e') RETURNING id"))


def _insert_only(connection: GatedConnection, _session: int) -> int | None:
    known = value(connection, _FIND)
    return int(known) if known else value(connection, _INSERT_ECHO)


def _one_statement(connection: GatedConnection, _session: int) -> int | None:
    found: int | None = value(
        connection, f"WITH made AS ({_INSERT_ECHO}) SELECT id FROM made UNION ALL {_FIND} LIMIT 1"
    )
    return found


def _insert_then_look(connection: GatedConnection, _session: int) -> int:
    return int(value(connection, _INSERT_ECHO) or value(connection, _FIND))


ECHOING = Family(
    "echo_id",
    "a client's retry arrives beside its first send",
    ("M1",),
    _ECHO_SETUP,
    _ECHO_RESET,
    _one_and_known,
    (
        Entry("look-then-insert", "SELECT, then INSERT when absent", twice(_look_then_insert_echo), ("ser",)),
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
