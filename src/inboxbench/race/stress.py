"""Every strategy under many workers at once: what it gives away twice, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

from inboxbench.database import connect
from inboxbench.errors import SubjectFailed, ThresholdExceeded, UsageError
from inboxbench.project import Project, find_project
from inboxbench.race.crowd import Crowd, crowd
from inboxbench.race.history import Verdict, check
from inboxbench.race.lab import IDLE_INBOX_ID, Lab, open_lab, put_back
from inboxbench.race.sample import fairness, percentile
from inboxbench.race.strategies import STRATEGIES, Strategy, find_strategy
from inboxbench.race.worker import Tally, Task
from inboxbench.server import Server

MOST_WORKERS = 150
_ROUNDS_TO_SEE_A_DOUBLE = 5

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Conditions:
    """think_ms: application time inside the transaction; seconds: a round ends then, or when nothing is left."""

    workers: int
    conversations: int
    think_ms: float
    seconds: float


@dataclass(frozen=True, slots=True)
class RaceResult:
    """One strategy under one load. Times are of won claims; per_s counts distinct conversations a second.

    doubles: assignments that replaced a holder. retries: attempts that won nothing although something was left
    (lost, refused, or everything locked). fairness: Jain's index over workers. safe: what the strategy claims.
    """

    server: str
    strategy: str
    workers: int
    conversations: int
    think_ms: float
    assigned: int
    claims: int
    doubles: int
    retries: int
    deadlocks: int
    serialization_failures: int
    seconds: float
    per_s: float
    p50_ms: float
    p99_ms: float
    fairness: float
    rounds: int
    safe: bool

    def to_json(self) -> dict[str, Any]:
        """A row of `races` in run.json; a number that does not exist (nobody won) is null."""
        return {
            key: None if isinstance(value, float) and math.isnan(value) else value
            for key, value in asdict(self).items()
        }


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
    """One round; an unsafe strategy gets more, until it is caught. Raises SubjectFailed when it never is."""
    if strategy.safe:
        return _play(strategy, conditions, track, 1)
    for rounds in range(1, _ROUNDS_TO_SEE_A_DOUBLE + 1):
        result = _play(strategy, conditions, track, rounds)
        if result.doubles:
            return result
    raise SubjectFailed(
        f"strategy {strategy.name!r} is unsafe and yet gave nothing away twice in {_ROUNDS_TO_SEE_A_DOUBLE} rounds "
        f"of {conditions.workers} workers: this load proves nothing; raise --workers, --conversations or --think-ms"
    )


def _check_conditions(workers: Sequence[int], conversations: int, think_ms: float, seconds: float) -> None:
    for count in workers:
        if not 2 <= count <= MOST_WORKERS:
            raise UsageError(f"workers: {count} is outside 2 … {MOST_WORKERS}; one alone cannot race")
    if not workers:
        raise UsageError("workers: name at least one number of workers, such as 16")
    if conversations < 1:
        raise UsageError(f"conversations: {conversations} leaves nothing to take; name 1 or more")
    if think_ms < 0 or seconds <= 0:
        raise UsageError("think-ms must be 0 or more and seconds above 0")


_ROOM = """
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend')
"""


def _check_room(server: Server, workers: int) -> None:
    """Raises UsageError when the server cannot take as many connections."""
    with closing(connect(server.conninfo())) as connection:
        row = connection.execute(_ROOM).fetchone()
    assert row is not None
    room = int(row[0])
    if workers >= room:
        raise UsageError(
            f"workers: {server.label} has room for {room} more connections and {workers} workers need one each, "
            "besides the referee's; name fewer, or raise max_connections"
        )


def run_races(
    server: Server,
    *,
    strategies: Iterable[str] = tuple(STRATEGIES),
    workers: Sequence[int] = (16, 64),
    conversations: int = 4000,
    think_ms: float = 2.0,
    seconds: float = 1.0,
    project: Project | None = None,
    progress: Progress | None = None,
) -> list[RaceResult]:
    """Every strategy under every number of workers, in a database of its own that is dropped at the end.

    `progress` gets a line before each round. Raises UsageError for bad conditions or an unknown strategy,
    SubjectFailed when a strategy fails, or when an unsafe one cannot be caught.
    """
    chosen = [find_strategy(name) for name in strategies]
    _check_conditions(workers, conversations, think_ms, seconds)
    _check_room(server, max(workers))
    results = []
    with open_lab(server, project or find_project(), max(workers)) as lab, crowd(max(workers)) as team:
        track = _Track(lab, team, lab.open_inbox(max(workers), conversations))
        for count in workers:
            conditions = Conditions(count, conversations, think_ms, seconds)
            for strategy in chosen:
                if progress:
                    progress(f"{strategy.title}, {count} workers")
                results.append(_race(strategy, conditions, track))
    return results


def require_safe(results: Iterable[RaceResult]) -> None:
    """Raises ThresholdExceeded when a strategy that is meant to be safe gave a conversation away twice."""
    broken = [result for result in results if result.safe and result.doubles]
    if broken:
        worst = max(broken, key=lambda result: result.doubles)
        raise ThresholdExceeded(
            f"strategy {worst.strategy!r} is meant to be safe and assigned {worst.doubles} conversations that were "
            f"held already ({worst.workers} workers, {worst.server}); do not use it"
        )
