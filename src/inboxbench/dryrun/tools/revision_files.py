"""Any Alembic history as its files tell it, without importing them: ids, order, titles, heads.

Reading the text needs nothing of the project's environment, and runs nothing of it.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_SKIPPED = {".git", "node_modules", "__pycache__", ".tox", ".mypy_cache"}
_IS_REVISION = re.compile(rb"^revision\b[^=\n]*=", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """One revision file. parents: what it follows; more than one for a merge."""

    revision: str
    parents: tuple[str, ...]
    title: str
    path: Path


@dataclass(frozen=True, slots=True)
class History:
    """Scripts by id."""

    scripts: dict[str, Script]

    @property
    def heads(self) -> list[str]:
        followed = {parent for script in self.scripts.values() for parent in script.parents}
        return sorted(revision for revision in self.scripts if revision not in followed)

    def after(self, revision: str | None) -> str | None:
        """The revision that comes next; None when none or more than one does."""
        wanted = (revision,) if revision else ()
        found = [one.revision for one in self.scripts.values() if revision in one.parents or one.parents == wanted]
        return found[0] if len(found) == 1 else None

    def pending(self, at: Collection[str]) -> list[Script]:
        """What is still to run on a database that stands at these revisions."""
        done, waiting = set(at), list(at)
        while waiting:
            script = self.scripts.get(waiting.pop())
            fresh = [parent for parent in script.parents if parent not in done] if script else []
            done.update(fresh)
            waiting += fresh
        return [script for script in self.line() if script.revision not in done]

    def line(self) -> list[Script]:
        """Parents before children; in a history of several branches the order among them is that of the ids."""
        done: dict[str, Script] = {}
        waiting = dict(sorted(self.scripts.items()))
        while waiting:
            ready = [one for one in waiting.values() if all(p in done or p not in self.scripts for p in one.parents)]
            if not ready:
                break
            for one in ready:
                done[one.revision] = waiting.pop(one.revision)
        return list(done.values())


def read_history(folders: Iterable[Path]) -> History:
    """Every revision file below `folders`; what cannot be read as Python is passed over."""
    scripts = (_script(path) for folder in folders for path in _candidates(folder))
    return History({script.revision: script for script in scripts if script is not None})


def search(folders: Iterable[Path], revisions: set[str]) -> History:
    """The folders of `versions` somewhere below `folders` that hold one of `revisions`, wholly."""
    holding: dict[Path, list[Script]] = {}
    for folder in folders:
        for place in _version_folders(folder):
            found = [script for script in map(_script, _candidates(place)) if script is not None]
            if any(script.revision in revisions for script in found):
                holding[place] = found
    return History({script.revision: script for found in holding.values() for script in found})


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


def _script(path: Path) -> Script | None:
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
    title = (ast.get_docstring(tree) or path.stem).splitlines()[0].rstrip(".")
    return Script(revision, _parents(values.get("down_revision")), title, path)


def _parents(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(map(str, value)) if isinstance(value, (tuple, list)) else ()


def _assigned(tree: ast.Module) -> Iterator[tuple[str, object]]:
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
