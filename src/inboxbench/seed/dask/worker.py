"""A worker of a Dask cluster at work: what `Worker` finds in the folder of one machine comes from the ledger here.

Memory is flat however large the dataset is: the outline is fetched piece by piece into files of the worker's own
folder and mapped from there, and for a window of messages come its keys and the state of the blocks it meets.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psycopg
from distributed import get_worker

from inboxbench.errors import ServerError, UsageError
from inboxbench.messenger.data.build import KEYS, STATES
from inboxbench.messenger.data.dialogue import BLOCK
from inboxbench.messenger.data.message_keys import STATE
from inboxbench.messenger.data.profile import Profile
from inboxbench.messenger.data.table_layout import Layout
from inboxbench.seed.binary.arrays import Ints
from inboxbench.seed.dask.block_registry import Ledger, Part, Piece
from inboxbench.seed.load.copy_transport import Connection
from inboxbench.seed.load.task import Job, Task
from inboxbench.seed.load.worker import Done, Worker

_KEY = 8  # bytes
# The server must notice within a minute that a worker's machine is gone, or nobody else gets its block.
_KEEPALIVES = {"tcp_keepalives_idle": "20", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}


@dataclass(frozen=True, slots=True)
class Order:
    """A Job as it travels. Dask shows and logs arguments by their repr: the conninfo, with its password, has none."""

    token: str
    profile: Profile = field(repr=False)
    seed: int
    layout: Layout = field(repr=False)
    slice: int
    version: str
    conninfo: str = field(repr=False)

    def job(self, folder: Path) -> Job:
        return Job(folder, self.profile, self.seed, self.layout, self.conninfo, self.slice)


class Station:
    """One worker's connection, folder and Worker for one load."""

    def __init__(self, order: Order, folder: Path) -> None:
        self.token = order.token
        self._folder = Path(tempfile.mkdtemp(prefix=f"inboxbench_{order.token}_", dir=folder))
        self._ledger = Ledger(order.token)
        self._connection = _connect(order)
        self._known: set[int] = set()  # blocks of conversations whose state is in the folder
        try:
            self._edges = self._fetch()
        except BaseException:
            self.close()
            raise
        self._worker = Worker(order.job(self._folder), self._connection)

    def _fetch(self) -> Ints:
        """The outline, as the maker of the load left it; returns the edges of its blocks of conversations."""
        for piece in self._ledger.pieces(self._connection, besides=(KEYS, STATES)):
            _write(self._folder, piece)
        return _edges(self._folder)

    def perform(self, task: Task) -> Done:
        """Load the block of `task` unless it is loaded already; the result is the same either way."""
        self._ledger.name_session(self._connection, task)
        while True:
            try:
                return self._load(task)
            except psycopg.errors.LockNotAvailable:
                self._ledger.evict(self._connection, task)

    def _load(self, task: Task) -> Done:
        with self._connection.transaction():
            if not self._ledger.claim(self._connection, task):
                return self._ledger.entered(self._connection, task)
            if task.table == "messages":
                self._bring(task)
            done = self._worker.run(task)
            if task.table == "conversations":
                self._ledger.put(self._connection, self._left(task.number))
            self._ledger.enter(self._connection, done)
        return done

    def _left(self, block: int) -> list[Piece]:
        """Keys and state that a block of conversations left in the folder."""
        self._known.add(block)
        return [
            Piece(part.name, part.place, _read(self._folder, part)) for part in (self._keys(block), self._states(block))
        ]

    def _bring(self, task: Task) -> None:
        """What a window needs of blocks that other workers did."""
        places = [place for place, _ in task.runs]
        blocks = (np.searchsorted(self._edges, places, side="right") - 1).tolist()
        wanted = [
            Part(KEYS, int(self._edges[block]) * _KEY, place * _KEY, count * _KEY)
            for block, (place, count) in zip(blocks, task.runs, strict=True)
        ]
        states = [self._states(block) for block in blocks if block not in self._known]
        for piece in self._ledger.parts(self._connection, wanted + states):
            _write(self._folder, piece)
        self._known.update(blocks)

    def _keys(self, block: int) -> Part:
        first, last = int(self._edges[block]), int(self._edges[block + 1])
        return Part(KEYS, first * _KEY, first * _KEY, (last - first) * _KEY)

    def _states(self, block: int) -> Part:
        size = BLOCK * STATE.itemsize
        return Part(STATES, block * size, block * size, size)

    def close(self) -> None:
        self._connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _connect(order: Order) -> Connection:
    connection = psycopg.connect(order.conninfo, autocommit=True, application_name=Ledger(order.token).session)
    for name, value in _KEEPALIVES.items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    return connection


def _edges(folder: Path) -> Ints:
    """How many messages come before each block of conversations, and after the last. Makes room for their files."""
    first = np.load(folder / "conversations.first_message.npy", mmap_mode="r")
    last = int(first[-1]) + int(np.load(folder / "conversations.messages.npy", mmap_mode="r")[-1])
    for name, size in ((KEYS, last * _KEY), (STATES, len(first) * STATE.itemsize)):
        with (folder / name).open("wb") as file:
            file.truncate(size)
    return np.append(first[::BLOCK], last)


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

_station: Station | None = None
# A station has one connection: a Dask worker with several threads does its blocks one after the other.
_alone = threading.Lock()


def perform(order: Order, task: Task) -> Done:
    """Do `task` in a Dask worker. Raises ServerError when the server is lost, UsageError for another version."""
    with _alone:
        try:
            return _at(order).perform(task)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            _leave()
            raise ServerError(f"the connection to the server was lost while loading: {_line(error)}") from None


def _at(order: Order) -> Station:
    global _station  # noqa: PLW0603 - what a Dask worker keeps from task to task
    if _station is None or _station.token != order.token:
        _leave()
        check_version(order.version, version("inboxbench"), worker=get_worker().address)
        _station = Station(order, Path(get_worker().local_directory))
    return _station


def check_version(ours: str, theirs: object, *, worker: str) -> None:
    """Raises UsageError unless the worker has the inboxbench that we have: another one would make other rows."""
    if theirs != ours:
        found = f"inboxbench {theirs}" if isinstance(theirs, str) else "no inboxbench"
        raise UsageError(
            f"Dask worker {worker} has {found}, this is {ours}; "
            f"install there: pip install 'inboxbench[cluster]=={ours}'"
        )


def probe(order: Order) -> str:
    """Why this worker cannot load into the database of `order`; empty when it can."""
    try:
        with psycopg.connect(order.conninfo, autocommit=True) as connection:
            found = Ledger(order.token).is_here(connection)
    except psycopg.OperationalError as error:
        return _line(error)
    return "" if found else "another server answers there"


def leave(token: str) -> None:
    """Forget the load: close the connection and remove the files."""
    with _alone:
        if _station is not None and _station.token == token:
            _leave()


def _leave() -> None:
    global _station  # noqa: PLW0603
    if _station is not None:
        _station.close()
        _station = None


def _line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]
