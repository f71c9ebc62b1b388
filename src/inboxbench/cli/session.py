"""What every command shares: the options that choose server and project, and consoles to print on."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
from rich.console import Console

from inboxbench.config import Settings, load_settings
from inboxbench.project import Project, find_project
from inboxbench.server import Server, open_server

P = ParamSpec("P")
R = TypeVar("R")

# Progress and remarks go to stderr, results to stdout, so that a pipe gets results alone.
progress_console = Console(stderr=True)


@dataclass(frozen=True)
class Session:
    """The settings and project of one command."""

    settings: Settings
    project: Project

    @contextmanager
    def server(self) -> Iterator[Server]:
        """The server that the settings name, for the `with` block."""
        with open_server(self.settings.server, data_dir=self.settings.data_dir) as opened:
            yield opened


def pass_session(command: Callable[Concatenate[Session, P], R]) -> Callable[..., R]:
    """Give a click command `--server`, `--project` and `--data-dir`, and a Session as its first argument."""

    @click.option("--server", help="embedded | embedded:17 | bin:DIR | container[:IMAGE] | postgresql://…")
    @click.option("--project", type=click.Path(path_type=Path), help="a project folder (default: the messenger)")
    @click.option("--data-dir", help="where an embedded server keeps its data (default: the temporary folder)")
    @functools.wraps(command)
    def wrapped(*args: Any, server: str | None, project: Path | None, data_dir: str | None, **kwargs: Any) -> R:
        flags = {"server": server, "project": str(project) if project else None, "data_dir": data_dir}
        settings = load_settings(flags)
        found = find_project(Path(settings.project) if settings.project else None)
        return command(Session(settings, found), *args, **kwargs)

    return wrapped


def results_console() -> Console:
    """stdout; at least 100 columns wide when it is not a terminal, so that tables survive a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, 120))
