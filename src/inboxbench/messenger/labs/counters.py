"""Each way on a clone of one office: what reading costs, what a message and a look cost, a crowd, the drift."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass

import psycopg

from inboxbench.bench.execute.session import Execution, Rows, execute, lab_session
from inboxbench.bench.sets.template import analyse, tables
from inboxbench.bench.workload.writes import updates
from inboxbench.database import Connection, connect, scratch_database
from inboxbench.errors import SubjectFailed
from inboxbench.messenger.costs.counters import measure
from inboxbench.messenger.labs.counter import Counters, EventCost, Way, WayCost
from inboxbench.messenger.labs.crowd import crowds, drive
from inboxbench.messenger.labs.office import CONVERSATIONS, INBOX, NEGLECTED, open_office
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
    """executions: of a message and of a look, counted; events: of the crowd that may drift; clients and seconds: of the
    crowds that are timed (0 seconds: none)."""

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
    """Everything about every way, in databases that are dropped, clones of `office` (None: one is built).

    Raises ServerError where there is no pgbench, SubjectFailed when a way fails or reads other figures than the
    one that keeps nothing.
    """
    find_pgbench(server)
    costs: list[WayCost] = []
    answers: dict[str, dict[str, Rows]] = {}
    with nullcontext(office) if office else open_office(server, project) as template:
        for done, way in enumerate(ways):
            if progress:
                progress(done, len(ways), way.title)
            try:
                with _opened(server, template, way) as name:
                    found = _reads(server, name, way)
                    _compare(way, found, answers.setdefault(way.family, {}))
                    reads = {key: one.buffers for key, one in found.items()}
                    costs.append(_cost(server, server.conninfo(name), way, reads, measures or Measures()))
            except psycopg.Error as error:
                raise SubjectFailed(f"{way.sheet.path}: {reason(error)}") from None
    return Counters(server.label, tuple(costs))


@contextmanager
def _opened(server: Server, office: str, way: Way) -> Iterator[str]:
    with scratch_database(server, "counters", office) as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(_OPEN)
            if setup := way.section("setup"):
                connection.execute(setup.encode())
            for table in tables(connection):
                analyse(connection, table, freeze=True)
        yield name


def filled(text: str, values: Mapping[str, int]) -> str:
    """`text` with each :name as its value."""
    given = {name: values[name] for name in parameters(text)}
    for name, value in given.items():
        text = text.replace(f":{name}", str(value))
    return text


def _reads(server: Server, name: str, way: Way) -> dict[str, Execution]:
    """A list has one page; unread counts are read for a page, one of neglected conversations, and the badge."""
    texts = {key: filled(way.section("page"), values) for key, values in _READS.items()}
    if badge := way.section("badge"):
        texts["badge"] = filled(badge, {"inbox": INBOX})
    else:
        texts.pop("neglected")
    with lab_session(server, name, timeout_s=TIMEOUT_S) as connection:
        return {key: execute(connection, text) for key, text in texts.items()}


def _compare(way: Way, found: Mapping[str, Execution], right: dict[str, Rows]) -> None:
    """The first way of a family, which keeps nothing, says what is right."""
    if not right:
        right.update({key: one.rows for key, one in found.items()})
    for key, one in found.items():
        expected = right[key]
        if way.cap is not None:
            if key == "badge":
                continue  # the sum of what was capped is no cap of the sum
            expected = tuple((first, min(count, way.cap)) for first, count in expected)
        if one.rows != expected:
            raise SubjectFailed(f"{way.sheet.path}: {key} has other rows than the way that keeps nothing")


def _cost(server: Server, conninfo: str, way: Way, reads: Mapping[str, int], measures: Measures) -> WayCost:
    stale = _stale(conninfo, way) if way.section("rename") else None  # while everything else is right
    costs = {kind: _event(conninfo, way, kind, measures.executions) for kind in ("arrive", "look")}
    # A rename writes to everybody, a refresh reads everything: a few are enough.
    costs |= {kind: _event(conninfo, way, kind, _FEW) for kind in ("rename", "refresh") if way.section(kind)}
    drifted, written = _drift(server, conninfo, way, measures.events)
    crowded = crowds(server, conninfo, way, measures.clients, measures.seconds) if measures.seconds else ()
    if not way.drifts:
        drifted = max(drifted, _wrong(conninfo, way))  # nor may the crowds have left anything wrong
    return WayCost(way, dict(reads), costs, crowded, drifted, written, stale)


def _event(conninfo: str, way: Way, kind: str, executions: int) -> EventCost:
    """Each execution is a transaction of its own, over the conversations in turn."""
    statements = [(as_psycopg(text).encode(), parameters(text)) for text in way.statements(kind)]

    done = 0

    def act(connection: Connection, number: int) -> None:
        nonlocal done
        done += 1
        values = {"conversation": 1 + number % CONVERSATIONS}
        for statement, names in statements:
            connection.execute(statement, {name: values[name] for name in names} or None)

    with connect(conninfo) as connection:
        before = updates(connection)
        cost = measure(conninfo, act, executions)
        updated = updates(connection) - before
    hot = None if updated.hot_share is None else round(updated.hot_share, 3)
    return EventCost(**asdict(cost), updates=round(updated.rows / done, 2), hot=hot)


def _run(conninfo: str, text: str) -> None:
    with connect(conninfo) as connection:
        connection.execute(text.encode())


def _wrong(conninfo: str, way: Way) -> int:
    """Kept figures that differ from counted ones."""
    with connect(conninfo) as connection:
        row = connection.execute(way.section("drift").encode()).fetchone()
    assert row is not None
    return int(row[0])


def _stale(conninfo: str, way: Way) -> int:
    """Rows that still show a colleague's old name after the new one is there."""
    before = _wrong(conninfo, way)
    _run(conninfo, way.section("rename"))
    return _wrong(conninfo, way) - before


def _drift(server: Server, conninfo: str, way: Way, events: int) -> tuple[int, int]:
    """Rows that went wrong while a crowd wrote to and looked at the same few conversations; how many events.

    Messages alone come last: a look sets right what was lost before it.
    """
    _refresh(conninfo, way)
    before, each = _wrong(conninfo, way), max(events // _CLIENTS // 2, 1)
    written = sum(
        drive(server, conninfo, way, kinds, Load(_CLIENTS, seconds=0, each=each), conversations=_MEET)
        for kinds in (("arrive", "look"), ("arrive",))
    )
    return max(_wrong(conninfo, way) - before, 0), written


def _refresh(conninfo: str, way: Way) -> None:
    if way.section("refresh"):
        _run(conninfo, way.section("refresh"))
