"""The strategies of bench/strategies on a messenger of the lab's own: how they are set up, judged and stressed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from psycopg import IsolationLevel

from inboxbench.invariants import Invariant
from inboxbench.messenger.races.assignment_database import Lab, open_lab, put_back
from inboxbench.messenger.throughput.python_workers import run_races
from inboxbench.messenger.throughput.result import RaceReport
from inboxbench.project import Project
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Judge, Oracle, Scenario
from inboxbench.race.explore.oracle import invariants_hold
from inboxbench.race.strategy import Strategy, StrategyLoad
from inboxbench.server import Server

# What the clocks of a conversation have to be, whatever the order of its messages: serial equivalence cannot see it.
CLOCKS = ("waiting_since_is_a_question", "first_reply_is_a_reply", "last_activity_not_behind")


def strategy_scenario(
    strategy: Strategy,
    lab: Lab,
    invariants: Mapping[str, Invariant],
    *,
    sessions: int = 2,
    queue: int = 1,
    level: IsolationLevel | None = None,
    oracle: Oracle | None = None,
) -> Scenario:
    """Return the scenario of `sessions` agents after `queue` conversations of an inbox of their own."""
    values = {"inbox": lab.open_inbox(sessions, queue)}

    def take(connection: GatedConnection, session: int) -> int | None:
        attempt = strategy.attempt(connection, session + 1, values)
        return attempt.id if attempt.outcome == "won" else None

    return Scenario(
        functions=(take,) * sessions,
        reset=put_back,
        oracle=oracle or TARGETS.judge(invariants),
        level=level or strategy.isolation,
    )


class MessengerTargets:
    """The messenger's `race-targets`."""

    invariant_groups: Mapping[str, Sequence[str]] = {"clocks": CLOCKS}

    def judge(self, known: Mapping[str, Invariant]) -> Judge:
        """Judge that nobody is given what somebody else holds, and that the last one to be given it has it."""
        return invariants_hold([known[name] for name in ("no_double_assignment", "last_claim_holds")])

    @contextmanager
    def open_scenario(
        self,
        server: Server,
        project: Project,
        strategy: Strategy,
        *,
        sessions: int,
        level: IsolationLevel | None,
        oracle: Oracle,
    ) -> Iterator[tuple[str, Scenario]]:
        """Yield a lab with the only conversation of an inbox, and the sessions that are after it."""
        with open_lab(server, project, sessions) as lab:
            yield lab.conninfo, strategy_scenario(strategy, lab, {}, sessions=sessions, level=level, oracle=oracle)

    def stress(
        self,
        server: Server,
        project: Project,
        strategies: Sequence[Strategy],
        load: StrategyLoad,
        progress: Callable[[str], None] | None,
    ) -> RaceReport:
        """Set workers on one inbox: as many as `load` says, each with an agent and a connection of its own."""
        results = run_races(
            server,
            strategies=[strategy.name for strategy in strategies],
            workers=load.workers,
            conversations=load.rows,
            think_ms=load.thinks_ms,
            seconds=load.seconds,
            project=project,
            progress=progress,
        )
        return RaceReport(tuple(results), {strategy.name: strategy.title for strategy in strategies})


TARGETS = MessengerTargets()
