"""Runs the permutations of a spec as PostgreSQL's isolationtester does, and prints what it prints, text for text.

What that program does is its contract here (src/test/isolation/isolationtester.c): steps are launched in order; one
that has not ended is reported as waiting when the server says it is blocked; after each launch the steps that wait
are looked at again, oldest first. Result tables follow libpq's PQprint.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing

import psycopg
from psycopg import pq

from inboxbench.database import Connection, connect
from inboxbench.errors import SubjectFailed
from inboxbench.race.isolationtester.model import Launch, Marker, Spec
from inboxbench.race.isolationtester.session import Runner, primary_message, result_table

WriteLine = Callable[[str], None]

_BLOCKED = "SELECT pg_isolation_test_session_is_blocked(%s, %s)"


class Isolation:
    """One spec on one database. `write_line` gets each line of output."""

    def __init__(self, spec: Spec, conninfo: str, write_line: WriteLine, *, limit_s: float = 60.0) -> None:
        self._spec = spec
        self._conninfo = conninfo
        self._write_line = write_line
        self._limit_s = limit_s
        self._runners: list[Runner] = []
        self._any_new_notice = False

    def run(self) -> None:
        """Run every permutation. Raises SubjectFailed when a setup fails, or steps wait for each other for ever."""
        self._write_line(f"Parsed test spec with {len(self._spec.sessions)} sessions")
        with ExitStack() as stack:
            self._control = stack.enter_context(closing(connect(self._conninfo)))
            for session in self._spec.sessions:
                connection = stack.enter_context(closing(connect(self._conninfo)))
                self._runners.append(self._runner(session.name, connection))
            for order in self._spec.orders():
                self._permutation(order)

    def _runner(self, name: str, connection: Connection) -> Runner:
        runner = Runner(name, connection)

        def notice(diagnostic: psycopg.errors.Diagnostic) -> None:
            self._any_new_notice = True
            runner.notices += 1
            self._write_line(f"{name}: {diagnostic.severity}:  {diagnostic.message_primary}")

        connection.add_notice_handler(notice)
        return runner

    def _permutation(self, order: Sequence[Launch]) -> None:
        self._write_line("")
        self._write_line("starting permutation: " + " ".join(launch.step for launch in order))
        for setup in self._spec.setups:
            self._block(self._control, setup, "setup")
        for session, runner in zip(self._spec.sessions, self._runners, strict=True):
            if session.setup is not None:
                self._block(runner.connection, session.setup, f"setup of session {session.name}")
        self._steps(order)
        for session, runner in zip(self._spec.sessions, self._runners, strict=True):
            if session.teardown is not None:
                self._block(runner.connection, session.teardown, f"teardown of session {session.name}")
        if self._spec.teardown is not None:
            self._block(self._control, self._spec.teardown, "teardown")

    def _block(self, connection: Connection, sql: str, what: str) -> None:
        result = connection.pgconn.exec_(sql.encode())
        if result.status == pq.ExecStatus.TUPLES_OK:
            for line in result_table(result):
                self._write_line(line)
        elif result.status == pq.ExecStatus.FATAL_ERROR:
            raise SubjectFailed(f"{self._spec.path}: {what} failed: {primary_message(result)}")

    def _steps(self, order: Sequence[Launch]) -> None:
        waiting: list[Launch] = []
        for launch in order:
            runner = self._runner_of(launch)
            while runner.active is not None:
                waiting = self._finish(runner.active, waiting)
            runner.pgconn.send_query(self._spec.sql_of(launch.step).encode())
            runner.active = launch
            runner.targets = {m.step: self._noticed(m) for m in launch.markers if m.kind == "notices"}
            waits = self._try(launch, blocking=False, again=False)
            waiting = self._try_all(waiting, blocking=False)
            if waits:
                waiting.append(launch)
        if self._try_all(waiting, blocking=True):
            raise SubjectFailed(f"{self._spec.path}: a permutation ended with steps that wait for each other")

    def _finish(self, launch: Launch, waiting: list[Launch]) -> list[Launch]:
        """Wait for a step whose session is to go on, then look at those that may have waited for it."""
        before = len(waiting)
        if not self._try(launch, blocking=True, again=True):
            waiting = [other for other in waiting if other is not launch]
        left = self._try_all(waiting, blocking=False)
        if len(left) == before:
            raise SubjectFailed(f"{self._spec.path}: step {launch.step!r} waits for a step that comes after it")
        return left

    def _runner_of(self, launch: Launch) -> Runner:
        return self._runners[self._spec.session_of(launch.step)]

    def _noticed(self, marker: Marker) -> int:
        """Return how many notices the other session has to have given for `marker` to let go."""
        return self._runners[self._spec.session_of(marker.step)].notices + marker.notices

    def _try_all(self, waiting: list[Launch], *, blocking: bool) -> list[Launch]:
        """Look at the waiting steps again, and once more while markers may have been let go by that."""
        while True:
            self._any_new_notice = False
            left = [launch for launch in waiting if self._try(launch, blocking=blocking, again=True)]
            marked = any(launch.markers for launch in left)
            if not (marked and (len(left) < len(waiting) or self._any_new_notice)):
                return left
            waiting = left

    def _try(self, launch: Launch, *, blocking: bool, again: bool) -> bool:
        """Return whether the step still waits; otherwise its end has been reported."""
        sql = self._spec.sql_of(launch.step)
        if not again and any(marker.kind == "once" for marker in launch.markers):
            self._write_line(f"step {launch.step}: {sql} <waiting ...>")
            return True
        runner = self._runner_of(launch)
        if self._busy(runner, blocking=blocking) or self._held_by_marker(launch, runner):
            if not again:
                self._write_line(f"step {launch.step}: {sql} <waiting ...>")
            return True
        self._write_line(f"step {launch.step}: <... completed>" if again else f"step {launch.step}: {sql}")
        for line in runner.report({other.pid: other.name for other in self._runners}):
            self._write_line(line)
        runner.active = None
        return False

    def _busy(self, runner: Runner, *, blocking: bool) -> bool:
        """Return whether the server has no answer yet and, unless we may block, says that the session is blocked."""
        deadline = time.monotonic() + self._limit_s
        pgconn = runner.pgconn
        while pgconn.is_busy():
            if not runner.readable() and not blocking and self._blocked(runner):
                return True
            if time.monotonic() > deadline:
                assert runner.active is not None
                raise SubjectFailed(
                    f"{self._spec.path}: step {runner.active.step!r} did not end within {self._limit_s:g} s"
                )
            pgconn.consume_input()
        return False

    def _blocked(self, runner: Runner) -> bool:
        pids = [other.pid for other in self._runners]
        row = self._control.execute(_BLOCKED, (runner.pid, pids)).fetchone()
        return row is not None and bool(row[0])

    def _held_by_marker(self, launch: Launch, runner: Runner) -> bool:
        for marker in launch.markers:
            other = self._runners[self._spec.session_of(marker.step)] if marker.step else runner
            if marker.kind == "step" and other.active is not None and other.active.step == marker.step:
                return True
            if marker.kind == "notices" and other.notices < runner.targets[marker.step]:
                return True
        return False


def run_spec(spec: Spec, conninfo: str, write_line: WriteLine) -> None:
    """Run every permutation of a spec (see `Isolation.run`)."""
    Isolation(spec, conninfo, write_line).run()
