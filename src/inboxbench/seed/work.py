"""What a worker does: build a block, send it, say what it was. One connection a process."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
from psycopg import sql

from inboxbench.seed import messages, rows
from inboxbench.seed.arrays import AnyArray, Ints, Octets
from inboxbench.seed.catalogue import COLUMNS
from inboxbench.seed.checksum import block_checksum
from inboxbench.seed.dialogue import BLOCK, MOMENT_SHIFT, STATE, Block, converse
from inboxbench.seed.encoding import HEADER, TRAILER
from inboxbench.seed.material import Material, material_from
from inboxbench.seed.profile import Profile

_KEYS = "messages.keys"
_STATE = "conversations.state"
Connection = psycopg.Connection[tuple[object, ...]]
# Slices of this size keep client and server busy at the same time.
SLICE = 128 * 1024


@dataclass(frozen=True, slots=True)
class Task:
    """A block of a table. Windows of messages also need their first id and where their keys lie."""

    table: str
    number: int = 0
    first_id: int = 0
    runs: tuple[tuple[int, int], ...] = ()  # (first key, keys) in the file of keys


@dataclass(frozen=True, slots=True)
class Done:
    table: str
    number: int
    rows: int
    octets: int
    checksum: int
    cpu: float  # seconds of this process
    server_cpu: float | None  # of its backend, where that is a process of this machine
    peak_mb: float  # largest memory of this process so far
    windows: tuple[int, tuple[int, ...]] = (0, ())  # of conversations: messages by window from the first


@dataclass(slots=True)
class Worker:
    """Its material, its files and its connection; `connection` None builds without sending."""

    material: Material
    folder: Path
    connection: Connection | None
    slice: int = SLICE
    backend_used: float = 0.0

    def run(self, task: Task) -> Done:
        started = time.process_time()
        data, count, windows = self._build(task)
        if self.connection is not None and count:
            send(self.connection, task.table, data, self.slice)
        return Done(
            task.table,
            task.number,
            count,
            len(data),
            block_checksum(data),
            time.process_time() - started,
            self._server_cpu(),
            peak_mb(),
            windows,
        )

    def _server_cpu(self) -> float | None:
        """Seconds that the backend has used since the last call."""
        if self.connection is None:
            return None
        used = backend_cpu(self.connection.info.backend_pid)
        if used is None:
            return None
        spent, self.backend_used = used - self.backend_used, used
        return spent

    def _build(self, task: Task) -> tuple[Octets, int, tuple[int, tuple[int, ...]]]:
        none: tuple[int, tuple[int, ...]] = (0, ())
        if task.table == "messages":
            keys = self._keys(task.runs)
            if not len(keys):
                return np.empty(0, dtype=np.uint8), 0, none
            data = messages.window(self.material, self._state(), keys, task.first_id, task.number)
            return data, len(keys), none
        if task.table == "conversations":
            block = converse(
                self.material.profile,
                self.material.world,
                self.material.clock,
                self.material.seed,
                task.number,
            )
            self._keep(block)
            data = rows.conversations(self.material, block)
            return data, block.last - block.first, self._windows(block)
        if task.table == "contacts":
            total = len(self.material.world.contacts.account)
            count = min((task.number + 1) * rows.CONTACT_BLOCK, total) - task.number * rows.CONTACT_BLOCK
            return rows.contacts(self.material, task.number), count, none
        return getattr(rows, task.table)(self.material), owned(self.material, task.table), none

    def _keep(self, block: Block) -> None:
        """Leave keys and state where the windows will look for them."""
        first = int(self.material.world.conversations.first_message[block.first])
        _write_at(self.folder / _KEYS, first * 8, block.keys)
        _write_at(self.folder / _STATE, block.first * STATE.itemsize, block.state)

    def _windows(self, block: Block) -> tuple[int, tuple[int, ...]]:
        bounds = window_bounds(self.material) << MOMENT_SHIFT
        edges = np.searchsorted(block.keys, bounds)
        counts = np.diff(np.concatenate((edges, [len(block.keys)])))
        used = np.flatnonzero(counts)
        first, last = int(used[0]), int(used[-1])
        return first, tuple(counts[first : last + 1].tolist())

    def _keys(self, runs: tuple[tuple[int, int], ...]) -> Ints:
        path = self.folder / _KEYS
        parts = [np.fromfile(path, dtype=np.int64, count=count, offset=first * 8) for first, count in runs]
        return np.sort(np.concatenate(parts)) if parts else np.empty(0, dtype=np.int64)

    def _state(self) -> AnyArray:
        return np.asarray(np.memmap(self.folder / _STATE, dtype=STATE, mode="r"))


def window_bounds(material: Material) -> Ints:
    """First moment of each window: the starts of the conversation blocks, and 0 for the first."""
    starts = np.asarray(material.world.conversations.start[::BLOCK]).copy()
    starts[0] = 0
    return starts


def owned(material: Material, table: str) -> int:
    """Rows of one of the small tables."""
    owners = material.world.owners
    return {
        "accounts": len(owners.created),
        "users": len(owners.users.account),
        "inboxes": len(owners.inboxes.account),
        "inbox_members": len(owners.member_user),
    }[table]


def peak_mb() -> float:
    """Largest memory of this process. Linux counts ru_maxrss through exec, so a parent's peak would show."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def backend_cpu(pid: int) -> float | None:
    """CPU seconds of a local PostgreSQL process; None for one that is not on this machine."""
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")
    except (OSError, UnicodeDecodeError):
        return None
    if "postgres" not in name:
        return None
    user, system = rest.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _write_at(path: Path, offset: int, array: AnyArray) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(handle, array.tobytes(), offset)
    finally:
        os.close(handle)


def send(connection: Connection, table: str, data: Octets, slice_size: int = SLICE) -> None:
    """COPY one block, in a transaction of its own."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, COLUMNS[table]))
    )
    view = data.data
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(HEADER)
        for start in range(0, len(view), slice_size):
            copy.write(view[start : start + slice_size])
        copy.write(TRAILER)


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker of a load is told. `conninfo` None builds without sending."""

    folder: Path
    profile: Profile
    seed: int
    conninfo: str | None
    slice: int = SLICE


def open_worker(job: Job) -> Worker:
    # Not inboxbench.database: a worker starts faster without the servers and SQLAlchemy behind it.
    connection = psycopg.connect(job.conninfo, autocommit=True) if job.conninfo else None
    return Worker(material_from(job.folder, job.profile, job.seed), job.folder, connection, job.slice)


def _end_with(parent: int) -> None:
    """A killed parent cannot stop its workers: they look whether it is still there."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


class Bench:
    """A place for one worker, opened with its first task: what the task needs is in the folder by then."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._worker: Worker | None = None

    def run(self, task: Task) -> Done:
        if self._worker is None:
            self._worker = open_worker(self._job)
        return self._worker.run(task)

    def close(self) -> None:
        if self._worker is not None and self._worker.connection is not None:
            self._worker.connection.close()


_bench: Bench | None = None


def start(job: Job) -> None:
    """Initialise a worker process. Ctrl-C is the parent's to handle."""
    global _bench  # noqa: PLW0603 - the one way to hand state to a process pool's tasks
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    _bench = Bench(job)


def warm() -> None:
    """A task that does nothing: the process has started and imported this module when it is done."""


def run(task: Task) -> Done:
    """Do `task` in a worker process."""
    if _bench is None:
        raise RuntimeError("the worker process was not started")
    return _bench.run(task)
