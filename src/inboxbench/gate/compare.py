"""Head against baseline, figure by figure: what got worse beyond its budget, what got better, what is only new.

Budgets are read from gate.toml; `settled` makes the baseline that `--update` writes of the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from inboxbench.documents import check_table, read_toml
from inboxbench.errors import UsageError, unknown
from inboxbench.gate.snapshot import Cost, Reading, Snapshot, Writing


@dataclass(frozen=True, slots=True)
class Budget:
    """Factors over the baseline (1.0: nothing), and how far the HOT share may fall.

    WAL repeats within 0.03 % and sizes exactly over rebuilds; 1 % leaves room for minor versions.
    """

    buffers: float = 1.0
    removed: float = 1.0
    wal: float = 1.01
    size: float = 1.01
    hot: float = 0.01


@dataclass(frozen=True, slots=True)
class Budgets:
    """The default one, and those of queries and writes by name."""

    default: Budget = Budget()
    named: Mapping[str, Budget] = field(default_factory=dict)

    def of(self, name: str) -> Budget:
        return self.named.get(name, self.default)


def read_budgets(path: Path) -> Budgets:
    """Of `bench/gate.toml`: [default] and [budget.NAME], a query's or a write's; no file, no budgets.

    Raises UsageError naming file, table and key.
    """
    if not path.is_file():
        return Budgets()
    document = read_toml(path)
    for key in document:
        if key not in ("default", "budget"):
            raise unknown("table", key, ("default", "budget"), where=str(path))
    default = _budget(path, "default", document.get("default", {}), Budget())
    named = check_table(document.get("budget", {}), None, f"{path} [budget]")
    return Budgets(default, {name: _budget(path, f"budget.{name}", raw, default) for name, raw in named.items()})


def _budget(path: Path, where: str, raw: object, base: Budget) -> Budget:
    names = [field.name for field in fields(Budget)]
    table = check_table(raw, None, f"{path} [{where}]")
    for key, value in table.items():
        if key not in names:
            raise unknown("key", key, names, where=f"{path} [{where}]")
        _check(path, where, key, value)
    return Budget(**{name: float(table.get(name, getattr(base, name))) for name in names})


def _check(path: Path, where: str, key: str, value: Any) -> None:
    lowest, highest = (0.0, 1.0) if key == "hot" else (1.0, float("inf"))
    if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value < highest:
        what = "a share of at least 0 and below 1" if key == "hot" else "a factor of at least 1"
        raise UsageError(f"{path} [{where}] {key}: {value!r} is not {what}")


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


_N = TypeVar("_N", int, float)


def settled(before: Snapshot, now: Snapshot, budgets: Budgets, *, accept: bool, partial: bool = False) -> Snapshot:
    """The baseline to keep: head's figures where they are better or new, the old ones where they repeat within their
    budget. Worse ones only with `accept`; cells that were not measured now go, unless only a `partial` run was asked
    for."""
    if partial:
        now = _completed(now, before)
    readings = {
        key: _merged_reading(before.readings.get(key), reading, accept=accept) for key, reading in now.readings.items()
    }
    costs = {
        name: _merged_cost(before.costs.get(name), cost, budgets, accept=accept) for name, cost in now.costs.items()
    }
    return replace(now, readings=readings, costs=costs)


def _completed(now: Snapshot, before: Snapshot) -> Snapshot:
    """With the baseline's figures where there are none of now."""
    return replace(now, readings={**before.readings, **now.readings}, costs={**before.costs, **now.costs})


def _merged_reading(old: Reading | None, new: Reading, *, accept: bool) -> Reading:
    if old is None or accept or old.parameters != new.parameters:
        return new
    worse = new.failure is not None or _more(new.buffers, old.buffers) or _more(new.removed, old.removed)
    other = old.answer != new.answer and old.query == new.query
    return old if worse or other else new


def _more(new: int | None, old: int | None) -> bool:
    return new is not None and old is not None and new > old


def _merged_cost(old: Cost | None, new: Cost, budgets: Budgets, *, accept: bool) -> Cost:
    if old is None:
        return new
    size = _kept(old.bytes, new.bytes, budgets.default.size, accept=accept)
    indexes: Mapping[str, int] = new.indexes if size == new.bytes else old.indexes
    writes = {
        name: _writing(old.writes.get(name), writing, budgets.of(name), accept=accept)
        for name, writing in new.writes.items()
    }
    return Cost(size, indexes, writes)


def _writing(old: Writing | None, new: Writing, budget: Budget, *, accept: bool) -> Writing:
    if old is None:
        return new
    wal = _kept(old.wal_bytes, new.wal_bytes, budget.wal, accept=accept)
    return Writing(wal, _merged_hot(old, new, budget.hot, accept=accept))


def _kept(old: _N, new: _N, budget: float, *, accept: bool) -> _N:
    if max(old, new) <= min(old, new) * budget or (new > old and not accept):
        return old
    return new


def _merged_hot(old: Writing, new: Writing, allowed: float, *, accept: bool) -> float | None:
    if old.hot_share is None or new.hot_share is None:
        return new.hot_share
    if abs(old.hot_share - new.hot_share) <= allowed or (new.hot_share < old.hot_share and not accept):
        return old.hot_share
    return new.hot_share
