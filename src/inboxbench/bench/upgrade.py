"""An upgrade rehearsed: which plans change from one server to another, which queries get dearer, which indexes idle.

Statistics are a sample of the rows, drawn anew by each ANALYZE, and a plan that hangs on them may differ between two
copies of one database. So each server plans the cases under several samples, and a plan has changed where no sample
gives a plan that both servers have. What changes by chance is named apart and blamed on nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from typing import Any

import psycopg

from inboxbench import units
from inboxbench.bench.execute.session import Probes, prepared
from inboxbench.bench.model import Cell, Matrix
from inboxbench.bench.servers import Change, Contrast, Side
from inboxbench.bench.sets.catalogue import CURRENT
from inboxbench.bench.verdict.cost import IN_WORDS, statement_cost
from inboxbench.database import connect
from inboxbench.database_copy import cloned
from inboxbench.explain import Plan, explain
from inboxbench.record import rounded
from inboxbench.report.document import Lab
from inboxbench.report.table import Row, Table, figures, words
from inboxbench.server import Server

SAMPLES = 5
DEARER = 1.2  # times the cost from which a query counts as dearer
_FEW = 8.0  # pages more that are no news, whatever their ratio
Plans = Mapping[str, tuple[Plan, ...]]


def sampled_plans(server: Server, database: str, matrix: Matrix, *, timeout_s: float, role: str | None) -> Plans:
    """Return, by case, the plans under SAMPLES samples of statistics, of what was answered under the indexes that
    `database` has; nothing is executed, and statistics are made on a clone. A case that is not explained has none.
    """
    cells = [cell for cell in matrix.cells if cell.index_set == CURRENT and cell.plan]
    plans: dict[str, list[Plan]] = {cell.case.name: [] for cell in cells}
    if not cells:
        return {}
    with cloned(server, database) as clone:
        for _ in range(SAMPLES):
            with connect(server.conninfo(clone)) as connection:
                connection.execute("ANALYZE")
            with Probes(server, clone, timeout_s, role) as probes:
                for cell in cells:
                    plans[cell.case.name] += _planned(probes, cell)
    return {name: tuple(found) for name, found in plans.items()}


def _planned(probes: Probes, cell: Cell) -> Iterator[Plan]:
    probe = probes.of(cell.case.query)
    try:
        with prepared(probe.connection, cell.case) as execute:
            yield explain(probe.connection, execute, execute=False).plan
    except psycopg.Error:  # the measured plan is all that is known of it then
        return


@dataclass(frozen=True, slots=True)
class Moved:
    """A case under the indexes that the database has, on both servers. first, second: its plans there, of each sample
    and the measured one, as lines."""

    change: Change
    first: frozenset[str]
    second: frozenset[str]

    @property
    def by_chance(self) -> bool:
        """Return whether either server may take the other's plan, by other samples of the same rows."""
        return bool(self.first & self.second) and len(self.first | self.second) > 1

    @property
    def other_plan(self) -> bool:
        return self.compares and bool(self.first and self.second) and not self.first & self.second

    @property
    def compares(self) -> bool:
        return not self.change.other_values and self.change.before.plan is not None

    @property
    def broken(self) -> str | None:
        """Return why it is not answered there although it was before; a query that is stopped is slow, not broken."""
        after = self.change.after
        return after.failure if self.compares and after.failure and not after.stopped else None

    @property
    def ratio(self) -> float:
        """Return the cost there by the cost before; infinite when it was stopped there."""
        before, after = self.change.before.plan, self.change.after.plan
        if before is None or not self.compares:
            return 1.0
        if after is None:
            return inf if self.change.after.stopped else 1.0
        return _work(after) / _work(before)

    @property
    def dearer(self) -> bool:
        return self._moved(self.ratio, DEARER)

    @property
    def cheaper(self) -> bool:
        return self._moved(1 / max(self.ratio, 1e-9), DEARER)

    def _moved(self, ratio: float, least: float) -> bool:
        before, after = self.change.before.plan, self.change.after.plan
        much = before is None or after is None or abs(_work(after) - _work(before)) >= _FEW
        return ratio >= least and much and not self.by_chance and self.compares

    def to_json(self) -> dict[str, Any]:
        before, after = self.change.before, self.change.after
        return {
            "query": before.case.query.name,
            "class": before.case.parameter_class.name,
            "cost_before": rounded(_work(before.plan) if before.plan else None, 1),
            "cost_now": rounded(_work(after.plan) if after.plan else None, 1),
            "ratio": rounded(self.ratio, 3) if self.ratio < inf else None,
            "plan_before": before.plan.line if before.plan else before.failure,
            "plan_now": after.plan.line if after.plan else after.failure,
            "other_plan": self.other_plan,
            "by_chance": self.by_chance,
            "dearer": self.dearer,
            "cheaper": self.cheaper,
            "broken": self.broken,
            "other_rows": self.change.other_rows,
        }


def _work(plan: Plan) -> float:
    """Return the cost of an execution; planning reads other catalogue pages in each version, and each session less."""
    return statement_cost(replace(plan, planning=0))


