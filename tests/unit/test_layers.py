"""Imports point down: cli, testing → commands → {traffic, report, migrate} → … → errors; nothing imports messenger."""

from __future__ import annotations

import ast
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from inboxbench.project import find_project

PACKAGE = find_project().root / "src" / "inboxbench"

# Highest first. A module may import only from lower layers and from its own package, or from a package of its own
# layer as long as that closes no circle between packages.
LAYERS: list[set[str]] = [
    {"messenger"},  # the shipped case may use all of the machinery; the machinery loads what a project names
    {"__main__"},
    {"cli", "testing"},
    {"advise"},
    {"bench", "dryrun", "race", "gate", "schema", "seed", "workload"},
    {"traffic", "report", "migrate"},
    {
        "database_copy",
        "database_roles",
        "database_state",
        "database_settings",
        "database",
        "leftovers",
        "catalog",
        "sqlfile",
        "sqlsheet",
        "explain",
        "counting",
        "disturbance",
        "sqltree",
        "invariants",
        "units",
        "record",
    },
    {
        "server",
        "project",
        "config",
        "credentials",
        "database_marks",
        "documents",
        "files",
        "machine",
        "extensions",
        "owner",
        "lifetime",
    },
    {"errors", "guard", "__init__"},
]


def _layer(room: str) -> int:
    for number, rooms in enumerate(LAYERS):
        if room in rooms:
            return number
    raise AssertionError(f"inboxbench.{room} is in no layer: add it to LAYERS")


def _imported_rooms(path: Path) -> set[str]:
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
    return rooms - {"__version__"}


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


MODULES = sorted(path for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    room = _room(path)
    for imported in _imported_rooms(path) - {room}:
        assert _layer(imported) >= _layer(room), f"inboxbench.{room} imports inboxbench.{imported}"


def test_packages_of_one_layer_form_no_circle() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for path in MODULES:
        room = _room(path)
        graph[room] |= {other for other in _imported_rooms(path) if other != room and _layer(other) == _layer(room)}
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_the_walk_sees_the_package() -> None:
    assert len(MODULES) > 20
    assert "server" in _imported_rooms(PACKAGE / "database.py")
