"""Runs the permutations of a spec as PostgreSQL's isolationtester does, and prints what it prints, text for text.

What that program does is the contract here (src/test/isolation/isolationtester.c): steps are launched in order; one
that has not ended is reported as waiting when the server says it is blocked; after each launch the steps that wait are
looked at again, oldest first. Result tables follow libpq's PQprint; settings and the database's name are those of
pg_isolation_regress.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import psycopg
from psycopg import pq

from inboxbench.errors import SubjectFailed
from inboxbench.race.isolationtester.parser import Launch, Marker, Spec
from inboxbench.race.isolationtester.runner import DatabaseName, Runner, open_session, primary_message, result_table

WriteLine = Callable[[str], None]

_BLOCKED = b"SELECT pg_catalog.pg_isolation_test_session_is_blocked($1, $2)"
_NAME = b"isolationtester_waiting"
_LIMIT_S = 300.0  # as there


class Isolation:
    """One spec on one database. `write_line` gets each line of output, `warn` each line for the standard error."""

    def __init__(
        self, spec: Spec, conninfo: str, write_line: WriteLine, warn: WriteLine, *, limit_s: float = _LIMIT_S
    ) -> None:
        self._spec = spec
        self._conninfo = conninfo
        self._write_line = write_line
        self._warn = warn
        self._limit_s = limit_s
        self._database = DatabaseName.of(conninfo, spec.source)
        self._runners: list[Runner] = []
        self._any_new_notice = False

    def run(self) -> None:
        """Run every permutation. Raises SubjectFailed when a setup fails, or steps wait for each other for ever."""
        for step in self._spec.unused():
            self._warn(f"unused step name: {step}")
        self._write_line(f"Parsed test spec with {len(self._spec.sessions)} sessions")
        with ExitStack() as stack:
            self._control = self._open(stack, "control connection")
            self._control.prepare(_NAME, _BLOCKED)
            for session in self._spec.sessions:
                runner = Runner(session.name, self._open(stack, session.name), self._database)
                runner.watch_notices(self._notice)
                self._runners.append(runner)
            self._pids = ("{" + ",".join(str(runner.pid) for runner in self._runners) + "}").encode()
            for order in self._spec.orders():
                self._permutation(order)

    def _open(self, stack: ExitStack, session: str) -> pq.abc.PGconn:
        pgconn = open_session(self._conninfo, self._spec.path.stem, session)
        stack.callback(pgconn.finish)
        return pgconn

    def _notice(self, line: str) -> None:
        self._any_new_notice = True
        self._write_line(line)

    def _permutation(self, order: Sequence[Launch]) -> None:
        self._write_line("")
        self._write_line("starting permutation: " + " ".join(launch.step for launch in order))
        pairs = list(zip(self._spec.sessions, self._runners, strict=True))
        for setup in self._spec.setups:
            self._set_up(self._control, setup, "setup")
        for session, runner in pairs:
            self._set_up(runner.pgconn, session.setup, f"setup of session {session.name}")
        self._steps(order)
        for session, runner in pairs:
            self._tear_down(runner.pgconn, session.teardown, f"teardown of session {session.name}")
        self._tear_down(self._control, self._spec.teardown, "teardown")

    def _set_up(self, pgconn: pq.abc.PGconn, sql: str | None, what: str) -> None:
        if failed := self._block(pgconn, sql):
            raise SubjectFailed(
                f"{self._spec.path}: {what} failed: {' '.join(primary_message(failed, self._database))}"
            )

    def _tear_down(self, pgconn: pq.abc.PGconn, sql: str | None, what: str) -> None:
        """Run a teardown. One that fails ends nothing: the next set-up says what is in its way."""
        if failed := self._block(pgconn, sql):
            text = f"{what} failed: {self._database.in_output(failed.error_message)}"
            for line in text.removesuffix("\n").split("\n"):
                self._warn(line)

    def _block(self, pgconn: pq.abc.PGconn, sql: str | None) -> pq.abc.PGresult | None:
        """Print what a block returns; return its error."""
        if sql is None:
            return None
        result = pgconn.exec_(self._database.in_sql(sql))
        if result.status == pq.ExecStatus.TUPLES_OK:
            for line in result_table(result, self._database):
                self._write_line(line)
            return None
        return None if result.status == pq.ExecStatus.COMMAND_OK else result

    def _steps(self, order: Sequence[Launch]) -> None:
        waiting: list[Launch] = []
        for launch in order:
            runner = self._runner_of(launch)
            waiting = self._finish(runner, waiting)
            self._send(runner, launch)
            runner.active = launch
            runner.targets = {m.step: self._noticed(m) for m in launch.markers if m.kind == "notices"}
            waits = self._try(launch, blocking=False, again=False)
            waiting = self._try_all(waiting, blocking=False)
            if waits:
                waiting.append(launch)
        if self._try_all(waiting, blocking=True):
            raise SubjectFailed(f"{self._spec.path}: a permutation ended with steps that wait for each other")

    def _send(self, runner: Runner, launch: Launch) -> None:
        try:
            runner.pgconn.send_query(self._database.in_sql(self._spec.sql_of(launch.step)))
        except psycopg.OperationalError:
            problem = self._database.in_output(runner.pgconn.error_message)
            for line in f"failed to send query for step {launch.step}: {problem}".split("\n"):
                self._write_line(line)
            raise SubjectFailed(
                f"{self._spec.path}: step {launch.step!r} was not sent, because its session {runner.name!r} has ended"
            ) from None

    def _finish(self, runner: Runner, waiting: list[Launch]) -> list[Launch]:
        """Wait for the step of a session that is to go on, looking at those that may have waited for it."""
        deadline = time.monotonic() + 2 * self._limit_s
        while (launch := runner.active) is not None:
            if not self._try(launch, blocking=True, again=True):
                waiting = [other for other in waiting if other is not launch]
            waiting = self._try_all(waiting, blocking=False)
            if runner.active is not None and (self._idle() or time.monotonic() > deadline):
                raise SubjectFailed(f"{self._spec.path}: step {launch.step!r} waits for a step that comes after it")
        return waiting

    def _idle(self) -> bool:
        """Return whether the server works for no session, so that nothing more will come from it."""
        return not any(runner.pgconn.is_busy() for runner in self._runners)

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
        runner = self._runner_of(launch)
        sql = self._spec.sql_of(launch.step)
        once = not again and any(marker.kind == "once" for marker in launch.markers)
        if once or self._busy(runner, blocking=blocking) or self._held_by_marker(launch, runner):
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
            quiet = not runner.readable()
            blocked = quiet and not blocking and self._blocked(runner)
            if not quiet or blocked:
                pgconn.consume_input()  # also what came while the server was asked
            if blocked and pgconn.is_busy():
                return True
            if time.monotonic() > deadline:
                assert runner.active is not None
                raise SubjectFailed(
                    f"{self._spec.path}: step {runner.active.step!r} did not end within {self._limit_s:g} s"
                )
        return False

    def _blocked(self, runner: Runner) -> bool:
        result = self._control.exec_prepared(_NAME, [str(runner.pid).encode(), self._pids])
        if result.status != pq.ExecStatus.TUPLES_OK:
            problem = " ".join(primary_message(result, self._database))
            raise SubjectFailed(f"{self._spec.path}: the server does not say which session is blocked: {problem}")
        return result.get_value(0, 0) == b"t"

    def _held_by_marker(self, launch: Launch, runner: Runner) -> bool:
        for marker in launch.markers:
            other = self._runners[self._spec.session_of(marker.step)] if marker.step else runner
            if marker.kind == "step" and other.active is not None and other.active.step == marker.step:
                return True
            if marker.kind == "notices" and other.notices < runner.targets[marker.step]:
                return True
        return False


def run_spec(spec: Spec, conninfo: str, write_line: WriteLine, warn: WriteLine = lambda _line: None) -> None:
    """Run every permutation of a spec (see `Isolation.run`)."""
    Isolation(spec, conninfo, write_line, warn).run()
