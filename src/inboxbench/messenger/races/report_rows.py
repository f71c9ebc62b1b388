"""The atlas as a part of run.json: its cells, each with the words that a reader needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from inboxbench.race.atlas import FAMILIES

# What says most in least time, for a report that holds more than races.
BRIEF = ("assign", "take", "limit", "waiting_since")


def described(cells: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Cells as `race atlas --format json` prints them, with the family's title and the entry's meaning."""
    titles = {family.name: family.title for family in FAMILIES}
    meanings = {(family.name, entry.name): entry.meaning for family in FAMILIES for entry in family.entries}
    return [
        {"title": titles.get(cell["family"], ""), "meaning": meanings.get((cell["family"], cell["entry"]), ""), **cell}
        for cell in cells
    ]
