"""Strategies under pgbench: distinct assignments a second, and every row's history checked after each run.

pgbench is PostgreSQL's own load generator: there is no interpreter between the client and the server. Refused
transactions are tried again until they are through.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

from inboxbench.errors import SubjectFailed
from inboxbench.messenger.races.assignment_database import Lab, open_lab, put_back
from inboxbench.messenger.throughput.result import (
    Conditions,
    Histories,
    RaceResult,
    check,
    check_load,
    race_all,
    race_result,
)
from inboxbench.project import Project, find_project
from inboxbench.race.strategy import PGBENCH_FLAGS, Strategy, StrategyLoad, find_strategies
from inboxbench.server import Server
from inboxbench.server import pgbench as server_pgbench
from inboxbench.server.pgbench import Load, Report, run_scripts

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
    """Holds where runs are made: one inbox, put back before each of them."""

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


def _race(queue: Queue, strategy: Strategy, conditions: Conditions) -> RaceResult:
    """Run once; again for longer when it was too short to say anything, and on a longer queue when it emptied this one,
    because then clients only looked on."""
    before, seconds = queue.deadlocks(), round(conditions.seconds)
    report, histories = queue.run(strategy, conditions.think_ms, Load(conditions.workers, seconds))
    if report.transactions + report.retries < _LEAST_EACH * conditions.workers and seconds < _LONGEST_S:
        return _race(queue, strategy, replace(conditions, seconds=seconds * 2))
    verdict, deadlocks = check((), histories), queue.deadlocks() - before
    if verdict.claims > report.transactions:
        raise SubjectFailed(
            f"strategy {strategy.name!r}: rows remember {verdict.claims} claims of {report.transactions} transactions; "
            "something else writes to the lab's database"
        )
    if verdict.assigned == queue.conversations < _LONGEST:
        queue.lengthen(min(queue.conversations * _GROWTH, _LONGEST))
        return _race(queue, strategy, conditions)
    return race_result(
        strategy,
        replace(conditions, conversations=queue.conversations),
        verdict,
        server=queue.lab.server.label,
        driver="pgbench",
        seconds=report.seconds,
        latencies_ms=report.latencies_ms,
        by_worker=_by_agent(histories, conditions.workers),
        retries=report.retries + report.transactions - verdict.claims,
        deadlocks=deadlocks,
        serialization_failures=max(report.retries - deadlocks, 0),
    )


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
    project, load = project or find_project(), StrategyLoad(workers, conversations, thinks_ms, seconds)
    chosen, most = find_strategies(project, tuple(strategies)), max(workers, default=0)
    program = find_pgbench(server)
    check_load(load, server)
    with open_lab(server, project, most) as lab:
        queue = Queue(lab, program, most, lab.open_inbox(most, conversations), conversations)
        return race_all(chosen, load, partial(_race, queue), progress)
