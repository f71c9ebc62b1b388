"""The values of an exploration: what is raced, within which bounds, and how one schedule went.

A schedule is a string: `ABBA` lets session A take a step, then B two, then A one. A small letter means that the
session's backend is killed there instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from psycopg import IsolationLevel, errors

from inboxbench.database import Connection
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.skipped import Taken

# What a session runs: its connection, which is committed when the function returns, and its number from 0.
SessionFunction = Callable[[GatedConnection, int], Any]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

Level = Literal["rc", "rr", "ser"]

LEVELS: dict[Level, IsolationLevel] = {
    "rc": IsolationLevel.READ_COMMITTED,
    "rr": IsolationLevel.REPEATABLE_READ,
    "ser": IsolationLevel.SERIALIZABLE,
}

EndKind = Literal["committed", "refused", "died"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Holds how a session ended: `value` is what its function returned, `sqlstate` the error that refused it.

    reason: the words of an application that refused. taken: what its statements with SKIP LOCKED gave.
    """

    kind: EndKind
    value: Any = None
    sqlstate: str | None = None
    reason: str = ""
    taken: tuple[Taken, ...] = ()

    @property
    def deadlocked(self) -> bool:
        return self.sqlstate == errors.DeadlockDetected.sqlstate


@dataclass(frozen=True, slots=True)
class Stale:
    """What a read missed: the session `by` made it out of date at the step `number` of the schedule, counted from 1.

    seen, now: what the read gave, and what the same query gave after that step. used: whether the session that had
    read it wrote afterwards.
    """

    by: int
    number: int
    seen: str
    now: str
    used: bool = False


@dataclass(frozen=True, slots=True)
class Detail:
    """What a step did, to be shown. statement: with its values; rows: those that it returned; changes: rows that it
    wrote, as `tickets id=1: holder NULL → 2`.
    """

    statement: str
    rows: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    stale: Stale | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the timeline. kind: a step ended at once, began to wait or went on after it, or the session died.

    detail: None where the schedule was played without looking closer. parameters: of the statement; transaction: after
    the step, `none` when none is open, `failed` when only a rollback is left; level: that its connection asks for.
    """

    session: int
    kind: Literal["step", "waits", "resumes", "dies"]
    text: str
    status: str = ""
    blockers: tuple[int, ...] = ()
    detail: Detail | None = None
    parameters: Any = field(default=None, compare=False)
    transaction: Literal["open", "none", "failed"] = field(default="open", compare=False)
    level: IsolationLevel | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """A point where the schedule could go several ways. `current`: the session that stepped last, if it still can."""

    ready: tuple[int, ...]
    current: int | None


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a session kept after its end, such as "advisory lock 7". lock: another session may wait for it."""

    session: int
    what: str
    lock: bool = False

    def __str__(self) -> str:
        return f"session {LETTERS[self.session]} still {'holds' if self.lock else 'has'} {self.what} after its end"


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """Holds how one schedule went. diverged: a choice asked for was not possible, and another was taken instead.

    failures: what is bad about it whatever the oracle says, as a word of `fail_on` and a sentence each.
    """

    schedule: str
    choices: tuple[Choice, ...]
    events: tuple[Event, ...]
    outcomes: tuple[Outcome, ...]
    steps: tuple[int, ...]
    diverged: bool
    left: tuple[Leftover, ...] = ()
    starts: tuple[int, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()

    @property
    def waited(self) -> bool:
        return any(event.kind == "waits" for event in self.events)

    @property
    def serial(self) -> bool:
        """Return whether each session ran to its end before the next one began, and none died."""
        runs = sum(1 for before, now in zip(" " + self.schedule, self.schedule, strict=False) if before != now)
        return not any(letter.islower() for letter in self.schedule) and runs == len(set(self.schedule))

    @property
    def preemptions(self) -> int:
        """Return how often a session was left that could have gone on."""
        pairs = zip(self.schedule, self.choices, strict=True)
        return sum(choice.current is not None and LETTERS[choice.current] != letter for letter, choice in pairs)


# Judges a finished schedule over a connection of its own: complaints, none when all is well.
Judge = Callable[[Connection, Sequence[Outcome]], list[str]]
Reset = Callable[[Connection], None]
# Puts the rows back and runs only these sessions, one after another; returns how each ended. A second argument gives
# statements for some of them, in whose transaction, of somebody else's, such a session runs.
RunSerially = Callable[..., tuple[Outcome, ...]]

LIMIT_S = 10.0
# What is bad whatever an oracle says: see `inboxbench.race.explore.refusals`.
DEFAULT_FAIL_ON = ("deadlock", "session-lock")


class Comparison(Protocol):
    """An oracle that compares with what the same sessions do one after another, so it runs them first."""

    def judge(self, run_serially: RunSerially) -> Judge:
        """Return the judge of one exploration."""
        ...


Oracle = Judge | Comparison


@dataclass(frozen=True, slots=True)
class Scenario:
    """Holds what is raced: one function a session, how to put the rows back before each schedule, and what judges
    it.

    fail_on: what is bad whatever the oracle says: "deadlock", "refused", "session-lock" or a SQLSTATE. refusals: names
    of the exceptions by which the application refuses.
    """

    functions: tuple[SessionFunction, ...]
    reset: Reset
    oracle: Oracle
    level: IsolationLevel = IsolationLevel.READ_COMMITTED
    fail_on: tuple[str, ...] = DEFAULT_FAIL_ON
    refusals: tuple[str, ...] = ()

    def serially_wrong(self, schedule: str, complaint: str) -> str:
        """Return the message for complaints about sessions that ran one after another."""
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
    """Holds how far a scenario is explored; None is no bound.

    preemptions: how often a schedule may leave a session that could go on. schedules: how many are played at most.
    deaths: how many backends may be killed in one schedule, each before any of its steps. limit_s: seconds that one
    schedule may take. whole: play every schedule, also those that differ only in the order of steps that do not touch
    each other.
    """

    preemptions: int | None = None
    schedules: int | None = None
    deaths: int = 0
    limit_s: float = LIMIT_S
    whole: bool = False
