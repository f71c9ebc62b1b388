"""The same matrix on several servers: what a reader of the same rows by the same indexes has to touch on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log
from typing import Any

from inboxbench.bench.model import Cell, Matrix, Pair
from inboxbench.bench.workload.queries import Case
from inboxbench.explain import Plan

# Below this a difference of pages is no news.
_FEW = 2


@dataclass(frozen=True, slots=True)
class Side:
    """One server and what was measured on it. sampled: plans of each case under other samples of statistics."""

    label: str
    version: int
    matrix: Matrix
    sampled: Mapping[str, tuple[Plan, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change(Pair):
    """One case under one set on two servers."""

    @property
    def other_values(self) -> bool:
        """The same rows gave other parameters (another locale, another dictionary): the figures do not compare."""
        return dict(self.before.case.values) != dict(self.after.case.values)

    @property
    def other_rows(self) -> bool:
        answers = {self.before.answer, self.after.answer}
        return not self.other_values and None not in answers and len(answers) > 1

    @property
    def other_plan(self) -> bool:
        return _line(self.before) != _line(self.after)

    @property
    def news(self) -> bool:
        """Return whether a reader should see it: pages beyond a few, the answer, or the values."""
        return self.other_values or self.other_rows or abs(self.fewer) > _FEW

    def to_json(self) -> dict[str, Any]:
        ratio = self.ratio
        return {
            "query": self.before.case.query.name,
            "class": self.before.case.parameter_class.name,
            "set": self.before.index_set,
            "before": _cell_json(self.before),
            "now": _cell_json(self.after),
            "ratio": round(ratio, 4) if ratio < float("inf") else None,
            "other_plan": self.other_plan,
            "other_values": self.other_values,
            "other_rows": self.other_rows,
        }


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two servers, all that both measured; `lacking`: cases that only one of them has parameters for."""

    before: Side
    now: Side
    changes: tuple[Change, ...]
    lacking: tuple[str, ...]

    @property
    def ranked(self) -> list[Change]:
        """Return what got dearer first, then what got cheaper the most."""
        news = [change for change in self.changes if change.news]
        return sorted(news, key=lambda change: (change.ratio < 1, -abs(log(min(max(change.ratio, 1e-9), 1e9)))))

    def typical(self, index_set: str) -> float | None:
        """Geometric mean of the ratios under a set, of what both answered from the same values."""
        logs = [
            log(change.ratio)
            for change in self.changes
            if change.before.index_set == index_set
            and not change.other_values
            and change.before.plan
            and change.after.plan
        ]
        return exp(sum(logs) / len(logs)) if logs else None

    @property
    def headline(self) -> str:
        plans = sum(change.other_plan for change in self.changes)
        more, less = (
            sum(change.news and change.ratio > 1 for change in self.changes),
            sum(change.news and change.ratio < 1 for change in self.changes),
        )
        return (
            f"{self.before.label} → {self.now.label}: {plans} of {len(self.changes)} plans differ, {less} cells read "
            f"less and {more} more by over {_FEW} pages"
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "before": self.before.label,
            "now": self.now.label,
            "headline": self.headline,
            "typical": {
                result.index_set.name: self.typical(result.index_set.name) for result in self.before.matrix.sets
            },
            "changes": [change.to_json() for change in self.ranked],
            "lacking": list(self.lacking),
        }


def contrast(before: Side, now: Side) -> Contrast:
    """`before` is what `now` is compared with."""
    own = {_key(cell.case, cell.index_set): cell for cell in before.matrix.cells}
    other = {_key(cell.case, cell.index_set): cell for cell in now.matrix.cells}
    changes = tuple(Change(cell, other[key]) for key, cell in own.items() if key in other)
    lacking = sorted(
        {
            cell.case.name
            for cells, rest in ((own, other), (other, own))
            for key, cell in cells.items()
            if key not in rest
        }
    )
    return Contrast(before, now, changes, tuple(lacking))


def contrasts(sides: Sequence[Side]) -> list[Contrast]:
    """Each further server against the first."""
    return [contrast(sides[0], side) for side in sides[1:]]


def _key(case: Case, index_set: str) -> tuple[str, str, str]:
    return case.query.name, case.parameter_class.name, index_set


def _line(cell: Cell) -> str | None:
    return cell.plan.line if cell.plan else None


def _cell_json(cell: Cell) -> dict[str, Any]:
    plan = cell.plan
    return {
        "buffers": plan.buffers if plan else None,
        "searches": plan.searches if plan else None,
        "plan": plan.line if plan else cell.failure,
    }
