"""The messenger's own functions, as an application calls them: each against each, in every feasible schedule.

What must hold in all of them: the invariants of `schema/invariants.sql`, a line for every change and for nothing else
(A3), a change made by one session alone, and no deadlock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import combinations_with_replacement as pairs_of

import pytest
from psycopg import IsolationLevel

from inboxbench.database import Connection, connect, scratch_database
from inboxbench.invariants import read_invariants, violations
from inboxbench.messenger.app import assignment, handover
from inboxbench.messenger.app.activity import record
from inboxbench.messenger.app.lifecycle import change_status, mute, reopen_due, snooze, status_changed, unmute, unsnooze
from inboxbench.messenger.app.message import Actor, incoming, note, reply
from inboxbench.messenger.app.posting import post
from inboxbench.project import Project
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Bounds, Judge, Outcome, Scenario
from inboxbench.race.explore.run import Explorer, open_explorer
from inboxbench.server import Server

INBOX, IVAN, TALK = 1, 1, 1
PAST = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
OFFICE = """
    INSERT INTO accounts (id, name) VALUES (1, 'Ours');
    INSERT INTO users (id, account_id, name, email)
    VALUES (1, 1, 'Ann', 'ann@example.test'), (2, 1, 'Bob', 'bob@example.test');
    INSERT INTO inboxes (id, account_id, name) VALUES (1, 1, 'Chat');
    INSERT INTO inbox_members (inbox_id, user_id) VALUES (1, 1), (1, 2);
    INSERT INTO contacts (id, account_id, name) VALUES (1, 1, 'Ivan');
    INSERT INTO conversations (id, account_id, inbox_id, contact_id) VALUES (1, 1, 1, 1);
"""
CLEAN = """
    DELETE FROM messages; UPDATE contacts SET blocked = false;
    UPDATE conversations SET status = 'open', snoozed_until = NULL, assignee_id = NULL, assignee_assigned_at = NULL,
        waiting_since = NULL, first_reply_created_at = NULL, last_activity_at = created_at
