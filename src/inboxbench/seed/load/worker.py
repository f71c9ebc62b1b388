"""What a worker does: build a block, send it by file or through its connection, say what it was."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import psycopg
from psycopg import sql

from inboxbench.lifetime import end_with_parent
from inboxbench.owner import remove_folder
from inboxbench.seed.binary import Octets
from inboxbench.seed.binary.copy_format import HEADER, TRAILER, block_checksum
from inboxbench.seed.row_source import SLICE, Builder, Built, Done, Job, Task, row_source

Connection = psycopg.Connection[tuple[object, ...]]

_READABLE = 0o644
# The server is another user: it may open a file whose name it is told, and list nothing.
_SEARCHABLE = 0o711


def reads_files(connection: Connection, folder: Path) -> bool:
    """Whether the server can read what we write into `folder`, tried out; on a server elsewhere it cannot."""
    folder.chmod(_SEARCHABLE)
    probe = folder / "probe"
    probe.write_bytes(b"seen")
    probe.chmod(_READABLE)
    try:
        row = connection.execute("SELECT pg_read_binary_file(%s)", (str(probe),)).fetchone()
    except psycopg.DatabaseError:
        return False
    finally:
        probe.unlink()
    return row is not None and row[0] == b"seen"


def _statement(table: str, columns: tuple[str, ...], source: sql.Composable) -> sql.Composed:
    return sql.SQL("COPY {} ({}) FROM {} (FORMAT BINARY)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns)), source
    )


def send_file(connection: Connection, table: str, columns: tuple[str, ...], data: Octets, folder: Path) -> None:
    """COPY one block by a file in `folder`, which is gone afterwards."""
    path = folder / f"block.{os.getpid()}"
    try:
        with path.open("wb") as file:
            file.write(HEADER)
            file.write(data.data)
            file.write(TRAILER)
        path.chmod(_READABLE)
        connection.execute(_statement(table, columns, sql.Literal(str(path))))
    finally:
        path.unlink(missing_ok=True)


def send(
    connection: Connection, table: str, columns: tuple[str, ...], data: Octets, *, slice_size: int = SLICE
) -> None:
    """COPY one block through the connection."""
    view = data.data
    with connection.cursor() as cursor, cursor.copy(_statement(table, columns, sql.SQL("STDIN"))) as copy:
        copy.write(HEADER)
        for start in range(0, len(view), slice_size):
            copy.write(view[start : start + slice_size])
        copy.write(TRAILER)


class Worker:
    """Builds and sends the blocks of one load.

    The builder is made with the first task: the shared files are in the job's folder by then. Each block is a
    transaction of its own, or part of one that is open on the `connection` given.
    """

    def __init__(self, job: Job, connection: Connection | None = None) -> None:
        self._job = job
        self._builder: Builder | None = None
        self._connection = connection
        self._backend_used = 0.0

    @property
    def builder(self) -> Builder:
        if self._builder is None:
            if self._job.conninfo and self._connection is None:
                # Not inboxbench.database: a worker starts faster without the servers behind it.
                self._connection = psycopg.connect(self._job.conninfo, autocommit=True)
            self._builder = row_source(self._job.source).builder(self._job)
        return self._builder

    def run(self, task: Task) -> Done:
        """Build and send one block."""
        return self.load(task)[0]

    def load(self, task: Task) -> tuple[Done, Built]:
        """Build and send one block; returns it as well."""
        begun = time.process_time()
        block = self.builder.build(task)
        if self._connection is not None and block.rows:
            self._send(self._connection, task.table, block.data)
        done = Done(
            table=task.table,
            number=task.number,
            rows=block.rows,
            octets=len(block.data),
            checksum=block_checksum(block.data),
            cpu=time.process_time() - begun,
            server_cpu=self._server_cpu(),
            peak_mb=peak_mb(),
            note=block.note,
        )
        return done, block

    def _send(self, connection: Connection, table: str, data: Octets) -> None:
        columns = self._job.layout.columns[table]
        if self._job.by_file:
            send_file(connection, table, columns, data, self._job.folder)
        else:
            send(connection, table, columns, data, slice_size=self._job.slice)

    def _server_cpu(self) -> float | None:
        """Seconds that the backend has used since the last call."""
        used = backend_cpu(self._connection.info.backend_pid) if self._connection is not None else None
        if used is None:
            return None
        spent, self._backend_used = used - self._backend_used, used
        return spent

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


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


# --- as a process of a pool -----------------------------------------------------------------------------------

_worker: Worker | None = None


def start(job: Job) -> None:
    """Initialise a worker process. A killed parent cannot remove its folder."""
    global _worker  # noqa: PLW0603 - the one way to hand state to a process pool's tasks
    end_with_parent(before=lambda: remove_folder(job.folder))
    _worker = Worker(job)


def warm(source: str) -> None:
    """Import the row source, so that a process is ready when its first block comes."""
    row_source(source)


def run(task: Task) -> Done:
    """Do `task` in a worker process."""
    if _worker is None:
        raise RuntimeError("the worker process was not started")
    return _worker.run(task)
