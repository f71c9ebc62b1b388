"""The traffic engine: an open loop, in which each class sends at its own rate whatever the answers take.

A latency counts from the moment the request was due, so that a stall of two seconds shows in every request due
in that time, as it would for users. One event loop in a thread of its own drives all classes; each has several
connections, so that a request that waits does not keep the next one from being sent. Nothing is prepared on the server:
what an error says then does not depend on a driver's cache of plans.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from inboxbench.machine import no_collection
from inboxbench.server import reason
from inboxbench.traffic.clock import Standstills, second_clock, tick, wall_clock

Query = LiteralString | sql.SQL | sql.Composed
Kind = Literal["read", "write"]
Draw = Callable[[Random], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class RequestClass:
    """One kind of request: its statements, run as one transaction, and how to draw their parameters.

    A percent sign is doubled in the statements, as psycopg wants it with parameters. weight: its share of the rate
    among the others'. undo: the transaction ends with ROLLBACK; it takes the same locks as long, and leaves the rows
    as they were. pause_s: thinking time between two statements, with the locks held.
    """

    name: str
    kind: Kind
    weight: float
    statements: tuple[Query, ...]
    draw: Draw
    undo: bool = False
    pause_s: float = 0.0
    tables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """One request. Moments are Unix time in ms; pid is the backend that served it, None when it was never sent.

    error is the server's first line, state its SQLSTATE, detail what it said about a deadlock.
    """

    name: str
    due_ms: float
    sent_ms: float
    finished_ms: float
    pid: int | None
    error: str | None = None
    state: str | None = None
    detail: str | None = None

    @property
    def latency_ms(self) -> float:
        """From the moment it was due, not from when a connection was free for it."""
        return self.finished_ms - self.due_ms


def rates(classes: Sequence[RequestClass], total: float) -> dict[str, float]:
    """Requests a second of each class, by weight."""
    weight = sum(item.weight for item in classes)
    return {item.name: total * item.weight / weight for item in classes}


APPLICATION = "inboxbench dryrun traffic"
DEFAULT_RATE = 100.0
# Settings that an observer puts on a database of ours concern the migration, and would blur what is measured here.
UNOBSERVED = (
    "-c log_statement=none -c log_duration=off -c auto_explain.log_min_duration=-1 -c pg_stat_statements.track=none "
    "-c lock_timeout=0"
)
_CONNECTIONS, _PER_CLASS = 48, 8
_DRAIN_S = 10.0
_AsyncConnection = psycopg.AsyncConnection[tuple[Any, ...]]


@dataclass(slots=True)
class Traffic:
    """Running traffic. answers may be read at any time, and are complete once the `live_traffic` block has ended.

    pids: the class of every backend it ever had. standstills: when the
    instrument itself stood still.
    """

    classes: tuple[RequestClass, ...]
    rate: float
    answers: list[Answer] = field(default_factory=list)
    pids: dict[int, str] = field(default_factory=dict)
    standstills: Standstills = field(default_factory=Standstills)
    crashes: list[BaseException] = field(default_factory=list)
    started: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)


@contextmanager
def live_traffic(
    conninfo: str,
    classes: Sequence[RequestClass],
    *,
    rate: float = DEFAULT_RATE,
    seed: int = 1,
    options: str = UNOBSERVED,
) -> Iterator[Traffic]:
    """Send requests of `classes`, `rate` a second in all, for the length of the block.

    The block begins when the first request of each class has been answered. options: libpq options of the sessions;
    the default needs a superuser. Raises psycopg.Error when it cannot connect at all, and whatever a class's own `draw`
    raises.
    """
    traffic = Traffic(tuple(classes), rate)
    if options:
        conninfo = make_conninfo(conninfo, options=options)
    thread = threading.Thread(target=_run, args=(traffic, conninfo, seed), name="traffic", daemon=True)
    with no_collection(), second_clock(traffic.standstills, wall_clock()):
        thread.start()
        traffic.started.wait()
        try:
            yield traffic
        finally:
            traffic.stopping.set()
            thread.join()
    if traffic.crashes:
        raise traffic.crashes[0]


def _run(traffic: Traffic, conninfo: str, seed: int) -> None:
    try:
        asyncio.run(_drive(traffic, conninfo, seed))
    except BaseException as error:
        traffic.crashes.append(error)
    finally:
        traffic.started.set()


async def _drive(traffic: Traffic, conninfo: str, seed: int) -> None:
    each = rates(traffic.classes, traffic.rate) if traffic.classes else {}
    limit = max(1, min(_PER_CLASS, _CONNECTIONS // max(1, len(traffic.classes))))
    schedules = [
        _Schedule(
            traffic,
            item,
            conninfo,
            interval_s=1 / each[item.name],
            limit=limit,
            random=Random(f"{seed} {item.name}"),
        )
        for item in traffic.classes
    ]
    await asyncio.gather(*(schedule.open() for schedule in schedules))
    traffic.started.set()
    await asyncio.gather(
        tick(traffic.standstills, wall_clock(), traffic.stopping), *(schedule.drive() for schedule in schedules)
    )


class _Schedule:
    """One class of requests: when each is due, a queue of those that are, and `limit` connections at most for them."""

    def __init__(
        self, traffic: Traffic, item: RequestClass, conninfo: str, *, interval_s: float, limit: int, random: Random
    ) -> None:
        self.traffic, self.item, self.conninfo = traffic, item, conninfo
        self.interval_ms, self.limit, self.random = interval_s * 1000, limit, random
        self.now = wall_clock()
        self.due: asyncio.Queue[float] = asyncio.Queue()
        self.workers: list[asyncio.Task[None]] = []
        self.idle = 0

    async def open(self) -> None:
        """Open the first connection and send one request on it, so that the caches of both ends are warm."""
        connection = await self._connect()
        try:
            await self._request(connection, self.now())
        except BaseException:
            await connection.close()
            raise
        self._start_worker(connection)

    async def drive(self) -> None:
        """Send until the traffic is stopped; then answer what is due already, or give it up after a while."""
        try:
            first = due = self.now() + self.interval_ms * self.random.random()
            while not self.traffic.stopping.is_set():
                await self._sleep_until(due)
                now = self.now()
                if now < due and due != first:
                    break  # stopped before it was due; of a class that has sent nothing, one is sent all the same
                self.due.put_nowait(min(due, now))
                if not self.idle and len(self.workers) < self.limit:
                    self._start_worker()
                due += self.interval_ms
            await self._drain()
        finally:
            await self._cancel_workers()

    async def _sleep_until(self, due: float) -> None:
        """Sleep in short naps, so that a slow class does not delay the end; a worker that crashed ends the class."""
        while (rest := due - self.now()) > 0 and not self.traffic.stopping.is_set():
            await asyncio.sleep(min(rest, 50) / 1000)
        for worker in self.workers:
            if worker.done():
                worker.result()

    async def _drain(self) -> None:
        deadline = self.now() + _DRAIN_S * 1000
        while (self.due.qsize() or self.idle < len(self.workers)) and self.now() < deadline:
            await asyncio.sleep(0.005)
            if crashed := next((worker for worker in self.workers if worker.done()), None):
                crashed.result()

    async def _cancel_workers(self) -> None:
        for worker in self.workers:
            worker.cancel()
        await asyncio.gather(*self.workers, return_exceptions=True)

    def _start_worker(self, connection: _AsyncConnection | None = None) -> None:
        self.workers.append(asyncio.create_task(self._work(connection)))

    async def _work(self, connection: _AsyncConnection | None) -> None:
        try:
            while True:
                self.idle += 1
                try:
                    due = await self.due.get()
                finally:
                    self.idle -= 1
                if connection is None or connection.closed:
                    connection = await self._reconnect(due)
                if connection is not None:
                    await self._request(connection, due)
        finally:
            if connection is not None:
                await connection.close()

    async def _connect(self) -> _AsyncConnection:
        connection = await psycopg.AsyncConnection.connect(
            self.conninfo,
            autocommit=True,
            prepare_threshold=None,
            application_name=f"{APPLICATION}: {self.item.name}"[:63],
        )
        self.traffic.pids[connection.info.backend_pid] = self.item.name
        return connection

    async def _reconnect(self, due: float) -> _AsyncConnection | None:
        """Connect, or return None and record an answer that says why the server lets nobody in."""
        try:
            return await self._connect()
        except psycopg.Error as error:
            now = self.now()
            self.traffic.answers.append(Answer(self.item.name, due, now, now, None, reason(error), error.sqlstate))
            return None

    async def _request(self, connection: _AsyncConnection, due: float) -> None:
        parameters, pid, sent = self.item.draw(self.random), connection.info.backend_pid, self.now()
        try:
            await self._statements(connection, parameters)
            answer = Answer(self.item.name, due, sent, self.now(), pid)
        except psycopg.Error as error:
            detail = error.diag.message_detail if error.sqlstate == "40P01" else None
            answer = Answer(self.item.name, due, sent, self.now(), pid, reason(error), error.sqlstate, detail)
        self.traffic.answers.append(answer)

    async def _statements(self, connection: _AsyncConnection, parameters: Any) -> None:
        async with connection.transaction(force_rollback=self.item.undo):
            for number, statement in enumerate(self.item.statements):
                if number and self.item.pause_s:
                    await asyncio.sleep(self.item.pause_s)
                await connection.execute(statement, parameters)
