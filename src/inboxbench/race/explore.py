"""Every feasible schedule of a few sessions, fewest preemptions first."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

import psycopg
from psycopg import IsolationLevel

from inboxbench.database import Connection, connect
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.race.scheduler import LETTERS, Outcome, Play, Scheduler, SessionFunction
from inboxbench.server import reason

# What an oracle says of a finished schedule: complaints, none when all is well.
Oracle = Callable[[Connection, Sequence[Outcome]], list[str]]
Reset = Callable[[Connection], None]

LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is raced: one function a session, how to put the rows back before each schedule, and who judges."""

    functions: tuple[SessionFunction, ...]
    reset: Reset
    oracle: Oracle
    level: IsolationLevel = IsolationLevel.READ_COMMITTED


@dataclass(frozen=True, slots=True)
class Bounds:
    """None: no bound. deaths: how many backends may be killed in one schedule, each at any step of theirs."""

    preemptions: int | None = None
    schedules: int | None = None
    deaths: int = 0
    limit_s: float = LIMIT_S


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A schedule that breaks something, with what is broken."""

    play: Play
    complaints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exploration:
    """Counts over schedules. permutations: orders of the steps if nobody ever waited. complete: no bound was met.

    aborted: a session was refused, by a deadlock or otherwise; waited: a session waited for another.
    """

    permutations: int
    schedules: int
    bad: int
    aborted: int
    deadlocked: int
    waited: int
    diverged: int
    complete: bool
    counterexample: Counterexample | None

    def to_json(self) -> dict[str, Any]:
        """The counterexample as its schedule string, which replays it."""
        numbers = asdict(self) | {"counterexample": None}
        if self.counterexample is not None:
            numbers["counterexample"] = self.counterexample.play.schedule
        return numbers


@dataclass
class _Count:
    schedules: int = 0
    bad: int = 0
    aborted: int = 0
    deadlocked: int = 0
    waited: int = 0
    diverged: int = 0

    def add(self, play: Play, *, bad: bool) -> None:
        self.schedules += 1
        self.bad += bad
        self.aborted += any(outcome.kind == "refused" for outcome in play.outcomes)
        self.deadlocked += any(outcome.deadlocked for outcome in play.outcomes)
        self.waited += play.waited
        self.diverged += play.diverged


def permutations(steps: Sequence[int]) -> int:
    """Orders of all steps that keep each session's own order.

    >>> permutations([3, 3]), permutations([3, 3, 3])
    (20, 1680)
    """
    return math.factorial(sum(steps)) // math.prod(math.factorial(number) for number in steps)


class Arena:
    """Sessions, a monitor and a referee on one database, for one scenario."""

    def __init__(self, scenario: Scenario, scheduler: Scheduler, referee: Connection) -> None:
        self._scenario = scenario
        self._scheduler = scheduler
        self._referee = referee

    def play(self, prefix: str) -> tuple[Play, tuple[str, ...]]:
        """Reset, play, judge: the schedule as it happened, and the oracle's complaints."""
        try:
            self._scenario.reset(self._referee)
            play = self._scheduler.play(prefix)
            return play, tuple(self._scenario.oracle(self._referee, play.outcomes))
        except psycopg.Error as error:
            raise SubjectFailed(f"the reset or the invariant failed: {reason(error)}") from None


@contextmanager
def arena(conninfo: str, scenario: Scenario, limit_s: float = LIMIT_S) -> Iterator[Arena]:
    """Connections for the block, all closed at its end, also those that wait for a lock."""
    if not 1 <= len(scenario.functions) <= len(LETTERS):
        raise UsageError(f"sessions: {len(scenario.functions)} is outside 1 … {len(LETTERS)}")
    with closing(connect(conninfo)) as referee, closing(connect(conninfo)) as monitor:
        # Only the lab's own connections may look away from triggers or forget a commit in a crash.
        referee.execute("SET synchronous_commit = off")
        with closing(Scheduler(conninfo, monitor, scenario.functions, scenario.level, limit_s)) as scheduler:
            yield Arena(scenario, scheduler, referee)


