"""`inboxbench dataset list|clone|rm|prune|export|import`: the seeded databases that a server keeps, and leftovers."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

import click
import psycopg
from rich.table import Column, Table
from rich.text import Text

from inboxbench import units
from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import Output, OutputFile, output_options
from inboxbench.cli.progress import SeedProgress
from inboxbench.credentials import masked
from inboxbench.errors import InboxbenchError, ServerError
from inboxbench.leftovers import Leftover, remove_leftovers, temporary_databases, temporary_folders
from inboxbench.seed import (
    Stored,
    copy_dataset,
    export_dataset,
    import_dataset,
    left_loads,
    list_datasets,
    remove_dataset,
    remove_load,
)
from inboxbench.server import Server, reason


@click.group()
def command() -> None:
    """List, clone, remove, export and import seeded databases, and remove what killed commands have left."""


def age(created: int) -> str:
    """How long ago, in the largest unit that fits."""
    passed = max(0, int(time.time()) - created)
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if passed >= seconds:
            return f"{passed // seconds} {unit}"
    return f"{passed} s"


def _table(datasets: list[Stored], left: list[Leftover]) -> Table:
    table = Table(Column("name", no_wrap=True), "profile", "seed", "rows", "size", "age", "checksum")
    for stored in datasets:
        facts = _facts(stored)
        table.add_row(stored.name, *facts[:3], units.size(stored.size), age(stored.created), facts[3])
    for item in left:
        size = units.size(item.size) if item.size else ""
        table.add_row(item.name, f"{item.what} of {_owner(item)}", "", "", size, age(item.created), "")
    return table


def _owner(item: Leftover) -> str:
    states = {"running": "which runs", "gone": "which is gone: prune removes it", "elsewhere": "maybe running there"}
    if item.owner is None:
        return "a killed command" if item.state == "gone" else "another version: remove it by name"
    return f"{item.owner}, {states[item.state]}"


def _facts(stored: Stored) -> tuple[str, str, str, str]:
    if stored.dataset:
        dataset = stored.dataset
        rows = f"{dataset.size:,} {dataset.counted}"
        return dataset.profile, str(dataset.seed), rows, dataset.checksums[dataset.counted]
    if stored.template:
        return f"copy of {stored.template}", "", "", ""
    return "left by a killed load or another version: remove it", "", "", ""


@command.command(name="list")
@click.option(
    "--all", "every", is_flag=True, help="list temporary databases and folders of commands as well, and their owners"
)
@output_options()
@pass_session
def list_command(session: Session, *, every: bool, output: Output) -> None:
    """List the seeded databases of the server with their size, age and checksum."""
    with session.server(as_is=True) as server:
        databases = temporary_databases(server)
        left = [*databases, *left_loads(server), *temporary_folders(session.settings.data_dir)] if every else []
        shown = {item.name for item in databases} if every else set()
        datasets = [stored for stored in list_datasets(server) if stored.name not in shown]
    nothing = "no datasets; `inboxbench seed PROFILE` makes one (keep a server with `inboxbench server start`)"
    output.hand_over(
        [*(stored.to_json() for stored in datasets), *(item.to_json() for item in left)],
        text=lambda console: console.print(_table(datasets, left) if datasets or left else Text(nothing)),
    )


@command.command()
@click.argument("name")
@click.argument("database", required=False)
@pass_session
def clone(session: Session, name: str, database: str | None) -> None:
    """Copy dataset NAME into a database to work in: the same files, byte for byte.

    Without DATABASE it gets a name of its own. `dataset rm` removes it.
    """
    with session.server() as server:
        made = copy_dataset(server, name, database)
    took = f"{units.size(made.size)} in {units.seconds(made.elapsed)}"
    click.echo(f"made {made.name}: {took}, {units.seconds(made.seconds_per_gb)} a GB")


@command.command()
@click.argument("names", nargs=-1, required=True)
@pass_session
def rm(session: Session, names: tuple[str, ...]) -> None:
    """Remove datasets by name, or temporary databases that a killed command has left."""
    with session.server(as_is=True) as server:
        for name in names:
            remove_dataset(server, name)
            click.echo(f"removed {name}")


@command.command()
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="a machine that is known to be gone (a container, a runner): remove what its commands left as well",
)
@pass_session
def prune(session: Session, hosts: tuple[str, ...]) -> None:
    """Remove temporary databases and folders of commands that were killed: those whose process is gone."""
    with session.server(as_is=True) as server:
        removed, problems = remove_leftovers(server, session.settings.data_dir, hosts=hosts)
        loads, kept = _prune_loads(server, hosts)
        removed, problems = [*removed, *loads], [*problems, *kept]
        left = [*temporary_databases(server), *left_loads(server)]
    for item in removed:
        click.echo(f"removed {item.what} {item.name}")
    if not removed:
        click.echo("nothing to remove")
    for item in left:
        if item.state in ("elsewhere", "unknown"):
            click.echo(f"left alone: {item.name}, of {_owner(item)}")
    if problems:
        raise ServerError("; ".join(problems))


def _prune_loads(server: Server, hosts: Collection[str]) -> tuple[list[Leftover], list[str]]:
    """Remove what killed loads made in databases that are somebody's; a line for each that is not all gone."""
    removed, problems = [], []
    for load in left_loads(server):
        if load.is_over(hosts):
            try:
                kept = remove_load(server, load.name)
            except (InboxbenchError, psycopg.Error) as error:
                kept = [reason(error)]
            problems += [f"what a load left in {load.name} could not all be removed: {'; '.join(kept)}"] if kept else []
            removed += [] if kept else [load]
    return removed, problems


@command.command(name="export")
@click.argument("name")
@click.argument("path", type=OutputFile())
@pass_session
def export_command(session: Session, name: str, path: Path) -> None:
    """Write a dataset to one file, for another machine."""
    with session.server() as server, SeedProgress() as progress:
        export_dataset(server, name, path, project=session.project, progress=progress)
    click.echo(f"wrote {masked(str(path))}: {units.size(path.stat().st_size)}")


@command.command(name="import")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@pass_session
def import_command(session: Session, path: Path) -> None:
    """Make the dataset of a file, with keys, statistics and churn."""
    with session.server() as server, SeedProgress() as progress:
        dataset = import_dataset(server, path, project=session.project, progress=progress)
    click.echo(f"made {dataset.name}: {sum(dataset.rows.values()):,} rows")
