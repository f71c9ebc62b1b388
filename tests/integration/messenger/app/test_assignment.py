"""Each strategy stepped by hand through the interleaving that tells it from the others: no luck involved."""

from __future__ import annotations

import psycopg
import pytest
from tests.integration.race.conftest import Session, wait_until_blocked

from inboxbench.messenger.app import assignment
from inboxbench.messenger.races.assignment_database import Lab
from inboxbench.messenger.throughput.result import doubles

ANN, BOB = 1, 2
Pair = tuple[Session, Session]


def the_only(lab: Lab, inbox_id: int) -> list[int | None]:
    """The history of an inbox's only conversation."""
    ((_, history),) = lab.histories(inbox_id).items()
    return list(history)


def test_read_read_write_write_gives_one_conversation_to_both(lab: Lab, sessions: Pair) -> None:
    """P1.2: the lost update, step by step; nothing waits, nothing fails, and the first agent is never told."""
    first, second = sessions
    inbox = lab.open_inbox(2, 1)
    seen_by_ann = assignment.peek_next(first.connection, inbox)
    seen_by_bob = assignment.peek_next(second.connection, inbox)
    assert seen_by_ann is not None
    assert seen_by_ann == seen_by_bob
    assignment.overwrite_assignee(first.connection, seen_by_ann, ANN)
    first.connection.commit()
    assignment.overwrite_assignee(second.connection, seen_by_ann, BOB)
    second.connection.commit()
    assert the_only(lab, inbox) == [ANN, BOB]
    assert doubles(the_only(lab, inbox)) == 1


def test_serially_the_naive_code_is_right(lab: Lab, sessions: Pair) -> None:
    first, second = sessions
    inbox = lab.open_inbox(2, 1)
    found = assignment.peek_next(first.connection, inbox)
    assert found is not None
    assignment.overwrite_assignee(first.connection, found, ANN)
    first.connection.commit()
    assert assignment.peek_next(second.connection, inbox) is None
    assert the_only(lab, inbox) == [ANN]


@pytest.mark.parametrize(("queue", "expected"), [(1, None), (2, "the second")])
def test_for_update_waits_then_moves_on(lab: Lab, sessions: Pair, queue: int, expected: str | None) -> None:
    """The waiter reads the row again after the holder's commit, finds it taken, and goes to the next."""
    first, second = sessions
    inbox = lab.open_inbox(2, queue)
    head = assignment.lock_next(first.connection, inbox)
    assert head is not None
    waiting = second.start(lambda: assignment.lock_next(second.connection, inbox))
    wait_until_blocked(lab.connection, second, by=first)
    assignment.overwrite_assignee(first.connection, head, ANN)
    first.connection.commit()
    got = waiting.result()
    assert got == (None if expected is None else head + 1)


def test_for_update_takes_the_row_over_when_the_holder_dies(lab: Lab, sessions: Pair) -> None:
    first, second = sessions
    inbox = lab.open_inbox(2, 1)
    head = assignment.lock_next(first.connection, inbox)
    waiting = second.start(lambda: assignment.lock_next(second.connection, inbox))
    wait_until_blocked(lab.connection, second, by=first)
    lab.connection.execute("SELECT pg_terminate_backend(%s)", (first.pid,))
    assert waiting.result() == head


def test_skip_locked_neither_waits_nor_shares(lab: Lab, sessions: Pair) -> None:
    """Both calls run in this one thread: if the second one waited, the test could not go on."""
    first, second = sessions
    inbox = lab.open_inbox(2, 2)
    head = assignment.lock_next_free(first.connection, inbox)
    other = assignment.lock_next_free(second.connection, inbox)
    assert head is not None
    assert other == head + 1
    assignment.overwrite_assignee(first.connection, head, ANN)
    assignment.overwrite_assignee(second.connection, other, BOB)
    first.connection.commit()
    second.connection.commit()
    assert lab.histories(inbox) == {head: [ANN], other: [BOB]}


def test_skip_locked_offers_nothing_while_all_are_locked_and_the_row_again_after_a_rollback(
    lab: Lab, sessions: Pair
) -> None:
    """Empty means "in somebody's hands", not "all done": a caller who stops here loses work when the holder fails."""
    first, second = sessions
    inbox = lab.open_inbox(2, 1)
    head = assignment.lock_next_free(first.connection, inbox)
    assert assignment.lock_next_free(second.connection, inbox) is None
    first.connection.rollback()
    assert assignment.lock_next_free(second.connection, inbox) == head


def test_one_statement_takes_different_rows(lab: Lab, sessions: Pair) -> None:
    first, second = sessions
    inbox = lab.open_inbox(2, 2)
    head = assignment.take_next(first.connection, inbox, ANN)
    other = assignment.take_next(second.connection, inbox, BOB)
    assert head is not None
    assert other == head + 1
    assert assignment.take_next(second.connection, inbox, BOB) is None
    first.connection.commit()
    second.connection.commit()
    assert lab.histories(inbox) == {head: [ANN], other: [BOB]}


def test_compare_and_set_waits_and_then_loses(lab: Lab, sessions: Pair) -> None:
    first, second = sessions
    inbox = lab.open_inbox(2, 1)
    seen = assignment.peek_next(first.connection, inbox)
    assert seen is not None
    assert assignment.peek_next(second.connection, inbox) == seen
    assert assignment.assign(first.connection, seen, ANN)
    late = second.start(lambda: assignment.assign(second.connection, seen, BOB))
    wait_until_blocked(lab.connection, second, by=first)
    first.connection.commit()
    assert late.result() is False
    assert the_only(lab, inbox) == [ANN]


def test_compare_and_set_wins_when_the_holder_rolls_back(lab: Lab, sessions: Pair) -> None:
    first, second = sessions
    inbox = lab.open_inbox(2, 1)
    seen = assignment.peek_next(first.connection, inbox)
    assert seen is not None
    assert assignment.assign(first.connection, seen, ANN)
    late = second.start(lambda: assignment.assign(second.connection, seen, BOB))
    wait_until_blocked(lab.connection, second, by=first)
    first.connection.rollback()
    assert late.result() is True
    second.connection.commit()
    assert the_only(lab, inbox) == [BOB]


def test_serializable_refuses_the_second_write(lab: Lab, sessions: Pair) -> None:
    first, second = sessions
    for session in sessions:
        session.connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
    inbox = lab.open_inbox(2, 1)
    seen = assignment.peek_next(first.connection, inbox)
    assert seen is not None
    assert assignment.peek_next(second.connection, inbox) == seen
    assignment.overwrite_assignee(first.connection, seen, ANN)
    first.connection.commit()
    with pytest.raises(psycopg.errors.SerializationFailure):
        assignment.overwrite_assignee(second.connection, seen, BOB)
    second.connection.rollback()
    assert the_only(lab, inbox) == [ANN]


def test_a_stale_hand_over_is_refused(lab: Lab, sessions: Pair) -> None:
    """A1: reassign and unassign name the holder they saw, so neither undoes what happened since."""
    first, second = sessions
    inbox = lab.open_inbox(2, 1)
    held = assignment.take_next(first.connection, inbox, ANN)
    assert held is not None
    first.connection.commit()
    assert assignment.reassign(second.connection, held, ANN, BOB)
    second.connection.commit()
    assert not assignment.reassign(first.connection, held, ANN, 3)
    assert not assignment.unassign(first.connection, held, ANN)
    first.connection.rollback()
    assert assignment.unassign(second.connection, held, BOB)
    second.connection.commit()
    assert the_only(lab, inbox) == [ANN, BOB, None]
    assert assignment.take_next(first.connection, inbox, ANN) == held
