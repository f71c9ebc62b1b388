"""Workers in processes of their own, kept between rounds so that interpreters start once, and whether they fit."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import IO

from inboxbench.database import connect
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.race.stress.worker import Tally, Task
from inboxbench.server import Server

MOST_WORKERS = 150

# Far above what opening 64 connections or ending a round takes on a loaded machine.
_PATIENCE_S = 60.0

_Process = subprocess.Popen[str]

_FREE_CONNECTIONS = """
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend')
"""


def check_workers(workers: Sequence[int]) -> None:
    """Raise UsageError for a number of workers that cannot be."""
    if not workers:
        raise UsageError("workers: name at least one number of workers, such as 16")
    for count in workers:
        if not 1 <= count <= MOST_WORKERS:
            raise UsageError(f"workers: {count} is outside 1 … {MOST_WORKERS}; name a number between them")


def check_room(server: Server, workers: int) -> None:
    """Raise UsageError when the server cannot take as many connections."""
    with closing(connect(server.conninfo())) as connection:
        row = connection.execute(_FREE_CONNECTIONS).fetchone()
    assert row is not None
    room = int(row[0])
    if workers >= room:
        raise UsageError(
            f"workers: {server.label} has room for {room} more connections and {workers} workers need one each, "
            "besides the control connection; name fewer, or raise max_connections"
        )


def _start() -> _Process:
    return subprocess.Popen(
        [sys.executable, "-c", "from inboxbench.race.stress.worker import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def _send(process: _Process, text: str) -> None:
    stdin = _pipe(process.stdin)
    stdin.write(text + "\n")
    stdin.flush()


class WorkerPool:
    """Worker processes; `run` makes one round on as many of them as there are sessions to run."""

    def __init__(self, processes: Sequence[_Process]) -> None:
        self._processes = processes

    def run(self, task: Task) -> list[Tally]:
        """Run every session of `task` at once. Raises SubjectFailed when a worker fails or does not come back."""
        shares = [task.sessions[start :: len(self._processes)] for start in range(len(self._processes))]
        shared = [(process, share) for process, share in zip(self._processes, shares, strict=True) if share]
        for process, share in shared:
            _send(process, json.dumps(replace(task, sessions=share).to_json()))
        processes = [process for process, _ in shared]
        self._expect_ready(processes)
        for process in processes:
            _send(process, "go")
        tallies = [tally for line in self._lines(processes, task.seconds) for tally in json.loads(line)]
        return _healthy([Tally(**tally) for tally in tallies], task)

    def _expect_ready(self, processes: Sequence[_Process]) -> None:
        for line in self._lines(processes, 0.0):
            if line != "ready\n":
                raise SubjectFailed("a race worker process ended before it was ready; its error is above")

    def _lines(self, processes: Sequence[_Process], seconds: float) -> Iterator[str]:
        """Yield one line of each process, in the order they come."""
        deadline = time.monotonic() + seconds + _PATIENCE_S
        with selectors.DefaultSelector() as selector:
            for process in processes:
                selector.register(_pipe(process.stdout), selectors.EVENT_READ)
            waiting = len(processes)
            while waiting:
                events = selector.select(deadline - time.monotonic())
                if not events:
                    raise SubjectFailed(f"race workers gave no sign for {_PATIENCE_S:.0f} s; they were stopped")
                for key, _ in events:
                    selector.unregister(key.fileobj)
                    waiting -= 1
                    line = key.fileobj.readline()  # type: ignore[union-attr]
                    if not line:
                        raise SubjectFailed("a race worker process ended in the middle of a round")
                    yield line


def _healthy(tallies: list[Tally], task: Task) -> list[Tally]:
    for tally in tallies:
        if tally.error:
            raise SubjectFailed(f"{task.name} failed in worker {tally.session}: {tally.error}")
    return tallies


def _end(process: _Process) -> None:
    _pipe(process.stdin).close()
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _pipe(process.stdout).close()


def processes_for(workers: int) -> int:
    """Return how many processes: two interpreters a core at most, and eight workers in each at least."""
    return max(1, min(2 * (os.cpu_count() or 1), workers // 8))


@contextmanager
def open_worker_pool(workers: int) -> Iterator[WorkerPool]:
    """Start processes enough for `workers`; they end with the block, however it ends."""
    processes: list[_Process] = []
    try:
        processes.extend(_start() for _ in range(processes_for(workers)))
        yield WorkerPool(processes)
    finally:
        for process in processes:
            _end(process)
