"""`inboxbench bench decay`: what is left of fresh figures after writes, without VACUUM and with it."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from inboxbench.bench import Decay, read_churn, run_decay
from inboxbench.bench.execute.cell import Reading
from inboxbench.cli.bench.options import (
    SCHEMA_VERSION,
    Source,
    check_names,
    form_options,
    hand_over,
    opened_database,
    queries_option,
    sets_option,
    source_options,
    timeout_option,
)
from inboxbench.cli.bench.table import known
from inboxbench.cli.options import Session, names_in, pass_session
from inboxbench.cli.output import results_console
from inboxbench.cli.progress import counting
from inboxbench.files import check_writable
from inboxbench.units import size, times


@click.command()
@source_options
@sets_option
@queries_option
@click.option("--churn", "churn_text", metavar="WRITE=N,…", help="executions of bench/writes (default: 1000 of each)")
@timeout_option
@form_options
@pass_session
def decay(
    session: Session,
    /,
    *,
    database: str | None,
    allow_foreign: bool,
    profile: str,
    seed: int,
    sets: str | None,
    queries: str | None,
    churn_text: str | None,
    timeout: float,
    form: str,
    output: Path | None,
) -> None:
    """Read everything fresh, after a declared churn without VACUUM, and after VACUUM: the worst first.

    The same writes hit the same rows in the same order, so counters come out the same on every run. Exit code 3 when
    a query or a write fails.
    """
    check_writable(output)
    chosen, wanted = names_in(sets), names_in(queries)
    source = Source(database, profile, seed, allow_foreign)
    check_names(session, source, chosen, wanted)
    churn = read_churn(session.project, churn_text)
    with session.server() as server, opened_database(session, server, source) as name, counting() as progress:
        found = run_decay(
            server, name, session.project, churn, sets=chosen, queries=wanted, timeout_s=timeout, progress=progress
        )
    document = {"schema_version": SCHEMA_VERSION, "decay": found.to_json()}
    hand_over(document, form, output, lambda: _print(found))
    found.require_sound()


def _figure(reading: Reading) -> Text:
    if reading.buffers is None:
        return Text("stopped" if reading.stopped else "failed", style="bold red")
    return Text(f"{reading.buffers:,}")


def _cells_table(found: Decay) -> Table:
    table = Table(title=f"buffers before and after {found.churn}, the worst first", title_justify="left")
    table.add_column("query [class]", no_wrap=True)
    table.add_column("set", no_wrap=True)
    for heading in ("fresh", "after churn", "ratio", "after VACUUM", "ratio", "plan"):
        table.add_column(heading, justify="right", no_wrap=True)
    for cell in found.worst_first:
        figures = (
            _figure(cell.churned),
            known(times, cell.ratio),
            _figure(cell.vacuumed),
            known(times, cell.left),
        )
        flips = Text("flips", style="bold red") if cell.flips else ""
        table.add_row(Text(cell.case.name), cell.index_set, _figure(cell.fresh), *figures, flips)
    return table


def _sets_table(found: Decay) -> Table:
    table = Table(title="by set: geometric means over all cells", title_justify="left")
    table.add_column("set", no_wrap=True)
    for heading in ("after churn", "after VACUUM", "worst", "rows updated", "HOT", "indexes fresh", "after churn"):
        table.add_column(heading, justify="right")
    for one in found.sets:
        name = one.index_set.name
        after, left = found.mean(name) or (None, None)
        worst = max((cell.ratio for cell in found.of(name) if cell.ratio), default=None)
        table.add_row(
            name,
            *(known(times, ratio) for ratio in (after, left, worst)),
            f"{one.updates.rows:,}",
            known("{:.0%}".format, one.updates.hot_share),
            size(one.fresh_bytes),
            size(one.churned_bytes),
        )
    return table


def _print(found: Decay) -> None:
    console = results_console()
    console.print(_cells_table(found))
    console.print(_sets_table(found))
    console.print(Text(found.headline, style="bold"))
    for flip in found.flips:
        console.print(Text(f"  plan flips: {flip}"))
    for note in found.notes:
        console.print(Text(f"  left out: {note}", style="dim"))
