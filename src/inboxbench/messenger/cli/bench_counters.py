"""`inboxbench bench counters`: unread counts and list rows, counted when asked for or kept (P2.3)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from inboxbench.cli.bench.table import known
from inboxbench.cli.options import Session, names_in, pass_session
from inboxbench.cli.output import Output, heading, output_options, table
from inboxbench.cli.progress import counting
from inboxbench.errors import UsageError
from inboxbench.messenger.costs.counter import Counters, WayCost, read_ways, verdict
from inboxbench.messenger.costs.office import BACKLOG, CONVERSATIONS, NEGLECTED, UNREAD
from inboxbench.messenger.costs.run_counters import Measures, run_counters

_TITLES = {"unread": "unread messages", "list": "the operator's list"}
_READS = {"page": "page", "neglected": "neglected", "badge": "badge"}
_NOTE = (
    f"An office with {CONVERSATIONS} conversations of {UNREAD} unread messages each and {len(NEGLECTED)} of {BACKLOG} "
    "(neglected). Buffers are 8 kB pages: of a list page of 25, of one of neglected conversations, of the badge of the "
    "inbox; of a message with its rules and indexes, and of an agent's look. updates: rows updated by a message, HOT: "
    "their share without index entries. N clients: messages a second by pgbench, and the share of the time that they "
    "waited for each other's locks; advisory on a busy machine, all else is the same on every run. drift: rows wrong "
    "after concurrent messages and looks, by a recount; stale: after a colleague's name changed."
)


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--executions",
    default=200,
    show_default=True,
    type=click.IntRange(20, 2000),
    help="executions of each write that are counted",
)
@click.option(
    "--events",
    default=800,
    show_default=True,
    type=click.IntRange(16),
    help="concurrent messages and looks before the recount",
)
@click.option(
    "--clients", default="1,16", show_default=True, help="numbers of clients that write at once, with commas between"
)
@click.option(
    "--seconds",
    default=2,
    show_default=True,
    type=click.IntRange(0),
    help="seconds that each number of clients writes (0: not at all)",
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
    ways, begun = read_ways(session.project.bench / "counters", names), dt.datetime.now(dt.UTC)
    measures = Measures(executions, events, _clients(clients), seconds)
    with session.server() as server, counting() as progress:
        result = run_counters(server, session.project, ways, measures, progress=progress)
    document = {**result.to_json(), "verdict": verdict(result)}
    output.hand_over(document, text=lambda console: _show(console, result), markdown=lambda: _markdown(result, begun))
    result.require()


def _clients(text: str) -> tuple[int, ...]:
    try:
        clients = tuple(int(name) for name in names_in(text) or ())
    except ValueError:
        raise UsageError(f"--clients {text!r}: write whole numbers with commas between, such as 1,16") from None
    if min(clients) < 1 or max(clients) > 64:
        raise UsageError(f"--clients {text!r}: 1 to 64 of them")
    return clients


def _headings(costs: Sequence[WayCost]) -> list[str]:
    first = costs[0]
    crowds = [f"{crowd.clients} client{'s' if crowd.clients > 1 else ''}/s" for crowd in first.crowds]
    reads = [_READS[read] for read in first.reads]
    stale = ["stale"] if first.stale is not None else []
    return [*reads, "WAL/msg", "pages", "updates", "HOT", "WAL/look", "pages", *crowds, "drift", *stale]


def _cells(cost: WayCost) -> list[str]:
    arrive, look = cost.events["arrive"], cost.events["look"]
    crowds = [f"{crowd.per_s:,.0f} ({crowd.waiting:.0%})" for crowd in cost.crowds]
    stale = [f"{cost.stale:,}"] if cost.stale is not None else []
    return [
        *(f"{figure:,}" for figure in cost.reads.values()),
        f"{arrive.wal_bytes:,.0f}",
        f"{arrive.buffers:,.0f}",
        f"{arrive.updates:.1f}",
        known("{:.0%}".format, arrive.hot),
        f"{look.wal_bytes:,.0f}",
        f"{look.buffers:,.0f}",
        *crowds,
        f"{cost.drift:,}",
        *stale,
    ]


def _families(result: Counters) -> list[tuple[str, Sequence[WayCost]]]:
    return [(title, result.of(family)) for family, title in _TITLES.items() if result.of(family)]


def _name(cost: WayCost) -> str:
    return f"→ {cost.way.name}" if cost.way.ours else cost.way.name


def _show(console: Console, result: Counters) -> None:
    if not console.is_terminal:
        console.width = max(console.width, 150)
    for title, costs in _families(result):
        shown = Table(title=f"{title} on {result.server} (→ the messenger's way)", title_justify="left")
        shown.add_column("way", no_wrap=True)
        for name in _headings(costs):
            shown.add_column(name, justify="right")
        for cost in costs:
            shown.add_row(_name(cost), *_cells(cost), style="red" if cost.way.drifts else "")
        console.print(shown)
    console.print(Text(_NOTE, style="dim"))
    for line in verdict(result):
        console.print(Text(line, style="bold" if line.startswith("Choose") else ""))


def _markdown(result: Counters, begun: dt.datetime) -> str:
    lines = [*heading("Unread counters and list rows: counted, or kept (P2.3)", result.server, begun), _NOTE]
    for title, costs in _families(result):
        rows = [[_name(cost), *_cells(cost)] for cost in costs]
        lines += ["", f"## {title[0].upper()}{title[1:]}", "", *table(("way", *_headings(costs)), rows), ""]
        lines += [f"- **{cost.way.name}**: {cost.way.title}. {cost.way.why}" for cost in costs]
    lines += ["", "## When which pays", ""]
    return "\n".join([*lines, *(f"- {line}" for line in verdict(result))]) + "\n"
