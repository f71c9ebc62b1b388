"""What many workers did with a strategy, and the judgement of it by the history that the rows themselves keep."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby, pairwise, product
from typing import Any, Literal

from rich.console import Console

from inboxbench import units
from inboxbench.errors import ThresholdExceeded, UsageError
from inboxbench.race.strategy import Strategy, StrategyLoad
from inboxbench.race.stress.run import fairness
from inboxbench.race.stress.worker_pool import check_room, check_workers
from inboxbench.report.table import Cell, Column, Row, Table, figures, print_table, words
from inboxbench.server import Server
from inboxbench.units import percentile

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
        """Return a row of `races` in run.json; a number that does not exist (nobody won) is null."""
        return {
            key: None if isinstance(value, float) and math.isnan(value) else value
            for key, value in asdict(self).items()
        }


def race_result(
    strategy: Strategy,
    conditions: Conditions,
    verdict: Verdict,
    *,
    server: str,
    driver: Driver,
    seconds: float,
    latencies_ms: Sequence[float],
    by_worker: Sequence[int],
    retries: int,
    deadlocks: int,
    serialization_failures: int,
    rounds: int = 1,
) -> RaceResult:
    """Return what one round showed. seconds: that it took, NaN when nobody won; by_worker: claims of each worker."""
    return RaceResult(
        server=server,
        strategy=strategy.name,
        workers=conditions.workers,
        conversations=conditions.conversations,
        think_ms=conditions.think_ms,
        assigned=verdict.assigned,
        claims=verdict.claims,
        doubles=verdict.doubles,
        retries=retries,
        deadlocks=deadlocks,
        serialization_failures=serialization_failures,
        seconds=round(seconds, 4),
        per_s=round(verdict.assigned / seconds, 1) if seconds > 0 else 0.0,
        p50_ms=round(percentile(latencies_ms, 0.5), 3),
        p99_ms=round(percentile(latencies_ms, 0.99), 3),
        fairness=round(fairness(by_worker), 4),
        rounds=rounds,
        safe=strategy.safe,
        driver=driver,
    )


def race_all(
    strategies: Sequence[Strategy],
    load: StrategyLoad,
    race: Callable[[Strategy, Conditions], RaceResult],
    progress: Callable[[str], None] | None,
) -> list[RaceResult]:
    """Race every strategy under every number of workers and think time; `progress` gets a line before each."""
    results = []
    for think, count, strategy in product(load.thinks_ms, load.workers, strategies):
        if progress:
            progress(f"{strategy.title}, {count} workers, {think:g} ms")
        results.append(race(strategy, Conditions(count, load.rows, think, load.seconds)))
    return against_naive(results)


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


def check_load(load: StrategyLoad, server: Server) -> None:
    """Raise UsageError saying what of a load cannot be, or cannot be on this server."""
    check_workers(load.workers)
    if load.rows < 1:
        raise UsageError(f"conversations: {load.rows} leaves nothing to take; name 1 or more")
    if not load.thinks_ms or min(load.thinks_ms) < 0 or load.seconds <= 0:
        raise UsageError("think-ms must be 0 or more and seconds above 0")
    check_room(server, max(load.workers))


_WIDTH = 50  # columns of the longest bar


def _row(result: RaceResult) -> Row:
    refused = result.deadlocks + result.serialization_failures
    twice = Cell(f"✗ {result.doubles:,}", "bad") if result.doubles else Cell("0", "good")
    figures_of = (result.per_s, result.times_naive, result.assigned, twice, result.retries, refused)
    times = (result.p50_ms, result.p99_ms, result.fairness)
    crowd = f"{result.workers} workers" if result.workers > 1 else "one worker"
    return Row([result.strategy, result.workers, *figures_of, *times], group=crowd)


def _title(result: RaceResult) -> str:
    driver = "" if result.driver == "python" else f", driven by {result.driver}"
    return f"Taking the next conversation on {result.server}, {result.think_ms:g} ms of application time inside{driver}"


def race_tables(results: Sequence[RaceResult]) -> list[Table]:
    """Return a table per driver and application time, with a group per number of workers."""
    columns = [
        *words("strategy"),
        Column("workers"),
        Column("conversations", units.rate),
        Column("× naive", units.times),
    ]
    columns += figures(units.number, "assigned", "twice", "retries", "refused")
    columns += [*figures(units.millis, "p50", "p99"), Column("fair")]
    return [
        Table(title, columns, [_row(result) for result in group])
        for title, group in groupby(sorted(results, key=_title), key=_title)
    ]


def _bar(result: RaceResult, most: float) -> str:
    """Draw full blocks only for what is safe, so that the chart can be read without its colours."""
    length = max(round(result.per_s / most * _WIDTH), 1) if most else 0
    if result.safe and not result.doubles:
        return f"[green]{'█' * length}[/] {units.rate(result.per_s)}"
    caught = f"✗ {result.doubles:,} of {result.claims:,} claims took what somebody held" if result.doubles else ""
    return f"[red]{'░' * length}[/] {units.rate(result.per_s)}  [red]{caught}[/]"


def chart(results: Sequence[RaceResult]) -> Iterator[str]:
    """Yield lines that show safety against cost, a block for each load; all bars on one scale."""
    most = max(result.per_s for result in results)
    wide = max(len(result.strategy) for result in results)
    for before, result in zip([None, *results], results, strict=False):
        if before is None or before.load != result.load:
            yield ""
            crowd = f"{result.workers} workers" if result.workers > 1 else "one worker"
            yield f"[bold]{crowd}[/], {result.think_ms:g} ms inside, {result.driver}"
        yield f"  {result.strategy:<{wide}} {_bar(result, most)}"


@dataclass(frozen=True, slots=True)
class RaceReport:
    """Results to be shown and judged. titles: of the strategies, by name."""

    results: tuple[RaceResult, ...]
    titles: Mapping[str, str]

    def to_json(self) -> list[dict[str, Any]]:
        return [result.to_json() for result in self.results]

    def require(self) -> None:
        """Raise ThresholdExceeded when a strategy that is meant to be safe was not."""
        require_safe(self.results)

    def show(self, console: Console) -> None:
        """Print the tables, what their columns mean, and the strategy to choose."""
        for table in race_tables(self.results):
            print_table(table, console)
        self._show_legend(console)

    def show_with_chart(self, console: Console) -> None:
        """Print the same with a chart between."""
        for table in race_tables(self.results):
            print_table(table, console)
        console.print("[bold]Safety against cost[/]: distinct conversations assigned a second; ░ is not safe")
        for line in chart(self.results):
            console.print(line, highlight=False)
        console.print()
        self._show_legend(console)
        if any(result.driver == "pgbench" for result in self.results):
            console.print("Under pgbench p50 and p99 are of a transaction, won or lost; under python of a won claim.")

    def _show_legend(self, console: Console) -> None:
        console.print(
            "conversations: distinct ones; × naive: as a multiple of the naive strategy's under the same load.  "
            "twice: assigned to a second agent while a first one held it, by the rows' own history.  "
            "refused: by the server, for a deadlock or error 40001; these are retries too.  "
            "fair: 1 = every worker got as many (Jain's index)."
        )
        safe = (result for result in self.results if result.safe)
        best = max(safe, key=lambda result: result.per_s, default=None)
        if best is not None:
            console.print(
                f"Fastest safe strategy: [bold]{self.titles[best.strategy]}[/], {best.per_s:,.0f} a second with "
                f"{best.workers} workers."
            )
