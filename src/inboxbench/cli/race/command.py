"""`inboxbench race`: what concurrent writers do to each other."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.project_group import ProjectGroup
from inboxbench.cli.race.atlas import atlas
from inboxbench.cli.race.explore import explore_command
from inboxbench.cli.race.spec import spec
from inboxbench.cli.race.stress import stress_command
from inboxbench.race.strategy import find_strategies


@click.group("race", cls=ProjectGroup)
def command() -> None:
    """Race functions and strategies: which are safe, whatever order their steps come in, and what safety costs."""


command.add_command(explore_command)
command.add_command(atlas)
command.add_command(spec)
command.add_command(stress_command)


@command.command()
@output_options()
@pass_session
def strategies(session: Session, *, output: Output) -> None:
    """List the project's strategies, whether each is safe, and why."""
    found = find_strategies(session.project)
    table = Table("strategy", "safe", "what it does", "why", title="Taking the next free row")
    for strategy in found:
        verdict = "[green]yes[/]" if strategy.safe else "[red]no[/]"
        table.add_row(strategy.name, verdict, strategy.meaning, strategy.why)
    rows = [
        {
            "name": strategy.name,
            "title": strategy.title,
            "meaning": strategy.meaning,
            "safe": strategy.safe,
            "why": strategy.why,
        }
        for strategy in found
    ]

    def show(console: Console) -> None:
        console.print(table)

    output.hand_over(rows, text=show)
