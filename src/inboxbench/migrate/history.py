"""An Alembic history as its files say it, without importing them: ids, order, titles, heads, and a project's own facts.

Reading the text needs nothing of the project's environment, and runs nothing of it.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inboxbench.errors import UsageError, unknown
from inboxbench.project import Project

if TYPE_CHECKING:
    from alembic.config import Config

KINDS = ("expand", "backfill", "contract", "index")
_SKIPPED = {".git", "node_modules", "__pycache__", ".tox", ".mypy_cache"}
_IS_REVISION = re.compile(rb"^revision\b[^=\n]*=", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision file. parents: what it follows, more than one for a merge; title: first line of its docstring.

    kind, phase and ids (the requirements that it delivers) are None, None and () where the file does not say them.
    downgrade_reason says what a downgrade leaves.
    """

    revision: str
    parents: tuple[str, ...]
    title: str
    path: Path
    kind: str | None = None
    phase: int | None = None
    ids: tuple[str, ...] = ()
    downgrade_reason: str | None = None

    @property
    def down_revision(self) -> str | None:
        return self.parents[0] if self.parents else None

    @property
    def slug(self) -> str:
        """Return the file's name without number and ending."""
        return self.path.stem.removeprefix(f"{self.revision}_")


@dataclass(frozen=True, slots=True)
class History:
    """Revisions by id, of one line or of several branches."""

    scripts: dict[str, Revision]

    @property
    def heads(self) -> list[str]:
        followed = {parent for script in self.scripts.values() for parent in script.parents}
        return sorted(revision for revision in self.scripts if revision not in followed)

    def after(self, revision: str | None) -> str | None:
        """Return the revision that comes next; None when none or more than one does."""
        parents = (revision,) if revision else ()
        following = [
            script.revision
            for script in self.scripts.values()
            if revision in script.parents or script.parents == parents
        ]
        return following[0] if len(following) == 1 else None

    def pending(self, at: Collection[str]) -> list[Revision]:
        """Return what is still to run on a database that stands at these revisions."""
        done, waiting = set(at), list(at)
        while waiting:
            script = self.scripts.get(waiting.pop())
            fresh = [parent for parent in script.parents if parent not in done] if script else []
            done.update(fresh)
            waiting += fresh
        return [script for script in self.line() if script.revision not in done]

    def line(self) -> list[Revision]:
        """Parents before children; in a history of several branches the order among them is that of the ids.

        Revisions that follow each other in a circle are left out.
        """
        done: dict[str, Revision] = {}
        waiting = dict(sorted(self.scripts.items()))
        while waiting:
            ready = [
                script
                for script in waiting.values()
                if all(parent in done or parent not in self.scripts for parent in script.parents)
            ]
            if not ready:
                break
            for script in ready:
                done[script.revision] = waiting.pop(script.revision)
        return list(done.values())


def read_folders(folders: Iterable[Path]) -> History:
    """Read every revision file below `folders`; what cannot be read as Python is passed over."""
    scripts = (_read_file(path) for folder in folders for path in _candidates(folder))
    return History({script.revision: script for script in scripts if script is not None})


def search(folders: Iterable[Path], revisions: set[str]) -> History:
    """Read wholly each folder of `versions` somewhere below `folders` that holds one of `revisions`."""
    holding: dict[Path, list[Revision]] = {}
    for folder in folders:
        for place in _version_folders(folder):
            scripts = [script for script in map(_read_file, _candidates(place)) if script is not None]
            if any(script.revision in revisions for script in scripts):
                holding[place] = scripts
    return History({script.revision: script for scripts in holding.values() for script in scripts})


