"""The command `inboxbench`: its sub-commands, each imported when it is called, and those that the project brings."""

from __future__ import annotations

import importlib
import os
from typing import Any

import click

from inboxbench import __version__
from inboxbench.cli.options import check_limit, loaded, own_commands

# Command → one line of help. Modules are imported when used: `inboxbench --help` need not load numpy.
_COMMANDS = {
    "advise": "find the index set for a workload, by building every candidate on a copy",
    "bench": "measure the query families under index sets",
    "dataset": "list and remove seeded databases",
    "dryrun": "rehearse migrations on a copy: who would be blocked, and for how long",
    "explain": "what a finding of a dry run means, and what to do instead",
    "gate": "fail when a counter got worse than at the baseline",
    "lint": "squawk's warnings, confirmed or refuted by a dry run",
    "migrate": "upgrade or downgrade online, step by step",
    "report": "show a recorded run again: summary, page, Markdown",
    "race": "what concurrent writers do to each other",
    "seed": "fill a database with a profile",
    "schema": "the schema at head: write it down, check it; any two schemas compared",
    "server": "keep a PostgreSQL running between commands",
    "workload": "queries to measure, made from what a server was asked",
}

# Commands that are a package; every other one is the module inboxbench.cli.<name>.
_MODULES = {
    **{name: f"inboxbench.cli.{name}" for name in _COMMANDS},
    **{
        name: f"inboxbench.cli.{name}.command"
        for name in ("advise", "bench", "dryrun", "gate", "migrate", "race", "report", "schema", "seed", "workload")
    },
}


class EscapedError(Exception):
    """Carries an error, its cause, past click, which would end the program with 1 or call it an interruption."""


class _LazyGroup(click.Group):
    """Imports the module of a command when the command is called, and knows the commands of the project."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (BrokenPipeError, EOFError) as error:
            raise EscapedError from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*_COMMANDS, *own_commands()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _COMMANDS:
            command: click.Command = importlib.import_module(_MODULES[cmd_name]).command
            return command
        return loaded(own_commands()[cmd_name]) if cmd_name in own_commands() else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        lines = _COMMANDS | {name: command.help for name, command in own_commands().items()}
        with formatter.section("Commands"):
            formatter.write_dl(sorted(lines.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="inboxbench")
@click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=lambda _context, _option, given: _debug() if given else None,
    help="print the traceback of an error, too (also: INBOXBENCH_DEBUG=1)",
)
def application() -> None:
    """Prove a PostgreSQL schema change before production.

    Exit codes: 0 fine, 1 a threshold was exceeded, 2 usage or configuration, 3 the thing under test failed, 70 a fault
    of inboxbench itself.
    """
    check_limit()


def _debug() -> None:
    os.environ["INBOXBENCH_DEBUG"] = "1"  # for processes of ours as well


def debugging() -> bool:
    """Return whether tracebacks are asked for."""
    return bool(os.environ.get("INBOXBENCH_DEBUG"))
