"""Clocks and unread counters of a conversation that several messages move at once (C3, C5, C7, P2.3)."""

from __future__ import annotations

from collections.abc import Sequence

from inboxbench.database import Connection
from inboxbench.race.atlas.model import ALL, Entry, Family, changed, twice, value
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Outcome, SessionFunction

_SETUP = """
    CREATE TABLE race_talk (id int PRIMARY KEY, activity int NOT NULL DEFAULT 0, replied int, waiting int,
                            unread int NOT NULL DEFAULT 0);
    INSERT INTO race_talk VALUES (1);
    CREATE TABLE race_said (at int NOT NULL, asks boolean NOT NULL, read boolean NOT NULL DEFAULT false);
"""
RESET = """
    UPDATE race_talk SET activity = 0, replied = NULL, waiting = NULL, unread = 0;
    DELETE FROM race_said
"""
LOCK = "SELECT FROM race_talk WHERE id = 1 FOR NO KEY UPDATE"


def say(connection: GatedConnection, at: int, *, asks: bool) -> None:
    """A message."""
    connection.execute("INSERT INTO race_said VALUES (%s, %s)", (at, asks))


def _activity_is_newest(control: Connection, _outcomes: Sequence[Outcome]) -> list[str]:
    behind = value(control, "SELECT activity < (SELECT max(at) FROM race_said) FROM race_talk")
    return ["last activity is older than the newest message"] if behind else []


def _overwrite_activity(connection: GatedConnection, session: int) -> None:
    """The order of messages is the order of sessions: a later one must not be undone by an earlier one."""
    say(connection, session + 1, asks=True)
    seen = value(connection, "SELECT activity FROM race_talk WHERE id = 1")
    if seen < session + 1:
        connection.execute("UPDATE race_talk SET activity = %s WHERE id = 1", (session + 1,))


def _greatest(connection: GatedConnection, session: int) -> None:
    say(connection, session + 1, asks=True)
    connection.execute("UPDATE race_talk SET activity = greatest(activity, %s) WHERE id = 1", (session + 1,))


def _activity_where_older(connection: GatedConnection, session: int) -> None:
    say(connection, session + 1, asks=True)
    connection.execute("UPDATE race_talk SET activity = %s WHERE id = 1 AND activity < %s", (session + 1, session + 1))


def _activity_of_messages(connection: GatedConnection, session: int) -> None:
    say(connection, session + 1, asks=True)
    connection.execute("UPDATE race_talk SET activity = (SELECT max(at) FROM race_said) WHERE id = 1")


ACTIVITY = Family(
    "last_activity_at",
    "two messages move the clock of last activity",
    ("C7",),
    _SETUP,
    RESET,
    _activity_is_newest,
    (
        Entry("read-then-write", "read the clock, write it when older", twice(_overwrite_activity), ("rr", "ser")),
        Entry("recompute", "SET … = (SELECT max(at) FROM messages)", twice(_activity_of_messages), ("rr", "ser")),
        Entry("greatest", "SET … = greatest(old, new)", twice(_greatest), ALL, "read-then-write"),
        Entry("where-older", "UPDATE … WHERE the clock is older", twice(_activity_where_older), ALL, "read-then-write"),
    ),
)


def _first_stays(control: Connection, outcomes: Sequence[Outcome]) -> list[str]:
    """Whoever was told "you were first" must be the one who is remembered, and there is one."""
    told = [outcome.value for outcome in outcomes if outcome.kind == "committed" and outcome.value is not None]
    kept = value(control, "SELECT replied FROM race_talk")
    return [f"told first: {told}, remembered: {kept}"] if told and (len(told) > 1 or kept != told[0]) else []


def _first_read_then_write(connection: GatedConnection, session: int) -> int | None:
    if value(connection, "SELECT replied FROM race_talk WHERE id = 1") is not None:
        return None
    connection.execute("UPDATE race_talk SET replied = %s WHERE id = 1", (session,))
    return session


def _first_where_null(connection: GatedConnection, session: int) -> int | None:
    return session if changed(connection, "UPDATE race_talk SET replied = %s WHERE replied IS NULL", session) else None


def _first_locked(connection: GatedConnection, session: int) -> int | None:
    connection.execute(LOCK)
    return _first_read_then_write(connection, session)


FIRST_REPLY = Family(
    "first_reply",
    "two agents give the first reply",
    ("C5",),
    "",
    RESET,
    _first_stays,
    (
        Entry("read-then-write", "write the time when none is set", twice(_first_read_then_write), ("rr", "ser")),
        Entry("where-null", "UPDATE … WHERE it IS NULL", twice(_first_where_null), ALL, "read-then-write"),
        Entry(
            "lock-then-read", "lock the conversation, then read and write", twice(_first_locked), ALL, "read-then-write"
        ),
    ),
)


def _question_waits(control: Connection, _outcomes: Sequence[Outcome]) -> list[str]:
    """A question dated after the last reply has to be waiting."""
    lost = value(
        control,
        "SELECT waiting IS NULL AND EXISTS (SELECT FROM race_said AS asked WHERE asks AND at >"
        " coalesce((SELECT max(at) FROM race_said WHERE NOT asks), 0)) FROM race_talk",
    )
    return ["a customer waits and no clock says so"] if lost else []


def _ask(guard: str | None) -> SessionFunction:
    """The customer's question is dated when it is asked: the order of dates is the order of the guard."""

    def ask(connection: GatedConnection, _session: int) -> None:
        if guard:
            connection.execute(guard.encode())
        at = value(connection, "SELECT nextval('race_time')")
        say(connection, at, asks=True)
        if value(connection, "SELECT waiting FROM race_talk WHERE id = 1") is None:
            connection.execute("UPDATE race_talk SET waiting = %s WHERE id = 1", (at,))

    return ask


def _answer(guard: str | None) -> SessionFunction:
    def answer(connection: GatedConnection, _session: int) -> None:
        if guard:
            connection.execute(guard.encode())
        say(connection, value(connection, "SELECT nextval('race_time')"), asks=False)
        connection.execute("UPDATE race_talk SET waiting = NULL WHERE id = 1 AND waiting IS NOT NULL")

    return answer


_WAITING_RESET = """
    UPDATE race_talk SET activity = 0, replied = NULL, waiting = 0, unread = 0;
    DELETE FROM race_said; INSERT INTO race_said VALUES (0, true); SELECT setval('race_time', 1, false)
"""
_TOUCH = "UPDATE race_talk SET activity = activity + 1 WHERE id = 1"

WAITING = Family(
    "waiting_since",
    "a customer asks again while an agent answers",
    ("C3",),
    "CREATE SEQUENCE race_time",
    _WAITING_RESET,
    _question_waits,
    (
        Entry("read-then-write", "set when NULL, clear when set", (_ask(None), _answer(None)), ()),
        Entry(
            "lock-first",
            "lock the conversation before dating the message",
            (_ask(LOCK), _answer(LOCK)),
            ALL,
            "read-then-write",
        ),
        Entry(
            "write-first",
            "write the conversation before dating the message",
            (_ask(_TOUCH), _answer(_TOUCH)),
            ALL,
            "read-then-write",
        ),
    ),
)


def _unread_counts(control: Connection, _outcomes: Sequence[Outcome]) -> list[str]:
    counted = value(control, "SELECT unread FROM race_talk")
    real = value(control, "SELECT count(*) FROM race_said WHERE NOT read")
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
