"""The matrix as a value: sets, cells, writes, and the form in which a run's record keeps them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inboxbench.bench.execute.generic import Generic, generic_remarks
from inboxbench.bench.execute.overhead import Overhead
from inboxbench.bench.execute.pgbench import Throughput
from inboxbench.bench.execute.session import Timing
from inboxbench.bench.sets.indexset import BuiltIndex, IndexSet
from inboxbench.bench.sets.members import Members
from inboxbench.bench.workload.queries import Case, Workload
from inboxbench.bench.workload.writes import WriteCost
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.explain import Plan
from inboxbench.record import rounded


@dataclass(frozen=True, slots=True)
class Cell:
    """One case under one set.

    same_rows: whether its rows are those of the first set that answered (None: nothing to compare, or other rows that
    are right as well, and `ties` says why). undecided: why it is not known whether other rows are right.
    stopped: it ran into statement_timeout, which is a finding; `failure` then says so in words.
    answer: a digest of its rows, alike wherever the same rows came out.
    measured_under: the set whose execution this is; another one's when a slow plan came out the same there.
    generic: its generic plan, where that does other steps.
    """

    case: Case
    index_set: str
    plan: Plan | None = None
    timing: Timing | None = None
    failure: str | None = None
    same_rows: bool | None = None
    ties: str | None = None
    undecided: str | None = None
    steady: bool = True
    measured_under: str = ""
    stopped: bool = False
    answer: str | None = None
    generic: Generic | None = None

    @property
    def name(self) -> str:
        return f"{self.case.name} under {self.index_set}"

    def to_json(self) -> dict[str, Any]:
        plan, timing = self.plan, self.timing
        return {
            "query": self.case.query.name,
            "class": self.case.parameter_class.name,
            "set": self.index_set,
            "params": {name: plain(value) for name, value in self.case.values.items()},
            "rows": plan.rows if plan else None,
            "buffers": plan.buffers if plan else None,
            "removed": plan.removed if plan else None,
            "visited": plan.visited if plan else None,
            "temporary": plan.temp if plan else None,
            "planning": plan.planning if plan else None,
            "median_ms": round(timing.median_ms, 4) if timing else None,
            "p95_ms": round(timing.p95_ms, 4) if timing else None,
            "rounds": timing.rounds if timing else 0,
            "client_ms": round(timing.client_ms, 4) if timing and timing.client_ms is not None else None,
            "plan": plan.line if plan else self.failure,
            "same_rows": self.same_rows,
            "ties": self.ties,
            "undecided": self.undecided,
            "steady": self.steady,
            "measured_under": self.measured_under,
            "failure": self.failure,
            "stopped": self.stopped,
            "generic": self.generic.to_json() if self.generic else None,
        }


@dataclass(frozen=True, slots=True)
class SetResult:
    """Holds what a set is made of and what it costs."""

    index_set: IndexSet
    built: tuple[BuiltIndex, ...]
    bytes: int
    writes: tuple[WriteCost, ...] = ()
    throughput: tuple[Throughput, ...] = ()

    def per_s(self, family: str) -> float | None:
        """Writes of a family a second, by several clients of pgbench; None where it was not measured."""
        return next((speed.per_s for speed in self.throughput if speed.family == family), None)

    @property
    def build_s(self) -> float:
        return sum(index.build_s for index in self.built)

    def wal_bytes(self, family: str) -> float | None:
        """Mean WAL of one execution over the writes of a family (insert, update)."""
        costs = [write.wal_bytes for write in self.writes if write.family == family]
        return sum(costs) / len(costs) if costs else None

    @property
    def insert_per_s(self) -> float | None:
        speeds = [write.per_s for write in self.writes if write.family == "insert"]
        return min(speeds, default=None)

    @property
    def hot_share(self) -> float | None:
        """Share of HOT among the row updates of all writes, each kind weighing the same."""
        shares = [write.hot_share for write in self.writes if write.hot_share is not None]
        return sum(shares) / len(shares) if shares else None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.index_set.name,
            "title": self.index_set.title,
            "why": self.index_set.why,
            "indexes": [_index_json(built) for built in self.built],
            "lacks": list(self.index_set.lacks),
            "members": _members_json(self.index_set.members),
            "bytes": self.bytes,
            "build_s": round(self.build_s, 3),
            "insert_wal_bytes": rounded(self.wal_bytes("insert")),
            "update_wal_bytes": rounded(self.wal_bytes("update")),
            "insert_per_s": rounded(self.insert_per_s),
            "hot_share": rounded(self.hot_share, 4),
            "writes": [write.to_json() for write in self.writes],
            "throughput": [speed.to_json() for speed in self.throughput],
        }


@dataclass(frozen=True, slots=True)
class Matrix:
    """Everything measured; `notes` says what could not be, and why; `caveats` what to know before the figures. untried:
    sets of the catalogue that were not measured, each with the reason. source: the state of what was copied."""

    profile: str
    workload: Workload
    sets: tuple[SetResult, ...]
    cells: tuple[Cell, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    client: Overhead | None = None
    refused: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    untried: tuple[tuple[str, str], ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)

    def unclear(self, cell: Cell) -> bool:
        """Return whether its time on the client's side is within that of a query with next to nothing to do."""
        timing = cell.timing
        return bool(self.client and timing and timing.client_ms is not None and timing.client_ms < self.client.floor_ms)

    def cell(self, query: str, parameter_class: str, index_set: str) -> Cell:
        for cell in self.cells:
            names = (cell.case.query.name, cell.case.parameter_class.name, cell.index_set)
            if names == (query, parameter_class, index_set):
                return cell
        raise KeyError((query, parameter_class, index_set))

    @property
    def _differing(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.same_rows is False]

    @property
    def failures(self) -> tuple[str, ...]:
        """Return cells that failed, that no set answered in time, or that answered otherwise than the first set.

        Being stopped under some sets and not under others is what an index set is measured for, not a failure.
        """
        answered = {cell.case.name for cell in self.cells if cell.plan}
        broken = [
            f"{cell.name}: {cell.failure}"
            for cell in self.cells
            if cell.failure and not (cell.stopped and cell.case.name in answered)
        ]
        return (*broken, *(f"{cell.name}: {_differs(cell)}" for cell in self._differing))

    @property
    def ties(self) -> tuple[str, ...]:
        """Return a remark for each case that sets answer with different rows, all of them right."""
        firsts: dict[str, str] = {}
        cases: dict[tuple[str, str], list[str]] = {}
        for cell in self.cells:
            if cell.same_rows:
                firsts.setdefault(cell.case.name, cell.index_set)
            if cell.ties:
                cases.setdefault((cell.case.name, cell.ties), []).append(cell.index_set)
        return tuple(
            f"{case}: other rows under {' and '.join(sets)} than under {firsts.get(case, 'the first set')}, and any of "
            f"these rows is right, for {why}"
            for (case, why), sets in cases.items()
        )

    @property
    def generic_plans(self) -> tuple[str, ...]:
        """Return a remark for each query that a generic plan makes dearer."""
        return generic_remarks(
            (cell.case.query.name, cell.name, cell.plan.buffers, cell.generic)
            for cell in self.cells
            if cell.plan and cell.generic
        )

    def require_sound(self) -> None:
        """Raises SubjectFailed when a cell failed, UsageError when a set cannot be built: call it when all is shown."""
        require_none(self.failures)
        require_built(self.refused)

    def to_json(self) -> dict[str, Any]:
        """Return the `matrix` part of run.json."""
        return {
            "profile": self.profile,
            "queries": [
                {"name": query.name, "family": query.family, "title": query.title, "ids": list(query.ids)}
                for query in self.workload.queries
            ],
            "classes": [{"name": kind.name, "title": kind.title} for kind in self.workload.classes],
            "sets": [result.to_json() for result in self.sets],
            "cells": [cell.to_json() | {"below_floor": self.unclear(cell)} for cell in self.cells],
            "client": self.client.to_json() if self.client else None,
            "settings": dict(self.settings),
            "ties": list(self.ties),
            "generic_plans": list(self.generic_plans),
            "notes": list(self.notes),
            "caveats": list(self.caveats),
            "source": dict(self.source),
        }


