"""`bench pages`: the operator's list by an ORM and by one statement (P2.2); `bench counters`: what is unread (P2.3)."""

from __future__ import annotations

import click

from inboxbench.cli.bench.options import show_lab, source_options
from inboxbench.cli.bench.source import Source, opened_database
from inboxbench.cli.options import Session, numbers_in, pass_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.progress import counting
from inboxbench.errors import UsageError
from inboxbench.messenger.costs.counter import read_ways, verdict
from inboxbench.messenger.costs.paging import run_pages
from inboxbench.messenger.costs.run_counters import Measures, run_counters
from inboxbench.messenger.costs.tables import counters_lab, pages_lab
from inboxbench.seed import load_profile


@click.command()
@source_options
@click.option("--sizes", default="25,100", show_default=True, help="conversations on a page, with commas between")
@click.option(
    "--rounds", default=15, show_default=True, type=click.IntRange(1), help="times a page is read for its time"
)
@output_options("markdown")
@pass_session
def pages(
    session: Session,
    /,
    *,
    source: Source,
    sizes: str,
    rounds: int,
    output: Output,
) -> None:
    """Read the list page lazily, by selectin, joined, and by one LATERAL statement: what each asks the server.

    Exit code 1 when a way that is to take a constant number of statements takes more, 3 when rows differ.
    """
    wanted = _sizes(sizes)
    if not source.database:
        load_profile(session.project, source.profile)
    with session.server() as server, opened_database(session, server, source) as name, counting() as progress:
        found = run_pages(server, name, sizes=wanted, rounds=rounds, progress=progress)
    show_lab(output, found.to_json(), pages_lab, found.server)
    found.require_constant()


def _sizes(text: str) -> list[int]:
    sizes = numbers_in(text, "--sizes", int, "25,100")
    if min(sizes) < 1 or max(sizes) > 500:
        raise UsageError(f"--sizes {text!r}: a page has 1 to 500 conversations")
    return sizes


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
    clients = tuple(numbers_in(text, "--clients", int, "1,16"))
    if min(clients) < 1 or max(clients) > 64:
        raise UsageError(f"--clients {text!r}: 1 to 64 of them")
    return clients