@dataclass(frozen=True)
class Upgrade:
    """All cases under the indexes that the database has, from one server to another."""

    contrast: Contrast
    moved: tuple[Moved, ...]

    def chosen(self, wanted: Callable[[Moved], object]) -> list[Moved]:
        """Return the cases with a property, the one that grows most first."""
        return sorted((moved for moved in self.moved if wanted(moved)), key=lambda moved: -moved.ratio)

    @cached_property
    def idle(self) -> tuple[str, ...]:
        """Return the indexes that plans read before and none does there; one that keeps values unique is needed."""
        before, now = _read(self.contrast.before), _read(self.contrast.now)
        unique = {index.name for result in self.contrast.now.matrix.sets for index in result.index_set.indexes
                  if index.unique}  # fmt: skip
        return tuple(name for name in before if name not in now and name not in unique)

    @property
    def raises(self) -> bool:
        """Return whether there is anything to look at before the upgrade."""
        return any(moved.other_plan or moved.dearer or moved.broken for moved in self.moved) or bool(self.idle)

    @property
    def verdict(self) -> str:
        broken, dearer = self.chosen(lambda moved: moved.broken), self.chosen(lambda moved: moved.dearer)
        flips, cheaper = self.chosen(lambda moved: moved.other_plan), self.chosen(lambda moved: moved.cheaper)
        where = f"{self.contrast.before.label} → {self.contrast.now.label}"
        if not self.raises and not cheaper:
            return f"{where}: no plan of {len(self.moved)} changes, and no query gets dearer"
        parts = [
            f"{len(broken)} of {len(self.moved)} cases fail there" if broken else "",
            f"{len(dearer)} of {len(self.moved)} get dearer, {_worst(dearer[0])}" if dearer else "none gets dearer",
            f"{len(cheaper)} cheaper" if cheaper else "",
            f"{len(flips)} {'plan changes' if len(flips) == 1 else 'plans change'}" if flips else "no plan changes",
            f"no plan reads {', '.join(self.idle)} any more" if self.idle else "",
        ]
        return f"{where}: {'; '.join(part for part in parts if part)}"

    def to_json(self) -> dict[str, Any]:
        shown = self.chosen(
            lambda moved: moved.other_plan or moved.dearer or moved.cheaper or moved.broken or moved.by_chance
        )
        return {
            "verdict": self.verdict,
            "raises": self.raises,
            "cases": len(self.moved),
            "moved": [moved.to_json() for moved in shown],
            "idle": list(self.idle),
        }


def _worst(moved: Moved) -> str:
    after = moved.change.after.plan
    by = "stopped there" if after is None else units.times(moved.ratio)
    return f"most {moved.change.before.case.name} ({by})"


def _read(side: Side) -> dict[str, None]:
    """Return the indexes that plans of the side read, measured or under another sample, in order."""
    measured = [cell.plan for cell in side.matrix.cells if cell.index_set == CURRENT and cell.plan]
    plans = [*measured, *(plan for plans in side.sampled.values() for plan in plans)]
    return dict.fromkeys(name for plan in plans for name in plan.indexes)


def upgrade(contrast: Contrast) -> Upgrade | None:
    """Return what an upgrade changes under the indexes that the database has; None where those were not measured."""
    changes = [change for change in contrast.changes if change.before.index_set == CURRENT]
    if not changes:
        return None
    moved = tuple(
        Moved(change, _lines(contrast.before, change.before), _lines(contrast.now, change.after)) for change in changes
    )
    return Upgrade(contrast, moved)


def _lines(side: Side, cell: Cell) -> frozenset[str]:
    plans = (*side.sampled.get(cell.case.name, ()), *([cell.plan] if cell.plan else []))
    return frozenset(plan.line for plan in plans)


def upgrade_lab(document: Mapping[str, Any]) -> Lab:
    """Return the tables and sentences of the rehearsals of a run on several servers."""
    found = [part for part in document["contrast"] if part.get("upgrade")]
    return Lab(
        "bench with --server given twice",
        "From one server to another",
        f"Under the indexes that the database has. Cost is {IN_WORDS}, those of planning aside; dearer is {DEARER:g} "
        f"times as much. Each server planned with {SAMPLES} samples of statistics: a plan has changed where they have "
        "none in common.",
        [_table(part) for part in found if part["upgrade"]["moved"]],
        [part["upgrade"]["verdict"] for part in found],
        [remark for part in found for remark in _remarks(part)],
    )


def _remarks(part: Mapping[str, Any]) -> Iterator[str]:
    if idle := part["upgrade"]["idle"]:
        yield f"`inboxbench bench drop-one` on {part['now']} measures what goes with {', '.join(idle)}"
    chance = [f"{moved['query']} [{moved['class']}]" for moved in part["upgrade"]["moved"] if moved["by_chance"]]
    if chance:
        yield f"by chance of the statistics either plan, on both servers: {', '.join(chance)}"


def _table(part: Mapping[str, Any]) -> Table:
    columns = [
        *words("query [class]", "what changes"),
        *figures(units.number, f"cost on {part['before']}", f"on {part['now']}"),
        *figures(units.times, "ratio"),
        *words("plan before", "plan there"),
    ]
    rows = [
        Row([
            f"{moved['query']} [{moved['class']}]", _what(moved), moved["cost_before"], moved["cost_now"],
            moved["ratio"], moved["plan_before"], moved["plan_now"] if moved["other_plan"] else "the same",
        ])
        for moved in part["upgrade"]["moved"]
        if not moved["by_chance"]
    ]  # fmt: skip
    return Table(f"{part['before']} → {part['now']}: what changes, what gets dearer first", columns, rows)


def _what(moved: Mapping[str, Any]) -> str:
    parts = [
        f"fails: {moved['broken']}" if moved["broken"] else "",
        "dearer" if moved["dearer"] else "cheaper" if moved["cheaper"] else "",
        "another plan" if moved["other_plan"] else "",
        "other rows" if moved["other_rows"] else "",
    ]
    return ", ".join(part for part in parts if part)
