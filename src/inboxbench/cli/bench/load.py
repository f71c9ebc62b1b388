"""`inboxbench bench load`: throughput and percentiles of reads and writes under index sets, by pgbench."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from inboxbench import units
from inboxbench.bench.load import LoadCell, LoadPlan, LoadTest, check_operations, run_load
from inboxbench.cli.bench.options import (
    SCHEMA_VERSION,
    Source,
    check_names,
    form_options,
    hand_over,
    opened_database,
    sets_option,
    source_options,
    timeout_option,
)
from inboxbench.cli.bench.table import known
from inboxbench.cli.options import Session, names_in, pass_session
from inboxbench.cli.output import results_console
from inboxbench.cli.progress import counting
from inboxbench.files import check_writable


@click.command()
@source_options
@sets_option
@click.option("--operations", help="families of bench/queries and bench/writes with commas between (default: all)")
@click.option("--clients", default=4, show_default=True, type=click.IntRange(1, 64), help="of pgbench, at once")
@click.option("--seconds", default=5, show_default=True, type=click.IntRange(1), help="of each of the two loops")
@click.option(
    "--rate", type=click.FloatRange(0, min_open=True), help="requests a second in the open loop, for all sets"
)
@click.option(
    "--utilisation",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="else this share of what the set gets through in the closed loop",
)
@timeout_option
@form_options
@pass_session
def load(
    session: Session,
    /,
    *,
    database: str | None,
    allow_foreign: bool,
    profile: str,
    seed: int,
    sets: str | None,
    operations: str | None,
    clients: int,
    seconds: int,
    rate: float | None,
    utilisation: float,
    timeout: float,
    form: str,
    output: Path | None,
) -> None:
    """Drive reads and writes with pgbench: throughput in a closed loop, percentiles in an open one.

    In the open loop requests begin by a schedule and a latency counts from its scheduled start, so that a stall is felt
    by all that it held up. Exit code 3 when an operation fails or is answered in time under no set.
    """
    check_writable(output)
    chosen, wanted = names_in(sets), names_in(operations)
    source = Source(database, profile, seed, allow_foreign)
    check_names(session, source, chosen, None)
    check_operations(session.project, wanted)
    plan = LoadPlan(clients, seconds, rate, utilisation)
    with session.server() as server, opened_database(session, server, source) as name, counting() as progress:
        found = run_load(
            server,
            name,
            session.project,
            plan,
            sets=chosen,
            operations=wanted,
            timeout_s=timeout,
            progress=progress,
        )
    document = {"schema_version": SCHEMA_VERSION, "load": found.to_json()}
    hand_over(document, form, output, lambda: _print(found))
    found.require_sound()


def _worst_first(found: LoadTest) -> list[LoadCell]:
    """Operations as they were run, in each the set that keeps its users waiting longest first."""
    places = {name: place for place, name in enumerate(dict.fromkeys(cell.operation for cell in found.cells))}
    return sorted(
        found.cells, key=lambda one: (places[one.operation], -(one.latency.p99_ms if one.latency else float("inf")))
    )


def _row(cell: LoadCell) -> list[Text | str]:
    if cell.failure is not None:
        return [known("{:,.0f}".format, cell.per_s), *["–"] * 7, Text(_brief(cell), style="bold red")]
    latency = cell.latency
    assert latency is not None
    times = (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.p999_ms, latency.max_ms, latency.lag_ms)
    remark = Text("" if cell.kept_up else f"did not keep up: {units.rate(cell.achieved)}", style="bold red")
    return [known("{:,.0f}".format, cell.per_s), f"{cell.rate:,.0f}", *(f"{time:,.2f}" for time in times), remark]


def _brief(cell: LoadCell) -> str:
    return "stopped by statement_timeout" if cell.stopped else "failed"


def _print(found: LoadTest) -> None:
    console = results_console()
    console.width = max(console.width, 140) if not console.is_terminal else console.width
    plan = found.plan
    title = (
        f"{plan.clients} clients of pgbench, {plan.seconds} s closed for throughput, {plan.seconds} s open for latency"
    )
    table = Table(title=title, title_justify="left")
    for heading in ("operation", "set"):
        table.add_column(heading, no_wrap=True)
    for heading in ("closed /s", "open /s", "p50 ms", "p90", "p99", "p99.9", "max", "late start"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for cell in _worst_first(found):
        table.add_row(cell.operation, cell.index_set, *_row(cell))
    console.print(table)
    console.print(Text("open: latency from the scheduled start of each request, exact, of pgbench's log", style="dim"))
    for failure in found.failures:
        console.print(Text(f"  {failure}"))
    for note in found.notes:
        console.print(Text(f"  left out: {note}", style="dim"))
