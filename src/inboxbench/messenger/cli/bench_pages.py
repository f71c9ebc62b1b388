"""`inboxbench bench pages`: the operator's list by an ORM three ways and by one statement (P2.2)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from inboxbench.cli.bench.options import Source, opened_database, source_options
from inboxbench.cli.bench.table import known
from inboxbench.cli.options import Session, names_in, pass_session
from inboxbench.cli.output import Output, heading, output_options, table
from inboxbench.cli.progress import counting
from inboxbench.errors import UsageError
from inboxbench.messenger.costs.paging import WAYS, PageCost, Pages, run_pages
from inboxbench.seed import load_profile

_HEADINGS = ("statements", "buffers", "rows", "server ms", "client ms")
_NOTE = (
    "A page with contact, inbox, assignee, last message and unread count of each conversation; all ways give the same "
    "rows. statements, buffers (8 kB pages) and rows are the same on every run; times are not. rows: sent by the "
    "server. server ms: its own time for all statements; client ms: until the rows are objects, median."
)


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
    wanted, begun = _sizes(sizes), dt.datetime.now(dt.UTC)
    source = Source(database, profile, seed, allow_foreign)
    if not database:
        load_profile(session.project, profile)
    with session.server() as server, opened_database(session, server, source) as name, counting() as progress:
        result = run_pages(server, name, sizes=wanted, rounds=rounds, progress=progress)
    data = database or f"profile {profile}, seed {seed}"
    output.hand_over(
        result.to_json(),
        text=lambda console: _show(console, result),
        markdown=lambda: _markdown(result, data, begun),
    )
    result.require_constant()


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(name) for name in names_in(text) or ()]
    except ValueError:
        raise UsageError(f"--sizes {text!r}: write whole numbers with commas between, such as 25,100") from None
    if min(sizes) < 1 or max(sizes) > 500:
        raise UsageError(f"--sizes {text!r}: a page has 1 to 500 conversations")
    return sizes


def _cells(cost: PageCost) -> list[str]:
    figures = (known("{:,}".format, count) for count in (cost.buffers, cost.rows))
    times = (known("{:.2f}".format, ms) for ms in (cost.server_ms, cost.client_ms))
    return [f"{cost.statements:,}", *figures, *times]


def _grouped(result: Pages) -> list[tuple[int, int, list[PageCost]]]:
    """(account, size, its costs in the order of the ways)."""
    places = dict.fromkeys((cost.account, cost.size) for cost in result.costs)
    return [(*place, [cost for cost in result.costs if (cost.account, cost.size) == place]) for place in places]


def _verdict(result: Pages) -> list[str]:
    """What the figures say, in words."""
    lazy, lateral = ({(c.account, c.size): c for c in result.costs if c.way == way} for way in ("lazy", "lateral"))
    worst = max(lazy.values(), key=lambda cost: cost.statements)
    same = lateral[worst.account, worst.size]
    lines = [
        f"lazy loading asks {worst.statements} times for a page of {worst.size}, one LATERAL statement once: "
        f"{worst.client_ms / max(same.client_ms, 0.001):.1f} times as long for the client."
    ]
    for way in WAYS:
        counts = sorted(set(result.statements(way)))
        say = (
            f"{counts[0]} for every page"
            if len(counts) == 1
            else f"{counts[0]} to {counts[-1]}, by what is on the page"
        )
        lines.append(f"{way}: statements {say}.")
    return lines


def _show(console: Console, result: Pages) -> None:
    shown = Table(title=f"a page of the list on {result.server}", title_justify="left")
    for name in ("page", "way"):
        shown.add_column(name, no_wrap=True)
    for name in _HEADINGS:
        shown.add_column(name, justify="right")
    for account, size, costs in _grouped(result):
        shown.add_section()
        for cost in costs:
            shown.add_row(_page(result, account, size) if cost is costs[0] else "", cost.way, *_cells(cost))
    console.print(shown)
    for line in _verdict(result):
        console.print(Text(line))


def _page(result: Pages, account: int, size: int) -> str:
    return f"{size} of {result.accounts[account]:,} open, account {account}"


def _markdown(result: Pages, data: str, begun: dt.datetime) -> str:
    lines = [*heading("A page of the list: N+1, selectin, joined, LATERAL (P2.2)", result.server, begun)]
    lines[-1:] = [f"- Data: {data}", "", _NOTE]
    for account, size, costs in _grouped(result):
        lines += ["", f"## {_page(result, account, size)}", ""]
        lines += table(("way", *_HEADINGS), _rows(costs))
    return "\n".join([*lines, "", *(f"- {line}" for line in _verdict(result))]) + "\n"


def _rows(costs: Sequence[PageCost]) -> list[list[str]]:
    return [[cost.way, *_cells(cost)] for cost in costs]
