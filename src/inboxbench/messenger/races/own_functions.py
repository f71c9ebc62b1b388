"""The messenger's own rules raced against each other on its own tables and triggers (A1, A3, A5, C3, C4, C7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files

from inboxbench.database import Connection
from inboxbench.invariants import Invariant, read_invariants, violations
from inboxbench.messenger.app import assignment, handover, lifecycle
from inboxbench.messenger.app.activity import Activity, record
from inboxbench.messenger.app.lifecycle import change_status, status_changed
from inboxbench.messenger.app.message import SYSTEM, Actor, NewMessage, incoming, reply
from inboxbench.messenger.app.posting import post
from inboxbench.project import find_project
from inboxbench.race.atlas.model import ALL, Entry, Family, committed, twice, value
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Outcome, SessionFunction
from inboxbench.sqlfile import read_sections

_SQL = read_sections(__file__)

ANN, BOB, IVAN, CHAT = 1, 2, 1, 1
FREE, DUE, HELD = 1, 2, 3

_OFFICE = _SQL["office"]
RESET = _SQL["reset"]
_RULES = (
    "assigned_at_with_assignee",
    "waiting_since_is_a_question",
    "snoozed_until_while_snoozed",
    "first_reply_is_a_reply",
    "last_activity_not_behind",
    "message_in_its_conversation",
)


_TWICE = _SQL["twice"]


def setup() -> str:
    head = (find_project().schema / "head.sql").read_text(encoding="utf-8")
    overlay = (files("inboxbench.messenger.races") / "lab.sql").read_text(encoding="utf-8")
    return f"{head};{overlay};{_OFFICE}"


@cache
def _invariants() -> tuple[Invariant, ...]:
    known = read_invariants(find_project().schema / "invariants.sql")
    return tuple(known[name] for name in _RULES)


def rules_hold(control: Connection, outcomes: Sequence[Outcome]) -> list[str]:
    """Check the invariants, one winner at most, and a line for each change that a session was told it made."""
    changes = sum(committed(outcomes))
    lines = value(control, "SELECT count(*) FROM messages WHERE message_type = 2")
    complaints = [f"{broken.invariant.name}: {broken.examples[0]}" for broken in violations(control, _invariants())]
    if value(control, _TWICE):
        complaints.append("two lines tell of what only one session can have done")
    if lines != changes:
        complaints.append(f"{changes} changes and {lines} lines that tell of them")
    return complaints


def _agent(session: int) -> int:
    return (ANN, BOB)[session]


def _act(act: Callable[[Connection, int], int | bool]) -> SessionFunction:
    """Return a function of the messenger as a session: how many lines it has written."""

    def session(connection: GatedConnection, number: int) -> int:
        return int(act(connection, _agent(number)))

    return session


def _post(message: NewMessage) -> SessionFunction:
    return _act(lambda db, _agent: post(db, message).reopened)


def _post_dated_early(message: NewMessage) -> SessionFunction:
    """Dated when the application got it, which is before it waits for its turn."""

    def act(db: Connection, _agent: int) -> bool:
        now = value(db, "SELECT clock_timestamp()")
        return post(db, replace(message, created_at=now)).reopened

    return _act(act)


_QUESTION, _REPLY = incoming(FREE, IVAN, "?"), reply(FREE, ANN, "!")
_ASK, _ANSWER = _post(_QUESTION), _post(_REPLY)
_EARLY = (_post_dated_early(_QUESTION), _post_dated_early(_REPLY))
_MUTE = _act(lambda db, agent: lifecycle.mute(db, FREE, Actor("user", agent)))
_RESOLVE = _act(lambda db, agent: change_status(db, FREE, "resolved", Actor("user", agent)))


def _overwrite(connection: Connection, agent: int) -> bool:
    found = assignment.peek_next(connection, CHAT)
    if found is None:
        return False
    assignment.overwrite_assignee(connection, found, agent)
    record(connection, [found], handover.assigned(agent, Actor("user", agent)))
    return True


def _move_on_what_was_read(to: int | None) -> Callable[[Connection, int], bool]:
    def move(connection: Connection, agent: int) -> bool:
        row = connection.execute("SELECT assignee_id FROM conversations WHERE id = %s", (HELD,)).fetchone()
        if row is None or row[0] != ANN:
            return False
        connection.execute(
            "UPDATE conversations SET assignee_id = %s, assignee_assigned_at = assignee_assigned_at"
            " + CASE WHEN %s::bigint IS NOT NULL THEN interval '0' END WHERE id = %s",
            (to, to, HELD),
        )
        record(connection, [HELD], handover.unassigned(ANN, Actor("user", agent)))
        return True

    return move


def _reopen_what_was_read(connection: Connection, _agent: int) -> bool:
    row = connection.execute(
        "SELECT id FROM conversations WHERE status = 'snoozed' AND snoozed_until < now()"
    ).fetchone()
    if row is None:
        return False
    connection.execute("UPDATE conversations SET status = 'open' WHERE id = %s", row)
    record(connection, [row[0]], status_changed("snoozed", "open", SYSTEM))
    return True


def _mute_what_was_read(connection: Connection, agent: int) -> bool:
    """A4 without the lock: whoever finds the contact unblocked tells of it."""
    if value(connection, "SELECT blocked FROM contacts WHERE id = %s", IVAN):
        return False
    connection.execute("UPDATE contacts SET blocked = true WHERE id = %s", (IVAN,))
    connection.execute("UPDATE conversations SET status = 'resolved' WHERE id = %s", (FREE,))
    record(connection, [FREE], Activity("muted", Actor("user", agent), "%1$s muted the conversation"))
    return True


def _by(agent: int) -> Actor:
    return Actor("user", agent)


MESSENGER = Family(
    "messenger",
    "the messenger's own functions, each against another",
    ("A1", "A3", "A4", "A5", "C3", "C4", "C5", "C7", "P1.2"),
    setup,
    RESET,
    rules_hold,
    (
        Entry("dated-early", "post a question, post a reply, dated before the lock", _EARLY, ("rr", "ser")),
        Entry("ask-answer", "post a question, post a reply", (_ASK, _ANSWER), ALL, "dated-early"),
        Entry("ask-ask", "post two questions", twice(_ASK), ALL, "dated-early"),
        Entry("ask-resolve", "post a question, resolve", (_ASK, _RESOLVE), ALL, "dated-early"),
        Entry("mute-what-was-read", "find unblocked, block, tell", twice(_act(_mute_what_was_read)), ("rr", "ser")),
        Entry("mute", "muting.mute: lock, then block what is not blocked", twice(_MUTE), ALL, "mute-what-was-read"),
        Entry("ask-mute", "post a question while the contact is muted", (_ASK, _MUTE), ALL, "dated-early"),
        Entry("overwrite", "read who is next, write, tell", twice(_act(_overwrite)), ("rr", "ser")),
        Entry(
            "assign",
            "handover.assign: compare and set, tell",
            twice(_act(lambda db, agent: handover.assign(db, FREE, agent, _by(agent)))),
            ALL,
            "overwrite",
        ),
        Entry(
            "take-next",
            "handover.take_next: SKIP LOCKED, tell",
            twice(_act(lambda db, agent: handover.take_next(db, CHAT, agent) is not None)),
            ALL,
            "overwrite",
        ),
        Entry(
            "move-on-what-was-read",
            "give back and hand over, each on what it read",
            (_act(_move_on_what_was_read(None)), _act(_move_on_what_was_read(BOB))),
            ("rr", "ser"),
        ),
        Entry(
            "unassign-reassign",
            "handover.unassign, handover.reassign",
            (
                _act(lambda db, agent: handover.unassign(db, HELD, ANN, _by(agent))),
                _act(lambda db, agent: handover.reassign(db, HELD, ANN, BOB, _by(agent))),
            ),
            ALL,
            "move-on-what-was-read",
        ),
        Entry("reopen-what-was-read", "find the due, open, tell", twice(_act(_reopen_what_was_read)), ("rr", "ser")),
        Entry(
            "reopen-due",
            "snoozing.reopen_due: SKIP LOCKED, tell",
            twice(_act(lambda db, _agent: len(lifecycle.reopen_due(db)))),
            ALL,
            "reopen-what-was-read",
        ),
        Entry(
            "reopen-unsnooze",
            "snoozing.reopen_due while somebody brings it back",
            (
                _act(lambda db, _agent: len(lifecycle.reopen_due(db))),
                _act(lambda db, agent: lifecycle.unsnooze(db, DUE, _by(agent))),
            ),
            ALL,
            "reopen-what-was-read",
        ),
    ),
)
