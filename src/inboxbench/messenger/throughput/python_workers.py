"""Every strategy under many workers at once: what it gives away twice, and what it costs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from psycopg import IsolationLevel

from inboxbench.database import Connection
from inboxbench.errors import SubjectFailed
from inboxbench.messenger.races.assignment_database import IDLE_INBOX_ID, Lab, open_lab, put_back
from inboxbench.messenger.throughput.result import (
    Conditions,
    RaceResult,
    Verdict,
    check,
    check_load,
    race_all,
    race_result,
)
from inboxbench.project import Project, find_project
from inboxbench.race.strategy import Attempt, Strategy, StrategyLoad, find_strategies
from inboxbench.race.stress.run import DEADLOCK, SERIALIZATION_FAILURE, refusals
from inboxbench.race.stress.worker import Tally, Task
from inboxbench.race.stress.worker_pool import WorkerPool, open_worker_pool
from inboxbench.server import Server

_ROUNDS_TO_SEE_A_DOUBLE = 5

Progress = Callable[[str], None]


_FREE = "SELECT EXISTS (SELECT FROM conversations WHERE inbox_id = %s AND status = 'open' AND assignee_id IS NULL)"


@dataclass(frozen=True, slots=True)
class ClaimJob:
    """A worker's attempts to take a conversation of an inbox. think_s: a pause between choosing it and writing."""

    strategy: Strategy
    inbox_id: int
    think_s: float
    refusals: tuple[str, ...] = (DEADLOCK, SERIALIZATION_FAILURE)

    @property
    def isolation(self) -> IsolationLevel:
        return self.strategy.isolation

    def warm_up(self, connection: Connection, session: int) -> None:
        """Try to take a conversation of an inbox that stays empty."""
        self.strategy.attempt(connection, session, {"inbox": IDLE_INBOX_ID})
        self._any_free(connection, IDLE_INBOX_ID)

    def attempt(self, connection: Connection, session: int) -> Attempt:
        return self.strategy.attempt(connection, session, {"inbox": self.inbox_id}, self._think)

    def exhausted(self, connection: Connection) -> bool:
        return not self._any_free(connection, self.inbox_id)

    def _think(self) -> None:
        if self.think_s:
            time.sleep(self.think_s)

    @staticmethod
    def _any_free(connection: Connection, inbox_id: int) -> bool:
        row = connection.execute(_FREE, (inbox_id,)).fetchone()
        return row is not None and bool(row[0])


def claim_job(project: str, strategy: str, inbox_id: int, think_s: float) -> ClaimJob:
    """Return the job of a strategy, in a worker process. project: its folder."""
    (found,) = find_strategies(Project(Path(project)), [strategy])
    return ClaimJob(found, inbox_id, think_s)


@dataclass(frozen=True, slots=True)
class _Queue:
    """Holds where rounds are run: one inbox, put back before each of them."""

    lab: Lab
    pool: WorkerPool
    project: Project
    inbox_id: int


def _checked(tallies: Sequence[Tally], queue: _Queue, strategy: Strategy) -> Verdict:
    wins = ((row, tally.session) for tally in tallies for row, *_ in tally.wins if row is not None)
    verdict = check(wins, queue.lab.histories(queue.inbox_id))
    if verdict.unwritten or verdict.unreported:
        raise SubjectFailed(
            f"strategy {strategy.name!r}: workers and rows disagree: {verdict.unwritten} reported wins that no row "
            f"remembers, {verdict.unreported} assignments that no worker reported; the strategy must assign what it "
            "returns, in the transaction it was given"
        )
    return verdict


def _run_round(strategy: Strategy, conditions: Conditions, queue: _Queue, rounds: int) -> RaceResult:
    put_back(queue.lab.connection)
    queue.lab.connection.execute("VACUUM (ANALYZE) conversations")
    task = Task(
        name=f"strategy {strategy.name!r}",
        conninfo=queue.lab.conninfo,
        factory="inboxbench.messenger.throughput.python_workers:claim_job",
        arguments={
            "project": str(queue.project.root),
            "strategy": strategy.name,
            "inbox_id": queue.inbox_id,
            "think_s": conditions.think_ms / 1000,
        },
        sessions=list(range(1, conditions.workers + 1)),
        seconds=conditions.seconds,
    )
    tallies = queue.pool.run(task)
    wins, refused = [win for tally in tallies for win in tally.wins], refusals(tallies)
    return race_result(
        strategy,
        conditions,
        _checked(tallies, queue, strategy),
        server=queue.lab.server.label,
        driver="python",
        seconds=max((at for *_, at in wins), default=math.nan),
        latencies_ms=[waited * 1000 for _, waited, _ in wins],
        by_worker=[len(tally.wins) for tally in tallies],
        retries=sum(refused.values()) + sum(tally.lost + tally.empty for tally in tallies),
        deadlocks=refused.get(DEADLOCK, 0),
        serialization_failures=refused.get(SERIALIZATION_FAILURE, 0),
        rounds=rounds,
    )


def _race(queue: _Queue, strategy: Strategy, conditions: Conditions) -> RaceResult:
    """Run one round; an unsafe strategy gets more, until it is caught. Raises SubjectFailed when it never is.

    A worker alone races with nobody: nothing can be caught, and its round is the base that others compare with.
    """
    if strategy.safe or conditions.workers == 1:
        return _run_round(strategy, conditions, queue, 1)
    for rounds in range(1, _ROUNDS_TO_SEE_A_DOUBLE + 1):
        result = _run_round(strategy, conditions, queue, rounds)
        if result.doubles:
            return result
    raise SubjectFailed(
        f"strategy {strategy.name!r} is unsafe and yet gave nothing away twice in {_ROUNDS_TO_SEE_A_DOUBLE} rounds "
        f"of {conditions.workers} workers: this load proves nothing; raise --workers, --conversations or --think-ms"
    )


def run_races(
    server: Server,
    *,
    strategies: Iterable[str] = (),
    workers: Sequence[int] = (16, 64),
    conversations: int = 4000,
    think_ms: float | Sequence[float] = 2.0,
    seconds: float = 1.0,
    project: Project | None = None,
    progress: Progress | None = None,
) -> list[RaceResult]:
    """Run the named strategies (all for none) under every number of workers and think time, in a scratch database.

    `progress` gets a line before each round. Raises UsageError for bad conditions or an unknown strategy,
    SubjectFailed when a strategy fails, or when an unsafe one cannot be caught.
    """
    thinks = [think_ms] if isinstance(think_ms, int | float) else think_ms
    project, load = project or find_project(), StrategyLoad(workers, conversations, thinks, seconds)
    chosen, most = find_strategies(project, tuple(strategies)), max(workers, default=0)
    check_load(load, server)
    with open_lab(server, project, most) as lab, open_worker_pool(most) as pool:
        queue = _Queue(lab, pool, project, lab.open_inbox(most, conversations))
        return race_all(chosen, load, partial(_race, queue), progress)
