"""Runs the permutations of a spec as PostgreSQL's isolationtester does, and prints what it prints, text for text.

`spec_scenario` makes the same spec a scenario of the explorer. What that program does is its contract here
(src/test/isolation/isolationtester.c): steps are launched in order; one that has not ended is reported as waiting when
the server says it is blocked; after each launch the steps that wait are looked at again, oldest first. Result tables
follow libpq's PQprint.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

import psycopg
from psycopg import pq

from inboxbench.database import EMPTY, Connection, connect
from inboxbench.errors import SubjectFailed
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Oracle, Reset, Scenario, SessionFunction
from inboxbench.race.isolationtester.parser import Launch, Marker, Spec, SpecSession

_LOOK_AGAIN_MS = 10


@dataclass
class Runner:
    """A session's connection. active: the step that it was last given, until its end has been reported."""

    name: str
    connection: Connection
    active: Launch | None = None
    notices: int = 0
    targets: dict[str, int] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        return self.connection.info.backend_pid

    @property
    def pgconn(self) -> pq.abc.PGconn:
        return self.connection.pgconn

    def readable(self) -> bool:
        """Return whether the server sends something within a moment."""
        poller = select.poll()
        poller.register(self.pgconn.socket, select.POLLIN)
        return bool(poller.poll(_LOOK_AGAIN_MS))

    def report(self, names: Mapping[int, str]) -> Iterator[str]:
        """Yield the lines of a step that has ended. names: backend → session, to name who notified."""
        while (result := self.pgconn.get_result()) is not None:
            if result.status == pq.ExecStatus.TUPLES_OK:
                yield from result_table(result)
            elif result.status == pq.ExecStatus.FATAL_ERROR:
                yield primary_message(result)
        self.pgconn.consume_input()
        while (notify := self.pgconn.notifies()) is not None:
            sender = names.get(notify.be_pid, "<unknown>")
            channel, payload = notify.relname.decode(), notify.extra.decode()
            yield f'{self.name}: NOTIFY "{channel}" with payload "{payload}" from {sender}'


def primary_message(result: pq.abc.PGresult) -> str:
    """Return the message alone: details may hold transaction ids, which differ from run to run."""
    severity = result.error_field(pq.DiagnosticField.SEVERITY) or b"ERROR"
    message = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b""
    return f"{severity.decode()}:  {message.decode()}"


_NUMERIC = frozenset("0123456789.Ee -")


def result_table(result: pq.abc.PGresult) -> Iterator[str]:
    """Yield the lines of PQprint with a header and aligned columns; widths are in bytes, as there."""
    if not result.nfields:
        return
    names = [(result.fname(column) or b"").decode() for column in range(result.nfields)]
    rows = [
        [(result.get_value(row, column) or b"").decode() for column in range(result.nfields)]
        for row in range(result.ntuples)
    ]
    widths = [max(len(text.encode()) for text in texts) for texts in zip(names, *rows, strict=True)]
    left = [any(cell and not _numeric(cell) for cell in cells) for cells in zip(*rows, strict=True)] or [False] * len(
        names
    )
    yield "|".join(_pad(name, width, to_left) for name, width, to_left in zip(names, widths, left, strict=True))
    yield "+".join("-" * width for width in widths)
    for row in rows:
        yield "|".join(_pad(cell, width, to_left) for cell, width, to_left in zip(row, widths, left, strict=True))
    yield f"({len(rows)} row{'' if len(rows) == 1 else 's'})"
    yield ""


def _numeric(cell: str) -> bool:
    return set(cell) <= _NUMERIC and cell[0] not in "Ee" and cell[-1] in "0123456789"


def _pad(text: str, width: int, to_left: bool) -> str:
    filler = " " * (width - len(text.encode()))
    return text + filler if to_left else filler + text


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


# What `BEGIN … COMMIT` in the steps means is the spec's own affair, so the connection adds no transaction to it.
_REFUSED = psycopg.errors.OperationalError  # 40001, 40P01, 55P03: concurrency; others are the steps' own errors


def _session_function(session: SpecSession) -> SessionFunction:
    def run_steps(connection: GatedConnection, _number: int) -> list[str]:
        """Return the SQLSTATEs of steps that failed. Raises the first error that concurrency brought."""
        failed: list[str] = []
        refused: psycopg.Error | None = None
        with connection.ungated():
            connection.autocommit = True
            if session.setup is not None:
                connection.execute(session.setup.encode())
        for sql in session.steps.values():
            try:
                connection.execute(sql.encode())
            except psycopg.Error as error:
                failed.append(error.sqlstate or "")
                refused = refused or (error if isinstance(error, _REFUSED) else None)
        with connection.ungated():
            connection.rollback()
            if session.teardown is not None:
                connection.execute(session.teardown.encode())
        if refused is not None:
            raise refused
        return failed

    return run_steps


def _rebuild(spec: Spec) -> Reset:
    def reset(control: Connection) -> None:
        control.execute(EMPTY)
        for setup in spec.setups:
            control.execute(setup.encode())

    return reset


def spec_scenario(spec: Spec, oracle: Oracle) -> Scenario:
    """Return the scenario of every feasible order of the spec's steps, each on tables built again."""
    return Scenario(tuple(_session_function(session) for session in spec.sessions), _rebuild(spec), oracle)
