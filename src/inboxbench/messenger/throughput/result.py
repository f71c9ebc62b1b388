"""What a crowd of workers did with a strategy, whoever drove the workers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from inboxbench.errors import ThresholdExceeded

Driver = Literal["python", "pgbench"]


@dataclass(frozen=True, slots=True)
class Conditions:
    """think_ms: application time inside the transaction; seconds: a round ends then, or when nothing is left."""

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
    """The same with `times_naive`, where the naive strategy ran under the same load and assigned anything."""
    naive = {result.load: result.per_s for result in results if result.strategy == "naive" and result.per_s}
    return [
        replace(result, times_naive=round(result.per_s / naive[result.load], 2)) if result.load in naive else result
        for result in results
    ]


def require_safe(results: Iterable[RaceResult]) -> None:
    """Raises ThresholdExceeded when a strategy that is meant to be safe gave a conversation away twice."""
    broken = [result for result in results if result.safe and result.doubles]
    if broken:
        worst = max(broken, key=lambda result: result.doubles)
        raise ThresholdExceeded(
            f"strategy {worst.strategy!r} is meant to be safe and assigned {worst.doubles} conversations that were "
            f"held already ({worst.workers} workers, {worst.server}); do not use it"
        )
