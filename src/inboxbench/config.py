"""Settings: a flag beats the environment, which beats `[tool.inboxbench]` in the nearest pyproject.toml."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from inboxbench.errors import UsageError, unknown

_ENVIRONMENT = {
    "server": "INBOXBENCH_SERVER",
    "project": "INBOXBENCH_PROJECT",
    "data_dir": "INBOXBENCH_DATA_DIR",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """server: a server spec (see inboxbench.server); project: folder; data_dir: where embedded clusters live."""

    server: str = "embedded"
    project: str | None = None
    data_dir: str | None = None


def _nearest_pyproject(start: Path) -> Path | None:
    candidates = (folder / "pyproject.toml" for folder in (start, *start.parents))
    return next((path for path in candidates if path.is_file()), None)


def _read_table(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path}: cannot be read as TOML: {error}") from error
    table = document.get("tool", {}).get("inboxbench", {})
    known = {field.name for field in fields(Settings)}
    for key, value in table.items():
        if key not in known:
            raise unknown("key", key, known, where=f"{path} [tool.inboxbench]")
        if not isinstance(value, str):
            raise UsageError(f"{path} [tool.inboxbench] {key}: expected a string, found {value!r}")
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
    values = _read_table(path) if path else {}
    if path and (project := values.get("project")):
        values["project"] = str(path.parent / project)
    values |= {key: environment[name] for key, name in _ENVIRONMENT.items() if environment.get(name)}
    values |= {key: value for key, value in (flags or {}).items() if value is not None}
    return Settings(**values)
