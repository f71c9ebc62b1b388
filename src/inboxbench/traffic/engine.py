"""Live traffic beside a chain: an open loop, each class at its own rate whatever the answers take.

A latency counts from the moment the request was due, so that a stall of two seconds shows in every request due
meanwhile, as users would feel it. One event loop in a thread of its own drives all classes; each has several
connections, so that a request that waits does not keep the next one from being sent. Nothing is prepared on the server:
what an error says then does not depend on a driver's cache of plans.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg

from inboxbench.machine import no_collection
from inboxbench.server import reason
from inboxbench.traffic.clock import Pulse, beat, other_clock
from inboxbench.traffic.request import Answer, RequestClass, rates

APPLICATION = "inboxbench dryrun traffic"
DEFAULT_RATE = 100.0
# Settings that the observer puts on the database concern the chain; here they would only blur what is measured.
_OPTIONS = "-c log_statement=none -c log_duration=off -c auto_explain.log_min_duration=-1 -c lock_timeout=0"
_CONNECTIONS, _PER_CLASS = 48, 8
_DRAIN_S = 10.0
_AsyncConnection = psycopg.AsyncConnection[tuple[Any, ...]]


@dataclass(slots=True)
class Traffic:
    """Running traffic. answers may be read at any time, and are complete once the `live_traffic` block has ended.

    pids: every backend it ever had; those are not the chain's. pulse: when nobody was there to send anything.
    """

    classes: tuple[RequestClass, ...]
    rate: float
    answers: list[Answer] = field(default_factory=list)
    pids: dict[int, str] = field(default_factory=dict)
    pulse: Pulse = field(default_factory=Pulse)
    crashes: list[BaseException] = field(default_factory=list)
    started: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)


@contextmanager
def live_traffic(
    conninfo: str, classes: Sequence[RequestClass], *, rate: float = DEFAULT_RATE, seed: int = 1
) -> Iterator[Traffic]:
    """Traffic of `classes`, `rate` requests a second in all, for the length of the block; the first has been answered.

    Raises psycopg.Error when it cannot connect at all, and whatever a class's own `draw` raises.
    """
    traffic = Traffic(tuple(classes), rate)
    thread = threading.Thread(target=_run, args=(traffic, conninfo, seed), name="dryrun-traffic", daemon=True)
    with no_collection(), other_clock(traffic.pulse, wall_clock()):
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
    lanes = [
        _Lane(
            traffic,
            item,
            conninfo,
            interval_s=1 / each[item.name],
            limit=limit,
            random=Random(f"{seed} {item.name}"),
        )
        for item in traffic.classes
    ]
    await asyncio.gather(*(lane.open() for lane in lanes))
    traffic.started.set()
    await asyncio.gather(beat(traffic.pulse, wall_clock(), traffic.stopping), *(lane.drive() for lane in lanes))


def wall_clock() -> Callable[[], float]:
    """Unix time in ms that never steps back: the wall clock now, carried on by the monotonic one."""
    wall, mono = time.time(), time.monotonic()
    return lambda: (wall + time.monotonic() - mono) * 1000


class _Lane:
    """One class: a schedule, a queue of requests that are due, and up to `limit` connections that answer them."""

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
        """The first connection, and one request on it, so that the caches of both ends are warm."""
        connection = await self._connect()
        try:
            await self._request(connection, self.now())
        except BaseException:
            await connection.close()
            raise
        self._hire(connection)

    async def drive(self) -> None:
        """Until told to stop; then what is due already is answered, or given up after a while."""
        try:
            due = self.now() + self.interval_ms * self.random.random()
            while not self.traffic.stopping.is_set():
                await self._sleep_until(due)
                self.due.put_nowait(due)
                if not self.idle and len(self.workers) < self.limit:
                    self._hire()
                due += self.interval_ms
            await self._drain()
        finally:
            await self._dismiss()

    async def _sleep_until(self, due: float) -> None:
        """In short naps, so that a slow class does not hold up the end; a worker that crashed ends the class."""
        while (rest := due - self.now()) > 0 and not self.traffic.stopping.is_set():
            await asyncio.sleep(min(rest, 50) / 1000)
        for worker in self.workers:
            if worker.done():
                worker.result()

    async def _drain(self) -> None:
        deadline = self.now() + _DRAIN_S * 1000
        while (self.due.qsize() or self.idle < len(self.workers)) and self.now() < deadline:
            await asyncio.sleep(0.005)
            if crashed := next((one for one in self.workers if one.done()), None):
                crashed.result()

    async def _dismiss(self) -> None:
        for worker in self.workers:
            worker.cancel()
        await asyncio.gather(*self.workers, return_exceptions=True)

    def _hire(self, connection: _AsyncConnection | None = None) -> None:
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
            options=_OPTIONS,
            application_name=f"{APPLICATION}: {self.item.name}"[:63],
        )
        self.traffic.pids[connection.info.backend_pid] = self.item.name
        return connection

    async def _reconnect(self, due: float) -> _AsyncConnection | None:
        """None, and an answer that says why, when the server lets nobody in."""
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
