"""Every strategy under many workers at once: what it gives away twice, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, product

from inboxbench.errors import SubjectFailed
from inboxbench.messenger.races.assignment_database import IDLE_INBOX_ID, Lab, open_lab, put_back
from inboxbench.messenger.races.strategies import STRATEGIES, Strategy, find_strategy
from inboxbench.messenger.throughput.claim_history import Verdict, check
from inboxbench.messenger.throughput.load import check_conditions, check_room
from inboxbench.messenger.throughput.result import Conditions, RaceResult, against_naive
from inboxbench.messenger.throughput.worker import Tally, Task
from inboxbench.messenger.throughput.worker_pool import Crowd, crowd
from inboxbench.project import Project, find_project
from inboxbench.race.percentiles import fairness, percentile
from inboxbench.server import Server

_ROUNDS_TO_SEE_A_DOUBLE = 5

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Track:
    """Where rounds are run: one queue, put back before each of them."""

    lab: Lab
    team: Crowd
    inbox_id: int


def _checked(tallies: Sequence[Tally], track: _Track, strategy: Strategy) -> Verdict:
    wins = chain.from_iterable(((row, tally.agent_id) for row, *_ in tally.wins) for tally in tallies)
    verdict = check(wins, track.lab.histories(track.inbox_id))
    if verdict.unwritten or verdict.unreported:
        raise SubjectFailed(
            f"strategy {strategy.name!r}: workers and rows disagree: {verdict.unwritten} reported wins that no row "
            f"remembers, {verdict.unreported} assignments that no worker reported; the strategy must assign what it "
            "returns, in the transaction it was given"
        )
    return verdict


def _result(
    strategy: Strategy, conditions: Conditions, tallies: Sequence[Tally], verdict: Verdict, *, server: str, rounds: int
) -> RaceResult:
    wins = [win for tally in tallies for win in tally.wins]
    latencies = [waited * 1000 for _, waited, _ in wins]
    elapsed = max((at for *_, at in wins), default=math.nan)
    refused = sum(tally.deadlocks + tally.serialization_failures for tally in tallies)
    return RaceResult(
        server=server,
        strategy=strategy.name,
        workers=conditions.workers,
        conversations=conditions.conversations,
        think_ms=conditions.think_ms,
        assigned=verdict.assigned,
        claims=verdict.claims,
        doubles=verdict.doubles,
        retries=refused + sum(tally.lost + tally.empty for tally in tallies),
        deadlocks=sum(tally.deadlocks for tally in tallies),
        serialization_failures=sum(tally.serialization_failures for tally in tallies),
        seconds=round(elapsed, 4),
        per_s=round(verdict.assigned / elapsed, 1) if wins else 0.0,
        p50_ms=round(percentile(latencies, 0.5), 3),
        p99_ms=round(percentile(latencies, 0.99), 3),
        fairness=round(fairness([len(tally.wins) for tally in tallies]), 4),
        rounds=rounds,
        safe=strategy.safe,
    )


def _play(strategy: Strategy, conditions: Conditions, track: _Track, rounds: int) -> RaceResult:
    put_back(track.lab.connection)
    track.lab.connection.execute("VACUUM (ANALYZE) conversations")
    task = Task(
        conninfo=track.lab.conninfo,
        strategy=strategy.name,
        inbox_id=track.inbox_id,
        idle_inbox_id=IDLE_INBOX_ID,
        agent_ids=list(range(1, conditions.workers + 1)),
        think_s=conditions.think_ms / 1000,
        seconds=conditions.seconds,
    )
    tallies = track.team.run(task)
    verdict = _checked(tallies, track, strategy)
    return _result(strategy, conditions, tallies, verdict, server=track.lab.server.label, rounds=rounds)


def _race(strategy: Strategy, conditions: Conditions, track: _Track) -> RaceResult:
    """One round; an unsafe strategy gets more, until it is caught. Raises SubjectFailed when it never is.

    A worker alone races with nobody: nothing can be caught, and its round is the base that others compare with.
    """
    if strategy.safe or conditions.workers == 1:
        return _play(strategy, conditions, track, 1)
    for rounds in range(1, _ROUNDS_TO_SEE_A_DOUBLE + 1):
        result = _play(strategy, conditions, track, rounds)
        if result.doubles:
            return result
    raise SubjectFailed(
        f"strategy {strategy.name!r} is unsafe and yet gave nothing away twice in {_ROUNDS_TO_SEE_A_DOUBLE} rounds "
        f"of {conditions.workers} workers: this load proves nothing; raise --workers, --conversations or --think-ms"
    )


def run_races(
    server: Server,
    *,
    strategies: Iterable[str] = tuple(STRATEGIES),
    workers: Sequence[int] = (16, 64),
    conversations: int = 4000,
    think_ms: float | Sequence[float] = 2.0,
    seconds: float = 1.0,
    project: Project | None = None,
    progress: Progress | None = None,
) -> list[RaceResult]:
    """Every strategy under every number of workers and think time, in a database that is dropped at the end.

    `progress` gets a line before each round. Raises UsageError for bad conditions or an unknown strategy,
    SubjectFailed when a strategy fails, or when an unsafe one cannot be caught.
    """
    chosen = [find_strategy(name) for name in strategies]
    thinks = [think_ms] if isinstance(think_ms, int | float) else think_ms
    check_conditions(workers, conversations, thinks, seconds)
    check_room(server, max(workers))
    results = []
    with open_lab(server, project or find_project(), max(workers)) as lab, crowd(max(workers)) as team:
        track = _Track(lab, team, lab.open_inbox(max(workers), conversations))
        for think, count, strategy in product(thinks, workers, chosen):
            if progress:
                progress(f"{strategy.title}, {count} workers, {think:g} ms")
            results.append(_race(strategy, Conditions(count, conversations, think, seconds), track))
    return against_naive(results)
