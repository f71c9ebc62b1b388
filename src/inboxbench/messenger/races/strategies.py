"""Ways to take the next unassigned conversation of an inbox, good and bad, each one plain function.

A strategy runs inside a transaction that its caller ends. `think` stands for what an application does between
choosing a row and writing to it (rules, presence, another query); the lab passes a pause, the explorer nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from psycopg import IsolationLevel

from inboxbench.database import Connection
from inboxbench.errors import unknown
from inboxbench.messenger.app import assignment

Think = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """won: the session holds `conversation_id`; lost: somebody else took it; empty: nothing was on offer."""

    outcome: Literal["won", "lost", "empty"]
    conversation_id: int | None = None


EMPTY = Attempt("empty")
Take = Callable[[Connection, int, int, Think], Attempt]


@dataclass(frozen=True, slots=True)
class Strategy:
    """safe: whether two sessions can never both win one conversation; why: in words for a reader."""

    name: str
    title: str
    meaning: str
    safe: bool
    why: str
    take: Take
    isolation: IsolationLevel = IsolationLevel.READ_COMMITTED


def _won(conversation_id: int) -> Attempt:
    return Attempt("won", conversation_id)


def _naive(connection: Connection, inbox_id: int, agent_id: int, think: Think) -> Attempt:
    conversation_id = assignment.peek_next(connection, inbox_id)
    if conversation_id is None:
        return EMPTY
    think()
    assignment.overwrite_assignee(connection, conversation_id, agent_id)
    return _won(conversation_id)


def _for_update(connection: Connection, inbox_id: int, agent_id: int, think: Think) -> Attempt:
    conversation_id = assignment.lock_next(connection, inbox_id)
    if conversation_id is None:
        return EMPTY
    think()
    assignment.overwrite_assignee(connection, conversation_id, agent_id)
    return _won(conversation_id)


def _skip_locked(connection: Connection, inbox_id: int, agent_id: int, think: Think) -> Attempt:
    conversation_id = assignment.lock_next_free(connection, inbox_id)
    if conversation_id is None:
        return EMPTY
    think()
    assignment.overwrite_assignee(connection, conversation_id, agent_id)
    return _won(conversation_id)


def _skip_locked_one(connection: Connection, inbox_id: int, agent_id: int, think: Think) -> Attempt:
    conversation_id = assignment.take_next(connection, inbox_id, agent_id)
    if conversation_id is None:
        return EMPTY
    think()
    return _won(conversation_id)


def _compare_and_set(connection: Connection, inbox_id: int, agent_id: int, think: Think) -> Attempt:
    conversation_id = assignment.peek_next(connection, inbox_id)
    if conversation_id is None:
        return EMPTY
    think()
    if assignment.assign(connection, conversation_id, agent_id):
        return _won(conversation_id)
    return Attempt("lost", conversation_id)


_ALL = (
    Strategy(
        "naive",
        "read, then write",
        "SELECT the next free row, UPDATE it",
        False,
        "between the two statements another session reads the same free row, and the later UPDATE wins silently",
        _naive,
    ),
    Strategy(
        "for-update",
        "SELECT … FOR UPDATE",
        "lock the next free row while reading it, then UPDATE it",
        True,
        "the second session waits for the lock, then reads the row again, finds it taken and moves on",
        _for_update,
    ),
    Strategy(
        "compare-and-set",
        "compare and set",
        "SELECT the next free row, UPDATE it WHERE assignee_id IS NULL",
        True,
        "the UPDATE tests the row's latest version under its lock; the loser changes no row and retries",
        _compare_and_set,
    ),
    Strategy(
        "skip-locked",
        "SKIP LOCKED, two statements",
        "lock the next free row that nobody has locked, then UPDATE it",
        True,
        "a locked row is passed over, so two sessions hold different rows and neither waits",
        _skip_locked,
    ),
    Strategy(
        "skip-locked-one",
        "SKIP LOCKED, one statement",
        "lock and UPDATE the next free row in one statement",
        True,
        "as skip-locked, with one round trip less while the lock is held",
        _skip_locked_one,
    ),
    Strategy(
        "serializable",
        "SERIALIZABLE with retry",
        "the naive code at ISOLATION LEVEL SERIALIZABLE, run again after error 40001",
        True,
        "the second UPDATE of a row read before the first one's commit is refused; the session must try again",
        _naive,
        IsolationLevel.SERIALIZABLE,
    ),
)

STRATEGIES = {strategy.name: strategy for strategy in _ALL}


def find_strategy(name: str) -> Strategy:
    """Raises UsageError naming the nearest known strategy."""
    try:
        return STRATEGIES[name]
    except KeyError:
        raise unknown("strategy", name, STRATEGIES) from None
