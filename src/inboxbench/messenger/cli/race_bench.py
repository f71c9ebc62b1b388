"""`inboxbench race bench`: what safety costs, driven by pgbench."""

from __future__ import annotations

from pathlib import Path

import click

from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.progress import progress_console
from inboxbench.cli.race.stress import parse_thinks, parse_workers
from inboxbench.errors import UsageError
from inboxbench.messenger.throughput.pgbench import run_bench
from inboxbench.messenger.throughput.python_workers import run_races
from inboxbench.messenger.throughput.report import RaceReport
from inboxbench.messenger.throughput.result import RaceResult
from inboxbench.race.strategy import find_strategies, write_scripts


@click.command()
@click.option("--strategy", "names", multiple=True, help="race only this one of `race strategies`; repeat for more")
@click.option("--workers", default="1,4,16,64", show_default=True, help="numbers of concurrent clients")
@click.option("--conversations", default=10_000, show_default=True, help="length of the queue; one too short is grown")
@click.option("--think-ms", default="2", show_default=True, help="application times inside the transaction: 0,2")
@click.option("--seconds", default=2, show_default=True, help="whole seconds of each run")
@click.option(
    "--driver",
    type=click.Choice(["pgbench", "python", "both"]),
    default="pgbench",
    show_default=True,
    help="what the clients are: pgbench's, or workers of Python",
)
@click.option("--scripts", type=click.Path(path_type=Path), help="write the pgbench scripts here, and run nothing")
@output_options()
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
    output: Output,
) -> None:
    """Race strategies at 1 to 64 clients of pgbench: assignments a second against double assignments.

    The scripts hold the strategies' own statements; the history in the rows is checked after each run. Exit code 1
    when a strategy that is meant to be safe assigned anything twice, 3 when a strategy fails.
    """
    strategies = find_strategies(session.project, names)
    counts, thinks = parse_workers(workers), parse_thinks(think_ms)
    if scripts:
        if len(thinks) != 1:
            raise UsageError("--scripts: a script holds one application time; name one with --think-ms, such as 2")
        for path in write_scripts(scripts, strategies, thinks[0]):
            click.echo(path)
        return
    chosen = [strategy.name for strategy in strategies]
    results: list[RaceResult] = []
    with session.server() as server, progress_console.status("preparing") as status:
        if driver != "python":
            results += run_bench(
                server,
                strategies=chosen,
                workers=counts,
                conversations=conversations,
                thinks_ms=thinks,
                seconds=seconds,
                project=session.project,
                progress=status.update,
            )
        if driver != "pgbench":
            results += run_races(
                server,
                strategies=chosen,
                workers=counts,
                conversations=conversations,
                think_ms=thinks,
                seconds=seconds,
                project=session.project,
                progress=status.update,
            )
    report = RaceReport(tuple(results), {strategy.name: strategy.title for strategy in strategies})
    output.hand_over(report.to_json(), text=report.show_with_chart)
    report.require()
