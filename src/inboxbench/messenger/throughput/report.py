"""Results of races as tables, as a chart of safety against cost, and as a threshold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from inboxbench import units
from inboxbench.messenger.throughput.result import RaceResult, require_safe

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
