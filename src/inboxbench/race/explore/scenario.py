"""What is raced and how far it is played: the values that an exploration begins with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from psycopg import IsolationLevel

from inboxbench.database import Connection
from inboxbench.race.explore.schedule import Outcome
from inboxbench.race.explore.session import SessionFunction

# What is said of a finished schedule: complaints, none when all is well.
Judge = Callable[[Connection, Sequence[Outcome]], list[str]]
Reset = Callable[[Connection], None]
# Reset, play these sessions one after another and nobody else: how each ended.
Rehearse = Callable[[Sequence[int]], tuple[Outcome, ...]]

LIMIT_S = 10.0


class Comparison(Protocol):
    """An oracle that judges by what the same sessions do one after another, so it has to see that first."""

    def judge(self, rehearse: Rehearse) -> Judge:
        """For one exploration."""
        ...


Oracle = Judge | Comparison


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is raced: one function a session, how to put the rows back before each schedule, and who judges."""

    functions: tuple[SessionFunction, ...]
    reset: Reset
    oracle: Oracle
    level: IsolationLevel = IsolationLevel.READ_COMMITTED

    def serially_wrong(self, schedule: str, complaint: str) -> str:
        """What to say when there are complaints although the sessions ran one after another."""
        if callable(self.oracle):
            return (
                f"the invariant fails already when the sessions run one after another ({schedule}): {complaint}; so it "
                "is no race: correct the function, the reset or the invariant"
            )
        return (
            f"the sessions come to something else each time that they run one after another ({schedule}): {complaint}; "
            "ids from a sequence, clocks and random values do that: do not return them, name the tables to compare, "
            "or judge by an invariant"
        )


@dataclass(frozen=True, slots=True)
class Bounds:
    """None: no bound. deaths: how many backends may be killed in one schedule, each at any step of theirs."""

    preemptions: int | None = None
    schedules: int | None = None
    deaths: int = 0
    limit_s: float = LIMIT_S
