"""Give the blocks of a load to Dask workers, again when a worker is lost, and collect what they report of them.

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
from inboxbench.lifetime import deferred_signals
from inboxbench.seed.dask import worker as remote
from inboxbench.seed.dask.block_registry import BlockRegistry, pieces_of
from inboxbench.seed.dask.option import Cluster
from inboxbench.seed.load.created import listed
from inboxbench.seed.load.process_pool import WorkerPool
from inboxbench.seed.row_source import Done, Job, Task

# A scheduler answers and a worker starts within this; so long may all workers be away.
_PATIENCE_S = 30
_LOOK_S = 2.0
# Dask has freed memory given back at once, which costs blocks of arrays as much again, and samples stacks.
_OWN_WORKERS = {"distributed.nanny.pre-spawn-environ": {}, "distributed.worker.profile.enabled": False}
_ABANDONED = "the load is abandoned, nothing of it remains"


@contextmanager
def dask_pool(cluster: Cluster, job: Job) -> Iterator[WorkerPool]:
    """Yield the workers of `cluster`, ready for `job`. Raises UsageError when there are none, or they do not fit."""
    order = remote.Order.of(job, secrets.token_hex(4), version("inboxbench"))
    with _registry(order), _client(cluster, job.folder) as client:
        workers = _ready(client, cluster, order)
        dispatcher = _Dispatcher(client, cluster, order, job.folder)
        yield WorkerPool(dispatcher.run, workers)
        _dismiss(client, order)


@contextmanager
def _registry(order: remote.Order) -> Iterator[None]:
    """Its tables are dropped at the end, which also keeps lost workers from loading anything after it."""
    registry = BlockRegistry(order.token)
    with connect(order.conninfo) as connection, listed(connection):
        registry.create(connection)
    try:
        yield
    except BaseException:
        with suppress(InboxbenchError, psycopg.Error), connect(order.conninfo) as connection:
            registry.drop(connection)
        raise
    with connect(order.conninfo) as connection:
        registry.drop(connection)


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
    with deferred_signals(), dask.config.set(settings):
        return LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        )


def _ready(client: Client, cluster: Cluster, order: remote.Order) -> int:
    """How many workers there are. Each has our version and reaches the database, or UsageError is raised."""
    try:
        client.wait_for_workers(cluster.processes or 1, timeout=_PATIENCE_S)
    except TimeoutError:
        raise UsageError(
            f"the Dask scheduler {cluster} has no workers; start some: dask worker {cluster} --nthreads 1"
        ) from None
    versions = client.run(version, "inboxbench", on_error="return")
    for worker, theirs in versions.items():
        remote.check_version(order.version, theirs, worker=worker)
    for worker, problem in client.run(remote.probe, order, on_error="return").items():
        if problem:
            raise ServerError(
                f"Dask worker {worker} cannot reach the database: {problem}; workers on other machines need "
                "--server postgresql://… with a host that they know"
            )
    return len(versions)


class _Dispatcher:
    """Keeps every worker busy with few blocks waiting, so that rows keep nearly their order of arrival."""

    def __init__(self, client: Client, cluster: Cluster, order: remote.Order, folder: Path) -> None:
        self._client = client
        self._cluster = cluster
        self._order = order
        self._registry = BlockRegistry(order.token)
        self._folder = folder
        self._shared = False
        self._seen = time.monotonic()  # when there last were workers

    def run(self, tasks: list[Task]) -> Iterator[Done]:
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
        """Put what the plan left where workers find it; it is in the folder when the first tasks come."""
        if not self._shared:
            with connect(self._order.conninfo) as connection:
                self._registry.put(connection, pieces_of(self._folder), shared=True)
            self._shared = True

    def _submit(self, task: Task) -> Future[Done]:
        key = f"{task.table}-{task.number}-{self._order.token}"
        return self._client.submit(remote.perform, self._order, task, key=key, pure=False)

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


def _dismiss(client: Client, order: remote.Order) -> None:
    """Let every worker remove its files; one that does not answer is not waited for."""
    tasks = [
        client.submit(remote.leave, order.token, workers=[worker], key=f"leave-{order.token}-{worker}", pure=False)
        for worker in client.nthreads()
    ]
    with suppress(TimeoutError, CancelledError):
        wait(tasks, timeout=10)
