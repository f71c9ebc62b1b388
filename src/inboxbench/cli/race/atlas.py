"""`inboxbench race atlas`: every way to get a race right or wrong, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import click
from rich.console import Console
from rich.table import Table

from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.progress import progress_console
from inboxbench.race.atlas import ALL, LEVELS, Cell, Family, Level, find_families, require_claims, run_atlas

_TITLES: dict[Level, str] = {"rc": "READ COMMITTED", "rr": "REPEATABLE READ", "ser": "SERIALIZABLE"}


def _mark(cell: Cell) -> str:
    exploration = cell.exploration
    ratio = f"{exploration.bad}/{exploration.schedules}"
    text = f"[red]{ratio}[/]" if exploration.bad else f"[green]{ratio}[/]"
    if exploration.deadlocked:
        text += f" [magenta]{exploration.deadlocked} deadlocks[/]"
    elif exploration.aborted:
        text += f" [yellow]{exploration.aborted} aborts[/]"
    return text if cell.as_claimed else f"[reverse]{text}[/]"


def _table(families: Sequence[Family], cells: Sequence[Cell], levels: Sequence[Level]) -> Table:
    known = {family.name: family for family in families}
    table = Table("", "what the code does", *(_TITLES[level] for level in levels))
    for name, of_family in groupby(cells, key=lambda cell: cell.family):
        meanings = {entry.name: entry.meaning for entry in known[name].entries}
        table.add_section()
        table.add_row(f"[bold]{known[name].title}[/]")
        for entry, row in groupby(of_family, key=lambda cell: cell.entry):
            table.add_row(f"  {entry}", meanings[entry], *(_mark(cell) for cell in row))
    return table


@click.command()
@click.option("--family", "names", multiple=True, help="explore only this family of races; repeat for more")
@click.option(
    "--level", "levels", multiple=True, type=click.Choice(list(LEVELS)), help="explore only at this isolation level"
)
@output_options()
@pass_session
def atlas(session: Session, *, names: tuple[str, ...], levels: tuple[Level, ...], output: Output) -> None:
    """Explore every strategy of the atlas at every isolation level: bad / feasible schedules.

    Exit code 1 when a strategy that is meant to be safe breaks, or an unsafe one is never caught.
    """
    families = find_families(session.project, names)
    with session.server() as server, progress_console.status("building") as status:
        cells = run_atlas(server, session.project, names=names, levels=levels or ALL, progress=status.update)

    def show(console: Console) -> None:
        console.print(_table(families, cells, levels or ALL))
        console.print(_legend(cells))

    output.hand_over([cell.to_json() for cell in cells], text=show)
    require_claims(cells)


def _legend(cells: Sequence[Cell]) -> str:
    schedules = sum(cell.exploration.schedules for cell in cells)
    diverged = sum(cell.exploration.diverged for cell in cells)
    return (
        f"{len(cells)} cells, {schedules} schedules, {diverged} diverged. Red: schedules that break the rule, of those "
        "that are feasible. Yellow: schedules in which the server refused a session, which has to try again."
    )
