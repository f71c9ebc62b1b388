"""A cell: one case under one index set, with its rows, its counters, and server time of prepared executions.

Plans are custom (plan_cache_mode = force_custom_plan): a parameter class is measured with the plan that its own
values lead to. A generic plan would hide the very difference between a frequent and a rare word that is looked for; it
is executed besides, where it does other steps.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import sql

from inboxbench.bench.execute.generic import Generic, generic_of
from inboxbench.bench.execute.overhead import as_text, round_trip
from inboxbench.bench.execute.session import STATEMENT, Pace, Probe, Timing, prepared, summarise
from inboxbench.bench.execute.ties import Answer, Judgement, judge, keep, settled
from inboxbench.bench.model import Cell, normal
from inboxbench.bench.sets.indexset import IndexSet
from inboxbench.bench.workload.queries import Case
from inboxbench.explain import Plan, explain, plan_shape
from inboxbench.server import reason
from inboxbench.sqlfile import QueryFile
from inboxbench.sqltree import parse

Shape = str

_PLANNED = ("select", "insert", "update", "delete", "merge")
STOPPED = "stopped by statement_timeout"
# What a judgement says of the second answer: its rows are those of the first right one, others, or neither.
_RIGHT = {"either": None, "first wrong": True, "second wrong": False, "unsure": False}
# Seconds; a reading that takes longer is not executed again: its counters are those of its first execution.
_SLOW_S = 2.0


def obstacle(query: QueryFile) -> str | None:
    """Return why there is no plan to measure, of a command that is no query; None of a query."""
    only = parse(query.prepared).only
    if only is None or only.kind in _PLANNED:
        return None
    return f"{only.kind.upper()} has no plan to measure; ask a SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES or TABLE"


@dataclass(frozen=True, slots=True)
class Measured:
    """A cell's outcome. `failure` says why there are no figures; answer: a digest of the rows, to compare across sets;
    kept: what tells whether two different answers are both right; shape: a digest of the planned steps; generic: the
    generic plan where it is another one."""

    plan: Plan | None
    timing: Timing | None
    answer: str | None
    failure: str | None = None
    steady: bool = True
    shape: Shape | None = None
    slow: bool = False
    stopped: bool = False
    kept: Answer | None = None
    generic: Generic | None = None


def measure(probe: Probe, case: Case, pace: Pace, known: Mapping[Shape, Measured], index_set: IndexSet) -> Measured:
    """Never raises for what the query does: an error or a timeout is the cell's named outcome.

    `known` holds slow outcomes of the same case under other sets, by the shape of their plan: the same steps over
    the same pages and the same indexes need not be waited for again.
    """
    shape: Shape | None = None
    if obstacle(case.query):
        return Measured(None, None, None, obstacle(case.query))
    try:
        with prepared(probe.connection, case) as execute:
            shape = shape_of(probe, execute, case, index_set)
            outcome = known.get(shape) or replace(_measure(probe, case, execute, pace), shape=shape)
            if outcome.plan is not None:
                run = not (outcome.slow or case.query.changes_rows)
                outcome = replace(outcome, generic=generic_of(probe, case, execute, outcome.plan, run=run))
            if shape in known:
                return outcome
        return outcome if outcome.slow else _with_ties_broken(probe, case, outcome)
    except psycopg.errors.QueryCanceled:
        return Measured(None, None, None, STOPPED, shape=shape, slow=True, stopped=True)
    except psycopg.Error as error:
        return Measured(None, None, None, reason(error))


def _measure(probe: Probe, case: Case, execute: sql.Composed, pace: Pace) -> Measured:
    query = case.query
    rows, plan, seconds = probe.fetch(execute, query)
    answer, kept = _digest(normal(rows, query.order)), keep(rows, case)
    rounds = max(pace.rounds_for(seconds), int(probe.first_of(query.name)))
    if query.changes_rows:
        rounds = min(rounds, 1)  # each execution leaves dead rows behind, which the next one reads, too
    if rounds == 0:
        # Too slow to repeat: what this execution showed stands. An earlier class of the query has read what only a
        # session's first execution reads (catalogues, dictionaries), so a later one would count the same pages.
        plan = plan or probe.explain(execute, query)
        return Measured(plan, summarise([plan.execution_ms]), answer, slow=True, kept=kept)
    plans = [probe.explain(execute, query) for _ in range(rounds)]
    seen = _round_trips(probe, case, min(rounds, pace.trips_for(seconds)))
    return Measured(
        plan=plans[-1],
        timing=summarise([plan.execution_ms for plan in plans], seen),
        answer=answer,
        steady=len({plan.buffers for plan in plans}) == 1,
        kept=kept,
    )


def _with_ties_broken(probe: Probe, case: Case, outcome: Measured) -> Measured:
    assert outcome.kept is not None
    return replace(outcome, kept=replace(outcome.kept, settled=settled(probe, case)))


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]


def _round_trips(probe: Probe, case: Case, rounds: int) -> list[float]:
    """Milliseconds on this side of the statement that is prepared."""
    values = as_text(probe.connection, [case.values[name] for name in case.query.params])
    return [_round_trip(probe, case, values) * 1000 for _ in range(rounds)]


def _round_trip(probe: Probe, case: Case, values: list[bytes]) -> float:
    with probe.undone(case.query):
        return round_trip(probe.connection, STATEMENT.encode(), values)


_DEFINITIONS = """
    SELECT pg_get_indexdef(oid) FROM pg_class WHERE relname = ANY (%s) AND relkind IN ('i', 'I') ORDER BY relname, 1
