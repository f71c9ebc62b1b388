"""`inboxbench bench pages`: the operator's list by an ORM three ways and by one statement (P2.2)."""

from __future__ import annotations

import click

from inboxbench.cli.bench.options import show_lab, source_options
from inboxbench.cli.bench.source import Source, opened_database
from inboxbench.cli.options import Session, names_in, pass_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.progress import counting
from inboxbench.errors import UsageError
from inboxbench.messenger.costs.paging import run_pages
from inboxbench.messenger.costs.tables import pages_lab
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
    database: str | None,
    allow_foreign: bool,
    profile: str,
    seed: int,
    sizes: str,
    rounds: int,
    output: Output,
) -> None:
    """Read the list page lazily, by selectin, joined, and by one LATERAL statement: what each asks the server.

    Exit code 1 when a way that is to take a constant number of statements takes more, 3 when rows differ.
    """
    wanted = _sizes(sizes)
    source = Source(database, profile, seed, allow_foreign)
    if not database:
        load_profile(session.project, profile)
    with session.server() as server, opened_database(session, server, source) as name, counting() as progress:
        found = run_pages(server, name, sizes=wanted, rounds=rounds, progress=progress)
    show_lab(output, found.to_json(), pages_lab, found.server)
    found.require_constant()


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(name) for name in names_in(text) or ()]
    except ValueError:
        raise UsageError(f"--sizes {text!r}: write whole numbers with commas between, such as 25,100") from None
    if min(sizes) < 1 or max(sizes) > 500:
        raise UsageError(f"--sizes {text!r}: a page has 1 to 500 conversations")
    return sizes
