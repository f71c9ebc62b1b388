"""`inboxbench race`: what concurrent writers do to each other."""

from __future__ import annotations

import json

import click
from rich.table import Table

from inboxbench.cli.output import results_console
from inboxbench.cli.project_group import ProjectGroup
from inboxbench.cli.race.atlas import atlas
from inboxbench.cli.race.bench import bench
from inboxbench.cli.race.explore import explore_command
from inboxbench.cli.race.format import format_option
from inboxbench.cli.race.spec import spec
from inboxbench.cli.race.stress import stress
from inboxbench.race import STRATEGIES


@click.group("race", cls=ProjectGroup)
def command() -> None:
    """Race strategies for taking the next conversation: who is safe, and what safety costs."""


command.add_command(explore_command)
command.add_command(atlas)
command.add_command(spec)
command.add_command(stress)
command.add_command(bench)


@command.command()
@format_option
def strategies(form: str) -> None:
    """List the strategies, whether each is safe, and why."""
    if form == "json":
        rows = [
            {"name": s.name, "title": s.title, "meaning": s.meaning, "safe": s.safe, "why": s.why}
            for s in STRATEGIES.values()
        ]
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    table = Table("strategy", "safe", "what it does", "why", title="Taking the next unassigned conversation")
    for strategy in STRATEGIES.values():
        verdict = "[green]yes[/]" if strategy.safe else "[red]no[/]"
        table.add_row(strategy.name, verdict, strategy.meaning, strategy.why)
    results_console().print(table)
