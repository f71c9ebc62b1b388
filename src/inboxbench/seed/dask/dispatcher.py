"""Give the blocks of a load to Dask workers, again when a worker is lost, and collect what they say of them.

A result is a few numbers, so nothing of size passes the scheduler; rows go from a worker straight to the server.
"""

from __future__ import annotations

import logging
import secrets
import socket
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import dask.config
import psycopg
from distributed import Client, Future, LocalCluster, wait
from distributed.scheduler import KilledWorker

from inboxbench.database import connect
from inboxbench.errors import InboxbenchError, ServerError, UsageError
from inboxbench.seed.dask import worker as station
from inboxbench.seed.dask.block_registry import Ledger, pieces_of
from inboxbench.seed.dask.option import Cluster
from inboxbench.seed.load.process_pool import Crew
from inboxbench.seed.load.signals import held_back
from inboxbench.seed.load.task import Job, Task
from inboxbench.seed.load.worker import Done

# A scheduler answers and a worker starts within this; so long may all workers be away.
_PATIENCE_S = 30
_LOOK_S = 2.0
# Dask has freed memory given back at once, which costs blocks of arrays as much again, and samples stacks.
_OWN_WORKERS = {"distributed.nanny.pre-spawn-environ": {}, "distributed.worker.profile.enabled": False}
_ABANDONED = "the load is abandoned, nothing of it remains"


@contextmanager
def team(cluster: Cluster, job: Job) -> Iterator[Crew]:
    """The workers of `cluster`, ready for `job`. Raises UsageError when they are not to be had, or do not fit."""
    assert job.conninfo is not None
    order = station.Order(
        secrets.token_hex(4), job.profile, job.seed, job.layout, job.slice, version("inboxbench"), job.conninfo
    )
    with _ledger(order) as ledger, _client(cluster, job.folder) as client:
        workers = _ready(client, cluster, order)
        dealer = _Dealer(client, cluster, order, ledger, job.folder)
        yield Crew(dealer.each, workers)
        _dismiss(client, order)


@contextmanager
def _ledger(order: station.Order) -> Iterator[Ledger]:
    """Its tables are dropped at the end, which also keeps lost workers from loading anything after it."""
    ledger = Ledger(order.token)
    with connect(order.conninfo) as connection:
        ledger.create(connection)
    try:
        yield ledger
    except BaseException:
        with suppress(InboxbenchError, psycopg.Error), connect(order.conninfo) as connection:
            ledger.drop(connection)
        raise
    with connect(order.conninfo) as connection:
        ledger.drop(connection)


@contextmanager
def _client(cluster: Cluster, folder: Path) -> Iterator[Client]:
    if cluster.address is None:
        with _processes(cluster.processes, folder) as local, Client(local) as client:
            yield client
        return
    with _scheduler(cluster.address) as client:
        yield client


def _scheduler(address: str) -> Client:
    try:
        where = urlsplit(address)
        socket.create_connection((where.hostname or "", where.port or 0), timeout=_PATIENCE_S).close()
        return Client(address, timeout=_PATIENCE_S)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"no Dask scheduler answers at {address}: {str(error).splitlines()[0]}") from None


def _processes(count: int, folder: Path) -> LocalCluster:
    """Workers of this machine; what they and the scheduler write lies in the job's folder and is removed with it."""
    settings = {"temporary-directory": str(folder), **_OWN_WORKERS}
    with held_back(), dask.config.set(settings):
        return LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        )


def _ready(client: Client, cluster: Cluster, order: station.Order) -> int:
    """How many workers there are. Each has our version and reaches the database, or UsageError is raised."""
    try:
        client.wait_for_workers(cluster.processes or 1, timeout=_PATIENCE_S)
    except TimeoutError:
        raise UsageError(
            f"the Dask scheduler {cluster} has no workers; start some: dask worker {cluster} --nthreads 1"
        ) from None
    versions = client.run(version, "inboxbench", on_error="return")
    for worker, found in versions.items():
        station.check_version(order.version, found, worker=worker)
    for worker, problem in client.run(station.probe, order, on_error="return").items():
        if problem:
            raise ServerError(
                f"Dask worker {worker} cannot reach the database: {problem}; workers on other machines need "
                "--server postgresql://… with a host that they know"
            )
    return len(versions)


class _Dealer:
    """Keeps every worker busy with few blocks waiting, so that rows keep nearly their order of arrival."""

    def __init__(self, client: Client, cluster: Cluster, order: station.Order, ledger: Ledger, folder: Path) -> None:
        self._client = client
        self._cluster = cluster
        self._order = order
        self._ledger = ledger
        self._folder = folder
        self._shared = False
        self._seen = time.monotonic()  # when there last were workers

    def each(self, tasks: list[Task]) -> Iterator[Done]:
        self._share()
        waiting: set[Future[Done]] = set()
        left = iter(tasks)
        try:
            while True:
                room = max(2 * self._present() - len(waiting), 0)
                waiting |= {self._submit(task) for _, task in zip(range(room), left, strict=False)}
                if not waiting and room:
                    return
                finished, waiting = self._wait(waiting)
                yield from (future.result() for future in finished)
        except (KilledWorker, CancelledError, OSError) as error:
            raise InboxbenchError(f"{self._loss(error)}; {_ABANDONED}") from None

    def _share(self) -> None:
        """Put the outline where workers find it; it is in the folder when the first tasks come."""
        if not self._shared:
            with connect(self._order.conninfo) as connection:
                self._ledger.put(connection, pieces_of(self._folder))
            self._shared = True

    def _submit(self, task: Task) -> Future[Done]:
        key = f"{task.table}-{task.number}-{self._order.token}"
        return self._client.submit(station.perform, self._order, task, key=key, pure=False)

    def _wait(self, waiting: set[Future[Done]]) -> tuple[set[Future[Done]], set[Future[Done]]]:
        if not waiting:
            time.sleep(_LOOK_S)
            return set(), set()
        try:
            state = wait(waiting, timeout=_LOOK_S, return_when="FIRST_COMPLETED")
        except TimeoutError:
            return set(), waiting
        return state.done, state.not_done

    def _present(self) -> int:
        """How many workers there are. Raises OSError when scheduler or workers have been away for too long."""
        if self._client.status != "running":
            raise ConnectionError
        count = len(self._client.nthreads())
        if count:
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > _PATIENCE_S:
            raise TimeoutError
        return count

    def _loss(self, error: Exception) -> str:
        if isinstance(error, KilledWorker):
            return f"{error.allowed_failures + 1} Dask workers died over the same block (out of memory, or killed)"
        if isinstance(error, TimeoutError):
            return f"the Dask scheduler {self._cluster} has lost all its workers"
        return f"the Dask scheduler {self._cluster} was lost"


def _dismiss(client: Client, order: station.Order) -> None:
    """Let every worker remove its files; one that does not answer is not waited for."""
    tasks = [
        client.submit(station.leave, order.token, workers=[worker], key=f"leave-{order.token}-{worker}", pure=False)
        for worker in client.nthreads()
    ]
    with suppress(TimeoutError, CancelledError):
        wait(tasks, timeout=10)
