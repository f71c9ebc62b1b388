"""Head against baseline, figure by figure: what got worse beyond its budget, what got better, what is only new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from inboxbench.gate.budget import Budgets
from inboxbench.gate.snapshot import Cost, Reading, Snapshot

Verdict = Literal["broken", "worse", "better", "note"]
ORDER: tuple[Verdict, ...] = ("broken", "worse", "better", "note")

# What each counter is called, and its unit.
METRICS = {
    "buffers": "pages", "removed": "rows thrown away", "wal": "bytes of WAL", "size": "bytes of indexes",
    "hot": "share of HOT updates", "answer": "rows", "plan": "plan", "cell": "cell", "set": "set", "time": "time",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """One figure that is not as it was. `where` is query/class/set or write/set; before and after are None where
    there is no figure. Only broken and worse close the gate."""

    verdict: Verdict
    where: str
    metric: str
    before: float | None
    after: float | None
    budget: float
    text: str
    plan_before: str | None = None
    plan_after: str | None = None

    @property
    def query(self) -> str:
        return self.where.partition("/")[0]

    @property
    def factor(self) -> float:
        """How many times as much as before; infinity from nothing."""
        if self.before is None or self.after is None:
            return float("inf") if self.verdict in ("broken", "worse") else 1.0
        return self.after / self.before if self.before else float("inf")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Changes, worst first. `compared`: figures that were held against each other."""

    changes: tuple[Change, ...]
    compared: int

    def of(self, *verdicts: Verdict) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.verdict in verdicts)

    @property
    def closed(self) -> bool:
        return bool(self.of("broken", "worse"))


_Plans = tuple[str | None, str | None]


def compare(before: Snapshot, now: Snapshot, budgets: Budgets) -> Comparison:
    """Raises nothing: what is missing on one side is a note, what fails now is broken."""
    changes = [*_cells(before, now, budgets), *_costs(before, now, budgets)]
    shared = before.readings.keys() & now.readings.keys()
    writes = sum(len(now.costs[name].writes) for name in before.costs.keys() & now.costs.keys())
    return Comparison(ranked(changes), 2 * len(shared) + 2 * writes + len(before.costs.keys() & now.costs.keys()))


def ranked(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Worst first."""
    return tuple(sorted(changes, key=_rank))


def _rank(change: Change) -> tuple[int, bool, float, str]:
    """Pages before rows thrown away, which often come from nothing."""
    return ORDER.index(change.verdict), change.metric == "removed", -change.factor, change.where


def _note(where: str, metric: str, text: str) -> Change:
    return Change("note", where, metric, None, None, 1.0, text)


def _cells(before: Snapshot, now: Snapshot, budgets: Budgets) -> Iterator[Change]:
    for key in sorted(before.readings.keys() | now.readings.keys()):
        old, new = before.readings.get(key), now.readings.get(key)
        if old is None:
            yield _note(key, "cell", "is new: the baseline does not know it")
        elif new is None:
            yield _note(key, "cell", "is in the baseline and was not measured now")
        elif old.parameters != new.parameters:
            yield _note(key, "cell", "is drawn with other parameters than the baseline's: not compared")
        else:
            yield from _cell(key, old, new, budgets)


def _cell(key: str, old: Reading, new: Reading, budgets: Budgets) -> Iterator[Change]:
    plans = (old.plan, new.plan)
    if new.failure and not old.failure:
        yield Change("broken", key, "cell", None, None, 1.0, f"fails now: {new.failure}", *plans)
        return
    if old.failure or new.failure:
        if old.failure and not new.failure:
            yield Change("better", key, "cell", None, None, 1.0, f"answers now; it did not: {old.failure}", *plans)
        return
    if old.answer != new.answer:
        if old.query == new.query:
            yield Change(
                "broken", key, "answer", old.rows, new.rows, 1.0, "returns other rows than at the baseline", *plans
            )
        else:
            yield _note(key, "answer", "its text changed, and its rows with it")
    budget = budgets.of(key.partition("/")[0])
    worse = False
    for metric, allowed in (("buffers", budget.buffers), ("removed", budget.removed)):
        if change := _figure(key, metric, getattr(old, metric), getattr(new, metric), budget=allowed, plans=plans):
            worse |= change.verdict == "worse"
            yield change
    if old.plan != new.plan and not worse:
        yield Change("note", key, "plan", None, None, 1.0, "has another plan that reads no more", *plans)


def _figure(
    where: str, metric: str, before: float | None, after: float | None, *, budget: float, plans: _Plans = (None, None)
) -> Change | None:
    """None when nothing is to be said: the same, or more within a budget."""
    if before is None or after is None or before == after:
        return None
    plan_before, plan_after = plans
    verdict: Verdict = "better" if after < before else "worse"
    if verdict == "worse" and after <= before * budget:
        return None
    allowed = f", {budget:g} times is allowed" if verdict == "worse" and budget > 1 else ""
    text = f"{before:,.6g} → {after:,.6g} {METRICS[metric]}{allowed}"
    return Change(verdict, where, metric, before, after, budget, text, plan_before, plan_after)


def _costs(before: Snapshot, now: Snapshot, budgets: Budgets) -> Iterator[Change]:
    for name in sorted(before.costs.keys() | now.costs.keys()):
        old, new = before.costs.get(name), now.costs.get(name)
        if old is None or new is None:
            yield _note(name, "set", "is new" if old is None else "was not measured now")
            continue
        yield from _sizes(name, old, new, budgets)
        yield from _writes(name, old, new, budgets)


def _sizes(name: str, old: Cost, new: Cost, budgets: Budgets) -> Iterator[Change]:
    for index in sorted(old.indexes.keys() ^ new.indexes.keys()):
        gone = index in old.indexes
        yield _note(f"{index}/{name}", "set", "is gone" if gone else f"is new: {new.indexes[index]:,} bytes")
    yield from _beyond(name, "size", old.bytes, new.bytes, budgets.default.size)


def _beyond(where: str, metric: str, before: float, after: float, budget: float) -> Iterator[Change]:
    """For figures that repeat only roughly: nothing is said within the budget, in either direction."""
    if max(before, after) > min(before, after) * budget:
        change = _figure(where, metric, before, after, budget=budget)
        yield from [change] if change else []


def _writes(name: str, old: Cost, new: Cost, budgets: Budgets) -> Iterator[Change]:
    for write in sorted(old.writes.keys() | new.writes.keys()):
        where = f"{write}/{name}"
        if write not in old.writes or write not in new.writes:
            yield _note(
                where, "cell", "is new" if write in new.writes else "is in the baseline and was not measured now"
            )
            continue
        before, after, budget = old.writes[write], new.writes[write], budgets.of(write)
        yield from _beyond(where, "wal", before.wal_bytes, after.wal_bytes, budget.wal)
        if (fallen := _hot(where, before.hot_share, after.hot_share, budget.hot)) is not None:
            yield fallen


def _hot(where: str, before: float | None, after: float | None, allowed: float) -> Change | None:
    """A share: the less, the worse."""
    if before is None or after is None or abs(before - after) <= allowed:
        return None
    text = f"{before:.1%} → {after:.1%} of updates touch no index (HOT)"
    return Change("worse" if after < before else "better", where, "hot", before, after, 1 + allowed, text)
