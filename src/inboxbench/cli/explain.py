"""`inboxbench explain`: what a finding of a dry run means, and what to do instead."""

from __future__ import annotations

import click
from rich.table import Table

from inboxbench.cli.output import results_console
from inboxbench.dryrun.rules import RULES, rule_named


@click.command()
@click.argument("rule", required=False)
def command(rule: str | None) -> None:
    """Print condition, effect, workaround, and a bad and a good example of RULE; without, the list of rules."""
    if rule is not None:
        click.echo(rule_named(rule).explained())
        return
    table = Table("rule", "severity", "when")
    for entry in RULES.values():
        table.add_row(entry.id, entry.severity, entry.condition)
    results_console().print(table)
