"""The client's own part of a round trip: how it is timed, and how much of it is overhead.

The path under test is libpq's prepared execution called straight from psycopg (`pgconn.exec_prepared`): no cursor, no
row factory, no conversion. Its control is `pgbench -M prepared` in the same minute on the same server, taken in turns
(A B B A), because where the two processes happen to run moves a round trip of 50 µs severalfold.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import psycopg
from psycopg import sql
from psycopg.adapt import PyFormat, Transformer
from psycopg.pq import ExecStatus

from inboxbench.database import Connection, connect
from inboxbench.errors import ServerError, SubjectFailed
from inboxbench.record import as_json
from inboxbench.server import Server
from inboxbench.server.pgbench import Load, find_pgbench, run_scripts
from inboxbench.sqlfile import read_sections
from inboxbench.units import micros, millis, percentile, times

_SQL = read_sections(__file__)

# What a harness may add to a bare client before its times are more of itself than of the server.
HIGHEST_RATIO = 1.5
PGBENCH_FLAGS = ("--no-vacuum", "--protocol=prepared")

_ROUNDS = 5
_EXECUTIONS = 200
_WARM = 50  # the first executions of a session fill its caches
_STATEMENT = b"inboxbench_overhead"

_NO_TABLE = "client overhead: no table with rows has a primary key of one integer column to fetch by"


@dataclass(frozen=True, slots=True)
class Overhead:
    """One SELECT by primary key, in microseconds; `ratio`: this client's mean over pgbench's, the median of the rounds.

    Means of whole blocks: pgbench reads its clock once for several events, so a busy machine's log has transactions of
    0 µs. least, most: the ratio of the best and of the worst round. floor_ms: what 95 % of these round trips stay
    within, though they fetch one row by its key: a client-side time below it cannot be told from no work at all.
    """

    client_us: float
    pgbench_us: float
    ratio: float
    least: float
    most: float
    floor_ms: float
    rounds: int
    executions: int

    def to_json(self) -> dict[str, Any]:
        return {**as_json(self, digits=4), "highest": HIGHEST_RATIO}

    @property
    def met(self) -> bool:
        return self.ratio <= HIGHEST_RATIO

    def __str__(self) -> str:
        met = "within" if self.met else "above"
        return (
            f"client overhead: a row by its key takes {micros(self.client_us)} here and {micros(self.pgbench_us)} by "
            f"pgbench -M prepared, {times(self.ratio)} ({self.least:.2f}–{self.most:.2f} in {self.rounds} rounds in "
            f"turns), {met} the {HIGHEST_RATIO}× allowed; client-side times below {millis(self.floor_ms)} say nothing"
        )


def as_text(connection: Connection, values: Sequence[Any]) -> list[bytes]:
    """Return values as the protocol's text parameters. A case has no NULL: one without a value is not measured."""
    given = Transformer(connection).dump_sequence(list(values), [PyFormat.TEXT] * len(values))
    return [bytes(value) for value in given if value is not None]


def round_trip(connection: Connection, name: bytes, values: Sequence[bytes]) -> float:
    """Return seconds of one execution of a prepared statement, its rows received. Raises psycopg.Error as it would."""
    begun = time.perf_counter()
    result = connection.pgconn.exec_prepared(name, values)
    seconds = time.perf_counter() - begun
    if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        raise psycopg.errors.error_from_result(result, connection.info.encoding)
    return seconds


def measure_overhead(
    server: Server, database: str, *, rounds: int = _ROUNDS, executions: int = _EXECUTIONS
) -> Overhead | str:
    """Return the overhead of this client on `database`, which is read only; or in words why it could not be
    measured."""
    try:
        program = find_pgbench(server)
    except ServerError as error:
        return f"client overhead: {error}"
    with connect(server.conninfo(database)) as connection:
        key = connection.execute(_SQL["keyed"]).fetchone()
        if key is None:
            return _NO_TABLE
        schema, name, column_name = key
        table, column = sql.Identifier(schema, name), sql.Identifier(column_name)
        select = sql.SQL("SELECT {0} FROM {1} WHERE {0} = ").format(column, table)
        row = connection.execute(sql.SQL("SELECT min({}) FROM {}").format(column, table)).fetchone()
        if row is None or row[0] is None:
            return _NO_TABLE
        pair = _Pair(connection, program, server.conninfo(database), select, int(row[0]), executions)
        try:
            return pair.compared(rounds)
        except SubjectFailed as error:  # a pgbench that is too old or may not connect: no reason to measure nothing
            return f"client overhead: {error}"


@dataclass(frozen=True, slots=True)
class _Pair:
    """The client and its control, each on a connection of its own."""

    connection: Connection
    program: Path
    conninfo: str
    select: sql.Composed
    key: int
    executions: int

    def compared(self, rounds: int) -> Overhead:
        """Raises SubjectFailed when pgbench does not run."""
        statement = self.select.as_bytes(self.connection) + b"$1"
        self.connection.pgconn.prepare(_STATEMENT, statement)
        trips: list[float] = []
        client: list[float] = []
        control: list[float] = []
        for _ in range(rounds):
            # A B B A: what grows or shrinks during a round hits both alike.
            first, second, third, last = self._client(), self._control(), self._control(), self._client()
            trips += [*first, *last]
            client.append(fmean([*first, *last]))
            control.append(fmean([second, third]))
        ratios = [mine / theirs for mine, theirs in zip(client, control, strict=True)]
        return Overhead(
            client_us=median(client) * 1000,
            pgbench_us=median(control) * 1000,
            ratio=median(ratios),
            least=min(ratios),
            most=max(ratios),
            floor_ms=percentile(trips, 0.95),
            rounds=rounds,
            executions=len(trips),
        )

    def _client(self) -> list[float]:
        """Return milliseconds of each execution."""
        values = as_text(self.connection, [self.key])
        seconds = [round_trip(self.connection, _STATEMENT, values) for _ in range(_WARM + self.executions)]
        return [trip * 1000 for trip in seconds[_WARM:]]

    def _control(self) -> float:
        """Return milliseconds of a transaction, without connecting."""
        script = self.select.as_string(self.connection) + ":key;\n"
        load = Load(1, 0, each=_WARM + self.executions, variables={"key": self.key})
        report = run_scripts(self.program, self.conninfo, [script], load, PGBENCH_FLAGS)
        if not report.seconds:
            raise SubjectFailed("pgbench ended no transaction")
        return report.seconds * 1000 / report.transactions