def alembic_config(project: Project, **attributes: Any) -> Config:
    """Return the project's Alembic settings: `[tool.alembic]` of its pyproject.toml, else its alembic.ini."""
    from alembic.config import Config  # noqa: PLC0415 - slow to import, and a dry run of another history needs none

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
    """Return a project's own revisions, oldest first.

    Raises UsageError unless the history is one line with one head.
    """
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    directory = ScriptDirectory.from_config(alembic_config(project))
    folders = directory.version_locations or [f"{directory.dir}/versions"]
    history = read_folders(Path(folder) for folder in folders)
    line = history.line()
    for script in history.scripts.values():
        if missing := [parent for parent in script.parents if parent not in history.scripts]:
            raise UsageError(f"{project.migrations}: a revision follows {missing[0]!r}, which is not there")
        if len(script.parents) > 1:
            raise UsageError(f"{script.path}: joins {', '.join(script.parents)}; the history must be one line")
    if len(line) < len(history.scripts):
        raise UsageError(f"{project.migrations}: revisions follow each other in a circle; mend a down_revision")
    if len(history.heads) > 1:
        heads = ", ".join(history.heads)
        raise UsageError(f"{project.migrations}: {len(history.heads)} heads ({heads}); the history must be one line")
    for script in line:
        _check_ids(script.path)
    return tuple(line)


def last_of_phase(history: Iterable[Revision], phase: int) -> str:
    """Return the last revision up to and including `phase`. Raises UsageError for a phase that no revision has."""
    history = tuple(history)
    known = sorted({revision.phase for revision in history if revision.phase is not None})
    if phase not in known:
        raise unknown("phase", str(phase), map(str, known))
    within = [place for place, revision in enumerate(history) if revision.phase is not None and revision.phase <= phase]
    beyond = [place for place, revision in enumerate(history) if revision.phase is not None and revision.phase > phase]
    if beyond and min(beyond) < max(within):
        raise UsageError(f"phase {phase} is not a stretch of the history of its own; name a revision instead")
    return history[within[-1]].revision


def find(history: Iterable[Revision], revision: str) -> Revision:
    """By exact id. Raises UsageError naming the nearest."""
    by_id = {item.revision: item for item in history}
    if revision not in by_id:
        raise unknown("revision", revision, by_id)
    return by_id[revision]


def _version_folders(folder: Path) -> Iterator[Path]:
    for path, names, _ in os.walk(folder):
        names[:] = [name for name in names if name not in _SKIPPED]
        if Path(path).name == "versions":
            for place, deeper, _ in os.walk(path):
                deeper[:] = [name for name in deeper if name not in _SKIPPED]
                yield Path(place)
            names.clear()


def _candidates(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*.py")) if not _SKIPPED & set(path.parts)]


def _read_file(path: Path) -> Revision | None:
    """Return None for what is no revision, or cannot be read as Python."""
    try:
        text = path.read_bytes()
        if not _IS_REVISION.search(text):
            return None
        tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError):
        return None
    values = dict(_assigned(tree))
    revision = values.get("revision")
    if not isinstance(revision, str):
        return None
    phase = values.get("phase")
    return Revision(
        revision=revision,
        parents=_strings(values.get("down_revision")),
        title=(ast.get_docstring(tree) or path.stem).splitlines()[0].rstrip("."),
        path=path,
        kind=_text(values, "kind"),
        phase=phase if isinstance(phase, int) else None,
        ids=_strings(values.get("ids")),
        downgrade_reason=_text(values, "downgrade_reason"),
    )


def _check_ids(path: Path) -> None:
    """Raises UsageError where a project's revision names its requirements as anything but a tuple of strings."""
    ids = dict(_assigned(ast.parse(path.read_bytes()))).get("ids", ())
    if isinstance(ids, str) or not (isinstance(ids, (tuple, list)) and all(isinstance(item, str) for item in ids)):
        raise UsageError(f"{path} ids: expected a tuple of strings, found {ids!r}")


def _text(values: Mapping[str, object], name: str) -> str | None:
    value = values.get(name)
    return value if isinstance(value, str) else None


def _strings(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(map(str, value)) if isinstance(value, (tuple, list)) else ()


def _assigned(tree: ast.Module) -> Iterator[tuple[str, object]]:
    """Names that the module gives a literal."""
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            value = getattr(node, "value", None)
            if isinstance(target, ast.Name) and isinstance(value, ast.expr):
                try:
                    yield target.id, ast.literal_eval(value)
                except ValueError:
                    continue
