"""The command line: parses, prints, and turns errors into one line and an exit code. Nothing else does."""

from inboxbench.cli.commands import application
from inboxbench.cli.ending import main

__all__ = ["application", "main"]
