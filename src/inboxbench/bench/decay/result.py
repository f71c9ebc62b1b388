"""What decay found, as a value: each case fresh, after the churn and after VACUUM; the worst first; plans that flip."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import geometric_mean
from typing import Any

from inboxbench import units
from inboxbench.bench.execute.cell import Reading
from inboxbench.bench.sets.indexset import IndexSet
from inboxbench.bench.workload.queries import Case
from inboxbench.bench.workload.writes import Churn, Updates
from inboxbench.errors import SubjectFailed


@dataclass(frozen=True, slots=True)
class Aging:
    """One case under one set, in three states of the same database."""

    case: Case
    index_set: str
    fresh: Reading
    churned: Reading
    vacuumed: Reading

    @property
    def name(self) -> str:
        return f"{self.case.name} under {self.index_set}"

    @property
    def ratio(self) -> float | None:
        """Buffers after the churn to those of the fresh copy."""
        return _ratio(self.churned, self.fresh)

    @property
    def left(self) -> float | None:
        """Buffers after VACUUM to those of the fresh copy: what is left, for there are more rows now, or for good."""
        return _ratio(self.vacuumed, self.fresh)

    @property
    def failure(self) -> str | None:
        """A query that fails, or whose rows VACUUM changes; being stopped is a finding and no failure."""
        for reading in (self.fresh, self.churned, self.vacuumed):
            if reading.failure and not reading.stopped:
                return reading.failure
        answers = {self.churned.answer, self.vacuumed.answer} - {None}
        return "other rows after VACUUM than before it" if len(answers) > 1 else None

    @property
    def flips(self) -> tuple[str, ...]:
        """In words: the plan changed, although no statistics were collected."""
        pairs = (("after the churn", self.fresh, self.churned), ("after VACUUM", self.churned, self.vacuumed))
        return tuple(
            f"{self.name}, {when}: {later.plan} instead of {earlier.plan}"
            for when, earlier, later in pairs
            if earlier.plan and later.plan and earlier.plan != later.plan
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "query": self.case.query.name,
            "class": self.case.parameter_class.name,
            "set": self.index_set,
            "fresh": self.fresh.to_json(),
            "churned": self.churned.to_json(),
            "vacuumed": self.vacuumed.to_json(),
            "ratio": _rounded(self.ratio),
            "ratio_after_vacuum": _rounded(self.left),
            "flips": list(self.flips),
            "failure": self.failure,
        }


@dataclass(frozen=True, slots=True)
class SetAging:
    """What the churn did to a set: its row updates, and the bytes of all indexes before and after."""

    index_set: IndexSet
    updates: Updates
    fresh_bytes: int
    churned_bytes: int


@dataclass(frozen=True, slots=True)
class Decay:
    """`cells` in the order they were read."""

    profile: str
    churn: Churn
    sets: tuple[SetAging, ...]
    cells: tuple[Aging, ...]
    notes: tuple[str, ...] = ()

    @property
    def worst_first(self) -> list[Aging]:
        """Cells without a ratio (stopped, failed) come before all others."""
        return sorted(self.cells, key=lambda cell: float("inf") if cell.ratio is None else cell.ratio, reverse=True)

    @property
    def flips(self) -> tuple[str, ...]:
        return tuple(flip for cell in self.cells for flip in cell.flips)

    def of(self, index_set: str) -> list[Aging]:
        """The cells of a set that have figures in all three states."""
        return [cell for cell in self.cells if cell.index_set == index_set and cell.ratio and cell.left]

    def mean(self, index_set: str) -> tuple[float, float] | None:
        """Geometric means of the ratios of a set: after the churn, after VACUUM."""
        cells = self.of(index_set)
        if not cells:
            return None
        return geometric_mean(cell.ratio or 1 for cell in cells), geometric_mean(cell.left or 1 for cell in cells)

    @property
    def headline(self) -> str:
        known = [cell for cell in self.worst_first if cell.ratio is not None and cell.left is not None]
        if not known:
            return "No query could be read in all three states."
        worst = known[0]
        return (
            f"After {self.churn}, {worst.name} reads {units.times(worst.ratio or 1)} as many buffers as fresh "
            f"({worst.fresh.buffers:,} → {worst.churned.buffers:,}); after VACUUM {units.times(worst.left or 1)} "
            f"({worst.vacuumed.buffers:,})."
        )

    def require_sound(self) -> None:
        """Raises SubjectFailed when a cell failed: to be called when everything has been shown."""
        if broken := [f"{cell.name}: {cell.failure}" for cell in self.cells if cell.failure]:
            more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
            raise SubjectFailed(f"{broken[0]}{more}; the other cells were measured")

    def to_json(self) -> dict[str, Any]:
        return {
            "profile": self.profile,
            "churn": dict(self.churn.counts),
            "sets": [self._set_json(one) for one in self.sets],
            "cells": [cell.to_json() for cell in self.worst_first],
            "flips": list(self.flips),
            "headline": self.headline,
            "notes": list(self.notes),
        }

    def _set_json(self, one: SetAging) -> dict[str, Any]:
        means = self.mean(one.index_set.name)
        return {
            "name": one.index_set.name,
            "title": one.index_set.title,
            "mean_ratio": _rounded(means[0]) if means else None,
            "mean_ratio_after_vacuum": _rounded(means[1]) if means else None,
            "rows_updated": one.updates.rows,
            "hot_share": _rounded(one.updates.hot_share, 4),
            "bytes_fresh": one.fresh_bytes,
            "bytes_churned": one.churned_bytes,
        }


def _ratio(later: Reading, fresh: Reading) -> float | None:
    if later.buffers is None or fresh.buffers is None:
        return None
    return max(later.buffers, 1) / max(fresh.buffers, 1)


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)
