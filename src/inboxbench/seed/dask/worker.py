"""A worker of a Dask cluster: what `Worker` finds in the folder of one machine comes from the block registry here.

Memory is flat however large the dataset is: what all blocks share is fetched piece by piece into files of the worker's
own folder and read from there, and for each block comes what it needs of other blocks.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from distributed import get_worker

from inboxbench.errors import ServerError, UsageError
from inboxbench.seed.dask.block_registry import BlockRegistry, Piece
from inboxbench.seed.load.worker import Connection, Worker
from inboxbench.seed.row_source import Done, Job, Layout, Part, Task
from inboxbench.server.environment import aside

# The server must notice within a minute that a worker's machine is gone, or nobody else gets its block.
_KEEPALIVES = {"tcp_keepalives_idle": "20", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}


@dataclass(frozen=True, slots=True)
class Order:
    """A Job as it travels. Dask shows and logs arguments by their repr: the conninfo, with its password, has none."""

    token: str
    source: str = field(repr=False)
    profile: Any = field(repr=False)
    seed: int
    layout: Layout = field(repr=False)
    slice: int
    version: str
    conninfo: str = field(repr=False)

    @classmethod
    def of(cls, job: Job, token: str, release: str) -> Order:
        """The order for a job that sends; `token` names the load, `release` our version of inboxbench."""
        assert job.conninfo is not None
        return cls(token, job.source, job.profile, job.seed, job.layout, job.slice, release, job.conninfo)

    def job(self, folder: Path) -> Job:
        return Job(folder, self.source, self.profile, self.seed, self.layout, self.conninfo, self.slice)


class Loader:
    """One worker's connection, folder and Worker for one load."""

    def __init__(self, order: Order, folder: Path) -> None:
        self.token = order.token
        self._folder = Path(tempfile.mkdtemp(prefix=f"inboxbench_{order.token}_", dir=folder))
        self._registry = BlockRegistry(order.token)
        self._connection = _connect(order)
        self._present: set[Part] = set()  # parts that are in the folder and needed again
        try:
            for piece in self._registry.shared_pieces(self._connection):
                _write(self._folder, piece)
        except BaseException:
            self.close()
            raise
        self._worker = Worker(order.job(self._folder), self._connection)

    def perform(self, task: Task) -> Done:
        """Load the block of `task` unless it is loaded already; the result is the same either way."""
        self._registry.name_session(self._connection, task)
        while True:
            try:
                return self._load(task)
            except psycopg.errors.LockNotAvailable:
                self._registry.evict(self._connection, task)

    def _load(self, task: Task) -> Done:
        with self._connection.transaction():
            if not self._registry.claim(self._connection, task):
                return self._registry.entered(self._connection, task)
            self._fetch(task)
            done, block = self._worker.load(task)
            if block.left:
                pieces = [Piece(part.name, part.place, _read(self._folder, part)) for part in block.left]
                self._registry.put(self._connection, pieces, shared=False)
                self._present.update(part for part in block.left if part.again)
            self._registry.enter(self._connection, done)
        return done

    def _fetch(self, task: Task) -> None:
        """Bring what the block needs of blocks that other workers built."""
        parts = [part for part in self._worker.builder.needs(task) if part not in self._present]
        if parts:
            for piece in self._registry.parts(self._connection, parts):
                _write(self._folder, piece)
            self._present.update(part for part in parts if part.again)

    def close(self) -> None:
        self._connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _connect(order: Order) -> Connection:
    with aside():  # of this machine, where a worker may have been started with variables of its own
        connection = psycopg.connect(
            order.conninfo, autocommit=True, application_name=BlockRegistry(order.token).session
        )
    for name, value in _KEEPALIVES.items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    return connection


def _write(folder: Path, piece: Piece) -> None:
    path = folder / piece.name
    with path.open("r+b" if path.exists() else "wb") as file:
        file.seek(piece.start)
        file.write(piece.data)


def _read(folder: Path, part: Part) -> bytes:
    with (folder / part.name).open("rb") as file:
        file.seek(part.place)
        return file.read(part.length)


# --- as tasks of Dask -----------------------------------------------------------------------------------------

_loader: Loader | None = None
# A loader has one connection: a Dask worker with several threads loads its blocks one after the other.
_one_at_a_time = threading.Lock()


def perform(order: Order, task: Task) -> Done:
    """Do `task` in a Dask worker. Raises ServerError when the server is lost, UsageError for another version."""
    with _one_at_a_time:
        try:
            return _at(order).perform(task)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            _leave()
            raise ServerError(f"the connection to the server was lost while loading: {_line(error)}") from None


def _at(order: Order) -> Loader:
    global _loader  # noqa: PLW0603 - what a Dask worker keeps from task to task
    if _loader is None or _loader.token != order.token:
        _leave()
        check_version(order.version, version("inboxbench"), worker=get_worker().address)
        _loader = Loader(order, Path(get_worker().local_directory))
    return _loader


def check_version(ours: str, theirs: object, *, worker: str) -> None:
    """Raises UsageError unless the worker has the inboxbench that we have: another one would make other rows."""
    if theirs != ours:
        installed = f"inboxbench {theirs}" if isinstance(theirs, str) else "no inboxbench"
        raise UsageError(
            f"Dask worker {worker} has {installed}, this is {ours}; "
            f"install there: pip install 'inboxbench[cluster]=={ours}'"
        )


def probe(order: Order) -> str:
    """Why this worker cannot load into the database of `order`; empty when it can."""
    try:
        with aside(), psycopg.connect(order.conninfo, autocommit=True) as connection:
            here = BlockRegistry(order.token).is_here(connection)
    except psycopg.OperationalError as error:
        return _line(error)
    return "" if here else "another server answers there"


def leave(token: str) -> None:
    """Forget the load: close the connection and remove the files."""
    with _one_at_a_time:
        if _loader is not None and _loader.token == token:
            _leave()


def _leave() -> None:
    global _loader  # noqa: PLW0603
    if _loader is not None:
        _loader.close()
        _loader = None


def _line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]
