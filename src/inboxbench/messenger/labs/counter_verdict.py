"""When keeping a figure pays: what a message costs more and a reader saves, in words, with the numbers."""

from __future__ import annotations

from collections.abc import Iterator

from inboxbench.messenger.labs.counter import Counters, WayCost

# Pages of difference that are no difference: neighbours in time share pages.
_NOTHING = 1.0
_READS = {"page": "list page", "neglected": "page of neglected conversations", "badge": "badge"}


def written(cost: WayCost) -> float:
    """Buffers of a message and of the look at it."""
    return cost.events["arrive"].buffers + cost.events["look"].buffers


def wal(cost: WayCost) -> float:
    return cost.events["arrive"].wal_bytes + cost.events["look"].wal_bytes


def pays(base: WayCost, cost: WayCost, read: str) -> str:
    """From how many reads on a way costs fewer pages in all than keeping nothing."""
    saved, extra = base.reads[read] - cost.reads[read], written(cost) - written(base)
    if saved <= 0:
        return f"saves nothing on a {_READS[read]}"
    if refresh := cost.events.get("refresh"):
        return f"pays where {refresh.buffers / saved:,.0f} {_READS[read]}s or more are read between two refreshes"
    if extra <= _NOTHING:
        return f"pays from the first {_READS[read]} on"
    return f"pays where one {_READS[read]} is read for every {max(saved / extra, 0.1):,.1f} messages or fewer"


def verdict(counters: Counters) -> list[str]:
    """A sentence or two for each way, and which to choose."""
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
    more = f"{wal(cost) / wal(base) - 1:+.0%} WAL and {written(cost) - written(base):+.0f} pages"
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
    """The cheapest to write among those that are always right and whose page costs less than keeping nothing's; where
    that costs a message more than a tenth of its WAL, keeping nothing."""
    base = counters.base(family)
    right = [cost for cost in counters.of(family) if not cost.way.drifts and cost.reads["page"] < base.reads["page"]]
    best = min(right, key=lambda cost: (round(wal(cost)), cost.reads["page"]), default=None)
    if len(counters.of(family)) < 2:
        return None
    return best if best and wal(best) <= 1.1 * wal(base) else base
