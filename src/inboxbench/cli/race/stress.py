"""`inboxbench race stress`: many workers on one inbox, and what they were given twice."""

from __future__ import annotations

import json

import click

from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import results_console
from inboxbench.cli.progress import progress_console
from inboxbench.cli.race.format import format_option
from inboxbench.cli.race.table import parse_thinks, parse_workers, print_legend, race_tables
from inboxbench.race import STRATEGIES, find_strategy, require_safe, run_races


@click.command()
@click.option("--strategy", "names", multiple=True, help="one of `race strategies`; repeat for more (default: all)")
@click.option("--workers", default="16,64", show_default=True, help="numbers of concurrent workers")
@click.option("--conversations", default=4000, show_default=True, help="length of the queue in each round")
@click.option("--think-ms", default="2", show_default=True, help="application times inside the transaction: 0,2")
@click.option("--seconds", default=1.0, show_default=True, help="a round ends then, or when the queue is empty")
@format_option
@pass_session
def stress(
    session: Session,
    *,
    names: tuple[str, ...],
    workers: str,
    conversations: int,
    think_ms: str,
    seconds: float,
    form: str,
) -> None:
    """Set many workers on one inbox and count what is assigned twice.

    Exit code 1 when a strategy that is meant to be safe assigned anything twice, 3 when a strategy fails.
    """
    for name in names:
        find_strategy(name)
    counts, thinks = parse_workers(workers), parse_thinks(think_ms)
    with session.server() as server, progress_console.status("preparing") as status:
        results = run_races(
            server,
            strategies=names or tuple(STRATEGIES),
            workers=counts,
            conversations=conversations,
            think_ms=thinks,
            seconds=seconds,
            project=session.project,
            progress=status.update,
        )
    if form == "json":
        click.echo(json.dumps([result.to_json() for result in results], indent=2))
    else:
        for table in race_tables(results):
            results_console().print(table)
        print_legend(results)
    require_safe(results)
