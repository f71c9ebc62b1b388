"""Groups of commands that a project can extend: `[tool.inboxbench.commands]` of its pyproject.toml."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import click

from inboxbench.config import load_settings
from inboxbench.extensions import ProjectCommand, project_commands
from inboxbench.project import find_project


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


class ProjectGroup(click.Group):
    """A group that offers its own commands and those that the project names below it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *own_commands(str(self.name))})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        if command is None and cmd_name in own_commands(str(self.name)):
            command = own_commands(str(self.name))[cmd_name].load()
        return command
