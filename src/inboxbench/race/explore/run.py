"""Explores every feasible schedule of a few sessions on one database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace

import psycopg
from psycopg.sql import Composed

from inboxbench.database import Connection, connect
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.race.explore.footprint import Footprints
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.left_behind import LeftBehind
from inboxbench.race.explore.model import (
    LETTERS,
    LIMIT_S,
    Bounds,
    Judge,
    Outcome,
    RunSerially,
    Scenario,
    ScheduleRun,
    SessionFunction,
)
from inboxbench.race.explore.monitor import WaitMonitor
from inboxbench.race.explore.reduce import search_reduced
from inboxbench.race.explore.refusals import failures
from inboxbench.race.explore.result import Counterexample, Exploration, Judged, PlaySchedule, search
from inboxbench.race.explore.round_trips import Recorder
from inboxbench.race.explore.scheduler import Scheduler, never_plain
from inboxbench.race.explore.session import Session, SessionPool, count_session
from inboxbench.server import reason

# A reset or an invariant that takes longer hangs: on a lock that a session left behind, or by itself.
_CONTROL_LIMIT = "60s"


class Explorer:
    """Explores one scenario after another on one database.

    It holds the sessions' connections, the wait monitor's, and a control connection that resets and judges.
    """

    def __init__(self, pool: SessionPool, wait_monitor: WaitMonitor, control: Connection) -> None:
        self._pool = pool
        self._wait_monitor = wait_monitor
        self._control = control

    def explore(self, scenario: Scenario, bounds: Bounds | None = None) -> Exploration:
        """Play all feasible schedules of `scenario` and judge each.

        Raises SubjectFailed when a function raises, commits and goes on, or does not end; when the invariant fails
        although the sessions ran one after another, it is no race, and that is said too.
        """
        bounds = bounds or Bounds()
        footprints = Footprints(self._control)
        self._reset(scenario)
        footprints.load()
        with self._prepared(scenario, bounds.limit_s, footprints) as play:
            if bounds.whole or bounds.preemptions is not None or bounds.deaths:
                return search(play, len(scenario.functions), bounds, scenario.serially_wrong)
            return search_reduced(play, scenario, bounds, footprints)

    def record(
        self, scenario: Scenario, schedule: str, watch: Callable[[Connection], AbstractContextManager[Recorder]]
    ) -> ScheduleRun:
        """Play `schedule` once more with a recorder. watch: makes it for a play, on the control connection."""
        with closing(self._scheduler(scenario, scenario.functions, LIMIT_S)) as scheduler:
            with _failures("the reset"):
                scenario.reset(self._control)
            with watch(self._control) as scheduler.recorder:
                return scheduler.play(schedule)

    def execute(self, statement: str) -> None:
        """Execute a statement of ours on the control connection, between two explorations."""
        self._control.execute(statement.encode())

    def replay(self, scenario: Scenario, schedule: str, *, limit_s: float = LIMIT_S) -> Counterexample:
        """Play `schedule` once. Raises UsageError when it is not feasible."""
        if not schedule or not set(schedule.upper()) <= set(LETTERS[: len(scenario.functions)]):
            raise UsageError(f"schedule {schedule!r}: use the letters A to {LETTERS[len(scenario.functions) - 1]}")
        with self._prepared(scenario, limit_s) as play:
            played, complaints = play(schedule)
        if played.diverged:
            raise UsageError(
                f"schedule {schedule!r} is not feasible: it went {played.schedule} because a session had to wait"
            )
        return Counterexample(played, complaints)

    @contextmanager
    def _prepared(
        self, scenario: Scenario, limit_s: float, footprints: Footprints | None = None
    ) -> Iterator[PlaySchedule]:
        """Yield a function that resets, plays a prefix and on to the end, and judges."""
        if not 1 <= len(scenario.functions) <= len(LETTERS):
            raise UsageError(f"sessions: {len(scenario.functions)} is outside 1 … {len(LETTERS)}")
        left = LeftBehind(self._pool, self._wait_monitor, self._control)
        judge = self._judge(scenario, limit_s, left)

        def play(prefix: str) -> Judged:
            played = self._play(scenario, scheduler, left, prefix)
            with _failures("the oracle"):
                return played, tuple(judge(self._control, played.outcomes))

        with closing(self._scheduler(scenario, scenario.functions, limit_s, footprints)) as scheduler:
            yield play

    def _play(self, scenario: Scenario, scheduler: Scheduler, left: LeftBehind, prefix: str) -> ScheduleRun:
        """Put the rows back, play one schedule and look what the sessions left behind."""

        def again(schedule: str, watch: Callable[[Session], None]) -> None:
            self._reset(scenario)
            scheduler.play(schedule, watch)

        self._reset(scenario)
        played = scheduler.play(prefix)
        for index, steps in enumerate(played.steps):
            if not steps:
                raise SubjectFailed(
                    f"session {LETTERS[index]} made no round trip over the connection that it was given, so there is "
                    "nothing to schedule; it must use that one, and open none of its own"
                )
        played = left.examine(played, scheduler.sessions, again)
        return replace(played, failures=tuple(failures(played, scenario.fail_on)))

    def _reset(self, scenario: Scenario) -> None:
        with _failures("the reset"):
            scenario.reset(self._control)

    def _scheduler(
        self,
        scenario: Scenario,
        functions: Sequence[SessionFunction],
        limit_s: float,
        footprints: Footprints | None = None,
    ) -> Scheduler:
        return Scheduler(
            self._pool,
            self._wait_monitor,
            functions,
            level=scenario.level,
            limit_s=limit_s,
            refusals=scenario.refusals,
            is_plain=footprints.is_plain if footprints else never_plain,
        )

    def _judge(self, scenario: Scenario, limit_s: float, left: LeftBehind) -> Judge:
        if callable(scenario.oracle):
            return scenario.oracle
        return scenario.oracle.judge(self._serial_runner(scenario, limit_s, left))

    def _serial_runner(self, scenario: Scenario, limit_s: float, left: LeftBehind) -> RunSerially:
        def run_serially(
            order: Sequence[int], hidden: Mapping[int, Sequence[Composed]] | None = None
        ) -> tuple[Outcome, ...]:
            self._reset(scenario)
            if hidden is not None:
                return tuple(self._run_hidden(scenario, index, hidden[index], limit_s) for index in order)
            functions = [_numbered(scenario.functions[index], index) for index in order]
            with closing(self._scheduler(scenario, functions, limit_s)) as scheduler:
                return left.examine(scheduler.play(""), scheduler.sessions).outcomes

        return run_serially

    def _run_hidden(self, scenario: Scenario, index: int, hidden: Sequence[Composed], limit_s: float) -> Outcome:
        """Run one session while the control connection keeps what `hidden` locks."""
        function = _numbered(scenario.functions[index], index)
        with self._control.transaction():
            for statement in hidden:
                self._control.execute(statement)
            with closing(self._scheduler(scenario, [function], limit_s)) as scheduler:
                return scheduler.play("").outcomes[0]


@contextmanager
def _failures(what: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise SubjectFailed(f"{what} failed: {reason(error)}") from None


def _numbered(function: SessionFunction, index: int) -> SessionFunction:
    """Return the session with a fixed number, for serial runs in any order."""

    def session(connection: GatedConnection, _number: int) -> object:
        return function(connection, index)

    return session


@contextmanager
def open_explorer(conninfo: str) -> Iterator[Explorer]:
    """Open an Explorer for the block; its connections are closed at the end, also those that wait for a lock."""
    with closing(connect(conninfo)) as control, closing(connect(conninfo)) as monitor:
        control.execute("SET synchronous_commit = off")  # what a reset loses in a crash is reset again anyway
        control.execute(f"SET statement_timeout = '{_CONTROL_LIMIT}'")
        for connection in (control, monitor):
            count_session(connection)
        with closing(SessionPool(conninfo)) as pool:
            yield Explorer(pool, WaitMonitor(monitor), control)


def explore(conninfo: str, scenario: Scenario, bounds: Bounds | None = None) -> Exploration:
    """Call `Explorer.explore` on an explorer opened for it."""
    with open_explorer(conninfo) as explorer:
        return explorer.explore(scenario, bounds)


def replay(conninfo: str, scenario: Scenario, schedule: str, *, limit_s: float = LIMIT_S) -> Counterexample:
    """Call `Explorer.replay` on an explorer opened for it."""
    with open_explorer(conninfo) as explorer:
        return explorer.replay(scenario, schedule, limit_s=limit_s)
