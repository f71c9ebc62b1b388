"""P2.3: ways to know what is unread or what the list shows: their files, their costs, and when each pays."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inboxbench.errors import SubjectFailed, UsageError, unknown
from inboxbench.messenger.costs.measure import Contention, Cost
from inboxbench.sqlsheet import Form, Sheet, Titled, read_sheets

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
class Way(Titled):
    """A file of bench/counters. drifts: it is the control, which must be caught; cap: where it stops counting."""

    common: Sheet

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
        """Return whether it is what the messenger does."""
        return self.name == FAMILIES[self.family]

    def section(self, name: str) -> str:
        own = self.sheet.sections.get(name, "")
        shared = name in ("arrive", "look") or (name == "drift" and self.cap)
        return own or (self.common.sections.get(name, "") if shared else "")

    def statements(self, event: str) -> list[str]:
        """Return an event's statements (`arrive`, `look`): its own or everybody's, and what this way does after."""
        text = f"{self.section(event)};\n{self.section(f'after {event}')}"
        return [statement.strip() for statement in _END.split(text) if statement.strip()]

    def pgbench_script(self, event: str, conversations: int) -> str:
        """Return one transaction: an event in one of the first `conversations`, drawn at random."""
        body = "\n".join(f"{statement};" for statement in self.statements(event))
        return f"\\set conversation random(1, {conversations})\nBEGIN;\n{body}\nCOMMIT;\n"


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
class WayCost:
    """Holds what a way costs. reads: buffers of each read (page, page of neglected conversations, badge).

    drift: wrong rows after many clients wrote and looked in `written` transactions. stale: wrong rows after a name was
    changed (lists).
    """

    way: Way
    reads: dict[str, int]
    events: dict[str, Cost]
    crowds: tuple[Contention, ...]
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
            "events": {name: cost.to_json() for name, cost in self.events.items()},
            "crowds": [asdict(crowd) for crowd in self.crowds],
            "drift": self.drift,
            "written": self.written,
            "stale": self.stale,
            "declared_drift": self.way.drifts,
            "ours": self.way.ours,
        } | ({"disturbed": disturbed} if (disturbed := self.disturbed) else {})

    @property
    def disturbed(self) -> str | None:
        """Return whose transactions kept dead rows alive while an event was measured."""
        return next((cost.disturbed for cost in self.events.values() if cost.disturbed), None)


@dataclass(frozen=True, slots=True)
class Counters:
    server: str
    costs: tuple[WayCost, ...]

    def of(self, family: str) -> Sequence[WayCost]:
        return [cost for cost in self.costs if cost.way.family == family]

    def base(self, family: str) -> WayCost:
        """Return the way that keeps nothing."""
        return next(cost for cost in self.costs if cost.way.name == FAMILIES[family])

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "server": self.server,
            "ways": [cost.to_json() for cost in self.costs],
        }

    def require(self) -> None:
        """Raise SubjectFailed when a way that is to be right drifted, or a control that is not was never caught."""
        for cost in self.costs:
            wrong, events = cost.drift + (cost.stale or 0), f"after {cost.written} events"
            if wrong and not cost.way.drifts:
                raise SubjectFailed(
                    f"{cost.way.name!r}: {wrong} rows are wrong {events}; it is declared never to drift"
                )
            if cost.way.drifts and not wrong:
                raise SubjectFailed(
                    f"{cost.way.name!r} is declared to drift and was right {events}: so the zeros of the others prove "
                    "nothing; give more --events"
                )


# Pages of difference that are no difference: neighbours in time share pages.
_NOTHING = 1.0
_READS = {"page": "list page", "neglected": "page of neglected conversations", "badge": "badge"}


def pages_written(cost: WayCost) -> float:
    """Return the buffers of a message and of the look at it."""
    return cost.events["arrive"].buffers + cost.events["look"].buffers


def wal(cost: WayCost) -> float:
    return cost.events["arrive"].wal_bytes + cost.events["look"].wal_bytes


def pays(base: WayCost, cost: WayCost, read: str) -> str:
    """Say from how many reads on a way costs fewer pages in all than keeping nothing."""
    saved, extra = base.reads[read] - cost.reads[read], pages_written(cost) - pages_written(base)
    if saved <= 0:
        return f"saves nothing on a {_READS[read]}"
    if refresh := cost.events.get("refresh"):
        return f"pays where {refresh.buffers / saved:,.0f} {_READS[read]}s or more are read between two refreshes"
    if extra <= _NOTHING:
        return f"pays from the first {_READS[read]} on"
    return f"pays where one {_READS[read]} is read for every {max(saved / extra, 0.1):,.1f} messages or fewer"


def verdict(counters: Counters) -> list[str]:
    """Return a sentence or two for each way, and which to choose."""
    return [line for family in ("unread", "list") if counters.of(family) for line in _family(counters, family)]


def _family(counters: Counters, family: str) -> Iterator[str]:
    base = counters.base(family)
    reads = ", ".join(f"{base.reads[read]:,} pages for a {name}" for read, name in _READS.items() if read in base.reads)
    yield f"{base.way.name} keeps nothing: {reads}."
    for cost in counters.of(family):
        if cost is not base:
            yield f"{cost.way.name}: {_sentence(base, cost)}."
    if best := _choice(counters, family):
        yield f"Choose {best.way.name}: {best.way.why}"


def _sentence(base: WayCost, cost: WayCost) -> str:
    more = f"{wal(cost) / wal(base) - 1:+.0%} WAL and {pages_written(cost) - pages_written(base):+.0f} pages"
    wrong = cost.way.drifts and not cost.stale and "refresh" not in cost.events  # and then nothing that it saves counts
    parts = [f"{more} for a message and its look", *(() if wrong else (pays(base, cost, read) for read in base.reads))]
    if refresh := cost.events.get("refresh"):
        parts.append(f"{refresh.buffers:,.0f} pages each time it is brought up to date")
    if cost.way.drifts:
        stale = f", {cost.stale} after a colleague's new name" if cost.stale else ""
        parts.append(f"{cost.drift} rows wrong after {cost.written} concurrent events{stale}")
    worst = max(cost.crowds, key=lambda crowd: crowd.clients, default=None)
    if worst and worst.waiting > 0.4:
        parts.append(f"{worst.clients} clients spend {worst.waiting:.0%} of their time waiting for each other")
    return "; ".join(parts)


def _choice(counters: Counters, family: str) -> WayCost | None:
    """Return the cheapest to write among those that are always right and whose page costs less than keeping nothing's.

    Where it costs a message more than a tenth of its WAL, keeping nothing is chosen.
    """
    base = counters.base(family)
    right = [cost for cost in counters.of(family) if not cost.way.drifts and cost.reads["page"] < base.reads["page"]]
    best = min(right, key=lambda cost: (round(wal(cost)), cost.reads["page"]), default=None)
    if len(counters.of(family)) < 2:
        return None
    return best if best and wal(best) <= 1.1 * wal(base) else base