def _differs(cell: Cell) -> str:
    other = "other rows than under the first set that answered"
    return f"{other}, and it cannot be decided whether both are right: {cell.undecided}" if cell.undecided else other


def require_built(refused: Sequence[str]) -> None:
    """Raise UsageError naming the first set or index that could not be built; call it when all has been shown."""
    if refused:
        raise UsageError(refused[0])


def require_none(failures: Sequence[str], others: str = "cells") -> None:
    """Raise SubjectFailed naming the first failure; call it when all that was measured has been shown."""
    if failures:
        more = f" and {len(failures) - 1} more" if len(failures) > 1 else ""
        raise SubjectFailed(f"{failures[0]}{more}; the other {others} were measured")


@dataclass(frozen=True, slots=True)
class Pair:
    """One case in two conditions: under a set and a part of it, or on two servers."""

    before: Cell
    after: Cell

    @property
    def ratio(self) -> float:
        """Return buffers after to those before; infinite when only the first was answered, 1 when neither was."""
        return self._compared(lambda before, after: max(after, 1) / max(before, 1), (0.0, 1.0, float("inf")))

    @property
    def fewer(self) -> float:
        """Buffers that are not read any more."""
        return self._compared(lambda before, after: before - after, (float("inf"), 0.0, float("-inf")))

    def _compared(self, compare: Callable[[int, int], float], unknown: tuple[float, float, float]) -> float:
        """unknown: what it is when only the second, neither, or only the first was answered."""
        if self.before.plan and self.after.plan:
            return compare(self.before.plan.buffers, self.after.plan.buffers)
        return unknown[1 + bool(self.before.plan) - bool(self.after.plan)]


def _index_json(built: BuiltIndex) -> dict[str, Any]:
    return {
        "name": built.index.name,
        "definition": built.index.definition,
        "unique": built.index.unique,
        "serves": list(built.index.serves),
        "why": built.index.why,
        "ids": list(built.index.ids),
        "bytes": built.bytes,
        "build_s": round(built.build_s, 3),
    }


def _members_json(members: Members) -> dict[str, Any]:
    return {
        "on_current": members.on_current,
        "drops": list(members.drops),
        "statistics": [{"name": made.name, "definition": made.definition} for made in members.statistics],
        "targets": dict(members.targets),
        "settings": dict(members.settings),
        "queries": {query: Path(file).name for query, file in members.queries.items()},
    }


def plain(value: Any) -> Any:
    """Return a parameter as JSON can hold it."""
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)


def normal(rows: Iterable[tuple[Any, ...]], order: str) -> tuple[tuple[Any, ...], ...]:
    """Return rows in a form that can be compared: as they came when order matters, else sorted."""
    return tuple(rows) if order == "ordered" else tuple(sorted(rows, key=repr))
