"""`inboxbench bench counters`: unread counts and list rows, counted when asked for or kept (P2.3)."""

from __future__ import annotations

import click

from inboxbench.cli.bench.options import show_lab
from inboxbench.cli.options import Session, names_in, pass_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.progress import counting
from inboxbench.errors import UsageError
from inboxbench.messenger.costs.counter import read_ways, verdict
from inboxbench.messenger.costs.run_counters import Measures, run_counters
from inboxbench.messenger.costs.tables import counters_lab


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--executions",
    default=200,
    show_default=True,
    type=click.IntRange(20, 2000),
    help="how often each write is executed and counted",
)
@click.option(
    "--events",
    default=800,
    show_default=True,
    type=click.IntRange(16),
    help="concurrent messages and looks before the rows are counted again",
)
@click.option(
    "--clients", default="1,16", show_default=True, help="numbers of clients that write at once, with commas between"
)
@click.option(
    "--seconds",
    default=2,
    show_default=True,
    type=click.IntRange(0),
    help="how long each number of clients writes; 0: none does",
)
@output_options("markdown")
@pass_session
def counters(
    session: Session,
    /,
    *,
    names: tuple[str, ...],
    executions: int,
    events: int,
    clients: str,
    seconds: int,
    output: Output,
) -> None:
    """Compare ways to know what is unread and what the list shows: reads, writes, contention, drift.

    A way is a file, bench/counters/NAME.sql. Exit code 3 when one that is declared never to drift did, or the control
    that must be caught was not.
    """
    ways = read_ways(session.project.bench / "counters", names)
    measures = Measures(executions, events, _clients(clients), seconds)
    with session.server() as server, counting() as progress:
        found = run_counters(server, session.project, ways, measures, progress=progress)
    document = {**found.to_json(), "verdict": verdict(found)}
    show_lab(output, document, counters_lab, found.server)
    found.require()


def _clients(text: str) -> tuple[int, ...]:
    try:
        clients = tuple(int(name) for name in names_in(text) or ())
    except ValueError:
        raise UsageError(f"--clients {text!r}: write whole numbers with commas between, such as 1,16") from None
    if min(clients) < 1 or max(clients) > 64:
        raise UsageError(f"--clients {text!r}: 1 to 64 of them")
    return clients
