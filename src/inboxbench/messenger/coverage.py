"""Which requirement is delivered where: read from the revisions, queries, indexes, code and tests themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inboxbench.documents import read_toml
from inboxbench.errors import UsageError, unknown
from inboxbench.migrate.history import read_history
from inboxbench.project import Project

PLACES = ("revision", "query", "index", "code", "test")
_ID = re.compile(r"(?<![\w.-])([ACKMP]\d{1,2}(?:\.\d)?[a-c]?)(?![\w-]|\.\d)")


@dataclass(frozen=True, slots=True)
class Requirement:
    id: str
    title: str
    needs: tuple[str, ...]
    through: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Covered:
    """found: names by place; missing: the places among `needs` where the id does not stand."""

    requirement: Requirement
    found: Mapping[str, tuple[str, ...]]
    missing: tuple[str, ...]


def read_requirements(path: Path) -> tuple[Requirement, ...]:
    """Raises UsageError naming the file and key."""
    document = read_toml(path)
    return tuple(_requirement(path, name, table, document) for name, table in document.items())


def _requirement(path: Path, name: str, table: Mapping[str, Any], known: Iterable[str]) -> Requirement:
    for key in ("title", "needs"):
        if key not in table:
            raise UsageError(f"{path} [{name}] {key}: missing")
    for place in table["needs"]:
        if place not in PLACES:
            raise unknown("place", place, PLACES, where=f"{path} [{name}] needs")
    for other in table.get("through", ()):
        if other not in known:
            raise unknown("id", other, known, where=f"{path} [{name}] through")
    return Requirement(name, table["title"], tuple(table["needs"]), tuple(table.get("through", ())))


def _mentions(places: Iterable[tuple[str, Iterable[str]]]) -> dict[str, list[str]]:
    """Return id → the names of the places that mention it. places: a name, and the ids there."""
    mentions: dict[str, list[str]] = {}
    for name, ids in places:
        for requirement in ids:
            mentions.setdefault(requirement, []).append(name)
    return mentions


def _in_files(paths: Iterable[Path], root: Path) -> dict[str, list[str]]:
    """Return id → files whose text holds it as a word of its own."""
    texts = ((path, path.read_text(encoding="utf-8")) for path in sorted(paths))
    return _mentions((str(path.relative_to(root)), sorted(set(_ID.findall(text)))) for path, text in texts)


def _in_headers(path: Path) -> list[str]:
    header = re.search(r"^--\s*ids:(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return header.group(1).split() if header else []


def _in_catalogue(project: Project) -> dict[str, list[str]]:
    document = read_toml(project.schema / "indexes.toml")
    return _mentions((name, table.get("ids", ())) for name, table in document.get("index", {}).items())


def find_coverage(project: Project) -> tuple[Covered, ...]:
    """One row a requirement. Needs a checkout: an installed wheel carries neither tests nor sources to search."""
    tests, source = project.root / "tests", project.root / "src" / "inboxbench"
    if not tests.is_dir() or not source.is_dir():
        raise UsageError(f"{project.root} holds no tests/ and src/: coverage is read from a checkout")
    # models.py repeats the ids of the columns, and the test of this table those of the table: neither delivers one.
    code = (
        path
        for path in source.rglob("*")
        if path.suffix in (".py", ".sql") and path.name not in ("models.py", "coverage.py")
    )
    proofs = (path for kind in ("*.py", "*.sql") for path in tests.rglob(kind) if path.name != "test_coverage.py")
    places = {
        "revision": _mentions((revision.revision, revision.ids) for revision in read_history(project)),
        "query": _mentions((path.stem, _in_headers(path)) for path in sorted(project.queries.glob("*.sql"))),
        "index": _in_catalogue(project),
        "code": _in_files(code, source),
        "test": _in_files(proofs, tests),
    }
    requirements = read_requirements(project.schema / "requirements.toml")
    rows = [_cover(requirement, places) for requirement in requirements]
    return _follow(rows)


def _cover(requirement: Requirement, places: Mapping[str, Mapping[str, list[str]]]) -> Covered:
    found = {place: tuple(places[place].get(requirement.id, ())) for place in PLACES}
    return Covered(requirement, found, tuple(place for place in requirement.needs if not found[place]))


def _follow(rows: list[Covered]) -> tuple[Covered, ...]:
    """A requirement delivered through others is missing what they are missing."""
    by_id = {row.requirement.id: row for row in rows}
    followed = []
    for row in rows:
        via = [f"{other} {place}" for other in row.requirement.through for place in by_id[other].missing]
        followed.append(Covered(row.requirement, row.found, (*row.missing, *via)))
    return tuple(followed)
