"""Statements of one transaction that differ in their values alone, as one statement with a count.

A loop over rows sends thousands of them, each too small to matter, and together they are one backfill: rules judge the
sum, every output shows one line, and a run of a million statements is a record of a few. What each of them said is
kept, so that they can be run again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from inboxbench.dryrun.model import Lock, Repeat, Scan, Statement
from inboxbench.dryrun.more import Inner
from inboxbench.sqltree.tokens import folded

FEWEST = 10  # alike statements that are folded; fewer can be read one by one
_PLAIN = ("insert", "update", "delete", "merge", "select")
_Kind = tuple[str, str | None, int | None]


def fold(statements: Sequence[Statement]) -> tuple[Statement, ...]:
    """Return them with those that are alike in the place of the first of them.

    Between them may stand others that only read and write rows; what locks a table against others, sets a parameter,
    fails or rewrites a file is a border, for its order to the others matters. Numbers stay as they are.
    """
    groups: list[list[Statement]] = []
    open_groups: dict[int, dict[_Kind, list[Statement]]] = defaultdict(dict)
    plain: dict[str, bool] = {}  # by text without values, of which there are few
    for statement in statements:
        shape = folded(statement.sql) if _is_quiet(statement) else ""
        if shape not in plain:
            plain[shape] = bool(shape) and _is_plain(statement)
        if not plain[shape]:
            open_groups.pop(statement.transaction, None)
            groups.append([statement])
            continue
        mine = open_groups[statement.transaction]
        kind = (shape, statement.revision, statement.line)
        if kind not in mine:
            mine[kind] = []
            groups.append(mine[kind])
        mine[kind].append(statement)
    return tuple(sorted((part for group in groups for part in _joined(group)), key=_number))


def unfolded(statements: Iterable[Statement]) -> list[Repeat]:
    """Return what was run, text by text, in its order."""
    every = (repeat for statement in statements for repeat in _texts(statement))
    return sorted(every, key=lambda repeat: repeat.number)


def _number(statement: Statement) -> int:
    return statement.number


def _texts(statement: Statement) -> tuple[Repeat, ...]:
    return statement.repeats or (Repeat(statement.number, statement.sql, statement.values),)


def _is_quiet(statement: Statement) -> bool:
    """Return whether its order to its neighbours says nothing about who was kept out."""
    waits = any(lock.keeps_out or lock.waited_ms for lock in statement.locks)
    return not (statement.error or statement.rewrites or statement.stamps or waits)


def _is_plain(statement: Statement) -> bool:
    command = statement.parsed.only
    return command is not None and command.kind in _PLAIN and not command.settings


def _inner(group: Sequence[Statement]) -> Iterator[Inner]:
    """Yield what ran within any of them, text by text, the most rows first."""
    counts: dict[str, tuple[int, int]] = {}
    for inner in (inner for statement in group for inner in statement.inner):
        calls, rows = counts.get(inner.sql, (0, 0))
        counts[inner.sql] = calls + inner.calls, rows + inner.rows
    for sql, (calls, rows) in sorted(counts.items(), key=lambda item: -item[1][1]):
        yield Inner(sql, calls, rows)


def _joined(group: Sequence[Statement]) -> Sequence[Statement]:
    if len(group) < FEWEST:
        return group
    first = group[0]
    rows: dict[str, int] = {}
    locks: dict[str, Lock] = {}
    for statement in group:
        for lock in statement.locks:
            locks.setdefault(lock.relation, lock)
        for scan in statement.scans:
            rows[scan.relation] = rows.get(scan.relation, 0) + scan.rows
    joined = replace(
        first,
        times=len(group),
        repeats=tuple(repeat for statement in group for repeat in _texts(statement)),
        duration_ms=sum(statement.duration_ms for statement in group),
        wal_bytes=sum(statement.wal_bytes for statement in group),
        dead_tuples=sum(statement.dead_tuples for statement in group),
        peak_bytes=max(statement.peak_bytes for statement in group),
        temp_bytes=sum(statement.temp_bytes for statement in group),
        locks=tuple(locks[relation] for relation in sorted(locks)),
        inner=tuple(_inner(group)),
        scans=tuple(Scan(relation, count) for relation, count in sorted(rows.items())),
    )
    return [joined]
