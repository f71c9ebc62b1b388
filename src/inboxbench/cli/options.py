"""The options that choose a command's server and project, how lists of names are read, and groups of commands that a
project extends by `[tool.inboxbench.commands]` of its pyproject.toml."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from inboxbench.config import Settings, load_settings
from inboxbench.errors import UsageError
from inboxbench.extensions import ProjectCommand, project_commands
from inboxbench.leftovers import tidy
from inboxbench.project import Project, find_project
from inboxbench.server import Server, check_data_dir, open_server, parse_spec
from inboxbench.units import read_size

P = ParamSpec("P")
R = TypeVar("R")
N = TypeVar("N", int, float)


@dataclass(frozen=True)
class Session:
    """The settings and project of one command. `others`: servers beside that of the settings, to compare it with."""

    settings: Settings
    project: Project
    others: tuple[str, ...] = ()

    @contextmanager
    def server(self, *, as_is: bool = False) -> Iterator[Server]:
        """The server that the settings name, for the `with` block; what killed commands left there is removed first,
        unless it is wanted `as_is`."""
        with open_server(self.settings.server, data_dir=self.settings.data_dir) as opened:
            if not as_is:
                tidy(opened)
            yield opened

    def each(self) -> list[Session]:
        """One for every server that was named, in that order."""
        named = [self.settings.server, *self.others]
        return [replace(self, settings=replace(self.settings, server=spec), others=()) for spec in named]


def _one(servers: Sequence[str]) -> None:
    if len(servers) > 1:
        raise UsageError(
            f"--server is given {len(servers)} times; this command runs on one (`inboxbench bench` compares several)"
        )


# Folders of a project that a measurement of a database needs.
_MEASURED = ("schema", "bench")


def check_limit(settings: Settings | None = None) -> None:
    """Raise UsageError for a size of the cache that is none; settings: None for those without a command's options."""
    settings = settings or load_settings()
    try:
        read_size(settings.cache_limit)
    except UsageError as error:
        raise UsageError(f"{settings.origin('cache_limit')}: {error}") from None


def _check_brought(settings: Settings, project: Project) -> None:
    """Raise UsageError where the nearest pyproject.toml brings code to a project that the command does not work on, and
    nobody said so: what it names would be passed over in silence."""
    if settings.project or not settings.brought or settings.pyproject is None:
        return
    if settings.pyproject.resolve() != project.extensions.resolve():
        keys = ", ".join(sorted(settings.brought))
        raise UsageError(
            f"{settings.pyproject} [tool.inboxbench] {keys}: what belongs to a project is not read, for no project is "
            'named; add project = "." there if that folder is one, or take it out'
        )


def pass_session(command: Callable[Concatenate[Session, P], R]) -> Callable[..., R]:
    """Give a click command `--server`, `--project` and `--data-dir`, and a Session as its first argument."""
    return _passing(command, several=False)


def pass_bench_session(command: Callable[Concatenate[Session, P], R]) -> Callable[..., R]:
    """The same; `--server` may be given again, and the project needs only what a measurement of a database does."""
    return _passing(command, several=True, needs=_MEASURED)


def pass_measuring_session(command: Callable[Concatenate[Session, P], R]) -> Callable[..., R]:
    """The same for one server; the project needs only what a measurement of a database does."""
    return _passing(command, several=False, needs=_MEASURED)


def pass_loose_session(command: Callable[Concatenate[Session, P], R]) -> Callable[..., R]:
    """The same for one server; the project may be any folder."""
    return _passing(command, several=False, needs=())


