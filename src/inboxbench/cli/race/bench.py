"""`inboxbench race bench`: what safety costs, driven by pgbench."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from inboxbench import units
from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import results_console
from inboxbench.cli.progress import progress_console
from inboxbench.cli.race.format import format_option
from inboxbench.cli.race.table import parse_thinks, parse_workers, print_legend, race_tables
from inboxbench.errors import UsageError
from inboxbench.messenger.throughput.pgbench import run_bench
from inboxbench.messenger.throughput.script import write_scripts
from inboxbench.project import Project
from inboxbench.race import STRATEGIES, RaceResult, Strategy, find_strategy, require_safe, run_races
from inboxbench.server import Server

_WIDTH = 50  # columns of the longest bar


@dataclass(frozen=True, slots=True)
class _Load:
    """What both drivers do."""

    server: Server
    strategies: Sequence[str]
    workers: Sequence[int]
    conversations: int
    thinks_ms: Sequence[float]
    seconds: int

    def under_pgbench(self, project: Project, progress: Callable[[str], None]) -> list[RaceResult]:
        return run_bench(
            self.server,
            strategies=self.strategies,
            workers=self.workers,
            conversations=self.conversations,
            thinks_ms=self.thinks_ms,
            seconds=self.seconds,
            project=project,
            progress=progress,
        )

    def under_python(self, project: Project, progress: Callable[[str], None]) -> list[RaceResult]:
        return run_races(
            self.server,
            strategies=self.strategies,
            workers=self.workers,
            conversations=self.conversations,
            think_ms=self.thinks_ms,
            seconds=self.seconds,
            project=project,
            progress=progress,
        )


def _write(folder: Path, thinks_ms: Sequence[float], strategies: Sequence[Strategy]) -> None:
    if len(thinks_ms) != 1:
        raise UsageError("--scripts: a script holds one application time; name one with --think-ms, such as 2")
    for path in write_scripts(folder, strategies, thinks_ms[0]):
        click.echo(path)


def _bar(result: RaceResult, most: float) -> str:
    """Full blocks only for what is safe, so that the chart can be read without its colours."""
    length = max(round(result.per_s / most * _WIDTH), 1) if most else 0
    if result.safe and not result.doubles:
        return f"[green]{'█' * length}[/] {units.rate(result.per_s)}"
    caught = f"✗ {result.doubles:,} of {result.claims:,} claims took what somebody held" if result.doubles else ""
    return f"[red]{'░' * length}[/] {units.rate(result.per_s)}  [red]{caught}[/]"


def chart(results: Sequence[RaceResult]) -> Iterator[str]:
    """Safety against cost, a block of lines for each load; all bars on one scale."""
    most = max(result.per_s for result in results)
    wide = max(len(result.strategy) for result in results)
    for before, result in zip([None, *results], results, strict=False):
        if before is None or before.load != result.load:
            yield ""
            crowd = f"{result.workers} workers" if result.workers > 1 else "one worker"
            yield f"[bold]{crowd}[/], {result.think_ms:g} ms inside, {result.driver}"
        yield f"  {result.strategy:<{wide}} {_bar(result, most)}"


def _print(results: Sequence[RaceResult]) -> None:
    console = results_console()
    for table in race_tables(results):
        console.print(table)
    console.print("[bold]Safety against cost[/]: distinct conversations assigned a second; ░ is not safe")
    for line in chart(results):
        console.print(line, highlight=False)
    console.print()
    print_legend(results)
    if any(result.driver == "pgbench" for result in results):
        console.print("Under pgbench p50 and p99 are of a transaction, won or lost; under python of a won claim.")


@click.command()
@click.option("--strategy", "names", multiple=True, help="one of `race strategies`; repeat for more (default: all)")
@click.option("--workers", default="1,4,16,64", show_default=True, help="numbers of concurrent clients")
@click.option("--conversations", default=10_000, show_default=True, help="length of the queue; one too short is grown")
@click.option("--think-ms", default="2", show_default=True, help="application times inside the transaction: 0,2")
@click.option("--seconds", default=2, show_default=True, help="whole seconds of each run")
@click.option(
    "--driver",
    type=click.Choice(["pgbench", "python", "both"]),
    default="pgbench",
    show_default=True,
    help="who claims",
)
@click.option("--scripts", type=click.Path(path_type=Path), help="write the pgbench scripts here, and run nothing")
@format_option
@pass_session
def bench(
    session: Session,
    *,
    names: tuple[str, ...],
    workers: str,
    conversations: int,
    think_ms: str,
    seconds: int,
    driver: str,
    scripts: Path | None,
    form: str,
) -> None:
    """Race strategies at 1 to 64 clients of pgbench: assignments a second against double assignments.

    The scripts hold the messenger's own statements; the history in the rows is checked after each run. Exit code 1
    when a strategy that is meant to be safe assigned anything twice, 3 when a strategy fails.
    """
    chosen = [find_strategy(name) for name in names or STRATEGIES]
    counts, thinks = parse_workers(workers), parse_thinks(think_ms)
    if scripts:
        _write(scripts, thinks, chosen)
        return
    results: list[RaceResult] = []
    with session.server() as server, progress_console.status("preparing") as status:
        load = _Load(server, [strategy.name for strategy in chosen], counts, conversations, thinks, seconds)
        if driver != "python":
            results += load.under_pgbench(session.project, status.update)
        if driver != "pgbench":
            results += load.under_python(session.project, status.update)
    if form == "json":
        click.echo(json.dumps([result.to_json() for result in results], indent=2))
    else:
        _print(results)
    require_safe(results)
