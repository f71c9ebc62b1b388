"""`inboxbench bench drop-one`: which indexes of a set are missed when they go, and what their going saves."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from inboxbench import units
from inboxbench.bench import Ablation, run_ablation
from inboxbench.bench.drop_one.result import Removal
from inboxbench.bench.sets.indexset import read_catalogue
from inboxbench.cli.bench.options import (
    SCHEMA_VERSION,
    Source,
    check_names,
    form_options,
    hand_over,
    opened_database,
    queries_option,
    source_options,
    timeout_option,
)
from inboxbench.cli.bench.table import known
from inboxbench.cli.options import Session, names_in, pass_session
from inboxbench.cli.output import results_console
from inboxbench.cli.progress import counting
from inboxbench.errors import SubjectFailed
from inboxbench.files import check_writable

_STYLES = {"needed": "", "harmful": "bold red", "redundant": "yellow", "unused": "yellow"}


@click.command(name="drop-one")
@click.argument("sets", nargs=-1, required=True)
@source_options
@queries_option
@click.option("--writes/--no-writes", default=True, show_default=True, help="measure what writes gain, too")
@timeout_option
@form_options
@pass_session
def drop_one(
    session: Session,
    /,
    *,
    sets: tuple[str, ...],
    database: str | None,
    allow_foreign: bool,
    profile: str,
    seed: int,
    queries: str | None,
    writes: bool,
    timeout: float,
    form: str,
    output: Path | None,
) -> None:
    """Remove every index of SETS in turn: which query loses, what writes and disk gain, which nothing uses.

    Judged by the queries and writes of bench/ alone: an index may serve what is not measured, and then the table says
    what it is there for. Exit code 3 when a query fails.
    """
    check_writable(output)
    wanted = names_in(queries)
    source = Source(database, profile, seed, allow_foreign)
    check_names(session, source, list(sets), wanted)
    found = []
    chosen = read_catalogue(session.project.schema / "indexes.toml").choose(sets)
    with session.server() as server, opened_database(session, server, source) as name:
        for one in chosen:
            with counting() as progress:
                found.append(
                    run_ablation(
                        server,
                        name,
                        session.project,
                        one,
                        queries=wanted,
                        writes=writes,
                        timeout_s=timeout,
                        progress=progress,
                    )
                )
    document = {"schema_version": SCHEMA_VERSION, "drop_one": [one.to_json() for one in found]}
    hand_over(document, form, output, lambda: _print(found))
    if broken := [failure for one in found for failure in one.failures]:
        raise SubjectFailed(f"{broken[0]}; the other cells were measured")


def _loss(one: Removal) -> str:
    if one.losing_writes and not one.loses:
        worst = one.losing_writes[0]
        return f"{worst.before.name} {worst.before.buffers:,.0f} → {worst.after.buffers:,.0f} buffers"
    if not one.loses:
        return f"nothing; it is there for {', '.join(one.removed[0].index.serves) or 'no reason given'}"
    worst_read = one.loses[0]
    before, after = worst_read.before.plan, worst_read.after.plan
    more = f", and {len(one.loses) - 1} more" if len(one.loses) > 1 else ""
    figures = f"{before.buffers:,} → {after.buffers:,}" if before and after else "stopped"
    ratio = f" ({units.times(worst_read.ratio)})" if after else ""
    return f"{worst_read.before.case.name} {figures}{ratio}{more}"


def _gain(one: Removal) -> str:
    if not one.gains:
        return ""
    best = one.gains[0]
    before, after = best.before.plan, best.after.plan
    return f"{best.before.case.name} {before.buffers:,} → {after.buffers:,}" if before and after else best.before.name


def _table(found: Ablation) -> Table:
    table = Table(
        title=f"{found.index_set.title}: without each index in turn, the most missed first", title_justify="left"
    )
    table.add_column("index", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("what loses (buffers)")
    table.add_column("what gains")
    for heading in ("WAL/insert", "WAL/update", "disk"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in found.ranked:
        table.add_row(
            one.names[0],
            Text(one.word, style=_STYLES[one.word]),
            Text(_loss(one)),
            Text(_gain(one)),
            *(known(_signed, wal) for wal in (one.insert_wal, one.update_wal)),
            _signed(one.saved),
        )
    return table


def _signed(saved: float) -> str:
    """Bytes saved as a change: what is less has a minus."""
    if round(saved) == 0:
        return "0 B"
    return f"{'−' if saved > 0 else '+'}{units.size(abs(saved))}"


def _print(found: list[Ablation]) -> None:
    console = results_console()
    console.width = console.width if console.is_terminal else max(console.width, 180)
    for one in found:
        console.print(_table(one))
        console.print(Text(one.headline, style="bold"))
        if one.outlook:
            console.print(Text(f"  {one.outlook}"))
        for note in one.notes:
            console.print(Text(f"  left out: {note}", style="dim"))
