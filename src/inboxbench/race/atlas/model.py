"""The atlas: families of ways, good and bad, to do one thing, and each way explored at one isolation level."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from inboxbench.database import Connection
from inboxbench.errors import ThresholdExceeded
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import LEVELS, Bounds, Level, Oracle, Outcome, Reset, Scenario, SessionFunction
from inboxbench.race.explore.result import Exploration
from inboxbench.race.explore.run import Explorer

ALL: tuple[Level, ...] = ("rc", "rr", "ser")


@dataclass(frozen=True, slots=True)
class Entry:
    """One way to do it. safe: the levels at which no schedule may break the rule.

    mutant: the entry that is this one without its guard, and has to fail where this one is safe by its guard.
    preemptions: a bound for entries of three sessions, whose schedules are too many to play all.
    deaths: how many sessions may die in one schedule, each at any step.
    """

    name: str
    meaning: str
    functions: tuple[SessionFunction, ...]
    safe: tuple[Level, ...] = ()
    mutant: str | None = None
    preemptions: int | None = None
    deaths: int = 0


@dataclass(frozen=True, slots=True)
class Family:
    """One thing that can go wrong, and the ways to do it. setup: makes its tables once: SQL, or returns it.

    ids: of the requirements that it is about. reset: SQL that puts the rows back. rule: judges a schedule.
    """

    name: str
    title: str
    ids: tuple[str, ...]
    setup: str | Callable[[], str]
    reset: str
    rule: Oracle
    entries: tuple[Entry, ...]

    @property
    def script(self) -> str:
        return self.setup if isinstance(self.setup, str) else self.setup()


def twice(function: SessionFunction) -> tuple[SessionFunction, SessionFunction]:
    """Return the functions of two sessions that do the same."""
    return function, function


def value(connection: GatedConnection | Connection, query: str, *parameters: Any) -> Any:
    """Return the only value of a query, or None when it has no row."""
    row = connection.execute(query.encode(), parameters or None).fetchone()
    return None if row is None else row[0]


def committed(outcomes: Sequence[Outcome]) -> list[Any]:
    """Return what the sessions that committed returned."""
    return [outcome.value for outcome in outcomes if outcome.kind == "committed"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One entry explored at one level. safe: what the entry claims there."""

    family: str
    entry: str
    level: Level
    safe: bool
    exploration: Exploration

    @property
    def as_claimed(self) -> bool:
        return self.safe == (self.exploration.bad == 0)

    def to_json(self) -> dict[str, Any]:
        found = self.exploration
        labels = {"family": self.family, "entry": self.entry, "level": self.level, "safe": self.safe}
        return labels | found.to_json() | {"waited": found.waited, "complete": found.complete}


def _reset(family: Family) -> Reset:
    script = family.reset.encode()

    def reset(control: Connection) -> None:
        control.execute(script)

    return reset


def scenario_of(family: Family, entry: Entry, level: Level) -> Scenario:
    # Deadlocks and refusals are columns of their own.
    return Scenario(entry.functions, _reset(family), family.rule, LEVELS[level], fail_on=())


def explore_cell(explorer: Explorer, family: Family, entry: Entry, level: Level) -> Cell:
    """Explore one entry at one level; the explorer's database holds the families' tables."""
    bounds = Bounds(preemptions=entry.preemptions, deaths=entry.deaths)
    exploration = explorer.explore(scenario_of(family, entry, level), bounds)
    return Cell(family.name, entry.name, level, level in entry.safe, exploration)


def require_claims(cells: Iterable[Cell]) -> None:
    """Raise ThresholdExceeded when an entry is not what it claims: broken where safe, or never caught where not."""
    wrong = [cell for cell in cells if not cell.as_claimed]
    if wrong:
        cell = wrong[0]
        found = f"{cell.exploration.bad} of {cell.exploration.schedules} schedules break it"
        claim = "safe" if cell.safe else "unsafe"
        raise ThresholdExceeded(
            f"{len(wrong)} cells of the atlas are not what they claim; the first: {cell.family} / {cell.entry} at "
            f"{cell.level} claims to be {claim}, but {found}"
        )
