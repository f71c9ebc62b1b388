"""Unread counters while messages arrive and are read (P2.3), on the tables of `clocks`."""

from __future__ import annotations

from collections.abc import Sequence

from inboxbench.database import Connection
from inboxbench.messenger.races.clocks import LOCK, RESET, say
from inboxbench.race.atlas.family import ALL, Entry, Family, twice, value
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.schedule import Outcome
from inboxbench.race.explore.session import SessionFunction


def _unread_counts(referee: Connection, _outcomes: Sequence[Outcome]) -> list[str]:
    counted = value(referee, "SELECT unread FROM race_talk")
    real = value(referee, "SELECT count(*) FROM race_said WHERE NOT read")
    return [] if counted == real else [f"the counter says {counted}, {real} are unread"]


def _arrive_read_modify_write(connection: GatedConnection, session: int) -> None:
    say(connection, session, asks=True)
    seen = value(connection, "SELECT unread FROM race_talk WHERE id = 1")
    connection.execute("UPDATE race_talk SET unread = %s WHERE id = 1", (seen + 1,))


def _arrive(connection: GatedConnection, session: int) -> None:
    say(connection, session, asks=True)
    connection.execute("UPDATE race_talk SET unread = unread + 1 WHERE id = 1")


def _arrive_counter_first(connection: GatedConnection, session: int) -> None:
    connection.execute("UPDATE race_talk SET unread = unread + 1 WHERE id = 1")
    say(connection, session, asks=True)


def _read_all_then_zero(connection: GatedConnection, _session: int) -> None:
    connection.execute("UPDATE race_said SET read = true WHERE NOT read")
    connection.execute("UPDATE race_talk SET unread = 0 WHERE id = 1")


def _zero_then_read_all(connection: GatedConnection, _session: int) -> None:
    connection.execute("UPDATE race_talk SET unread = 0 WHERE id = 1")
    connection.execute("UPDATE race_said SET read = true WHERE NOT read")


def _read_all_then_subtract(connection: GatedConnection, _session: int) -> None:
    read = connection.execute("UPDATE race_said SET read = true WHERE NOT read").rowcount
    connection.execute("UPDATE race_talk SET unread = unread - %s WHERE id = 1", (read,))


def _arrive_and_recount(guard: str | None) -> SessionFunction:
    def arrive(connection: GatedConnection, session: int) -> None:
        if guard:
            connection.execute(guard.encode())
        say(connection, session, asks=True)
        connection.execute("UPDATE race_talk SET unread = (SELECT count(*) FROM race_said WHERE NOT read) WHERE id = 1")

    return arrive


UNREAD = Family(
    "unread",
    "a message arrives while another does, or while an agent reads",
    ("P2.3",),
    "",
    RESET,
    _unread_counts,
    (
        Entry(
            "read-modify-write",
            "two messages: read the counter, write one more",
            twice(_arrive_read_modify_write),
            ("rr", "ser"),
        ),
        Entry("increment", "two messages: SET unread = unread + 1", twice(_arrive), ALL, "read-modify-write"),
        Entry(
            "recount",
            "two messages: SET unread = (SELECT count(*) …)",
            twice(_arrive_and_recount(None)),
            ("rr", "ser"),
        ),
        Entry(
            "lock-then-recount",
            "two messages: lock the conversation, write, count again",
            twice(_arrive_and_recount(LOCK)),
            ALL,
            "recount",
        ),
        Entry(
            "mark-then-zero",
            "message and reader: mark all read, then set 0",
            (_arrive, _read_all_then_zero),
            ("rr", "ser"),
        ),
        Entry(
            "zero-then-mark",
            "message and reader: set 0 first, then mark",
            (_arrive_counter_first, _zero_then_read_all),
            ALL,
            "mark-then-zero",
        ),
        Entry(
            "subtract",
            "message and reader: subtract what was marked",
            (_arrive, _read_all_then_subtract),
            ALL,
            "mark-then-zero",
        ),
    ),
)
