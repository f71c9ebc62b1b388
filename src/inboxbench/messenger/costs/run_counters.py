"""Measures each way to count on a clone of one office: reads, a message and a look, contention, drift."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import psycopg

from inboxbench.bench.execute.session import Execution, Rows, execute, lab_session
from inboxbench.bench.sets.template import analyse_all
from inboxbench.database import Connection, connect, scratch_database
from inboxbench.disturbance import Watch, undisturbed, watching
from inboxbench.errors import SubjectFailed
from inboxbench.messenger.costs.counter import Counters, Way, WayCost
from inboxbench.messenger.costs.measure import (
    CONVERSATIONS,
    INBOX,
    NEGLECTED,
    Cost,
    contend,
    conversation_of,
    count_transactions,
    measure,
    open_office,
)
from inboxbench.project import Project
from inboxbench.server import Server, reason
from inboxbench.server.pgbench import Load, find_pgbench
from inboxbench.sqlfile import as_psycopg, parameters

TIMEOUT_S = 60.0
PAGE = 25
EXECUTIONS = 200
_FEW = 5
# Few conversations, so that messages and looks meet; looks are as frequent as messages.
_MEET = 4
_CLIENTS = 16

# The flood rule would refuse a crowd in one conversation. What it does first, lock the conversation, an arrival does.
_OPEN = "ALTER TABLE messages DISABLE TRIGGER messages_flood"
_READS = {
    "page": {"first": 1, "last": PAGE},
    "neglected": {"first": NEGLECTED.start, "last": NEGLECTED.stop - 1},
}
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Measures:
    """Holds how much is measured. executions: of a message and of a look; events: of the clients whose counts may
    drift; clients and seconds: of the loads that are timed (0 seconds: none)."""

    executions: int = EXECUTIONS
    events: int = 800
    clients: tuple[int, ...] = (1, _CLIENTS)
    seconds: int = 2


def run_counters(
    server: Server,
    project: Project,
    ways: Sequence[Way],
    measures: Measures | None = None,
    *,
    office: str | None = None,
    progress: Progress | None = None,
) -> Counters:
    """Measure every way, each in a scratch database cloned from `office` (None: one is built).

    Raises ServerError where there is no pgbench, SubjectFailed when a way fails or reads other figures than the
    one that keeps nothing.
    """
    find_pgbench(server)
    costs: list[WayCost] = []
    answers: dict[str, dict[str, Rows]] = {}
    with nullcontext(office) if office else open_office(server, project) as template, watching(server) as watch:
        for done, way in enumerate(ways):
            if progress:
                progress(done, len(ways), way.title)
            try:
                right = answers.setdefault(way.family, {})
                costs.append(
                    undisturbed(watch, partial(_way, server, template, way, right, measures or Measures(), watch=watch))
                )
            except psycopg.Error as error:
                raise SubjectFailed(f"{way.sheet.path}: {reason(error)}") from None
    return Counters(server.label, tuple(costs))


def _way(
    server: Server, template: str, way: Way, right: dict[str, Rows], measures: Measures, *, watch: Watch
) -> WayCost:
    with _opened(server, template, way) as name:
        executed = _reads(server, name, way)
        _compare(way, executed, right)
        reads = {key: execution.buffers for key, execution in executed.items()}
        return _cost(server, server.conninfo(name), way, reads, measures, watch=watch)


@contextmanager
def _opened(server: Server, office: str, way: Way) -> Iterator[str]:
    with scratch_database(server, "counters", office) as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(_OPEN)
            if setup := way.section("setup"):
                connection.execute(setup.encode())
            analyse_all(connection)
        yield name


def filled(text: str, values: Mapping[str, int]) -> str:
    """Return `text` with each :name as its value."""
    given = {name: values[name] for name in parameters(text)}
    for name, value in given.items():
        text = text.replace(f":{name}", str(value))
    return text


def _reads(server: Server, name: str, way: Way) -> dict[str, Execution]:
    """Execute the reads: of a list its page, of unread counts also a page of neglected conversations, and the badge."""
    texts = {key: filled(way.section("page"), values) for key, values in _READS.items()}
    if badge := way.section("badge"):
        texts["badge"] = filled(badge, {"inbox": INBOX})
    else:
        texts.pop("neglected")
    with lab_session(server, name, timeout_s=TIMEOUT_S) as connection:
        return {key: execute(connection, text) for key, text in texts.items()}


def _compare(way: Way, executed: Mapping[str, Execution], right: dict[str, Rows]) -> None:
    """Raise SubjectFailed for other rows than those of the first way of a family, which keeps nothing."""
    if not right:
        right.update({key: execution.rows for key, execution in executed.items()})
    for key, execution in executed.items():
        expected = right[key]
        if way.cap is not None:
            if key == "badge":
                continue  # the sum of what was capped is no cap of the sum
            expected = tuple((first, min(count, way.cap)) for first, count in expected)
        if execution.rows != expected:
            raise SubjectFailed(f"{way.sheet.path}: {key} has other rows than the way that keeps nothing")


def _cost(
    server: Server, conninfo: str, way: Way, reads: Mapping[str, int], measures: Measures, *, watch: Watch
) -> WayCost:
    stale = _stale(conninfo, way) if way.section("rename") else None  # while everything else is right
    costs = {kind: _event(conninfo, way, kind, measures.executions, watch=watch) for kind in ("arrive", "look")}
    # A rename writes to everybody, a refresh reads everything: a few are enough.
    costs |= {
        kind: _event(conninfo, way, kind, _FEW, watch=watch) for kind in ("rename", "refresh") if way.section(kind)
    }
    drifted, written = _drift(server, conninfo, way, measures.events)
    # Arrivals in all of the inbox's conversations: the clients share what is kept for the inbox.
    arrivals = [way.pgbench_script("arrive", CONVERSATIONS)]
    loads = [Load(clients, measures.seconds) for clients in measures.clients if measures.seconds]
    contention = tuple(contend(server, conninfo, arrivals, load) for load in loads)
    if not way.drifts:
        drifted = max(drifted, _wrong(conninfo, way))  # nor may the crowds have left anything wrong
    return WayCost(way, dict(reads), costs, contention, drifted, written, stale)


def _event(conninfo: str, way: Way, kind: str, executions: int, *, watch: Watch) -> Cost:
    """Measure an event, over the conversations in turn."""
    statements = [(as_psycopg(text).encode(), parameters(text)) for text in way.statements(kind)]

    def act(connection: Connection, number: int) -> None:
        values = {"conversation": conversation_of(number)}
        for statement, names in statements:
            connection.execute(statement, {name: values[name] for name in names} or None)

    return measure(conninfo, act, executions, watch=watch)


def _run(conninfo: str, text: str) -> None:
    with connect(conninfo) as connection:
        connection.execute(text.encode())


def _wrong(conninfo: str, way: Way) -> int:
    """Count the kept figures that differ from counted ones."""
    with connect(conninfo) as connection:
        row = connection.execute(way.section("drift").encode()).fetchone()
    assert row is not None
    return int(row[0])


def _stale(conninfo: str, way: Way) -> int:
    """Count the rows that still show a colleague's old name after the new one is there."""
    before = _wrong(conninfo, way)
    _run(conninfo, way.section("rename"))
    return _wrong(conninfo, way) - before


def _drift(server: Server, conninfo: str, way: Way, events: int) -> tuple[int, int]:
    """Return how many rows went wrong while clients wrote to and looked at a few conversations, after how many events.

    Messages alone come last: a look sets right what was lost before it.
    """
    _refresh(conninfo, way)
    before, each = _wrong(conninfo, way), max(events // _CLIENTS // 2, 1)
    written = sum(
        count_transactions(
            server,
            conninfo,
            [way.pgbench_script(kind, _MEET) for kind in kinds],
            Load(_CLIENTS, seconds=0, each=each),
        )
        for kinds in (("arrive", "look"), ("arrive",))
    )
    return max(_wrong(conninfo, way) - before, 0), written


def _refresh(conninfo: str, way: Way) -> None:
    if way.section("refresh"):
        _run(conninfo, way.section("refresh"))
