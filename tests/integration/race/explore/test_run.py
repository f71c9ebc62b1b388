"""The explorer against known truth: counts that do not depend on the machine, and functions that misbehave."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel
from sqlalchemy import select, update
from sqlalchemy.orm import Session as OrmSession

from inboxbench.database import Connection, connect
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.invariants import Invariant, read_invariants
from inboxbench.messenger.app import assignment
from inboxbench.messenger.models import Conversation
from inboxbench.messenger.races.assignment_database import Lab, put_back
from inboxbench.messenger.races.targets import strategy_scenario
from inboxbench.project import Project, find_project
from inboxbench.race.engine import engine_of
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Bounds, Outcome, Scenario, SessionFunction
from inboxbench.race.explore.oracle import invariants_hold, query_is_empty
from inboxbench.race.explore.run import explore, replay
from inboxbench.race.picture.text import explain
from inboxbench.race.strategy import read_strategies

STRATEGIES = read_strategies(find_project())
RC, RR, SER = IsolationLevel.READ_COMMITTED, IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE


@pytest.fixture(scope="module")
def invariants(project: Project) -> dict[str, Invariant]:
    return read_invariants(project.schema / "invariants.sql")


@pytest.fixture(scope="module")
def fair(invariants: dict[str, Invariant]) -> list[Invariant]:
    return [invariants["no_double_assignment"], invariants["last_claim_holds"]]


@pytest.fixture
def head(lab: Lab) -> Iterator[int]:
    """The only conversation of an inbox of its own."""
    inbox = lab.open_inbox(4, 1)
    found = assignment.peek_next(lab.connection, inbox)
    assert found is not None
    yield found
    put_back(lab.connection)


@pytest.mark.parametrize(
    ("name", "level", "bad", "schedules", "aborted"),
    [
        ("naive", RC, 12, 14, 0),
        ("naive", RR, 0, 14, 12),
        ("naive", SER, 0, 14, 12),
        ("for-update", RC, 0, 6, 0),
        ("skip-locked", RC, 0, 12, 0),
        ("skip-locked-one", RC, 0, 6, 0),
    ],
)
def test_two_sessions(
    lab: Lab,
    *,
    invariants: dict[str, Invariant],
    name: str,
    level: IsolationLevel,
    bad: int,
    schedules: int,
    aborted: int,
) -> None:
    """P1.2: every feasible schedule of two agents after one conversation."""
    found = explore(lab.conninfo, strategy_scenario(STRATEGIES[name], lab, invariants, level=level))
    assert (found.bad, found.schedules, found.aborted) == (bad, schedules, aborted)
    assert (found.deadlocked, found.diverged, found.complete) == (0, 0, True)


@pytest.mark.parametrize(
    ("name", "bad", "schedules", "permutations"),
    [("naive", 576, 594, 1680), ("skip-locked", 0, 270, 1680), ("skip-locked-one", 0, 90, 90)],
)
def test_three_sessions(
    lab: Lab, *, invariants: dict[str, Invariant], name: str, bad: int, schedules: int, permutations: int
) -> None:
    found = explore(lab.conninfo, strategy_scenario(STRATEGIES[name], lab, invariants, sessions=3))
    assert (found.bad, found.schedules, found.permutations) == (bad, schedules, permutations)


def holds(connection: GatedConnection, conversation_id: int, lock: str) -> bool:
    row = connection.execute(
        f"SELECT assignee_id FROM conversations WHERE id = %s {lock}", (conversation_id,)
    ).fetchone()
    return row is not None and row[0] is not None


def locked(conversation_id: int, lock: str) -> SessionFunction:
    """Read one conversation under `lock`, branch, write."""

    def claim(connection: GatedConnection, session: int) -> bool:
        if holds(connection, conversation_id, lock):
            return False
        assignment.overwrite_assignee(connection, conversation_id, session + 1)
        return True

    return claim


def test_compare_and_set_of_one_conversation(lab: Lab, head: int, fair: list[Invariant]) -> None:
    def claim(connection: GatedConnection, session: int) -> bool:
        return assignment.assign(connection, head, session + 1)

    def count(sessions: int) -> tuple[int, int]:
        found = explore(lab.conninfo, Scenario((claim,) * sessions, put_back, invariants_hold(fair)))
        assert found.waited
        return found.bad, found.schedules

    assert count(2) == (0, 4)
    assert count(3) == (0, 42)


@pytest.mark.parametrize("lock", ["FOR UPDATE", "FOR NO KEY UPDATE"])
def test_locked_reads_of_one_conversation(lab: Lab, head: int, fair: list[Invariant], lock: str) -> None:
    scenario = Scenario((locked(head, lock),) * 2, put_back, invariants_hold(fair))
    found = explore(lab.conninfo, scenario)
    assert (found.bad, found.schedules) == (0, 6)
    assert found.waited == 4


def test_three_locked_reads_of_one_conversation(lab: Lab, head: int, fair: list[Invariant]) -> None:
    """The third waits for the first two, so 54 of 1,680 orders are feasible; the server keeps to who came first."""
    found = explore(lab.conninfo, Scenario((locked(head, "FOR UPDATE"),) * 3, put_back, invariants_hold(fair)))
    assert (found.bad, found.schedules, found.permutations, found.diverged) == (0, 54, 1680, 0)


def test_one_skip_locked_claim_of_one_conversation(lab: Lab, head: int, fair: list[Invariant]) -> None:
    def claim(connection: GatedConnection, session: int) -> bool:
        free = "SELECT id FROM conversations WHERE id = %s AND assignee_id IS NULL FOR UPDATE SKIP LOCKED"
        if connection.execute(free, (head,)).fetchone() is None:
            return False
        assignment.overwrite_assignee(connection, head, session + 1)
        return True

    found = explore(lab.conninfo, Scenario((claim,) * 2, put_back, invariants_hold(fair)))
    assert (found.bad, found.schedules, found.waited) == (0, 12, 0)


@pytest.mark.parametrize(("level", "bad"), [(RC, 0), (RR, 6)])
def test_a_lock_protects_a_later_read_only_if_its_snapshot_is_younger(
    lab: Lab, level: IsolationLevel, bad: int
) -> None:
    """Lock the agent's row FOR UPDATE, then count: safe at READ COMMITTED, and worse than useless above it."""
    inbox = lab.open_inbox(1, 2)
    free = sorted(lab.histories(inbox))
    load = "SELECT count(*) FROM conversations WHERE inbox_id = %s AND assignee_id = 1"

    def take(connection: GatedConnection, session: int) -> None:
        connection.execute("SELECT FROM users WHERE id = 1 FOR UPDATE")
        row = connection.execute(load, (inbox,)).fetchone()
        if row is not None and row[0] == 0:
            assignment.overwrite_assignee(connection, free[session], 1)

    over = query_is_empty(f"SELECT 1 FROM conversations WHERE inbox_id = {inbox} HAVING count(assignee_id) > 1")
    found = explore(lab.conninfo, Scenario((take, take), put_back, over, level))
    put_back(lab.connection)
    assert (found.bad, found.schedules, found.aborted) == (bad, 8, 0)


