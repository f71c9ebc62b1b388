"""Every feasible schedule of a few sessions, fewest preemptions first."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import count
from typing import Any

import psycopg
from psycopg import IsolationLevel

from inboxbench.database import Connection, connect
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.race.scheduler import LETTERS, Choice, Outcome, Play, Scheduler, SessionFunction
from inboxbench.race.seats import Seats
from inboxbench.server import reason

# What an oracle says of a finished schedule: complaints, none when all is well.
Oracle = Callable[[Connection, Sequence[Outcome]], list[str]]
Reset = Callable[[Connection], None]

LIMIT_S = 10.0
_REPLAYS = 6


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
    """Counts over schedules. permutations: orders of the steps if nobody ever waited.

    complete: no bound was met and nothing diverged, so there are no other schedules.

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


Judged = tuple[Play, tuple[str, ...]]


class Arena:
    """A referee, a monitor and the sessions' connections on one database, for one scenario after another."""

    def __init__(self, seats: Seats, monitor: Connection, referee: Connection) -> None:
        self._seats = seats
        self._monitor = monitor
        self._referee = referee

    def explore(self, scenario: Scenario, bounds: Bounds | None = None) -> Exploration:
        """Play all feasible schedules of `scenario` and judge each.

        Raises SubjectFailed when a function raises, commits and goes on, or does not end; when the invariant fails
        although the sessions ran one after another, it is no race, and that is said too.
        """
        bounds = bounds or Bounds()
        with self._player(scenario, bounds.limit_s) as play:
            return _explore(play, len(scenario.functions), bounds)

    def replay(self, scenario: Scenario, schedule: str, *, limit_s: float = LIMIT_S) -> Counterexample:
        """Play `schedule` once. Raises UsageError when it is not feasible."""
        if not schedule or not set(schedule.upper()) <= set(LETTERS[: len(scenario.functions)]):
            raise UsageError(f"schedule {schedule!r}: use the letters A to {LETTERS[len(scenario.functions) - 1]}")
        with self._player(scenario, limit_s) as play:
            played, complaints = play(schedule)
        if played.diverged:
            raise UsageError(
                f"schedule {schedule!r} is not feasible: it went {played.schedule} because a session had to wait"
            )
        return Counterexample(played, complaints)

    @contextmanager
    def _player(self, scenario: Scenario, limit_s: float) -> Iterator[Callable[[str], Judged]]:
        """Reset, play a prefix and on to the end, judge."""
        if not 1 <= len(scenario.functions) <= len(LETTERS):
            raise UsageError(f"sessions: {len(scenario.functions)} is outside 1 … {len(LETTERS)}")
        scheduler = Scheduler(self._seats, self._monitor, scenario.functions, level=scenario.level, limit_s=limit_s)

        def play(prefix: str) -> Judged:
            try:
                scenario.reset(self._referee)
                played = scheduler.play(prefix)
                return played, tuple(scenario.oracle(self._referee, played.outcomes))
            except psycopg.Error as error:
                raise SubjectFailed(f"the reset or the invariant failed: {reason(error)}") from None

        with closing(scheduler):
            yield play


@contextmanager
def open_arena(conninfo: str) -> Iterator[Arena]:
    """Connections for the block, all closed at its end, also those that wait for a lock."""
    with closing(connect(conninfo)) as referee, closing(connect(conninfo)) as monitor:
        referee.execute("SET synchronous_commit = off")  # what a reset loses in a crash is reset again anyway
        with closing(Seats(conninfo)) as seats:
            yield Arena(seats, monitor, referee)


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


@dataclass(frozen=True, slots=True)
class _Prefix:
    """The beginning of a schedule, and the choices that were open on the way when it was found."""

    letters: str
    choices: tuple[Choice, ...]

    def play(self, play: Callable[[str], Judged]) -> Judged:
        """The schedule that begins so. When two sessions wait for one row, the server now and then wakes the other
        one first; that is another story with the same beginning, so it is played again until it is this one.
        """
        for _ in range(_REPLAYS):
            played, complaints = play(self.letters)
            if not played.diverged and played.choices[: len(self.choices)] == self.choices:
                return played, complaints
        return replace(played, diverged=True), complaints


class _Search:
    """Prefixes still to play: serial ones first, then those with one preemption, then with two."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._ticket = count()
        self._queue: list[tuple[int, int, _Prefix]] = [(0, next(self._ticket), _Prefix("", ()))]
        self.cut = False

    def prefixes(self) -> Iterator[_Prefix]:
        while self._queue:
            yield heapq.heappop(self._queue)[2]

    def branch(self, play: Play, prefix: _Prefix) -> None:
        """Everything that leaves `play` behind its `prefix` is another schedule."""
        if play.diverged:
            self.cut = True
            return
        for preempted, branch in _branches(play, len(prefix.letters), self._bounds.deaths):
            if self._bounds.preemptions is None or preempted <= self._bounds.preemptions:
                expected = _Prefix(branch, play.choices[: len(branch)])
                heapq.heappush(self._queue, (preempted, next(self._ticket), expected))
            else:
                self.cut = True

    @property
    def complete(self) -> bool:
        return not self.cut and not self._queue


def _explore(play: Callable[[str], Judged], sessions: int, bounds: Bounds) -> Exploration:
    tally, search = _Count(), _Search(bounds)
    first: Counterexample | None = None
    most = [0] * sessions
    for prefix in search.prefixes():
        played, complaints = prefix.play(play)
        _require_serially_right(played, complaints)
        search.branch(played, prefix)
        tally.add(played, bad=bool(complaints))
        most = [max(before, now) for before, now in zip(most, played.steps, strict=True)]
        if complaints and first is None:
            first = Counterexample(played, complaints)
        if tally.schedules == bounds.schedules:
            break
    return Exploration(permutations=permutations(most), **asdict(tally), complete=search.complete, counterexample=first)


def _serial(play: Play) -> bool:
    runs = sum(1 for before, now in zip(" " + play.schedule, play.schedule, strict=False) if before != now)
    return play.schedule.isupper() and runs == len(set(play.schedule))


def _require_serially_right(play: Play, complaints: Sequence[str]) -> None:
    if complaints and _serial(play):
        raise SubjectFailed(
            f"the invariant fails already when the sessions run one after another ({play.schedule}): {complaints[0]}; "
            "so it is no race: correct the function, the reset or the invariant"
        )


def explore(conninfo: str, scenario: Scenario, bounds: Bounds | None = None) -> Exploration:
    """`Arena.explore` in an arena of its own."""
    with open_arena(conninfo) as arena:
        return arena.explore(scenario, bounds)


def replay(conninfo: str, scenario: Scenario, schedule: str, *, limit_s: float = LIMIT_S) -> Counterexample:
    """`Arena.replay` in an arena of its own."""
    with open_arena(conninfo) as arena:
        return arena.replay(scenario, schedule, limit_s=limit_s)
