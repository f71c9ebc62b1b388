"""What is written back: a baseline moves only where a figure moved, so that it is the same to the byte otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from inboxbench.gate.budget import Budget, Budgets
from inboxbench.gate.snapshot import Cost, Reading, Snapshot, Writing

_N = TypeVar("_N", int, float)


def settled(before: Snapshot, now: Snapshot, budgets: Budgets, *, accept: bool, partial: bool = False) -> Snapshot:
    """The baseline to keep: head's figures where they are better or new, the old ones where they repeat within their
    budget. Worse ones only with `accept`; cells that were not measured now go, unless only a `partial` run was asked
    for."""
    if partial:
        now = _completed(now, before)
    readings = {
        key: _reading(before.readings.get(key), reading, accept=accept) for key, reading in now.readings.items()
    }
    costs = {name: _cost(before.costs.get(name), cost, budgets, accept=accept) for name, cost in now.costs.items()}
    return replace(now, readings=readings, costs=costs)


def _completed(now: Snapshot, before: Snapshot) -> Snapshot:
    """With the baseline's figures where there are none of now."""
    return replace(now, readings={**before.readings, **now.readings}, costs={**before.costs, **now.costs})


def _reading(old: Reading | None, new: Reading, *, accept: bool) -> Reading:
    if old is None or accept or old.parameters != new.parameters:
        return new
    worse = new.failure is not None or _more(new.buffers, old.buffers) or _more(new.removed, old.removed)
    other = old.answer != new.answer and old.query == new.query
    return old if worse or other else new


def _more(new: int | None, old: int | None) -> bool:
    return new is not None and old is not None and new > old


def _cost(old: Cost | None, new: Cost, budgets: Budgets, *, accept: bool) -> Cost:
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
    return Writing(wal, _hot(old, new, budget.hot, accept=accept))


def _kept(old: _N, new: _N, budget: float, *, accept: bool) -> _N:
    if max(old, new) <= min(old, new) * budget or (new > old and not accept):
        return old
    return new


def _hot(old: Writing, new: Writing, allowed: float, *, accept: bool) -> float | None:
    if old.hot_share is None or new.hot_share is None:
        return new.hot_share
    if abs(old.hot_share - new.hot_share) <= allowed or (new.hot_share < old.hot_share and not accept):
        return old.hot_share
    return new.hot_share
