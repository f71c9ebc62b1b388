"""What many workers did with a strategy, and the judgement of it by the history that the rows themselves keep."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from inboxbench.errors import ThresholdExceeded, UsageError
from inboxbench.race.stress.worker_pool import check_workers

Claim = tuple[int, int]  # conversation id, agent id
Histories = Mapping[int, Sequence[int | None]]  # conversation id → whom it was given to, oldest first


@dataclass(frozen=True, slots=True)
class Verdict:
    """assigned: distinct conversations; claims: committed assignments; doubles: those that took a held one.

    unwritten: wins that a worker reported and no row remembers; unreported: the reverse. Both are zero unless the
    recording itself is broken.
    """

    assigned: int
    claims: int
    doubles: int
    unwritten: int
    unreported: int


def doubles(versions: Sequence[int | None]) -> int:
    """Count the assignments in `versions` (a row's own list, oldest first) that replaced a holder with another claim.

    >>> doubles([7]), doubles([7, 9]), doubles([7, None, 9]), doubles([7, 7])
    (0, 1, 0, 1)
    """
    pairs = pairwise(versions)
    return sum(before is not None and after is not None for before, after in pairs)


def check(wins: Iterable[Claim], histories: Histories) -> Verdict:
    """Compare what workers report with what rows remember. Takes time linear in their length."""
    reported = Counter(wins)
    written = Counter((row, agent) for row, agents in histories.items() for agent in agents if agent is not None)
    return Verdict(
        assigned=sum(any(agent is not None for agent in agents) for agents in histories.values()),
        claims=written.total(),
        doubles=sum(doubles(agents) for agents in histories.values()),
        unwritten=(reported - written).total(),
        unreported=(written - reported).total(),
    )


Driver = Literal["python", "pgbench"]


@dataclass(frozen=True, slots=True)
class Conditions:
    """A load. think_ms: application time inside the transaction; seconds: a round ends then at the latest."""

    workers: int
    conversations: int
    think_ms: float
    seconds: float


@dataclass(frozen=True, slots=True)
class RaceResult:
    """One strategy under one load. per_s counts distinct conversations a second.

    doubles: assignments that replaced a holder. retries: attempts that won nothing although something was left
    (lost, refused, or everything locked). p50_ms, p99_ms: of a won claim from its first attempt; of a transaction,
    won or lost, where pgbench drove. fairness: Jain's index over workers. safe: what the strategy claims.
    times_naive: per_s as a multiple of the naive strategy's under the same load; None without one.
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
    driver: Driver = "python"
    times_naive: float | None = None

    @property
    def load(self) -> tuple[str, str, int, float]:
        """Results of one load compare with each other."""
        return self.server, self.driver, self.workers, self.think_ms

    def to_json(self) -> dict[str, Any]:
        """A row of `races` in run.json; a number that does not exist (nobody won) is null."""
        return {
            key: None if isinstance(value, float) and math.isnan(value) else value
            for key, value in asdict(self).items()
        }


def against_naive(results: Sequence[RaceResult]) -> list[RaceResult]:
    """Return the results with `times_naive`, where the naive strategy ran under the same load and assigned anything."""
    naive = {result.load: result.per_s for result in results if result.strategy == "naive" and result.per_s}
    return [
        replace(result, times_naive=round(result.per_s / naive[result.load], 2)) if result.load in naive else result
        for result in results
    ]


def require_safe(results: Iterable[RaceResult]) -> None:
    """Raise ThresholdExceeded when a strategy that is meant to be safe gave a conversation away twice."""
    broken = [result for result in results if result.safe and result.doubles]
    if broken:
        worst = max(broken, key=lambda result: result.doubles)
        raise ThresholdExceeded(
            f"strategy {worst.strategy!r} is meant to be safe and assigned {worst.doubles} conversations that were "
            f"held already ({worst.workers} workers, {worst.server}); do not use it"
        )


def check_conditions(workers: Sequence[int], conversations: int, thinks_ms: Sequence[float], seconds: float) -> None:
    """Raise UsageError saying which of the conditions cannot be."""
    check_workers(workers)
    if conversations < 1:
        raise UsageError(f"conversations: {conversations} leaves nothing to take; name 1 or more")
    if not thinks_ms or min(thinks_ms) < 0 or seconds <= 0:
        raise UsageError("think-ms must be 0 or more and seconds above 0")
