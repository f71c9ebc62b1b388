"""Invariants: named queries of a project's `schema/invariants.sql` that must return no rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from inboxbench.database import Connection
from inboxbench.errors import UsageError, unknown
from inboxbench.files import read_text

Scope = Literal["head", "lab"]

_KEY = re.compile(r"^-- (\w+): (.+)$")
_KEYS = ("name", "title", "ids", "scope")


@dataclass(frozen=True, slots=True)
class Invariant:
    """scope: head for any messenger at head; lab for one that has the race lab's column too."""

    name: str
    title: str
    ids: tuple[str, ...]
    scope: Scope
    query: str


@dataclass(frozen=True, slots=True)
class Violation:
    """Rows that break an invariant: how many, and the first few as column → value."""

    invariant: Invariant
    rows: int
    examples: tuple[dict[str, Any], ...]


def _parse_block(path: Path, block: str) -> Invariant:
    header: dict[str, str] = {}
    lines = block.splitlines()
    while lines and (match := _KEY.match(lines[0])):
        if match[1] not in _KEYS:
            raise unknown("key", match[1], _KEYS, where=str(path))
        header[match[1]] = match[2].strip()
        lines.pop(0)
    query = "\n".join(lines).strip().rstrip(";")
    scope = header.get("scope", "head")
    if "title" not in header or not query:
        raise UsageError(f"{path}: invariant {header['name']!r} needs a `-- title: …` line and a query below it")
    if scope not in ("head", "lab"):
        raise UsageError(f"{path}: invariant {header['name']!r}: scope {scope!r} is neither 'head' nor 'lab'")
    ids = tuple(header.get("ids", "").split())
    return Invariant(header["name"], header["title"], ids, "lab" if scope == "lab" else "head", query)


def parse_invariants(path: Path, text: str) -> dict[str, Invariant]:
    """Raises UsageError naming the file and the invariant that is wrong."""
    found: dict[str, Invariant] = {}
    for block in re.split(r"^(?=-- name: )", text, flags=re.MULTILINE)[1:]:
        invariant = _parse_block(path, block)
        if invariant.name in found:
            raise UsageError(f"{path}: invariant {invariant.name!r} is defined twice; keep one")
        found[invariant.name] = invariant
    if not found:
        raise UsageError(f"{path} defines no invariant; begin each with `-- name: …`")
    return found


def read_invariants(path: Path) -> dict[str, Invariant]:
    """The invariants of a file by name, in its order."""
    return parse_invariants(path, read_text(path))


def violation(connection: Connection, invariant: Invariant, *, examples: int = 3) -> Violation | None:
    """What breaks `invariant` now; None when it holds."""
    cursor = connection.execute(invariant.query.encode())
    rows = cursor.fetchall()
    if not rows:
        return None
    names = [column.name for column in cursor.description or ()]
    shown = tuple(dict(zip(names, row, strict=True)) for row in rows[:examples])
    return Violation(invariant, len(rows), shown)


def violations(connection: Connection, invariants: Iterable[Invariant]) -> list[Violation]:
    """Every invariant that does not hold now."""
    found = (violation(connection, invariant) for invariant in invariants)
    return [broken for broken in found if broken is not None]
