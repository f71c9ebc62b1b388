"""A lab's outcome for a page: tables with captions, and what they say in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Rows that a page shows of a table; the rest is in the file.
MOST = 60


@dataclass(frozen=True, slots=True)
class Row:
    """Cells as text, the first of them its name. note: a line under the name; tone: `chosen`, `bad` or nothing."""

    cells: Sequence[str]
    note: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class LabTable:
    """words: as many columns from the left are text, the others figures."""

    caption: str
    headings: Sequence[str]
    rows: Sequence[Row]
    words: int = 1


@dataclass(frozen=True, slots=True)
class Lab:
    """name: of the command after `inboxbench bench`; lead: what was done; told: sentences under the tables."""

    name: str
    title: str
    lead: str
    tables: Sequence[LabTable]
    told: Sequence[str] = ()


def shown(rows: Sequence[Row], order: str) -> tuple[Sequence[Row], str]:
    """As many as a page bears, and the words that say so."""
    if len(rows) <= MOST:
        return rows, f"{order}."
    return rows[:MOST], f"{order}; {MOST} of {len(rows)}, the file has all."
