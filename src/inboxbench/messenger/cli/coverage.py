"""`inboxbench coverage`: every requirement id, and where it is delivered."""

from __future__ import annotations

import json
from collections.abc import Iterable

import click
from rich.table import Table

from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import results_console
from inboxbench.errors import ThresholdExceeded
from inboxbench.messenger.coverage import PLACES, Covered, find_coverage

_SHOWN = 3


def _names(found: Iterable[str]) -> str:
    names = list(found)
    more = f" +{len(names) - _SHOWN}" if len(names) > _SHOWN else ""
    return ", ".join(name.rsplit("/", 1)[-1].removesuffix(".py") for name in names[:_SHOWN]) + more


def _cell(row: Covered, place: str) -> str:
    if place in row.missing:
        return "MISSING"
    return _names(row.found[place]) if row.found[place] else "–" if row.requirement.needs else ""


def _table(rows: Iterable[Covered]) -> Table:
    table = Table("id", "requirement", *PLACES, title="Requirements and where they are delivered")
    for row in rows:
        through = f"through {', '.join(row.requirement.through)}" if row.requirement.through else ""
        title = f"{row.requirement.title} ({through})" if through else row.requirement.title
        table.add_row(row.requirement.id, title, *(_cell(row, place) for place in PLACES))
    return table


def markdown_table(rows: Iterable[Covered]) -> str:
    """The same for a README."""
    lines = ["| id | requirement | " + " | ".join(PLACES) + " |", "|---" * (len(PLACES) + 2) + "|"]
    for row in rows:
        cells = " | ".join(_cell(row, place) for place in PLACES)
        lines.append(f"| {row.requirement.id} | {row.requirement.title} | {cells} |")
    return "\n".join(lines)


def _json(rows: Iterable[Covered]) -> str:
    document = [
        {"id": row.requirement.id, "title": row.requirement.title, **dict(row.found), "missing": row.missing}
        for row in rows
    ]
    return json.dumps(document, indent=2)


@click.command()
@click.option("--format", "form", type=click.Choice(["text", "markdown", "json"]), default="text", show_default=True)
@pass_session
def command(session: Session, form: str) -> None:
    """Print where every requirement is delivered; exit 1 when one lacks a place it needs."""
    rows = find_coverage(session.project)
    if form == "text":
        results_console().print(_table(rows))
    else:
        click.echo(markdown_table(rows) if form == "markdown" else _json(rows))
    if lacking := [f"{row.requirement.id} ({', '.join(row.missing)})" for row in rows if row.missing]:
        raise ThresholdExceeded(f"{len(lacking)} of {len(rows)} requirements are not covered: {'; '.join(lacking)}")
