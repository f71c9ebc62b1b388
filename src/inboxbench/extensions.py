"""What a project brings beside its files, named in its pyproject.toml: a row source, races, sub-commands, and how the
JSON of its own labs is shown.

    [tool.inboxbench]
    row-source = "shop.rows:SOURCE"
    race-families = "shop.races:FAMILIES"
    labs = "shop.labs:LABS"

    [tool.inboxbench.commands]
    "bench baskets" = { target = "shop.commands:baskets", help = "Compare ways to store a basket." }

The messenger that ships uses the same keys, so that nothing outside its package has to know it.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from inboxbench.config import read_table
from inboxbench.errors import UsageError
from inboxbench.project import Project


@dataclass(frozen=True, slots=True)
class ProjectCommand:
    """A sub-command of the project. name: the words after `inboxbench`; target: module:attribute of a click command;
    help: the line that `inboxbench --help` shows without importing it; where: file and key, for messages."""

    name: str
    target: str
    help: str
    where: str

    def load(self) -> Any:
        """Import the command. Raises UsageError when there is none."""
        return import_target(self.target, self.where)


def import_target(target: str, where: str) -> Any:
    """Return the object that "module:attribute" or "module:Base.metadata" names. Raises UsageError beginning with
    `where`."""
    module_name, colon, attribute = target.partition(":")
    if not (colon and module_name and attribute):
        raise UsageError(f"{where}: expected module:attribute, found {target!r}")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # whatever the module does when it is imported
        why = error if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
        raise UsageError(f"{where}: cannot import {module_name}: {why}") from error
    try:
        return attrgetter(attribute)(module)
    except AttributeError:
        raise UsageError(f"{where}: {module_name} has no {attribute}") from None


def _table(project: Project) -> dict[str, Any]:
    return read_table(project.extensions) if project.extensions.is_file() else {}


def extension_name(project: Project, key: str) -> str | None:
    """Return the "module:attribute" that the project's pyproject.toml names under `key`, or None where it names
    none."""
    name: str | None = _table(project).get(key)
    return name


def extension(project: Project, key: str) -> Any | None:
    """Return the object that the project's pyproject.toml names under `key`, or None where it names none.

    Raises UsageError when what it names cannot be imported.
    """
    target = extension_name(project, key)
    return None if target is None else import_target(target, f"{project.extensions} [tool.inboxbench] {key}")


def project_commands(project: Project) -> dict[str, ProjectCommand]:
    """Return the project's own sub-commands by name. Raises UsageError naming the entry that is wrong."""
    commands: dict[str, ProjectCommand] = {}
    for name, entry in _table(project).get("commands", {}).items():
        where = f"{project.extensions} [tool.inboxbench.commands] {name!r}"
        if not (isinstance(entry, dict) and set(entry) == {"target", "help"}):
            raise UsageError(f'{where}: expected {{ target = "module:attribute", help = "…" }}, found {entry!r}')
        if not all(isinstance(value, str) for value in entry.values()):
            raise UsageError(f"{where}: target and help are strings, found {entry!r}")
        commands[name] = ProjectCommand(name, entry["target"], entry["help"], where)
    return commands
