"""One square of the atlas: an entry at one isolation level, explored whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from inboxbench.database import Connection
from inboxbench.errors import ThresholdExceeded
from inboxbench.race.atlas.family import LEVELS, Entry, Family, Level
from inboxbench.race.explore.result import Exploration
from inboxbench.race.explore.run import Arena
from inboxbench.race.explore.scenario import Bounds, Reset, Scenario


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


def _reset(family: Family) -> Reset:
    script = family.reset.encode()

    def reset(referee: Connection) -> None:
        referee.execute(script)

    return reset


def scenario_of(family: Family, entry: Entry, level: Level) -> Scenario:
    return Scenario(entry.functions, _reset(family), family.rule, LEVELS[level])


def explore_cell(arena: Arena, family: Family, entry: Entry, level: Level) -> Cell:
    """In an arena whose database holds the families' tables."""
    bounds = Bounds(preemptions=entry.preemptions, deaths=entry.deaths)
    found = arena.explore(scenario_of(family, entry, level), bounds)
    return Cell(family.name, entry.name, level, level in entry.safe, found)


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
