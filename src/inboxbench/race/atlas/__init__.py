"""The atlas: every way of ours to get a race right or wrong, at every isolation level, explored whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from inboxbench.messenger.races.catalogue import FAMILIES, find_families
from inboxbench.race.atlas.cell import Cell, require_claims
from inboxbench.race.atlas.family import ALL, LEVELS, Entry, Family, Level
from inboxbench.race.atlas.process_pool import Square, explore_squares
from inboxbench.server import Server

__all__ = [
    "ALL",
    "FAMILIES",
    "LEVELS",
    "Cell",
    "Entry",
    "Family",
    "Level",
    "find_families",
    "require_claims",
    "run_atlas",
]


def run_atlas(
    server: Server,
    *,
    families: Sequence[Family] = FAMILIES,
    levels: Sequence[Level] = ALL,
    progress: Callable[[str], None] | None = None,
) -> list[Cell]:
    """Explore every entry at every level, on all cores. `progress` gets a line before each cell."""
    meanings = {
        (family.name, entry.name): (family.title, entry.meaning) for family in families for entry in family.entries
    }

    def say(square: Square) -> None:
        if progress is not None:
            progress(": ".join(meanings[square.family, square.entry]))

    squares = [
        Square(family.name, entry.name, level) for family in families for entry in family.entries for level in levels
    ]
    return explore_squares(server, squares, say)
