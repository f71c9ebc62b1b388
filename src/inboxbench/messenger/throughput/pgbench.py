"""Strategies under pgbench: distinct assignments a second, and every row's history checked after each run.

pgbench is PostgreSQL's own load generator: there is no interpreter between the client and the server. Refused
transactions are tried again until they are through.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, product
from pathlib import Path

from inboxbench.errors import SubjectFailed
from inboxbench.messenger.races.assignment_database import Lab, open_lab, put_back
from inboxbench.messenger.throughput.result import (
    Conditions,
    Histories,
    RaceResult,
    against_naive,
    check,
    check_conditions,
)
from inboxbench.project import Project, find_project
from inboxbench.race.strategy import PGBENCH_FLAGS, Strategy, find_strategies
from inboxbench.race.stress.run import fairness
from inboxbench.race.stress.worker_pool import check_room
from inboxbench.server import Server
from inboxbench.server import pgbench as server_pgbench
from inboxbench.server.pgbench import Load, Report, run_scripts
from inboxbench.units import percentile

# A queue that ends before the time is up is put back four times as long.
_GROWTH = 4
_LONGEST = 1_000_000
# pgbench's time begins before its clients are connected, and each begins with nothing cached: a run in which they got
# to fewer attempts each says more of that than of the strategy, and is made again for twice as long.
_LEAST_EACH = 5
_LONGEST_S = 16

_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


def find_pgbench(server: Server) -> Path:
    """Return pgbench. Raises ServerError saying what to install, or how to race without it."""
    return server_pgbench.find_pgbench(server, otherwise=", or race with --driver python")


def run_pgbench(program: Path, conninfo: str, script: str, load: Load) -> Report:
    """Run `script` once. Raises SubjectFailed with pgbench's own words when a client fails."""
    return run_scripts(program, conninfo, [script], load, PGBENCH_FLAGS)


@dataclass(slots=True)
class Queue:
    """Where runs are made: one inbox, put back before each of them."""

    lab: Lab
    program: Path
    agents: int
    inbox_id: int
    conversations: int

    def lengthen(self, conversations: int) -> None:
        """Open a new inbox in place of the old one."""
        self.inbox_id = self.lab.open_inbox(self.agents, conversations)
        self.conversations = conversations

    def run(self, strategy: Strategy, think_ms: float, load: Load) -> tuple[Report, Histories]:
        """Run once on a queue in which nothing is taken."""
        put_back(self.lab.connection)
        self.lab.connection.execute("VACUUM (ANALYZE) conversations")
        report = run_pgbench(self.program, self.lab.conninfo, strategy.pgbench_script(think_ms), self._at_inbox(load))
        return report, self.lab.histories(self.inbox_id)

    def _at_inbox(self, load: Load) -> Load:
        return Load(load.clients, load.seconds, load.each, {"inbox": self.inbox_id})

    def deadlocks(self) -> int:
        """Return how many there were so far, by the server's count."""
        row = self.lab.connection.execute(_DEADLOCKS).fetchone()
        return int(row[0]) if row else 0


def _by_agent(histories: Histories, agents: int) -> list[int]:
    """Return the claims of each of the agents 1 … `agents`."""
    counted = Counter(agent for agent in chain.from_iterable(histories.values()) if agent is not None)
    return [counted[agent] for agent in range(1, agents + 1)]


def _result(
    strategy: Strategy, conditions: Conditions, report: Report, histories: Histories, *, server: str, deadlocks: int
) -> RaceResult:
    verdict = check((), histories)
    return RaceResult(
        server=server,
        strategy=strategy.name,
        workers=conditions.workers,
        conversations=conditions.conversations,
        think_ms=conditions.think_ms,
        assigned=verdict.assigned,
        claims=verdict.claims,
        doubles=verdict.doubles,
        retries=report.retries + report.transactions - verdict.claims,
        deadlocks=deadlocks,
        serialization_failures=max(report.retries - deadlocks, 0),
        seconds=round(report.seconds, 4),
        per_s=round(verdict.assigned / report.seconds, 1) if report.seconds else 0.0,
        p50_ms=round(percentile(report.latencies_ms, 0.5), 3),
        p99_ms=round(percentile(report.latencies_ms, 0.99), 3),
        fairness=round(fairness(_by_agent(histories, conditions.workers)), 4),
        rounds=1,
        safe=strategy.safe,
        driver="pgbench",
    )


def _race(strategy: Strategy, workers: int, think_ms: float, seconds: int, queue: Queue) -> RaceResult:
    """Run once; again for longer when it was too short to say anything, and on a longer queue when it emptied this one,
    because then clients only looked on."""
    before = queue.deadlocks()
    report, histories = queue.run(strategy, think_ms, Load(workers, seconds))
    if report.transactions + report.retries < _LEAST_EACH * workers and seconds < _LONGEST_S:
        return _race(strategy, workers, think_ms, seconds * 2, queue)
    conditions = Conditions(workers, queue.conversations, think_ms, seconds)
    result = _result(
        strategy, conditions, report, histories, server=queue.lab.server.label, deadlocks=queue.deadlocks() - before
    )
    if result.claims > report.transactions:
        raise SubjectFailed(
            f"strategy {strategy.name!r}: rows remember {result.claims} claims of {report.transactions} transactions; "
            "something else writes to the lab's database"
        )
    if result.assigned < queue.conversations or queue.conversations >= _LONGEST:
        return result
    queue.lengthen(min(queue.conversations * _GROWTH, _LONGEST))
    return _race(strategy, workers, think_ms, seconds, queue)


def run_bench(
    server: Server,
    *,
    strategies: Iterable[str] = (),
    workers: Sequence[int] = (1, 4, 16, 64),
    conversations: int = 10_000,
    thinks_ms: Sequence[float] = (2.0,),
    seconds: int = 2,
    project: Project | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[RaceResult]:
    """Run the named strategies (all for none) under every load, driven by pgbench, in a scratch database.

    `progress` gets a line before each run. Raises UsageError for bad conditions or an unknown strategy, ServerError
    where there is no pgbench, SubjectFailed when a strategy fails.
    """
    project = project or find_project()
    chosen = find_strategies(project, tuple(strategies))
    check_conditions(workers, conversations, thinks_ms, seconds)
    program = find_pgbench(server)
    most = max(workers)
    check_room(server, most)
    results = []
    with open_lab(server, project, most) as lab:
        queue = Queue(lab, program, most, lab.open_inbox(most, conversations), conversations)
        for think_ms, count, strategy in product(thinks_ms, workers, chosen):
            if progress:
                progress(f"{strategy.title}, {count} clients of pgbench, {think_ms:g} ms")
            results.append(_race(strategy, count, think_ms, seconds, queue))
    return against_naive(results)