def _passing(
    command: Callable[Concatenate[Session, P], R], *, several: bool, needs: Sequence[str] | None = None
) -> Callable[..., R]:
    again = "; given twice, the command runs on both and shows what changes" if several else ""

    @click.option(
        "--server",
        "servers",
        multiple=True,
        help="PostgreSQL to run on: embedded, embedded:17, bin:DIR (installed programs), container[:IMAGE] or "
        f"postgresql://… (default: INBOXBENCH_SERVER, else embedded){again}",
    )
    @click.option(
        "--project",
        type=click.Path(path_type=Path),
        help="folder of the project with schema/, migrations/, seeds/ and bench/ (default: "
        "INBOXBENCH_PROJECT, else `project` in pyproject.toml, else the messenger's, which ships with the tool)",
    )
    @click.option(
        "--data-dir", help="folder in which an embedded or bin: server keeps its data (default: the temporary folder)"
    )
    @functools.wraps(command)
    def wrapped(*args: Any, servers: tuple[str, ...], project: Path | None, data_dir: str | None, **kwargs: Any) -> R:
        if not several:
            _one(servers)
        flags = {
            "server": servers[0] if servers else None,
            "project": str(project) if project else None,
            "data_dir": data_dir,
        }
        settings = load_settings(flags)
        check_data_dir(settings.data_dir)
        for spec in (settings.server, *servers[1:]):
            parse_spec(spec, settings.origin("server"))
        found = find_project(Path(settings.project) if settings.project else None, needs)
        _check_brought(settings, found)
        return command(Session(settings, found, servers[1:]), *args, **kwargs)

    return wrapped


def names_in(text: str | None) -> list[str] | None:
    """Return `a,b` as a list, None for None. Raises UsageError when there is nothing between the commas."""
    if text is None:
        return None
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names:
        raise UsageError(f"{text!r} names nothing; give names with commas between")
    return names


def names_option(_context: click.Context, _option: click.Parameter, text: str | None) -> list[str] | None:
    """Read the names of an option: the callback of click that calls `names_in`."""
    return names_in(text)


def _settings_in(_context: click.Context, _option: click.Parameter, pairs: Sequence[str]) -> dict[str, str]:
    """Read `--set`. Raises UsageError for what has no name or no equals sign."""
    for pair in pairs:
        if not re.fullmatch(r"[A-Za-z_][\w.]*\s*=.*", pair, re.DOTALL):
            raise UsageError(f"--set {pair!r} is no setting; write NAME=VALUE, such as --set random_page_cost=1.1")
    return {name.strip(): value.strip() for name, _equals, value in (pair.partition("=") for pair in pairs)}


set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_settings_in,
    help="PostgreSQL setting for the sessions on the copy, in place of the source's or the one that inboxbench forces "
    "there; may be given again",
)


role_option = click.option(
    "--role",
    help="role to execute queries (`gate`: writes, too) as, whom row security policies bind as they do the application "
    "(default: the server's own user)",
)


def numbers_in(text: str, option: str, kind: Callable[[str], N], example: str) -> list[N]:
    """Return `1,4` as numbers. kind: int or float. Raises UsageError naming the option for what is none."""
    try:
        return [kind(part) for part in names_in(text) or ()]
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise UsageError(f"{option} {text!r} are not {what}; write them with commas between, as {example}") from None


@cache
def _commands() -> dict[str, ProjectCommand]:
    """The commands of the project that the environment or the nearest pyproject.toml names, else of the messenger.
    Command names are looked up before any option is parsed, hence not of the project that `--project` names."""
    settings = load_settings()
    return project_commands(find_project(Path(settings.project) if settings.project else None, needs=()))


def own_commands(group: str = "") -> dict[str, ProjectCommand]:
    """The project's commands of a group ("" for those right below `inboxbench`), by their last word."""
    prefix = f"{group} " if group else ""
    names = {name: command for name, command in _commands().items() if name.startswith(prefix)}
    own = {name.removeprefix(prefix): command for name, command in names.items()}
    return {name: command for name, command in own.items() if " " not in name}


def loaded(command: ProjectCommand) -> click.Command:
    """Import a project's command. Raises UsageError when what the project names is none."""
    target = command.load()
    if not isinstance(target, click.Command):
        raise UsageError(f"{command.where} target: {command.target} is no click command")
    return target


class ProjectGroup(click.Group):
    """A group that offers its own commands and those that the project names below it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *own_commands(str(self.name))})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        if command is None and cmd_name in own_commands(str(self.name)):
            command = loaded(own_commands(str(self.name))[cmd_name])
        return command
