"""A workload as traffic: its queries as requests, as often as the server was asked, for a rehearsal under that load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, cast

import psycopg
from psycopg import sql

from inboxbench import units
from inboxbench.bench.workload.queries import draw_cases, read_workload
from inboxbench.database import Connection, connect
from inboxbench.server import Server
from inboxbench.sqlfile import QueryFile
from inboxbench.sqltree.tokens import inlined
from inboxbench.traffic.engine import DEFAULT_RATE, RequestClass
from inboxbench.workload.model import Imported, Question
from inboxbench.workload.questions import Statements, questions
from inboxbench.workload.run import Limits, Progress, as_recorded
from inboxbench.workload.show import coverage

MOST_CLASSES = 40  # each has connections of its own
MOST_RATE = 1000.0  # requests a second that one process surely sends in time
TIMEOUT_S = 10.0
_SAMPLES = 50  # calls of a log that a class of requests is drawn from
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Replay:
    """Requests, how many of them a second in all, and notes on what they stand for."""

    classes: tuple[RequestClass, ...]
    rate: float
    notes: tuple[str, ...]


def replay(
    server: Server,
    database: str,
    statements: Statements,
    *,
    speed: float = 1.0,
    rate: float | None = None,
    progress: Progress | None = None,
) -> Replay:
    """Make the requests of a workload for `database`, which is read and stays as it is; no session may be in it.

    speed: times the rate at which the server was asked. rate: requests a second instead of that. Each statement is a
    transaction, and one that changes rows is rolled back. Values are those of a log's calls where they work, else
    drawn: common, middle, rare and absent ones alike. Raises SubjectFailed when not one of the statements can be run.
    """
    limits = Limits(MOST_CLASSES, TIMEOUT_S)
    with questions(server, database, statements, limits=limits, progress=progress) as asked:
        workload = read_workload(asked.project)
        with connect(server.conninfo(database)) as connection:
            workload = draw_cases(workload, connection, asked.project)
            drawn = {query.name: [dict(case.values) for case in workload.cases if case.query.name == query.name]
                     for query in workload.queries}  # fmt: skip
            files = {query.name: query for query in workload.queries}
            classes = tuple(
                _request(connection, question, files[question.name], drawn[question.name])
                for question in asked.imported.questions
                if drawn[question.name]
            )
    calls = sum(question.shape.calls for question in asked.imported.questions)
    chosen, note = _rate(statements, calls, speed, rate)
    return Replay(classes, chosen, (*_notes(asked.imported), note))


def _rate(statements: Statements, calls: int, speed: float, rate: float | None) -> tuple[float, str]:
    """Return the requests a second of `calls` of the workload, and why so many."""
    if rate is not None:
        return rate, f"traffic: {units.number(rate)} requests a second, as --rate says, shared out by calls"
    if statements.seconds is None:
        said = f"{statements.source} does not say within which time it was asked; --rate says it"
        return DEFAULT_RATE, f"traffic: {DEFAULT_RATE:g} requests a second, shared out by calls, for {said}"
    asked = speed * calls / statements.seconds
    said = f"{calls:,} calls in {units.seconds(statements.seconds)} at {speed:g}x"
    if asked > MOST_RATE:
        return MOST_RATE, (
            f"traffic: {units.number(MOST_RATE)} requests a second, which one process can send, in place of "
            f"{units.number(asked)} ({said})"
        )
    return asked, f"traffic: {units.number(asked)} requests a second ({said})"


def _notes(imported: Imported) -> Iterator[str]:
    yield f"traffic is a workload: {coverage(imported).removesuffix('.')}"


def _request(connection: Connection, question: Question, query: QueryFile, drawn: Sequence[Values]) -> RequestClass:
    names = {str(number): f"(%({name})s::{kind.replace('%', '%%')})"
             for number, (name, kind) in enumerate(query.params.items(), 1)}  # fmt: skip
    statement = sql.SQL(cast("Any", inlined(query.prepared.replace("%", "%%"), names)))
    values = _logged(connection, question, statement) or list(drawn)

    def draw(random: Random) -> Values:
        return random.choice(values)

    undo = query.rolled_back
    return RequestClass(question.name, "write" if undo else "read", question.shape.calls, (statement,), draw, undo)


def _logged(connection: Connection, question: Question, statement: sql.SQL) -> list[Values]:
    """Return the values of calls of a log, evenly chosen, with which the statement can be run on these rows.

    An INSERT of a row that is there already, say, cannot.
    """
    names = list(question.params)
    if not as_recorded(question.shape, names):
        return []
    samples = [{name: sample.get(number) for number, name in enumerate(names, 1)} for sample in question.shape.samples]
    some = samples[:: max(1, len(samples) // _SAMPLES)][:_SAMPLES]
    return [values for values in some if _runs(connection, statement, values)]


def _runs(connection: Connection, statement: sql.SQL, values: Values) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute("SELECT set_config('statement_timeout', %s, true)", (f"{TIMEOUT_S:g}s",))
            connection.execute(statement, values)
    except psycopg.Error:
        return False
    return True
