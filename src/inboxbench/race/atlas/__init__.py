"""The atlas: every way of ours to get a race right or wrong, at every isolation level, explored whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from inboxbench.database import Connection, connect, scratch_database
from inboxbench.errors import ThresholdExceeded, unknown
from inboxbench.race.atlas.assigning import ASSIGNING
from inboxbench.race.atlas.clocks import ACTIVITY, FIRST_REPLY, UNREAD, WAITING
from inboxbench.race.atlas.family import ALL, LEVELS, Entry, Family, Level
from inboxbench.race.atlas.handing import HANDING
from inboxbench.race.atlas.jobs import LOCK_ORDER, REOPENING
from inboxbench.race.atlas.limits import LIMITS
from inboxbench.race.atlas.numbering import DELIVERY, NUMBERING
from inboxbench.race.atlas.queueing import QUEUEING
from inboxbench.race.exploration import Exploration
from inboxbench.race.explore import Arena, open_arena
from inboxbench.race.scenario import Bounds, Reset, Scenario
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

FAMILIES: tuple[Family, ...] = (
    ASSIGNING,
    QUEUEING,
    LIMITS,
    HANDING,
    NUMBERING,
    DELIVERY,
    ACTIVITY,
    FIRST_REPLY,
    WAITING,
    UNREAD,
    REOPENING,
    LOCK_ORDER,
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One entry at one level. safe: what the entry claims there."""

    family: str
    entry: str
    level: Level
    safe: bool
    found: Exploration

    @property
    def as_claimed(self) -> bool:
        return self.safe == (self.found.bad == 0)

    def to_json(self) -> dict[str, Any]:
        labels = {key: field for key, field in asdict(self).items() if key != "found"}
        return labels | self.found.to_json() | {"waited": self.found.waited, "complete": self.found.complete}


def find_families(names: Iterable[str]) -> tuple[Family, ...]:
    """Families by name, all of them for none. Raises UsageError naming the nearest known."""
    known = {family.name: family for family in FAMILIES}
    for name in names:
        if name not in known:
            raise unknown("family", name, known)
    return tuple(known[name] for name in names) or FAMILIES


def _reset(family: Family) -> Reset:
    script = family.reset.encode()

    def reset(referee: Connection) -> None:
        referee.execute(script)

    return reset


def _explore(arena: Arena, family: Family, entry: Entry, level: Level) -> Cell:
    scenario = Scenario(entry.functions, _reset(family), family.rule, LEVELS[level])
    found = arena.explore(scenario, Bounds(preemptions=entry.preemptions))
    return Cell(family.name, entry.name, level, level in entry.safe, found)


def run_atlas(
    server: Server,
    *,
    families: Sequence[Family] = FAMILIES,
    levels: Sequence[Level] = ALL,
    progress: Callable[[str], None] | None = None,
) -> list[Cell]:
    """Explore every entry at every level, in a database of its own. `progress` gets a line before each entry."""
    with scratch_database(server, "atlas") as name:
        conninfo = server.conninfo(name)
        with closing(connect(conninfo)) as builder:
            # All of them: some families share tables, and a table costs a millisecond.
            builder.execute(";".join(family.setup for family in FAMILIES if family.setup).encode())
        with open_arena(conninfo) as arena:
            return list(_cells(arena, families, levels, progress or (lambda _line: None)))


def _cells(
    arena: Arena, families: Sequence[Family], levels: Sequence[Level], progress: Callable[[str], None]
) -> Iterator[Cell]:
    for family in families:
        for entry in family.entries:
            progress(f"{family.title}: {entry.meaning}")
            for level in levels:
                yield _explore(arena, family, entry, level)


def require_claims(cells: Iterable[Cell]) -> None:
    """Raises ThresholdExceeded when an entry is not what it claims: broken where safe, or never caught where not."""
    wrong = [cell for cell in cells if not cell.as_claimed]
    if wrong:
        cell = wrong[0]
        found = f"{cell.found.bad} of {cell.found.schedules} schedules break it"
        claim = "safe" if cell.safe else "unsafe"
        raise ThresholdExceeded(
            f"{len(wrong)} cells of the atlas are not what they claim; the first: {cell.family} / {cell.entry} at "
            f"{cell.level} claims to be {claim}, but {found}"
        )
