"""P2.3: a way to know what is unread, or what the list shows, as a value: its file, what it cost, what it came to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inboxbench.errors import SubjectFailed, UsageError, unknown
from inboxbench.sqlsheet import Form, Sheet, read_sheets

SCHEMA_VERSION = 1
FAMILIES = {
    "unread": "on_demand",
    "list": "list_indexed",
}  # family → the way that keeps nothing, which others are held to
_COMMON = "on_demand"  # whose arrival and look are everybody's, unless they have their own
_SECTIONS = ("setup", "arrive", "after arrive", "look", "after look", "page", "badge", "rename", "refresh", "drift")
FORM = Form(
    keys=("title", "family", "drift", "cap", "why"),
    required=("title", "family", "drift", "why"),
    sections=_SECTIONS,
)
_END = re.compile(r";[ \t]*(?:\n|$)")


@dataclass(frozen=True, slots=True)
class Way:
    """drifts: it is the control, which must be caught; cap: where it stops counting."""

    sheet: Sheet
    common: Sheet

    @property
    def name(self) -> str:
        return self.sheet.name

    @property
    def title(self) -> str:
        return self.sheet.header["title"]

    @property
    def why(self) -> str:
        return self.sheet.header["why"]

    @property
    def family(self) -> str:
        return self.sheet.header["family"]

    @property
    def drifts(self) -> bool:
        return self.sheet.header["drift"] == "some"

    @property
    def cap(self) -> int | None:
        cap = self.sheet.number("cap")
        return None if cap is None else int(cap)

    @property
    def ours(self) -> bool:
        """What the messenger does."""
        return self.name == FAMILIES[self.family]

    def section(self, name: str) -> str:
        own = self.sheet.sections.get(name, "")
        shared = name in ("arrive", "look") or (name == "drift" and self.cap)
        return own or (self.common.sections.get(name, "") if shared else "")

    def statements(self, event: str) -> list[str]:
        """Of an event (`arrive`, `look`): its own or everybody's, and what this way does after."""
        text = f"{self.section(event)};\n{self.section(f'after {event}')}"
        return [statement.strip() for statement in _END.split(text) if statement.strip()]


def read_ways(folder: Path, names: Iterable[str] = ()) -> tuple[Way, ...]:
    """`bench/counters/*.sql`, those that keep nothing first, controls last; or those named and what they are held to.

    Raises UsageError for an unknown name or a file that is wrong.
    """
    sheets = {sheet.name: sheet for sheet in read_sheets(folder, FORM)}
    for needed in (_COMMON, *FAMILIES.values()):
        if needed not in sheets:
            raise UsageError(f"{folder}: {needed}.sql is missing; others are held to it")
    ways = {name: _way(sheet, sheets[_COMMON]) for name, sheet in sheets.items()}
    for name in names:
        if name not in ways:
            raise unknown("way", name, ways)
    chosen = set(names) or set(ways)
    chosen |= {FAMILIES[ways[name].family] for name in chosen}
    order = list(FAMILIES)
    chosen_ways = (ways[name] for name in chosen)
    return tuple(sorted(chosen_ways, key=lambda way: (order.index(way.family), not way.ours, way.drifts, way.name)))


def _way(sheet: Sheet, common: Sheet) -> Way:
    if sheet.header["family"] not in FAMILIES:
        raise unknown("family", sheet.header["family"], FAMILIES, where=f"{sheet.path} family")
    if sheet.header["drift"] not in ("none", "some"):
        raise UsageError(f"{sheet.path} drift: {sheet.header['drift']!r} is neither 'none' nor 'some'")
    way = Way(sheet, common)
    for section in ("page", "drift", *(("badge",) if way.family == "unread" else ("rename",))):
        if not way.section(section):
            raise UsageError(f"{sheet.path}: section `--- {section}` is missing or empty")
    return way


@dataclass(frozen=True, slots=True)
class EventCost:
    """Of one execution. updates: rows updated, by triggers too; hot: their share that was HOT, None for none."""

    statements: float
    buffers: float
    wal_bytes: float
    ms: float
    updates: float
    hot: float | None


@dataclass(frozen=True, slots=True)
class Crowd:
    """A closed loop of `clients`: events a second, and the share of looks at them in which they waited for a lock."""

    clients: int
    per_s: float
    waiting: float


@dataclass(frozen=True, slots=True)
class WayCost:
    """reads: buffers of each read (page, page of neglected conversations, badge); drift: wrong rows after a crowd
    wrote and looked, `written` transactions of it; stale: wrong rows after a name was changed (lists)."""

    way: Way
    reads: dict[str, int]
    events: dict[str, EventCost]
    crowds: tuple[Crowd, ...]
    drift: int
    written: int
    stale: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.way.name,
            "title": self.way.title,
            "family": self.way.family,
            "why": self.way.why,
            "reads": self.reads,
            "events": {name: asdict(cost) for name, cost in self.events.items()},
            "crowds": [asdict(crowd) for crowd in self.crowds],
            "drift": self.drift,
            "written": self.written,
            "stale": self.stale,
            "declared_drift": self.way.drifts,
        }


@dataclass(frozen=True, slots=True)
class Counters:
    server: str
    costs: tuple[WayCost, ...]

    def of(self, family: str) -> Sequence[WayCost]:
        return [cost for cost in self.costs if cost.way.family == family]

    def base(self, family: str) -> WayCost:
        """The way that keeps nothing."""
        return next(cost for cost in self.costs if cost.way.name == FAMILIES[family])

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "server": self.server,
            "ways": [cost.to_json() for cost in self.costs],
        }

    def require(self) -> None:
        """Raises SubjectFailed when a way that is to be right drifted, or a control that is not was never caught."""
        for cost in self.costs:
            wrong, told = cost.drift + (cost.stale or 0), f"after {cost.written} events"
            if wrong and not cost.way.drifts:
                raise SubjectFailed(f"{cost.way.name!r}: {wrong} rows are wrong {told}; it is declared never to drift")
            if cost.way.drifts and not wrong:
                raise SubjectFailed(
                    f"{cost.way.name!r} is declared to drift and was right {told}: so the zeros of the others prove "
                    "nothing; give more --events"
                )
