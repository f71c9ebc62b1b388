"""A2: whose turn it is, and that no limit is passed under any schedule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from psycopg import IsolationLevel

from inboxbench.errors import UsageError
from inboxbench.messenger.app import assignment, automatic
from inboxbench.messenger.app.automatic import Policy
from inboxbench.messenger.races.assignment_database import Lab, put_back
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Scenario
from inboxbench.race.explore.oracle import query_is_empty
from inboxbench.race.explore.run import explore

LEVELS = list(IsolationLevel)[1:]
OVER = """
    SELECT inbox_id, assignee_id, count(*) AS load FROM conversations
    WHERE assignee_id IS NOT NULL GROUP BY inbox_id, assignee_id HAVING count(*) > {limit}
"""


@pytest.fixture(autouse=True)
def clean(lab: Lab) -> Iterator[None]:
    yield
    put_back(lab.connection)


@pytest.mark.parametrize("policy", ["round_robin", "least_loaded"])
def test_everyone_gets_as_many(lab: Lab, policy: Policy) -> None:
    inbox = lab.open_inbox(3, 9)
    given = [automatic.assign_next(lab.connection, inbox, policy) for _ in range(9)]
    assert Counter(turn.agent_id for turn in given if turn) == {1: 3, 2: 3, 3: 3}
    assert automatic.assign_next(lab.connection, inbox, policy) is None


def test_round_robin_goes_round_and_least_loaded_fills_up(lab: Lab) -> None:
    """Agent 1 took two by hand: their turn comes as before, but they are not the least loaded for a while."""
    for policy, expected in (("round_robin", [2, 3, 1]), ("least_loaded", [2, 3, 2])):
        inbox = lab.open_inbox(3, 6)
        assert assignment.take_next(lab.connection, inbox, 1)
        assert assignment.take_next(lab.connection, inbox, 1)
        turns = [automatic.assign_next(lab.connection, inbox, policy) for _ in range(3)]  # type: ignore[arg-type]
        assert [turn.agent_id for turn in turns if turn] == expected


def test_a_resolved_conversation_is_no_load(lab: Lab) -> None:
    inbox = lab.open_inbox(1, 3)
    first = automatic.assign_next(lab.connection, inbox, limit=1)
    assert first is not None
    assert automatic.assign_next(lab.connection, inbox, limit=1) is None
    lab.connection.execute("UPDATE conversations SET status = 'resolved' WHERE id = %s", (first.conversation_id,))
    again = automatic.assign_next(lab.connection, inbox, limit=1)
    assert again is not None
    assert again.conversation_id != first.conversation_id


def test_nobody_outside_the_inbox_gets_anything(lab: Lab) -> None:
    inbox = lab.open_inbox(0, 1)
    assert automatic.assign_next(lab.connection, inbox) is None


def test_an_unknown_policy_is_named(lab: Lab) -> None:
    with pytest.raises(UsageError, match="did you mean 'round_robin'"):
        automatic.next_agent(lab.connection, 1, "roundrobin")  # type: ignore[arg-type]


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
@pytest.mark.parametrize("policy", ["round_robin", "least_loaded"])
def test_no_schedule_passes_the_limit(lab: Lab, policy: Policy, level: IsolationLevel) -> None:
    """Two sessions, two free conversations, one agent who may hold one."""
    inbox = lab.open_inbox(1, 2)

    def work(connection: GatedConnection) -> automatic.Assignment | None:
        return automatic.assign_next(connection, inbox, policy, limit=1)

    function = lambda connection, _session: work(connection)  # noqa: E731
    found = explore(lab.conninfo, Scenario((function,) * 2, put_back, query_is_empty(OVER.format(limit=1)), level))
    assert (found.bad, found.deadlocked, found.complete) == (0, 0, True)
    assert found.waited > 0
    assert (found.aborted > 0) == (level is not IsolationLevel.READ_COMMITTED)


def no_guard(_connection: GatedConnection, _inbox: int) -> None:
    return


def lock_only(connection: GatedConnection, inbox: int) -> None:
    connection.execute("SELECT FROM inboxes WHERE id = %s FOR UPDATE", (inbox,))


RC, RR, SER = LEVELS


@pytest.mark.parametrize(
    ("guard", "level", "caught"),
    [
        (no_guard, RC, True),
        (no_guard, RR, True),
        (lock_only, RC, False),
        (lock_only, RR, True),
        (automatic.guard, RC, False),
        (automatic.guard, RR, False),
        (automatic.guard, SER, False),
    ],
)
def test_the_guard_is_a_write_and_not_a_lock_alone(
    lab: Lab, guard: Callable[[GatedConnection, int], None], level: IsolationLevel, caught: bool
) -> None:
    """Each session has a conversation of its own to give, so that nothing but the guard stands between them.

    Without it both count before either assigns; with a mere lock the second one, at REPEATABLE READ, counts in a
    snapshot that is older than its wait.
    """
    inbox = lab.open_inbox(1, 2)
    free = sorted(lab.histories(inbox))

    def work(connection: GatedConnection, session: int) -> None:
        guard(connection, inbox)
        agent = automatic.next_agent(connection, inbox, "least_loaded", 1)
        if agent is not None:
            assignment.overwrite_assignee(connection, free[session], agent)

    found = explore(lab.conninfo, Scenario((work, work), put_back, query_is_empty(OVER.format(limit=1)), level))
    assert bool(found.bad) == caught
    assert found.schedules > 2
