"""The atlas as a heat map: a row per way to do it, a column per isolation level, a symbol with every colour."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from inboxbench.report.model import AtlasCell

LEVELS = {"rc": "READ COMMITTED", "rr": "REPEATABLE READ", "ser": "SERIALIZABLE"}
# Symbol, meaning, and colour of the reads' heat map.
LEGEND = (
    ("✓", "holds in every schedule", 0),
    ("↻", "holds, and the server refuses a session, which has to try again", 1),
    ("✗", "breaks in some schedules", 3),
    ("✗", "in a quarter or more", 4),
    ("✗", "in three quarters or more", 5),
)


@dataclass(frozen=True, slots=True)
class AtlasMark:
    """One cell as drawn. tone: of LEGEND; note: what the server did about it."""

    symbol: str
    ratio: str
    note: str
    tone: int
    hint: str
    as_claimed: bool


@dataclass(frozen=True, slots=True)
class AtlasRow:
    """marks in the order of the map's levels; None where a level was not explored."""

    entry: str
    meaning: str
    marks: Sequence[AtlasMark | None]


@dataclass(frozen=True, slots=True)
class AtlasGroup:
    family: str
    title: str
    rows: Sequence[AtlasRow]


@dataclass(frozen=True, slots=True)
class AtlasMap:
    """levels: their names, in order; schedules: played in all."""

    levels: Sequence[str]
    groups: Sequence[AtlasGroup]
    cells: int
    schedules: int


def atlas_map(cells: Sequence[AtlasCell]) -> AtlasMap | None:
    """Return None for a run without an atlas."""
    if not cells:
        return None
    known = [*LEVELS, *dict.fromkeys(cell.level for cell in cells)]
    levels = [level for level in dict.fromkeys(known) if any(cell.level == level for cell in cells)]
    groups = [_group(list(group), levels) for _, group in groupby(cells, key=lambda cell: cell.family)]
    return AtlasMap([LEVELS.get(level, level) for level in levels], groups, len(cells), sum(c.schedules for c in cells))


def _group(cells: Sequence[AtlasCell], levels: Sequence[str]) -> AtlasGroup:
    rows = [_row(list(row), levels) for _, row in groupby(cells, key=lambda cell: cell.entry)]
    return AtlasGroup(cells[0].family, cells[0].title, rows)


def _row(cells: Sequence[AtlasCell], levels: Sequence[str]) -> AtlasRow:
    by_level = {cell.level: cell for cell in cells}
    marks = [_mark(by_level[level]) if level in by_level else None for level in levels]
    return AtlasRow(cells[0].entry, cells[0].meaning, marks)


def _tone(cell: AtlasCell) -> int:
    if not cell.bad:
        return 1 if cell.aborted else 0
    share = cell.bad / cell.schedules if cell.schedules else 1.0
    return 3 if share < 1 / 4 else 4 if share < 3 / 4 else 5


def _mark(cell: AtlasCell) -> AtlasMark:
    tone = _tone(cell)
    symbol = LEGEND[0][0] if tone == 0 else LEGEND[1][0] if tone == 1 else LEGEND[2][0]
    ratio = f"{cell.bad:,}/{cell.schedules:,}"
    return AtlasMark(symbol, ratio, _note(cell), tone, _hint(cell), cell.safe is None or cell.safe == (cell.bad == 0))


def _note(cell: AtlasCell) -> str:
    if cell.deadlocked:
        return f"{cell.deadlocked:,} {'deadlock' if cell.deadlocked == 1 else 'deadlocks'}"
    return f"{cell.aborted:,} refused" if cell.aborted else ""


def _hint(cell: AtlasCell) -> str:
    broken = f"{cell.bad:,} of {cell.schedules:,} feasible schedules break it" if cell.bad else "no schedule breaks it"
    refused = f"; in {cell.aborted:,} the server refuses a session" if cell.aborted else ""
    deadlocked = f", in {cell.deadlocked:,} for a deadlock" if cell.deadlocked else ""
    example = f"; shortest: {cell.counterexample}" if cell.counterexample else ""
    level = LEVELS.get(cell.level, cell.level)
    return f"{cell.entry} at {level}: {broken}{refused}{deadlocked}{example}"
