"""The command line: parses, prints, and turns errors into one line and an exit code. Nothing else does."""

from inboxbench.cli.commands import application
from inboxbench.cli.ending import main

<<<<<<< HEAD
__all__ = ["application", "main"]
=======
import importlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import click
import psycopg

from inboxbench import __version__
from inboxbench.cli.options import own_commands
from inboxbench.errors import InboxbenchError
from inboxbench.server import reason

# Command → one line of help. Modules are imported when used: `inboxbench --help` need not load numpy.
_COMMANDS = {
    "bench": "measure the query families under index sets",
    "dataset": "list and remove seeded databases",
    "dryrun": "rehearse an Alembic history on a copy: who would be blocked, and for how long",
    "explain": "what a finding of a dry run means, and what to do instead",
    "gate": "fail when a counter got worse than at the baseline",
    "lint": "squawk's warnings, confirmed or refuted by a dry run",
    "migrate": "upgrade or downgrade online, step by step",
    "report": "show a recorded run again: summary, page, Markdown",
    "race": "what concurrent writers do to each other",
    "seed": "fill a database with a profile",
    "schema": "the schema at head: write it down, check it; any two schemas compared",
    "server": "keep a PostgreSQL running between commands",
}

# Commands that are a package; every other one is the module inboxbench.cli.<name>.
_MODULES = {
    **{name: f"inboxbench.cli.{name}" for name in _COMMANDS},
    **{
        name: f"inboxbench.cli.{name}.command"
        for name in ("bench", "dryrun", "gate", "migrate", "race", "report", "schema", "seed")
    },
}


class _LazyGroup(click.Group):
    """Imports the module of a command when the command is called, and knows the commands of the project."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*_COMMANDS, *own_commands()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _COMMANDS:
            command = importlib.import_module(_MODULES[cmd_name]).command
        elif cmd_name in own_commands():
            command = own_commands()[cmd_name].load()
        else:
            return None
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        lines = _COMMANDS | {name: command.help for name, command in own_commands().items()}
        with formatter.section("Commands"):
            formatter.write_dl(sorted(lines.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="inboxbench")
def application() -> None:
    """Prove a PostgreSQL schema change before production.

    Exit codes: 0 fine, 1 a threshold was exceeded, 2 usage or configuration, 3 the thing under test failed.
    """


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM unwinds the stack like Ctrl-C does, so that databases and servers of ours are removed."""
    raise SystemExit(128 + signal.SIGTERM)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"inboxbench: error: {message}", err=True)
    sys.exit(code)


def main() -> NoReturn:
    """Entry point of the console script."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        application.main(standalone_mode=False)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted; everything that was started has been stopped and removed", 130)
    except InboxbenchError as error:
        _fail(str(error), error.exit_code)
    except psycopg.Error as error:
        _fail(f"the server said: {reason(error)}", InboxbenchError.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    sys.exit(0)
>>>>>>> 17532fc (feat(schema): inboxbench schema compare A B, whatever each side is written in)