def test_the_guard_is_what_keeps_it_safe(lab: Lab, head: int, fair: list[Invariant]) -> None:
    """The mutant: the same code without its lock must be caught, or the explorer proves nothing."""
    found = explore(lab.conninfo, Scenario((locked(head, ""),) * 2, put_back, invariants_hold(fair)))
    assert (found.bad, found.schedules) == (12, 14)


def test_the_first_counterexample_is_the_simplest_and_replays(lab: Lab, invariants: dict[str, Invariant]) -> None:
    scenario = strategy_scenario(STRATEGIES["naive"], lab, invariants)
    found = explore(lab.conninfo, scenario)
    assert found.counterexample is not None
    assert found.counterexample.run.preemptions == 1
    again = replay(lab.conninfo, scenario, found.counterexample.run.schedule)
    assert again.run.schedule == found.counterexample.run.schedule
    assert again.complaints
    drawn = "\n".join(explain(again))
    assert "session A" in drawn
    assert "broken: no_double_assignment" in drawn


def test_a_wait_is_drawn_with_whom_it_is_for(lab: Lab, invariants: dict[str, Invariant]) -> None:
    scenario = strategy_scenario(STRATEGIES["naive"], lab, invariants)
    drawn = "\n".join(explain(replay(lab.conninfo, scenario, "ABABAB")))
    assert "waits for A" in drawn
    assert "goes on: UPDATE 1" in drawn


