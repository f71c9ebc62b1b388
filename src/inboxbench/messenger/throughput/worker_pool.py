"""A crowd of workers in processes of its own, kept between rounds so that interpreters start once."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import IO

from inboxbench.errors import SubjectFailed
from inboxbench.messenger.throughput.worker import Tally, Task

# Far above what opening 64 connections or ending a round takes on a loaded machine.
_PATIENCE_S = 60.0

_Process = subprocess.Popen[str]


def _start() -> _Process:
    return subprocess.Popen(
        [sys.executable, "-c", "from inboxbench.messenger.throughput.worker import main; main()"],
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


class Crowd:
    """Worker processes; `run` plays one round on as many of them as there are agents to serve."""

    def __init__(self, processes: Sequence[_Process]) -> None:
        self._processes = processes

    def run(self, task: Task) -> list[Tally]:
        """Every agent of `task` at once. Raises SubjectFailed when a worker fails or does not come back."""
        shares = [task.agent_ids[start :: len(self._processes)] for start in range(len(self._processes))]
        crew = [(process, share) for process, share in zip(self._processes, shares, strict=True) if share]
        for process, share in crew:
            _send(process, json.dumps(asdict(replace(task, agent_ids=share))))
        members = [process for process, _ in crew]
        self._expect_ready(members)
        for process in members:
            _send(process, "go")
        tallies = [tally for line in self._lines(members, task.seconds) for tally in json.loads(line)]
        return _healthy([Tally(**tally) for tally in tallies], task)

    def _expect_ready(self, members: Sequence[_Process]) -> None:
        for line in self._lines(members, 0.0):
            if line != "ready\n":
                raise SubjectFailed("a race worker process ended before it was ready; its error is above")

    def _lines(self, members: Sequence[_Process], seconds: float) -> Iterator[str]:
        """One line of each member, in the order they come."""
        deadline = time.monotonic() + seconds + _PATIENCE_S
        with selectors.DefaultSelector() as selector:
            for process in members:
                selector.register(_pipe(process.stdout), selectors.EVENT_READ)
            waiting = len(members)
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
            raise SubjectFailed(f"strategy {task.strategy!r} failed in worker {tally.agent_id}: {tally.error}")
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
    """Two interpreters a core at most, and none for fewer than eight workers."""
    return max(1, min(2 * (os.cpu_count() or 1), workers // 8))


@contextmanager
def crowd(workers: int) -> Iterator[Crowd]:
    """Processes enough for `workers`, ended with the block however it ends."""
    processes: list[_Process] = []
    try:
        processes.extend(_start() for _ in range(processes_for(workers)))
        yield Crowd(processes)
    finally:
        for process in processes:
            _end(process)
