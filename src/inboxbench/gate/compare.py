"""Head against baseline, figure by figure: what got worse beyond its budget, what got better, what is only new, and
what could not be compared, with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from inboxbench.gate.budgets import Budget, Budgets
from inboxbench.gate.change import METRICS, Change, Comparison, note, ranked, uncompared
from inboxbench.gate.rules import compare_rules
from inboxbench.gate.snapshot import Cost, Reading, Snapshot, Writing

_Plans = tuple[str | None, str | None]
# None: a figure that was compared and is as it was.
_Found = Iterator[Change | None]

_NEW = "the baseline does not know it; --update adds it"
_OLD_FORMAT = "the baseline was made by an earlier version, which did not measure it; --update adds it"


def compare(before: Snapshot, now: Snapshot, budgets: Budgets) -> Comparison:
    """Compare head with a baseline of the same environment. Raises nothing: what fails now is broken, and what is
    missing on one side is named as not compared."""
    found = [*_cells(before, now, budgets), *_costs(before, now, budgets), *_rules(before, now)]
    changes = ranked(change for change in found if change is not None)
    figures = sum(change is None or change.verdict in ("worse", "better") for change in found)
    return Comparison(changes, figures)


def without(before: Snapshot, queries: frozenset[str]) -> tuple[Snapshot, int]:
    """Return the baseline without the readings of those queries, and how many these are."""
    kept = {key: reading for key, reading in before.readings.items() if key.partition("/")[0] not in queries}
    return replace(before, readings=kept), len(before.readings) - len(kept)


def _rules(before: Snapshot, now: Snapshot) -> _Found:
    if before.rules is None or now.rules is None:
        if before.rules is not now.rules:
            old = before.rules is None
            why = _OLD_FORMAT if old else "head's counters are of an earlier version, which did not read them"
            yield uncompared("rules", "rule", why, new=old)
        return
    yield from compare_rules(before.rules, now.rules)


def _cells(before: Snapshot, now: Snapshot, budgets: Budgets) -> _Found:
    for key in sorted(before.readings.keys() | now.readings.keys()):
        old, new = before.readings.get(key), now.readings.get(key)
        if new is None:
            yield uncompared(key, "cell", _why_missing(key, now))
        elif new.failure and (old is None or not old.failure):
            yield _broken(key, new.failure, (old.plan if old else None, None), new=old is None)
        elif old is None:
            yield uncompared(key, "cell", _NEW, new=True)
        elif new.failure or old.failure:
            yield _failed_before(key, old.failure, new.failure)
        elif old.parameters != new.parameters:
            yield uncompared(key, "cell", "it is drawn with other parameters than the baseline's")
        else:
            yield from _cell(key, old, new, budgets.of(key.partition("/")[0]))


def _why_missing(key: str, now: Snapshot) -> str:
    case, _, name = key.rpartition("/")
    if name not in now.costs:
        return _unmeasured(name)
    if case in now.skipped:
        return now.skipped[case]
    return "it is in the baseline and was not measured now; is the query gone?"


def _unmeasured(name: str) -> str:
    return f"index set {name} was not measured now; name it with --sets, if it is still there"


def _broken(where: str, failure: str, plans: _Plans, *, new: bool) -> Change:
    return Change(
        "broken", where, "cell", None, None, 1.0, f"{'is new and fails' if new else 'fails now'}: {failure}", *plans
    )


def _failed_before(where: str, before: str | None, now: str | None) -> Change:
    if now:
        return uncompared(where, "cell", f"it failed at the baseline and fails now: {now}")
    return Change("better", where, "cell", None, None, 1.0, f"answers now; it did not: {before}")


def _cell(key: str, old: Reading, new: Reading, budget: Budget) -> _Found:
    plans = (old.plan, new.plan)
    if old.answer != new.answer:
        yield _answer(key, old, new, "returns other rows than at the baseline", plans)
    figures = [
        figure
        for metric in ("buffers", "removed")
        for figure in _figure(
            key, metric, getattr(old, metric), getattr(new, metric), budget=getattr(budget, metric), plans=plans
        )
    ]
    yield from figures
    if old.plan != new.plan and not any(figure and figure.verdict == "worse" for figure in figures):
        yield Change("note", key, "plan", None, None, 1.0, "has another plan that reads no more", *plans)


def _answer(
    where: str, old: Reading | Writing, new: Reading | Writing, text: str, plans: _Plans = (None, None)
) -> Change:
    if old.query != new.query:
        return note(where, "answer", "its text changed, and its rows with it")
    return Change("broken", where, "answer", old.rows, new.rows, 1.0, text, *plans)


def _figure(
    where: str,
    metric: str,
    before: float | None,
    after: float | None,
    *,
    budget: float,
    plans: _Plans = (None, None),
    rough: bool = False,
    more: str = "",
) -> _Found:
    """Yield what is to be said of a figure: the same, or more within a budget, is None. rough: it repeats only roughly,
    so that nothing is said within the budget in either direction. more: ends the text where it got worse."""
    if before is None or after is None:
        if before is not after:
            yield uncompared(where, metric, f"{METRICS[metric]} are known on one side alone: {before} → {after}")
        return
    verdict = "better" if after < before else "worse"
    if before == after or ((verdict == "worse" or rough) and max(before, after) <= min(before, after) * budget):
        yield None
        return
    allowed = f", {budget:g} times is allowed" if verdict == "worse" and budget > 1 else ""
    text = f"{before:,.6g} → {after:,.6g} {METRICS[metric]}{allowed}{more if verdict == 'worse' else ''}"
    yield Change("worse" if verdict == "worse" else "better", where, metric, before, after, budget, text, *plans)


def _costs(before: Snapshot, now: Snapshot, budgets: Budgets) -> _Found:
    for name in sorted(before.costs.keys() | now.costs.keys()):
        old, new = before.costs.get(name), now.costs.get(name)
        if new is None:
            wheres = [name, *(f"{write}/{name}" for write in sorted(old.writes if old else ()))]
            yield from (uncompared(where, "set", _unmeasured(name)) for where in wheres)
            continue
        if old is None:
            yield uncompared(name, "set", _NEW, new=True)
        else:
            yield from _sizes(name, old, new, budgets)
        yield from _writes(name, old.writes if old else {}, new.writes, budgets)


def _sizes(name: str, old: Cost, new: Cost, budgets: Budgets) -> _Found:
    for index in sorted(old.indexes.keys() ^ new.indexes.keys()):
        gone = index in old.indexes
        yield note(f"{index}/{name}", "set", "is gone" if gone else f"is new: {new.indexes[index]:,} bytes")
    yield from _figure(name, "size", old.bytes, new.bytes, budget=budgets.default.size, rough=True)


def _writes(name: str, before: Mapping[str, Writing], now: Mapping[str, Writing], budgets: Budgets) -> _Found:
    for write in sorted(before.keys() | now.keys()):
        where, old, new = f"{write}/{name}", before.get(write), now.get(write)
        if new is None:
            yield uncompared(where, "cell", "it is in the baseline and was not measured now; is the write gone?")
        elif new.failure and (old is None or not old.failure):
            yield _broken(where, new.failure, (None, None), new=old is None)
        elif old is None:
            yield uncompared(where, "cell", _NEW, new=True)
        elif new.failure or old.failure:
            yield _failed_before(where, old.failure, new.failure)
        elif old.parameters is not None and old.parameters != new.parameters:
            yield uncompared(where, "cell", "it is executed with other parameters than the baseline's")
        else:
            yield from _write(where, old, new, budgets.of(write))


def _write(where: str, old: Writing, new: Writing, budget: Budget) -> _Found:
    by_horizon = [
        *_figure(where, "wal", old.wal_bytes, new.wal_bytes, budget=budget.wal, rough=True),
        *_hot(where, old.hot_share, new.hot_share, budget.hot),
    ]
    yield from _undisturbed(by_horizon, old.disturbed, new.disturbed)
    if old.query is None:
        if new.query is not None:
            yield uncompared(where, "buffers", _OLD_FORMAT, new=True)
        return
    if old.rows != new.rows:
        yield _answer(where, old, new, f"changes {new.rows} rows an execution, {old.rows} at the baseline")
    yield from _figure(
        where, "buffers", old.buffers, new.buffers, budget=budget.pages, rough=True, more=_fired(old, new)
    )
    for trigger in sorted(old.fired.keys() & new.fired.keys()):
        calls = (old.fired[trigger], new.fired[trigger])
        yield from _figure(f"{where}/{trigger}", "calls", *calls, budget=1.0)
    for trigger in sorted(old.fired.keys() ^ new.fired.keys()):
        yield note(f"{where}/{trigger}", "calls", "fires no more" if trigger in old.fired else "fires now")


def _undisturbed(changes: list[Change | None], before: str | None, now: str | None) -> _Found:
    """Yield the changes, but as not compared where a transaction of another session was in the way on either side: it
    makes WAL grow and HOT fall, which is no regression. What is as before all the same was compared."""
    for change in changes:
        if change is not None and (before or now) and change.verdict in ("worse", "better"):
            when = "now" if now else "when the baseline was measured"
            why = f"disturbed {when} by another session's transaction, which kept dead rows alive: {now or before}"
            yield uncompared(change.where, change.metric, f"{change.text}; {why}", new=now is None)
        else:
            yield change


def _fired(old: Writing, new: Writing) -> str:
    """Say which part of the pages is that of triggers and keys that fire after the statement, and what fires newly."""
    parts = [f"fires now: {', '.join(fresh)}"] if (fresh := sorted(new.fired.keys() - old.fired.keys())) else []
    if old.after is not None and new.after is not None and new.after > old.after:
        parts.append(f"after the statement itself: {old.after:,.6g} → {new.after:,.6g}")
    return "".join(f"; {part}" for part in parts)


def _hot(where: str, before: float | None, after: float | None, allowed: float) -> _Found:
    """A share: the less, the worse."""
    if before is None or after is None:
        if before is not after:
            yield uncompared(
                where, "hot", "rows are updated on one side alone, so that there is no share of HOT on the other"
            )
        return
    if abs(before - after) <= allowed:
        yield None
        return
    text = f"{before:.1%} → {after:.1%} of updates touch no index (HOT)"
    yield Change("worse" if after < before else "better", where, "hot", before, after, 1 + allowed, text)
