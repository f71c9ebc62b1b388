"""Settings: a flag beats the environment, which beats `[tool.inboxbench]` in the nearest pyproject.toml."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from inboxbench.credentials import remember
from inboxbench.documents import read_toml
from inboxbench.errors import WORDS, UsageError, kind_of, unknown

_ENVIRONMENT = {
    "server": "INBOXBENCH_SERVER",
    "project": "INBOXBENCH_PROJECT",
    "data_dir": "INBOXBENCH_DATA_DIR",
    "cache_limit": "INBOXBENCH_CACHE_LIMIT",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """server: a server spec (see inboxbench.server); project: folder; data_dir: where embedded clusters live;
    cache_limit: size of the cache of measured cells, of which the oldest are removed first. origins: where each that is
    no default was given, as messages name it; pyproject: the nearest file, and brought: what it names of a project."""

    server: str = field(default="embedded", repr=False)
    project: str | None = None
    data_dir: str | None = None
    cache_limit: str = "256MB"
    origins: Mapping[str, str] = field(default_factory=dict)
    pyproject: Path | None = None
    brought: frozenset[str] = frozenset()

    def origin(self, key: str) -> str:
        """Return where a setting was given; it begins a message, and does not repeat the value."""
        return self.origins.get(key, f"the value of --{key.replace('_', '-')}")


_SETTINGS = frozenset(field.name for field in fields(Settings)) - {"origins", "pyproject", "brought"}
# What a project brings: "module:attribute" each, but for the table of commands.
EXTENSIONS = frozenset({"row-source", "race-targets", "race-families", "labs", "models", "commands"})
_KEYS = _SETTINGS | EXTENSIONS


def _nearest_pyproject(start: Path) -> Path | None:
    candidates = (folder / "pyproject.toml" for folder in (start, *start.parents))
    return next((path for path in candidates if path.is_file()), None)


def read_table(path: Path) -> dict[str, Any]:
    """Return `[tool.inboxbench]` of a pyproject.toml: settings of the user and, in a project's own file, what the
    project brings (see `inboxbench.extensions`). Raises UsageError naming the file and the key that is wrong."""
    document = read_toml(path)
    tool = document.get("tool", {})
    table = tool.get("inboxbench", {}) if isinstance(tool, dict) else tool
    if not isinstance(table, dict):
        raise UsageError(f"{path}: expected a table [tool.inboxbench], found {kind_of(table)}")
    for key, value in table.items():
        if key not in _KEYS:
            raise unknown("key", key, _KEYS, where=f"{path} [tool.inboxbench]")
        expected = dict if key == "commands" else str
        if not isinstance(value, expected):
            raise UsageError(f"{path} [tool.inboxbench] {key}: expected {WORDS[expected]}, found {kind_of(value)}")
    return dict(table)


def load_settings(
    flags: Mapping[str, str | None] | None = None,
    *,
    start: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Merge the three sources. Raises UsageError naming the file and key that is wrong."""
    environment = os.environ if environment is None else environment
    path = _nearest_pyproject(start or Path.cwd())
    table = read_table(path) if path else {}
    values = {key: value for key, value in table.items() if key in _SETTINGS}
    if path and (project := values.get("project")):
        values["project"] = str(path.parent / project)
    origins = {key: f"{path} [tool.inboxbench] {key}" for key in values}
    for key, name in _ENVIRONMENT.items():
        if environment.get(name):
            values[key], origins[key] = environment[name], name
    for key, value in (flags or {}).items():
        if value is not None:
            values[key], origins[key] = value, f"the value of --{key.replace('_', '-')}"
    remember(values.get("server", ""))
    return Settings(**values, origins=origins, pyproject=path, brought=frozenset(table) & EXTENSIONS)