@pytest.mark.parametrize(
    ("schedule", "message"), [("ABABBA", "not feasible"), ("AXB", "letters A to B"), ("", "letters")]
)
def test_a_schedule_that_cannot_be(lab: Lab, invariants: dict[str, Invariant], schedule: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replay(lab.conninfo, strategy_scenario(STRATEGIES["naive"], lab, invariants), schedule)


def test_preemptions_bound_the_search(lab: Lab, invariants: dict[str, Invariant]) -> None:
    scenario = strategy_scenario(STRATEGIES["naive"], lab, invariants)
    serial = explore(lab.conninfo, scenario, Bounds(preemptions=0))
    one = explore(lab.conninfo, scenario, Bounds(preemptions=1))
    assert (serial.bad, serial.schedules, serial.complete) == (0, 2, False)
    assert 2 < one.schedules < 14
    assert explore(lab.conninfo, scenario, Bounds(schedules=5)).schedules == 5


def test_a_deadlock_is_recorded_with_its_victim(lab: Lab, fair: list[Invariant]) -> None:
    """Two rows in opposite order: in the schedules where each has one, PostgreSQL refuses a session."""
    inbox = lab.open_inbox(2, 2)
    first, second = sorted(lab.histories(inbox))

    def bulk(connection: GatedConnection, session: int) -> None:
        for row in (first, second) if session == 0 else (second, first):
            connection.execute("UPDATE conversations SET branch = 'x' WHERE id = %s", (row,))

    found = explore(lab.conninfo, Scenario((bulk, bulk), put_back, invariants_hold(fair)))
    assert found.deadlocked == found.aborted > 0
    assert found.deadlocked < found.schedules


def test_death_is_one_more_choice(lab: Lab, invariants: dict[str, Invariant]) -> None:
    """Whoever dies holding a lock, the other goes on, and nobody is assigned twice."""
    found = explore(lab.conninfo, strategy_scenario(STRATEGIES["for-update"], lab, invariants), Bounds(deaths=1))
    assert found.schedules > 6
    assert found.bad == 0


def test_a_death_ends_the_session(lab: Lab, invariants: dict[str, Invariant]) -> None:
    example = replay(lab.conninfo, strategy_scenario(STRATEGIES["for-update"], lab, invariants), "AaBBB")
    assert [outcome.kind for outcome in example.run.outcomes] == ["died", "committed"]
    assert example.run.outcomes[1].value is not None
    assert "dies before" in "\n".join(explain(example))


def test_sqlalchemy_core_passes_the_same_gate(lab: Lab, head: int, fair: list[Invariant]) -> None:
    table = Conversation.__table__

    def claim(connection: GatedConnection, session: int) -> None:
        with engine_of(connection).begin() as core:
            holder = core.execute(select(table.c.assignee_id).where(table.c.id == head)).scalar_one()
            if holder is None:
                core.execute(update(Conversation).where(table.c.id == head).values(assignee_id=session + 1))

    found = explore(lab.conninfo, Scenario((claim, claim), put_back, invariants_hold(fair)))
    assert (found.bad, found.schedules, found.permutations) == (12, 14, 20)


def test_sqlalchemy_passes_the_same_gate(lab: Lab, head: int, fair: list[Invariant]) -> None:
    """Unmodified ORM code: SELECT, UPDATE, COMMIT are its steps too, and it has the same race."""

    def claim(connection: GatedConnection, session: int) -> None:
        with OrmSession(engine_of(connection)) as orm, orm.begin():
            conversation = orm.get_one(Conversation, head)
            if conversation.assignee_id is None:
                conversation.assignee_id = session + 1

    found = explore(lab.conninfo, Scenario((claim, claim), put_back, invariants_hold(fair)))
    assert (found.bad, found.schedules, found.permutations) == (12, 14, 20)


Misbehaviour = Callable[[GatedConnection, int], Any]


def endless(connection: GatedConnection, _session: int) -> None:
    connection.execute("SELECT 1")
    while True:
        pass


def asleep(connection: GatedConnection, _session: int) -> None:
    connection.execute("SELECT 1")
    time.sleep(60)


def raising(connection: GatedConnection, _session: int) -> None:
    connection.execute("SELECT 1")
    raise ValueError("no such agent")


def misspelt(connection: GatedConnection, _session: int) -> None:
    connection.execute("SELEKT 1")


def stepping(connection: GatedConnection, _session: int) -> None:
    while True:
        connection.execute("SELECT 1")


def idle(_connection: GatedConnection, _session: int) -> None:
    return


def opening(connection: GatedConnection, _session: int) -> None:
    KEPT.append(psycopg.connect(connection.info.dsn))
    connection.execute("SELECT 1")


KEPT: list[psycopg.Connection[Any]] = []


@pytest.fixture(autouse=True)
def none_kept() -> Iterator[None]:
    yield
    while KEPT:
        KEPT.pop().close()


def slow(connection: GatedConnection, _session: int) -> None:
    connection.execute("SELECT pg_sleep(60)")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (endless, "session A was in its own code"),
        (asleep, "session A was in its own code"),
        (raising, "session A raised ValueError: no such agent"),
        (misspelt, "session A raised SyntaxError"),
        (stepping, r"session A had made \d+ round trips and went on"),
        (idle, "session A made no round trip over the connection that it was given"),
        (slow, r"session A got no answer to 'SELECT pg_sleep\(60\)'"),
    ],
)
def test_misbehaviour_is_named_and_nothing_stays(lab: Lab, function: Misbehaviour, message: str) -> None:
    scenario = Scenario((function, function), put_back, lambda _control, _outcomes: [])
    with pytest.raises(SubjectFailed, match=message):
        explore(lab.conninfo, scenario, Bounds(limit_s=1.0))
    assert others(lab) == 0


