"""The revisions of a project as data: what `migrate history`, the coverage table and run.json say about them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from inboxbench.errors import UsageError, unknown
from inboxbench.project import Project

KINDS = ("expand", "backfill", "contract", "index")


@dataclass(frozen=True, slots=True)
class Revision:
    """slug: file name without number and ending; title: first line of the docstring; ids: requirements delivered.

    kind and phase are None in a project whose revisions do not say. downgrade_reason says what a downgrade leaves.
    """

    revision: str
    down_revision: str | None
    slug: str
    title: str
    kind: str | None
    phase: int | None
    ids: tuple[str, ...]
    path: Path
    downgrade_reason: str | None = None


def alembic_config(project: Project, **attributes: Any) -> Config:
    """The project's Alembic settings: `[tool.alembic]` of its pyproject.toml, else its alembic.ini."""
    ini = project.root / "alembic.ini"
    if not project.pyproject.is_file() and not ini.is_file():
        raise UsageError(f"{project.root}: no pyproject.toml with [tool.alembic] and no alembic.ini")
    if ini.is_file():
        config = Config(str(ini), attributes=attributes)
    else:
        config = Config(toml_file=str(project.pyproject), attributes=attributes)
    if not config.get_alembic_option("script_location"):
        raise UsageError(f"{project.pyproject} [tool.alembic] script_location: missing")
    return config


def read_history(project: Project) -> tuple[Revision, ...]:
    """Oldest first. Raises UsageError unless the history is one line with one head."""
    directory = ScriptDirectory.from_config(alembic_config(project))
    try:
        with warnings.catch_warnings(category=UserWarning, action="ignore"):  # the error below says it better
            heads = directory.get_heads()
            scripts = list(directory.walk_revisions())
    except CommandError as error:
        raise UsageError(f"{project.migrations}: {error}") from error
    except KeyError as error:
        raise UsageError(f"{project.migrations}: a revision follows {error}, which is not there") from error
    if len(heads) > 1:
        raise UsageError(f"{project.migrations}: {len(heads)} heads ({', '.join(heads)}); the history must be one line")
    return tuple(_revision(script) for script in reversed(scripts))


def _revision(script: Script) -> Revision:
    path, module = Path(script.path), script.module
    down = script.down_revision
    if down is not None and not isinstance(down, str):
        raise UsageError(f"{path}: joins {', '.join(down)}; the history must be one line")
    return Revision(
        revision=script.revision,
        down_revision=down,
        slug=path.stem.removeprefix(f"{script.revision}_"),
        title=(script.doc or "").rstrip("."),
        kind=getattr(module, "kind", None),
        phase=getattr(module, "phase", None),
        ids=_ids(module, path),
        path=path,
        downgrade_reason=getattr(module, "downgrade_reason", None),
    )


def _ids(module: ModuleType, path: Path) -> tuple[str, ...]:
    ids = getattr(module, "ids", ())
    if isinstance(ids, str) or not all(isinstance(item, str) for item in ids):
        raise UsageError(f"{path} ids: expected a tuple of strings, found {ids!r}")
    return tuple(ids)


def last_of_phase(history: Iterable[Revision], phase: int) -> str:
    """The last revision up to and including `phase`. Raises UsageError for a phase that no revision has."""
    history = tuple(history)
    known = sorted({revision.phase for revision in history if revision.phase is not None})
    if phase not in known:
        raise unknown("phase", str(phase), map(str, known))
    within = [r.revision for r in history if r.phase is not None and r.phase <= phase]
    beyond = [r.revision for r in history if r.phase is not None and r.phase > phase]
    if beyond and min(map(_position(history), beyond)) < max(map(_position(history), within)):
        raise UsageError(f"phase {phase} is not a stretch of the history of its own; name a revision instead")
    return within[-1]


def _position(history: tuple[Revision, ...]) -> Any:
    return {revision.revision: place for place, revision in enumerate(history)}.__getitem__


def find(history: Iterable[Revision], revision: str) -> Revision:
    """By exact id. Raises UsageError naming the nearest."""
    by_id = {item.revision: item for item in history}
    if revision not in by_id:
        raise unknown("revision", revision, by_id)
    return by_id[revision]
