"""A user's own function under many workers at once, and the invariant afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any

from psycopg import errors

from inboxbench.database import connect, scratch_database
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.race.explore.model import Judge, Level
from inboxbench.race.explore.user_code import Script
from inboxbench.race.stress.worker import Tally, Task, function_job
from inboxbench.race.stress.worker_pool import WorkerPool, check_room, check_workers, open_worker_pool
from inboxbench.server import Server
from inboxbench.units import percentile

DEADLOCK = str(errors.DeadlockDetected.sqlstate)
SERIALIZATION_FAILURE = str(errors.SerializationFailure.sqlstate)


@dataclass(frozen=True, slots=True)
class StressResult:
    """One target under one number of workers, on a database of its own.

    committed: calls whose transaction was committed. deadlocks, serialization_failures, refused: those that the server
    did not let through, `refused` for any other reason that concurrency brings. p50_ms, p99_ms: of a committed call,
    with the refused ones before it. fairness: Jain's index over workers. broken: what the invariant complains about.
    """

    server: str
    target: str
    level: Level
    workers: int
    committed: int
    deadlocks: int
    serialization_failures: int
    refused: int
    seconds: float
    per_s: float
    p50_ms: float
    p99_ms: float
    fairness: float
    broken: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Load:
    """seconds: that a round may take. attempts: of each worker (None: as many as there is time for)."""

    workers: Sequence[int]
    seconds: float = 1.0
    attempts: int | None = None

    def check(self) -> None:
        """Raise UsageError saying what cannot be."""
        check_workers(self.workers)
        if self.seconds <= 0:
            raise UsageError(f"seconds: {self.seconds:g} leaves no time; name a number above 0")


def fairness(wins: Sequence[int]) -> float:
    """Return Jain's index of wins per worker: 1 when all won alike, 1/n when one took everything, NaN for no wins.

    Jain, Chiu, Hawe: A quantitative measure of fairness (DEC TR-301, 1984).

    >>> fairness([5, 5]), fairness([10, 0])
    (1.0, 0.5)
    """
    squares = sum(won * won for won in wins)
    return sum(wins) ** 2 / (len(wins) * squares) if squares else math.nan


def refusals(tallies: Iterable[Tally]) -> dict[str, int]:
    """Return SQLSTATE → attempts of all workers that were refused with it."""
    counts: dict[str, int] = {}
    for tally in tallies:
        for sqlstate, count in tally.refused.items():
            counts[sqlstate] = counts.get(sqlstate, 0) + count
    return counts


def stress(
    server: Server,
    target: str,
    *,
    setup: Script,
    judge: Judge,
    load: Load,
    level: Level = "rc",
    progress: Callable[[str], None] | None = None,
) -> list[StressResult]:
    """Call MODULE:FUNCTION from each number of workers at once, and judge the rows after each round.

    Every round has a database of its own, built by `setup`. Raises UsageError for a target or a load that cannot be,
    SubjectFailed when the function raises, or when no call of a round was committed.
    """
    load.check()
    function_job(target, level)  # what is wrong with it is said here, not in a process
    check_room(server, max(load.workers))
    results = []
    with open_worker_pool(max(load.workers)) as pool:
        for workers in load.workers:
            if progress:
                progress(f"{target}, {workers} workers")
            task = Task(
                name=target,
                conninfo="",
                factory="inboxbench.race.stress.worker:function_job",
                arguments={"target": target, "level": level},
                sessions=list(range(workers)),
                seconds=load.seconds,
                attempts=load.attempts,
            )
            tallies, broken = _round(server, pool, task, setup=setup, judge=judge)
            results.append(_result(tallies, broken, server=server.label, target=target, level=level))
    return results


def _round(
    server: Server, pool: WorkerPool, task: Task, *, setup: Script, judge: Judge
) -> tuple[Sequence[Tally], tuple[str, ...]]:
    """Run `task` in a database of its own; return what the workers counted and what `judge` complains about."""
    with scratch_database(server, "stress") as name:
        conninfo = server.conninfo(name)
        with closing(connect(conninfo)) as control:
            setup.run(control)
            tallies = pool.run(replace(task, conninfo=conninfo))
            return tallies, tuple(judge(control, ()))


def _result(
    tallies: Sequence[Tally], broken: tuple[str, ...], *, server: str, target: str, level: Level
) -> StressResult:
    wins = [win for tally in tallies for win in tally.wins]
    counts = refusals(tallies)
    refused = sum(counts.values())
    if not wins:
        raise SubjectFailed(
            f"{target}: no call of {len(tallies)} workers was committed and {refused} were refused, so this proves "
            "nothing; raise --seconds, or correct the function"
        )
    latencies = [latency * 1000 for _, latency, _ in wins]
    elapsed = max(at for *_, at in wins)
    return StressResult(
        server=server,
        target=target,
        level=level,
        workers=len(tallies),
        committed=len(wins),
        deadlocks=counts.get(DEADLOCK, 0),
        serialization_failures=counts.get(SERIALIZATION_FAILURE, 0),
        refused=refused - counts.get(DEADLOCK, 0) - counts.get(SERIALIZATION_FAILURE, 0),
        seconds=round(elapsed, 4),
        per_s=round(len(wins) / elapsed, 1),
        p50_ms=round(percentile(latencies, 0.5), 3),
        p99_ms=round(percentile(latencies, 0.99), 3),
        fairness=round(fairness([len(tally.wins) for tally in tallies]), 4),
        broken=broken,
    )


def require_kept(results: Iterable[StressResult]) -> None:
    """Raise SubjectFailed when the invariant did not hold after a round."""
    for result in results:
        if result.broken:
            raise SubjectFailed(
                f"{result.target}: the invariant does not hold after {result.committed} calls by {result.workers} "
                f"workers: {result.broken[0]}"
            )
