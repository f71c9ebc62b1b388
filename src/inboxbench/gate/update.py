"""The baseline that `--update` writes of the old one and of head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from inboxbench.gate.budgets import Budget, Budgets
from inboxbench.gate.rules import kept_rules
from inboxbench.gate.snapshot import Cost, Reading, Snapshot, Writing

_N = TypeVar("_N", int, float)


def settled(before: Snapshot, now: Snapshot, budgets: Budgets, *, accept: bool, partial: bool = False) -> Snapshot:
    """Return the baseline to keep: head's figures where they are better or new, the old ones where they repeat within
    their budget.

    Only with `accept` are figures that got worse written, are rules dropped, and do readings go that were not compared
    now; after a `partial` run, which was asked for some queries only, those of the others never go.
    """
    stay = {} if accept else before.costs
    costs = {
        name: _merged_cost(before.costs.get(name), cost, budgets, accept=accept) for name, cost in now.costs.items()
    }
    readings = {
        key: merged
        for key, reading in now.readings.items()
        if (merged := _merged_reading(before.readings.get(key), reading, accept=accept))
    }
    rules = now.rules if accept or before.rules is None else kept_rules(before.rules, now.rules or {})
    kept = before.readings if partial or not accept else {}
    return replace(now, readings={**kept, **readings}, costs={**stay, **costs}, rules=rules)


def lost(before: Snapshot, kept: Snapshot) -> int:
    """Return how many readings, sets and writes of a baseline are in another one no more."""
    old, new = (
        {
            *snapshot.readings,
            *snapshot.costs,
            *((name, write) for name, cost in snapshot.costs.items() for write in cost.writes),
        }
        for snapshot in (before, kept)
    )
    return len(old - new)


def _merged_reading(old: Reading | None, new: Reading, *, accept: bool) -> Reading | None:
    """None: there is none to keep, as head's fails."""
    if accept:
        return new
    if old is None:
        return None if new.failure else new
    worse = new.failure is not None or _more(new.buffers, old.buffers) or _more(new.removed, old.removed)
    other = old.answer != new.answer and old.query == new.query
    return old if worse or other or old.parameters != new.parameters else new


def _more(new: int | None, old: int | None) -> bool:
    return new is not None and old is not None and new > old


def _merged_cost(old: Cost | None, new: Cost, budgets: Budgets, *, accept: bool) -> Cost:
    before: Mapping[str, Writing] = old.writes if old else {}
    writes = {} if accept else dict(before)
    for name, writing in new.writes.items():
        if merged := _writing(before.get(name), writing, budgets.of(name), accept=accept):
            writes[name] = merged
    if old is None:
        return replace(new, writes=writes)
    size = _kept(old.bytes, new.bytes, budgets.default.size, accept=accept) or 0
    return Cost(size, new.indexes if size == new.bytes else old.indexes, writes)


def _writing(old: Writing | None, new: Writing, budget: Budget, *, accept: bool) -> Writing | None:
    if new.failure or old is None or old.failure:
        return new if accept or not new.failure else old
    changed = old.parameters not in (None, new.parameters) or (
        old.rows not in (None, new.rows) and old.query == new.query
    )
    if changed and not accept:
        return old
    old, new = _settled_horizon(old, new)
    buffers = _kept(old.buffers, new.buffers, budget.pages, accept=accept)
    return replace(
        new,
        wal_bytes=_kept(old.wal_bytes, new.wal_bytes, budget.wal, accept=accept),
        hot_share=_merged_hot(old, new, budget.hot, accept=accept),
        buffers=buffers,
        after=old.after if buffers == old.buffers else new.after,
    )


def _settled_horizon(old: Writing, new: Writing) -> tuple[Writing, Writing]:
    """Return both with the WAL and HOT share of the undisturbed one, where another session's transaction was in the way
    of the other."""
    if bool(old.disturbed) == bool(new.disturbed):
        return old, new
    good = old if new.disturbed else new
    figures: dict[str, Any] = {"wal_bytes": good.wal_bytes, "hot_share": good.hot_share, "disturbed": None}
    return replace(old, **figures), replace(new, **figures)


def _kept(old: _N | None, new: _N | None, budget: float, *, accept: bool) -> _N | None:
    if old is None or new is None:
        return new if accept or old is None else old
    if max(old, new) <= min(old, new) * budget or (new > old and not accept):
        return old
    return new


def _merged_hot(old: Writing, new: Writing, allowed: float, *, accept: bool) -> float | None:
    if old.hot_share is None or new.hot_share is None:
        return new.hot_share if accept or old.hot_share is None else old.hot_share
    if abs(old.hot_share - new.hot_share) <= allowed or (new.hot_share < old.hot_share and not accept):
        return old.hot_share
    return new.hot_share