def test_a_connection_of_its_own_that_stays_open_is_named(lab: Lab) -> None:
    with pytest.raises(SubjectFailed, match="session A opened a connection of its own"):
        explore(lab.conninfo, Scenario((opening,), put_back, lambda *_: []))


def test_a_connection_of_its_own_that_waits_is_named(lab: Lab, head: int) -> None:
    """Session A holds the row; its second connection, which no gate can see, waits for it for ever."""

    def sneaky(connection: GatedConnection, session: int) -> None:
        assignment.overwrite_assignee(connection, head, session + 1)
        with psycopg.connect(lab.conninfo) as other:
            assignment.overwrite_assignee(other, head, 4)

    with pytest.raises(SubjectFailed, match="a connection of its own"):
        explore(lab.conninfo, Scenario((sneaky,), put_back, lambda *_: []), Bounds(limit_s=1.0))
    assert others(lab) == 0


def others(lab: Lab) -> int:
    """Sessions of the lab's database besides the control's, once those that were closed are gone."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    deadline = time.monotonic() + 10
    while True:
        row = lab.connection.execute(query).fetchone()
        assert row is not None
        if row[0] == 0 or time.monotonic() > deadline:
            return int(row[0])
        time.sleep(0.02)


def test_an_invariant_that_fails_serially_is_no_race(lab: Lab, head: int, fair: list[Invariant]) -> None:
    def overwrite(connection: GatedConnection, session: int) -> None:
        assignment.overwrite_assignee(connection, head, session + 1)

    with pytest.raises(SubjectFailed, match=r"one after another.*no_double_assignment"):
        explore(lab.conninfo, Scenario((overwrite, overwrite), put_back, invariants_hold(fair)))


def test_a_broken_reset_is_named(lab: Lab) -> None:
    def reset(control: Connection) -> None:
        control.execute("DELETE FROM nowhere")

    def nothing(connection: GatedConnection, _session: int) -> None:
        connection.execute("SELECT 1")

    with pytest.raises(SubjectFailed, match='the reset failed: relation "nowhere"'):
        explore(lab.conninfo, Scenario((nothing,), reset, lambda *_: []))


def test_a_unique_violation_is_an_outcome(lab: Lab) -> None:
    """Optimistic code loses by an error: that is a refusal, not a failure of the function."""
    with connect(lab.conninfo) as connection:
        connection.execute("CREATE TABLE taken (id int PRIMARY KEY)")
    seen: list[list[str]] = []

    def insert(connection: GatedConnection, _session: int) -> None:
        connection.execute("INSERT INTO taken VALUES (1)")

    def judge(_control: Connection, outcomes: Any) -> list[str]:
        seen.append(sorted(_state(outcome) for outcome in outcomes))
        return []

    def reset(control: Connection) -> None:
        control.execute("DELETE FROM taken")

    found = explore(lab.conninfo, Scenario((insert, insert), reset, judge))
    assert found.aborted == found.schedules == 4
    assert seen == [["23505", "committed"]] * 4


def _state(outcome: Outcome) -> str:
    return outcome.sqlstate or outcome.kind