"""
# What a pair begins with.
STATES = {
    "open": "SELECT",
    "held": "UPDATE conversations SET assignee_id = 1, assignee_assigned_at = now()",
    "resolved": "UPDATE conversations SET status = 'resolved'",
    "snoozed": "UPDATE conversations SET status = 'snoozed', snoozed_until = now() - interval '1 hour'",
    "muted": "UPDATE conversations SET status = 'resolved'; UPDATE contacts SET blocked = true",
}
Act = Callable[[Connection, int, Actor], int | bool]

# Session 0 is Ann, session 1 is Bob. Each returns how many lines it has written.
ACTS: dict[str, Act] = {
    "ask": lambda db, *_: post(db, incoming(TALK, IVAN, "?")).reopened,
    "deliver": lambda db, *_: post(db, incoming(TALK, IVAN, "?", source_id="outside")).reopened,
    "send": lambda db, *_: post(db, incoming(TALK, IVAN, "?", echo_id="client")).reopened,
    "answer": lambda db, agent, _: post(db, reply(TALK, agent, "!")).reopened,
    "note": lambda db, agent, _: post(db, note(TALK, agent, "hm")).reopened,
    "assign": lambda db, agent, by: handover.assign(db, TALK, agent, by),
    "take": lambda db, agent, by: handover.take_next(db, INBOX, agent, by) is not None,
    "turn": lambda db, *_: handover.assign_automatically(db, INBOX, "least_loaded", 1) is not None,
    "pass on": lambda db, _, by: handover.reassign(db, TALK, 1, 2, by),
    "give back": lambda db, _, by: handover.unassign(db, TALK, 1, by),
    "resolve": lambda db, _, by: change_status(db, TALK, "resolved", by),
    "reopen": lambda db, _, by: change_status(db, TALK, "open", by, expected="resolved"),
    "snooze": lambda db, _, by: snooze(db, TALK, PAST, by),
    "unsnooze": lambda db, _, by: unsnooze(db, TALK, by),
    "due": lambda db, *_: len(reopen_due(db, 2)),
    "mute": lambda db, _, by: mute(db, TALK, by),
    "unmute": lambda db, _, by: unmute(db, TALK, by),
}
# Done by one session, these leave nothing to do for another.
GIVING = {"assign", "take", "turn"}
ONCE = GIVING | {"pass on", "give back", "resolve", "reopen", "snooze", "unsnooze", "due", "mute", "unmute"}
# What matters to a conversation that stands so; the slow test has all with all.
MATTERS = {
    "open": ("ask", "send", "answer", "assign", "take", "turn", "resolve", "snooze", "mute"),
    "held": ("answer", "pass on", "give back", "resolve"),
    "resolved": ("ask", "deliver", "answer", "reopen", "mute"),
    "snoozed": ("ask", "answer", "unsnooze", "due", "resolve"),
    "muted": ("ask", "unmute", "mute", "reopen"),
}


def _careless_assign(db: Connection, agent: int, by: Actor) -> bool:
    row = db.execute("SELECT assignee_id FROM conversations WHERE id = %s", (TALK,)).fetchone()
    if row != (None,):
        return False
    assignment.overwrite_assignee(db, TALK, agent)
    return bool(record(db, [TALK], handover.assigned(agent, by)))


def _careless_resolve(db: Connection, _agent: int, by: Actor) -> bool:
    row = db.execute("SELECT status FROM conversations WHERE id = %s", (TALK,)).fetchone()
    if row == ("resolved",):
        return False
    db.execute("UPDATE conversations SET status = 'resolved' WHERE id = %s", (TALK,))
    return bool(record(db, [TALK], status_changed("open", "resolved", by)))


def _careless_ask(db: Connection, *_: object) -> bool:
    row = db.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return post(db, incoming(TALK, IVAN, "?", created_at=row[0])).reopened


# The same without the guard that makes them right.
MUTANTS: dict[str, Act] = {
    "careless assign": _careless_assign,
    "careless resolve": _careless_resolve,
    "careless ask": _careless_ask,
}


@pytest.fixture(scope="module")
def office(server: Server, project: Project) -> Iterator[str]:
    with scratch_database(server, "rules") as name:
        conninfo = server.conninfo(name)
        with closing(connect(conninfo)) as builder:
            builder.execute((project.schema / "head.sql").read_bytes())
            builder.execute(OFFICE)
        yield conninfo


@pytest.fixture(scope="module")
def explorer(office: str) -> Iterator[Explorer]:
    with open_explorer(office) as opened:
        yield opened


def session(act: Act) -> Callable[[GatedConnection, int], int]:
    def work(connection: GatedConnection, number: int) -> int:
        agent = number + 1
        return int(act(connection, agent, Actor("user", agent)))

    return work


def judge(project: Project, names: Sequence[str]) -> Judge:
    """Invariants, lines by what the sessions say they changed, one change where there is one to make, no deadlock."""
    rules = [r for r in read_invariants(project.schema / "invariants.sql").values() if r.scope == "head"]
    once = set(names) <= GIVING or (len(set(names)) == 1 and set(names) <= ONCE)

    def judged(control: Connection, outcomes: Sequence[Outcome]) -> list[str]:
        row = control.execute("SELECT count(*) FROM messages WHERE message_type = 2").fetchone()
        told = sum(outcome.value for outcome in outcomes if outcome.kind == "committed")
        complaints = [f"{broken.invariant.name}: {broken.examples}" for broken in violations(control, rules)]
        complaints += [f"{row} lines for {told} changes"] if row != (told,) else []
        complaints += [f"{told} sessions made the same change"] if once and told > 1 else []
        return complaints + ["a deadlock" for outcome in outcomes if outcome.deadlocked]

    return judged


def scenario(
    project: Project, state: str, names: Sequence[str], level: IsolationLevel = IsolationLevel.READ_COMMITTED
) -> Scenario:
    script = f"{CLEAN}; {STATES[state]}"

    def reset(control: Connection) -> None:
        control.execute(script.encode())

    functions = tuple(session((ACTS | MUTANTS)[name]) for name in names)
    return Scenario(functions, reset, judge(project, [name.removeprefix("careless ") for name in names]), level)


def explore_pairs(
    explorer: Explorer, project: Project, state: str, pairs: Iterable[tuple[str, str]]
) -> tuple[int, int]:
    """Schedules, and those in which a session waited. Fails at the first that breaks a rule."""
    schedules = waited = 0
    for names in pairs:
        found = explorer.explore(scenario(project, state, names), Bounds())
        example = found.counterexample
        assert found.bad == 0, f"{state}: {names}: {example and (example.run.schedule, example.complaints)}"
        assert found.complete, names
        schedules += found.schedules
        waited += found.waited
    return schedules, waited


@pytest.mark.parametrize(
    "state", [pytest.param(state, marks=pytest.mark.long if state == "open" else ()) for state in STATES]
)
def test_no_schedule_of_two_that_meet_breaks_a_rule(explorer: Explorer, project: Project, state: str) -> None:
    """A1–A5, C3–C5, C7, M1, M6."""
    pairs = list(pairs_of(MATTERS[state], 2))
    schedules, waited = explore_pairs(explorer, project, state, pairs)
    assert schedules > 2 * len(pairs)
    assert waited > len(pairs) / 2


@pytest.mark.long
@pytest.mark.parametrize("state", STATES)
def test_no_schedule_of_any_two_breaks_a_rule(explorer: Explorer, project: Project, state: str) -> None:
    """The same with all 153 pairs, also those that have nothing to do in this state."""
    explore_pairs(explorer, project, state, pairs_of(ACTS, 2))


@pytest.mark.parametrize(
    ("state", "names", "complaint"),
    [
        ("open", ("careless assign", "careless assign"), "2 sessions made the same change"),
        ("open", ("careless resolve", "careless resolve"), "2 sessions made the same change"),
        ("open", ("careless ask", "answer"), "waiting_since_is_a_question"),
    ],
)
def test_without_its_guard_each_is_caught(
    explorer: Explorer, project: Project, state: str, names: tuple[str, str], complaint: str
) -> None:
    """The judge sees what the guards are for: read-then-write, and a time taken before the lock."""
    found = explorer.explore(scenario(project, state, names), Bounds())
    assert found.bad > 0
    assert found.counterexample is not None
    assert any(complaint in told for told in found.counterexample.complaints), found.counterexample.complaints
