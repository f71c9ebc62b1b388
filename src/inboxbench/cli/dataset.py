"""`inboxbench dataset list|rm`: the seeded databases that a server keeps."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

import click
from rich.table import Table

from inboxbench.cli.session import Session, pass_session, results_console
from inboxbench.seed import Stored, list_datasets, remove_dataset

_FORM = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.group()
def command() -> None:
    """List and remove seeded databases."""


def age(created: int) -> str:
    """How long ago, in the largest unit that fits."""
    passed = max(0, int(time.time()) - created)
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if passed >= seconds:
            return f"{passed // seconds} {unit}"
    return f"{passed} s"


def _table(datasets: list[Stored]) -> Table:
    table = Table("name", "profile", "seed", "messages", "size", "age", "checksum of messages")
    for stored in datasets:
        found = stored.dataset
        facts = (
            (found.profile, str(found.seed), f"{found.messages:,}", found.checksums["messages"])
            if found
            else ("left by a killed load or another version: remove it", "", "", "")
        )
        size = f"{stored.size / 1e6:,.0f} MB"
        table.add_row(stored.name, *facts[:3], size, age(stored.created), facts[3])
    return table


@command.command(name="list")
@_FORM
@pass_session
def list_command(session: Session, form: str) -> None:
    """Name, size, age and checksum of each."""
    with session.server() as server:
        datasets = list_datasets(server)
    if form == "json":
        click.echo(json.dumps([asdict(stored) for stored in datasets], indent=2))
    elif datasets:
        results_console().print(_table(datasets))
    else:
        click.echo("no datasets; `inboxbench seed PROFILE` makes one (keep a server with `inboxbench server start`)")


@command.command()
@click.argument("names", nargs=-1, required=True)
@pass_session
def rm(session: Session, names: tuple[str, ...]) -> None:
    """Remove datasets by name."""
    with session.server() as server:
        for name in names:
            remove_dataset(server, name)
            click.echo(f"removed {name}")
