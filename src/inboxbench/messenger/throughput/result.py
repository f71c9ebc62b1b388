"""What many workers did with a strategy, and the judgement of it by the history that the rows themselves keep."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from inboxbench import units
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


_WIDTH = 50  # columns of the longest bar
_FIGURES = ("per s", "× naive", "assigned", "twice", "retries", "refused", "p50 ms", "p99 ms", "fair")


def _figure(value: float | None, digits: int = 0) -> str:
    return "–" if value is None or value != value else f"{value:,.{digits}f}"  # noqa: PLR0124  (NaN differs from itself)


def _row(result: RaceResult) -> list[str]:
    return [
        str(result.workers),
        result.strategy,
        _figure(result.per_s),
        _figure(result.times_naive, 1),
        f"{result.assigned:,}",
        f"[red]✗ {result.doubles:,}[/]" if result.doubles else "[green]0[/]",
        f"{result.retries:,}",
        f"{result.deadlocks + result.serialization_failures:,}",
        _figure(result.p50_ms, 1),
        _figure(result.p99_ms, 1),
        _figure(result.fairness, 2),
    ]


def _title(result: RaceResult) -> str:
    driver = "" if result.driver == "python" else f", driven by {result.driver}"
    return f"Taking the next conversation on {result.server}, {result.think_ms:g} ms of application time inside{driver}"


def race_tables(results: Sequence[RaceResult]) -> list[Table]:
    """Return a table per driver and application time, with a section per number of workers."""
    groups: dict[str, list[RaceResult]] = {}
    for result in results:
        groups.setdefault(_title(result), []).append(result)
    return [_table(title, group) for title, group in groups.items()]


def _table(title: str, results: Sequence[RaceResult]) -> Table:
    table = Table(title=title)
    table.add_column("workers", justify="right")
    table.add_column("strategy", no_wrap=True)
    for heading in _FIGURES:
        table.add_column(heading, justify="right")
    for before, result in zip([None, *results], results, strict=False):
        if before is not None and before.workers != result.workers:
            table.add_section()
        table.add_row(*_row(result))
    return table


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
            console.print(table)
        self._show_legend(console)

    def show_with_chart(self, console: Console) -> None:
        """Print the same with a chart between."""
        for table in race_tables(self.results):
            console.print(table)
        console.print("[bold]Safety against cost[/]: distinct conversations assigned a second; ░ is not safe")
        for line in chart(self.results):
            console.print(line, highlight=False)
        console.print()
        self._show_legend(console)
        if any(result.driver == "pgbench" for result in self.results):
            console.print("Under pgbench p50 and p99 are of a transaction, won or lost; under python of a won claim.")

    def _show_legend(self, console: Console) -> None:
        console.print(
            "per s: distinct conversations; × naive: as a multiple of the naive strategy's under the same load.  "
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
