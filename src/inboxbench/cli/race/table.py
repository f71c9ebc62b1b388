"""Results of races as a table, and the options that choose a load."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table

from inboxbench.cli.output import results_console
from inboxbench.errors import UsageError
from inboxbench.race import STRATEGIES, RaceResult

_FIGURES = ("per s", "× naive", "assigned", "twice", "retries", "refused", "p50 ms", "p99 ms", "fair")


def parse_workers(text: str) -> list[int]:
    """Raises UsageError."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--workers {text!r}: expected whole numbers with commas between, such as 16,64") from None


def parse_thinks(text: str) -> list[float]:
    """Raises UsageError."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--think-ms {text!r}: expected milliseconds with commas between, such as 0,2") from None


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


def race_tables(results: Sequence[RaceResult]) -> Iterable[Table]:
    """A table per driver and application time, a section per number of workers."""
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


def print_legend(results: Sequence[RaceResult]) -> None:
    """What the columns mean, and the strategy to choose."""
    most = max((result for result in results if result.safe), key=lambda result: result.per_s, default=None)
    console = results_console()
    console.print(
        "per s: distinct conversations; × naive: as a multiple of the naive strategy's under the same load.  "
        "twice: assigned to a second agent while a first one held it, by the rows' own history.  "
        "refused: by the server, for a deadlock or error 40001; these are retries too.  "
        "fair: 1 = every worker got as many (Jain's index)."
    )
    if most is not None:
        title = STRATEGIES[most.strategy].title
        console.print(
            f"Fastest safe strategy: [bold]{title}[/], {most.per_s:,.0f} a second with {most.workers} workers."
        )
