"""The atlas of a project: every way that it knows to get a race right or wrong, explored at every isolation level."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from inboxbench.errors import UsageError, unknown
from inboxbench.extensions import extension
from inboxbench.project import Project
from inboxbench.race.atlas.model import ALL, Cell, Entry, Family, require_claims
from inboxbench.race.atlas.process_pool import CellKey, explore_cells
from inboxbench.race.atlas.sheet import read_families
from inboxbench.race.explore.model import LEVELS, Level
from inboxbench.server import Server

__all__ = [
    "ALL",
    "LEVELS",
    "Cell",
    "Entry",
    "Family",
    "Level",
    "described",
    "find_families",
    "require_claims",
    "run_atlas",
]


def find_families(project: Project, names: Iterable[str] = ()) -> tuple[Family, ...]:
    """Return the project's families by name, all of them for no name: those of bench/atlas, then those in Python.

    Raises UsageError for a project that names none, and naming the nearest known for a name that is unknown.
    """
    families = _families(project)
    if not families:
        raise UsageError(
            f"this project names no families of races; write one as {project.bench / 'atlas'}/NAME.sql, or give "
            f'race-families = "module:FAMILIES" under [tool.inboxbench] in {project.pyproject}'
        )
    known = {family.name: family for family in families}
    for name in names:
        if name not in known:
            raise unknown("family", name, known)
    return tuple(known[name] for name in names) or families


def _families(project: Project) -> tuple[Family, ...]:
    folder = project.bench / "atlas"
    in_files = read_families(folder) if any(folder.glob("*.sql")) else ()
    return *in_files, *(extension(project, "race-families") or ())


def run_atlas(
    server: Server,
    project: Project,
    *,
    names: Iterable[str] = (),
    levels: Sequence[Level] = ALL,
    progress: Callable[[str], None] | None = None,
) -> list[Cell]:
    """Explore every entry of the named families (all for none) at every level, on all cores.

    progress: gets a line before each cell.
    """
    families = find_families(project, names)
    meanings = {
        (family.name, entry.name): (family.title, entry.meaning) for family in families for entry in family.entries
    }

    def report(key: CellKey) -> None:
        if progress is not None:
            progress(": ".join(meanings[key.family, key.entry]))

    keys = [
        CellKey(family.name, entry.name, level) for family in families for entry in family.entries for level in levels
    ]
    return explore_cells(server, partial(find_families, project), keys, report)


def described(project: Project, cells: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return cells as `Cell.to_json` gives them, each with its family's title and its entry's meaning for a reader."""
    families = _families(project)
    titles = {family.name: family.title for family in families}
    meanings = {(family.name, entry.name): entry.meaning for family in families for entry in family.entries}
    return [
        {
            "title": titles.get(str(cell["family"]), ""),
            "meaning": meanings.get((str(cell["family"]), str(cell["entry"])), ""),
            **cell,
        }
        for cell in cells
    ]
