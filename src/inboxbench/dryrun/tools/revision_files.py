"""Any Alembic history as its files tell it, without importing them: ids, order, titles, heads.

Reading the text needs nothing of the project's environment, and runs nothing of it.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from inboxbench.dryrun.tools.base import History, Script

_SKIPPED = {".git", "node_modules", "__pycache__", ".tox", ".mypy_cache"}
_IS_REVISION = re.compile(rb"^revision\b[^=\n]*=", re.MULTILINE)


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
