"""`inboxbench race atlas`: every way to get a race right or wrong, on one page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby

import click
from rich.table import Table

from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import results_console
from inboxbench.cli.progress import progress_console
from inboxbench.cli.race.format import format_option
from inboxbench.race.atlas import ALL, LEVELS, Cell, Level, find_families, require_claims, run_atlas

_TITLES: dict[Level, str] = {"rc": "READ COMMITTED", "rr": "REPEATABLE READ", "ser": "SERIALIZABLE"}


def _mark(cell: Cell) -> str:
    found = cell.found
    ratio = f"{found.bad}/{found.schedules}"
    text = f"[red]{ratio}[/]" if found.bad else f"[green]{ratio}[/]"
    if found.deadlocked:
        text += f" [magenta]{found.deadlocked} deadlocks[/]"
    elif found.aborted:
        text += f" [yellow]{found.aborted} aborts[/]"
    return text if cell.as_claimed else f"[reverse]{text}[/]"


def _table(cells: Sequence[Cell], levels: Sequence[Level]) -> Table:
    meanings = {(f.name, e.name): (f.title, e.meaning) for f in find_families(()) for e in f.entries}
    table = Table("", "what the code does", *(_TITLES[level] for level in levels))
    for (family, entry), row in groupby(cells, key=lambda cell: (cell.family, cell.entry)):
        title, meaning = meanings[family, entry]
        if _first(family, entry):
            table.add_section()
            table.add_row(f"[bold]{title}[/]")
        table.add_row(f"  {entry}", meaning, *(_mark(cell) for cell in row))
    return table


def _first(family: str, entry: str) -> bool:
    (found,) = find_families([family])
    return found.entries[0].name == entry


@click.command()
@click.option("--family", "names", multiple=True, help="one family; repeat for more (default: all)")
@click.option("--level", "levels", multiple=True, type=click.Choice(list(LEVELS)), help="one level (default: all)")
@format_option
@pass_session
def atlas(session: Session, *, names: tuple[str, ...], levels: tuple[Level, ...], form: str) -> None:
    """Explore every strategy of the atlas at every isolation level: bad / feasible schedules.

    Exit code 1 when a strategy that is meant to be safe breaks, or an unsafe one is never caught.
    """
    families = find_families(names)
    with session.server() as server, progress_console.status("building") as status:
        cells = run_atlas(server, families=families, levels=levels or ALL, progress=status.update)
    if form == "json":
        click.echo(json.dumps([cell.to_json() for cell in cells], indent=2))
    else:
        results_console().print(_table(cells, levels or ALL))
        _print_legend(cells)
    require_claims(cells)


def _print_legend(cells: Sequence[Cell]) -> None:
    schedules = sum(cell.found.schedules for cell in cells)
    diverged = sum(cell.found.diverged for cell in cells)
    results_console().print(
        f"{len(cells)} cells, {schedules} schedules, {diverged} diverged. Red: schedules that break the rule, of those "
        "that are feasible. Yellow: schedules in which the server refused a session, which has to try again."
    )
