"""Every feasible schedule of a few sessions, on one database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import psycopg

from inboxbench.database import Connection, connect
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.result import Counterexample, Exploration
from inboxbench.race.explore.scenario import LIMIT_S, Bounds, Judge, Rehearse, Scenario
from inboxbench.race.explore.schedule import LETTERS, Outcome, Play
from inboxbench.race.explore.scheduler import Scheduler
from inboxbench.race.explore.search import Judged, Player, search
from inboxbench.race.explore.session import SessionFunction
from inboxbench.race.explore.session_pool import Seats
from inboxbench.race.explore.wait_monitor import Lookout
from inboxbench.server import reason

# A reset or an invariant that takes longer hangs: on a lock that a session left behind, or by itself.
_REFEREE_LIMIT = "60s"


class Arena:
    """A referee, a lookout and the sessions' connections on one database, for one scenario after another."""

    def __init__(self, seats: Seats, lookout: Lookout, referee: Connection) -> None:
        self._seats = seats
        self._lookout = lookout
        self._referee = referee

    def explore(self, scenario: Scenario, bounds: Bounds | None = None) -> Exploration:
        """Play all feasible schedules of `scenario` and judge each.

        Raises SubjectFailed when a function raises, commits and goes on, or does not end; when the invariant fails
        although the sessions ran one after another, it is no race, and that is said too.
        """
        bounds = bounds or Bounds()
        with self._player(scenario, bounds.limit_s) as play:
            return search(play, len(scenario.functions), bounds, scenario.serially_wrong)

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
    def _player(self, scenario: Scenario, limit_s: float) -> Iterator[Player]:
        """Reset, play a prefix and on to the end, judge."""
        if not 1 <= len(scenario.functions) <= len(LETTERS):
            raise UsageError(f"sessions: {len(scenario.functions)} is outside 1 … {len(LETTERS)}")
        judge = self._judge(scenario, limit_s)
        strangers = self._lookout.strangers(self._seats.pids())
        fresh = True

        def play(prefix: str) -> Judged:
            nonlocal fresh
            with _failures("the reset"):
                scenario.reset(self._referee)
            played = scheduler.play(prefix)
            if fresh:
                self._require_gated(played, strangers)
                fresh = False
            with _failures("the oracle"):
                return played, tuple(judge(self._referee, played.outcomes))

        with closing(self._scheduler(scenario, scenario.functions, limit_s)) as scheduler:
            yield play

    def _scheduler(self, scenario: Scenario, functions: Sequence[SessionFunction], limit_s: float) -> Scheduler:
        return Scheduler(self._seats, self._lookout, functions, level=scenario.level, limit_s=limit_s)

    def _judge(self, scenario: Scenario, limit_s: float) -> Judge:
        if callable(scenario.oracle):
            return scenario.oracle
        return scenario.oracle.judge(self._rehearsal(scenario, limit_s))

    def _rehearsal(self, scenario: Scenario, limit_s: float) -> Rehearse:
        def rehearse(order: Sequence[int]) -> tuple[Outcome, ...]:
            with _failures("the reset"):
                scenario.reset(self._referee)
            functions = [_numbered(scenario.functions[index], index) for index in order]
            with closing(self._scheduler(scenario, functions, limit_s)) as scheduler:
                return scheduler.play("").outcomes

        return rehearse

    def _require_gated(self, played: Play, strangers: set[int]) -> None:
        """Raises SubjectFailed when a function goes past its gate."""
        for index, steps in enumerate(played.steps):
            if not steps:
                raise SubjectFailed(
                    f"session {LETTERS[index]} made no round trip over the connection that it was given, so there is "
                    "nothing to schedule; it must use that one, and open none of its own"
                )
        if self._lookout.strangers(self._seats.pids()) - strangers:
            raise SubjectFailed(
                "a session opened a connection of its own, which no schedule can hold; it must use the one that it "
                "is given"
            )


@contextmanager
def _failures(what: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise SubjectFailed(f"{what} failed: {reason(error)}") from None


def _numbered(function: SessionFunction, index: int) -> SessionFunction:
    """A session that keeps its number wherever it stands in a rehearsal."""

    def session(connection: GatedConnection, _number: int) -> object:
        return function(connection, index)

    return session


@contextmanager
def open_arena(conninfo: str) -> Iterator[Arena]:
    """Connections for the block, all closed at its end, also those that wait for a lock."""
    with closing(connect(conninfo)) as referee, closing(connect(conninfo)) as monitor:
        referee.execute("SET synchronous_commit = off")  # what a reset loses in a crash is reset again anyway
        referee.execute(f"SET statement_timeout = '{_REFEREE_LIMIT}'")
        with closing(Seats(conninfo)) as seats:
            yield Arena(seats, Lookout(monitor), referee)


def explore(conninfo: str, scenario: Scenario, bounds: Bounds | None = None) -> Exploration:
    """`Arena.explore` in an arena of its own."""
    with open_arena(conninfo) as arena:
        return arena.explore(scenario, bounds)


def replay(conninfo: str, scenario: Scenario, schedule: str, *, limit_s: float = LIMIT_S) -> Counterexample:
    """`Arena.replay` in an arena of its own."""
    with open_arena(conninfo) as arena:
        return arena.replay(scenario, schedule, limit_s=limit_s)