def _branches(play: Play, start: int, deaths_left: int) -> Iterator[tuple[int, str]]:
    """Prefixes that leave `play` at or after step `start`, each with its number of preemptions."""
    preempted = 0
    for position, (choice, taken) in enumerate(zip(play.choices, play.schedule, strict=True)):
        deaths = sum(letter.islower() for letter in play.schedule[:position])
        for index in choice.ready if position >= start else ():
            switch = int(choice.current is not None and choice.current != index)
            options = LETTERS[index] + (LETTERS[index].lower() if deaths < deaths_left else "")
            for option in options:
                if option != taken:
                    yield preempted + switch, play.schedule[:position] + option
        preempted += int(choice.current is not None and LETTERS[choice.current] != taken.upper())


def plays(ring: Arena, bounds: Bounds) -> Iterator[tuple[Play, tuple[str, ...]]]:
    """Every feasible schedule within `bounds` once: serial ones first, then one preemption, then two."""
    ticket = count()
    queue: list[tuple[int, int, str]] = [(0, next(ticket), "")]
    while queue:
        _, _, prefix = heapq.heappop(queue)
        play, complaints = ring.play(prefix)
        yield play, complaints
        if play.diverged:
            continue
        for preempted, branch in _branches(play, len(prefix), bounds.deaths):
            if bounds.preemptions is None or preempted <= bounds.preemptions:
                heapq.heappush(queue, (preempted, next(ticket), branch))


def explore(conninfo: str, scenario: Scenario, bounds: Bounds | None = None) -> Exploration:
    """Play all feasible schedules of `scenario` and judge each.

    Raises SubjectFailed when a function raises, commits, or does not end; when the invariant fails although the
    sessions ran one after another, the function is wrong without any race, and that is said too.
    """
    bounds = bounds or Bounds()
    tally = _Count()
    first: Counterexample | None = None
    most = [0] * len(scenario.functions)
    with arena(conninfo, scenario, bounds.limit_s) as ring:
        for play, complaints in plays(ring, bounds):
            _require_serially_right(play, complaints)
            tally.add(play, bad=bool(complaints))
            most = [max(before, now) for before, now in zip(most, play.steps, strict=True)]
            if complaints and first is None:
                first = Counterexample(play, complaints)
            if tally.schedules == bounds.schedules:
                break
    bounded = bounds.preemptions is not None or tally.schedules == bounds.schedules
    return Exploration(permutations=permutations(most), **asdict(tally), complete=not bounded, counterexample=first)


def _serial(play: Play) -> bool:
    runs = sum(1 for before, now in zip(" " + play.schedule, play.schedule, strict=False) if before != now)
    return play.schedule.isupper() and runs == len(set(play.schedule))


def _require_serially_right(play: Play, complaints: Sequence[str]) -> None:
    if complaints and _serial(play):
        raise SubjectFailed(
            f"the invariant fails already when the sessions run one after another ({play.schedule}): {complaints[0]}; "
            "so it is no race: correct the function, the reset or the invariant"
        )


def replay(conninfo: str, scenario: Scenario, schedule: str, *, limit_s: float = LIMIT_S) -> Counterexample:
    """Play `schedule` once. Raises UsageError when it is not feasible."""
    if not schedule or not set(schedule.upper()) <= set(LETTERS[: len(scenario.functions)]):
        raise UsageError(f"schedule {schedule!r}: use the letters A to {LETTERS[len(scenario.functions) - 1]}")
    with arena(conninfo, scenario, limit_s) as ring:
        play, complaints = ring.play(schedule)
    if play.diverged:
        raise UsageError(
            f"schedule {schedule!r} is not feasible: it went {play.schedule} because a session had to wait"
        )
    return Counterexample(play, complaints)