"""


def shape_of(probe: Probe, execute: sql.Composed, case: Case, index_set: IndexSet) -> Shape:
    """Return what the planner would do, estimates left out: the steps, the definitions of the indexes that they use,
    as sets may differ, the statement and the settings, such as a work_mem in which a sort takes no file."""
    root = explain(probe.connection, execute, execute=False).root
    names = sorted({node.index for node in root.walk() if node.index is not None})
    used = probe.connection.execute(_DEFINITIONS, (names,)).fetchall() if names else []
    return _digest((plan_shape(root), used, case.query.prepared, sorted(index_set.members.settings.items())))


@dataclass
class CellCollector:
    """The cells in the order they were measured, each compared with the rows of the first set.

    Outcomes of slow cells are remembered for the next sets. truth: opens a session for a query where the same rows are
    without the indexes of any set, which tells whether two different answers are both right. settings: those that
    EXPLAIN called changed.
    """

    pace: Pace
    truth: Callable[[QueryFile], AbstractContextManager[Probe]]
    settings: dict[str, str] = field(default_factory=dict)
    _cells: list[Cell] = field(default_factory=list)
    _reference: dict[str, tuple[int, Case, Measured]] = field(default_factory=dict)
    _shapes: list[Shape | None] = field(default_factory=list)
    _slow: dict[str, dict[Shape, tuple[str, Measured]]] = field(default_factory=lambda: defaultdict(dict))

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Return all cells; where several sets execute a case by the same plan, all with the least of its times: sets
        are measured one after the other, and the rest is what else the machine did."""
        least: dict[tuple[str, Shape], Timing] = {}
        for cell, shape in zip(self._cells, self._shapes, strict=True):
            if shape and cell.timing:
                known = least.setdefault((cell.case.name, shape), cell.timing)
                least[cell.case.name, shape] = min(known, cell.timing, key=lambda timing: timing.median_ms)
        return tuple(
            replace(cell, timing=least[cell.case.name, shape]) if shape and cell.timing else cell
            for cell, shape in zip(self._cells, self._shapes, strict=True)
        )

    def measure(self, probe: Probe, case: Case, index_set: IndexSet) -> tuple[Measured, str]:
        """Measure a case under a set and keep the cell. Returns the outcome and the set that it was executed under."""
        slow = self._slow[case.name]
        known = {shape: outcome for shape, (_name, outcome) in slow.items()}
        outcome = measure(probe, case, self.pace, known, index_set)
        under = index_set.name
        if outcome.shape is not None and outcome.shape in slow:
            under = slow[outcome.shape][0]
        self.take(case, index_set, outcome, under)
        return outcome, under

    def take(self, case: Case, index_set: IndexSet, outcome: Measured, under: str) -> None:
        """Keep the cell of an outcome, also one that an earlier run has left."""
        if outcome.shape is not None and outcome.slow:
            self._slow[case.name].setdefault(outcome.shape, (under, outcome))
        self.settings |= outcome.plan.settings if outcome.plan else {}
        self._cells.append(self._cell(case, index_set, outcome, under))
        self._shapes.append(outcome.shape)

    def _cell(self, case: Case, index_set: IndexSet, outcome: Measured, under: str) -> Cell:
        same: bool | None = None
        judged: Judgement | None = None
        if outcome.answer is not None:
            _place, _case, first = self._reference.setdefault(case.name, (len(self._cells), case, outcome))
            same = first.answer == outcome.answer
            judged = None if same else self._judged(case, outcome)
        return Cell(
            case=case,
            index_set=index_set.name,
            plan=outcome.plan,
            timing=outcome.timing,
            failure=outcome.failure,
            same_rows=_RIGHT[judged.said] if judged else same,
            ties=judged.words if judged and judged.said == "either" else None,
            undecided=judged.words if judged and judged.said == "unsure" else None,
            steady=outcome.steady,
            measured_under=under,
            stopped=outcome.stopped,
            answer=outcome.answer,
            generic=outcome.generic,
        )

    def _judged(self, case: Case, outcome: Measured) -> Judgement:
        """Say what of two different answers is right. Where only the later one is, the earlier cells are marked as
        other, and it is what the next ones are compared with."""
        place, asked, first = self._reference[case.name]  # a set may ask in other words: the first ones count
        if first.kept is None or outcome.kept is None:
            return Judgement("unsure", "an earlier run did not keep them; measure again with --fresh")
        with self.truth(asked.query) as probe:
            judged = judge(probe, asked, first.kept, outcome.kept)
        if judged.said == "first wrong":
            self._reference[case.name] = (len(self._cells), asked, outcome)
            for number in range(place, len(self._cells)):
                cell = self._cells[number]
                if cell.case.name == case.name and cell.same_rows:
                    self._cells[number] = replace(cell, same_rows=False)
        return judged


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters of one case in one state of the data, without times: those would need many more executions.

    buffers: of an execution that was not the first; first: of the first one, which also sets hint bits and marks
    dead index entries (None: the role may not load auto_explain, so it was not seen). answer: a digest of the rows.

    `failure` says why there are no figures; `plan` is one line.
    """

    buffers: int | None = None
    first: int | None = None
    plan: str | None = None
    answer: str | None = None
    failure: str | None = None
    kept: Answer | None = None

    @property
    def stopped(self) -> bool:
        """It ran into statement_timeout."""
        return self.failure == STOPPED

    def to_json(self) -> dict[str, Any]:
        return {"buffers": self.buffers, "first": self.first, "plan": self.plan, "failure": self.failure}


def read_case(probe: Probe, case: Case) -> Reading:
    """Never raises for what the query does: an error or a timeout is the reading's named outcome."""
    if obstacle(case.query):
        return Reading(failure=obstacle(case.query))
    try:
        with prepared(probe.connection, case) as execute:
            rows, first, seconds = probe.fetch(execute, case.query)
            later = first
            if later is None or seconds <= _SLOW_S:
                later = probe.explain(execute, case.query)
        kept = replace(keep(rows, case), settled=settled(probe, case))
    except psycopg.errors.QueryCanceled:
        return Reading(failure=STOPPED)
    except psycopg.Error as error:
        return Reading(failure=reason(error))
    answer = _digest(normal(rows, case.query.order))
    return Reading(later.buffers, first.buffers if first else None, later.line, answer, kept=kept)
