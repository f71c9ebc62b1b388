"""Who may import whom: cli → report → {migrate, seed, measure, race} → messenger → data → {server, config} → errors."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from inboxbench.project import find_project

PACKAGE = find_project().root / "src" / "inboxbench"

# Highest first. A module may import only from layers below its own, or from its own package.
LAYERS: list[set[str]] = [
    {"__main__"},
    {"cli", "testing"},
    {"report", "coverage", "gate", "dryrun", "lab"},
    {"migrate", "seed", "measure", "race"},
    {"messenger"},
    {"database", "catalog", "sqlfile", "models", "scopes"},
    {"server", "config", "project", "machine"},
    {"errors", "__init__"},
]
# Within one layer these may import each other; the four machines of the third layer may not.
FRIENDS = {"report", "coverage", *LAYERS[5], *LAYERS[6]}


def _layer(room: str) -> int:
    for number, rooms in enumerate(LAYERS):
        if room in rooms:
            return number
    raise AssertionError(f"inboxbench.{room} is in no layer: add it to LAYERS and to the README's layout")


def _rooms_imported(path: Path) -> set[str]:
    rooms: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names]
                if node.module == "inboxbench"
                else [node.module]
            )
        else:
            continue
        rooms |= {name.split(".")[1] for name in names if name.startswith("inboxbench.")}
    return rooms


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


MODULES = sorted(path for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    room = _room(path)
    for imported in _rooms_imported(path) - {room, "__version__"}:
        below = _layer(imported) > _layer(room)
        friends = {room, imported} <= FRIENDS and _layer(imported) == _layer(room)
        assert below or friends, f"inboxbench.{room} imports inboxbench.{imported}"


def test_the_walk_sees_the_package() -> None:
    assert len(MODULES) > 20
    assert "server" in _rooms_imported(PACKAGE / "database.py")
