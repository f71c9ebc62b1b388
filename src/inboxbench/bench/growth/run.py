"""Growth: matrices of the same profile at several sizes, as curves with their laws, predictions and flips.

n is the number of messages. Everything else of a profile grows with it or stays, as its keys say; a law speaks of
this profile, not of any database.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from inboxbench.bench.growth.curve import FEW, TOLERANCE, Curve, Flip, Point, curve
from inboxbench.bench.growth.power_law import FEWEST
from inboxbench.bench.model import Cell, Matrix
from inboxbench.errors import SubjectFailed


@dataclass(frozen=True, slots=True)
class Sample:
    """One size, measured: `scale` times the profile are `messages`."""

    scale: float
    messages: int
    matrix: Matrix

    def cell(self, key: tuple[str, str, str]) -> Cell | None:
        try:
            return self.matrix.cell(*key)
        except KeyError:
            return None

    def point(self, key: tuple[str, str, str]) -> Point:
        return Point(self.scale, self.messages, self.cell(key))


@dataclass(frozen=True, slots=True)
class Growth:
    """`samples`: what the laws go through; `check`: a larger one that they predict; `sizes`: messages to go on to."""

    samples: tuple[Sample, ...]
    check: Sample | None
    sizes: tuple[float, ...]
    curves: tuple[Curve, ...]

    @property
    def profile(self) -> str:
        return self.samples[0].matrix.profile

    @property
    def sets(self) -> tuple[str, ...]:
        return tuple(one.index_set.name for one in self.samples[0].matrix.sets)

    @property
    def queries(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.query for one in self.curves))

    @property
    def worst_first(self) -> list[Curve]:
        """The fastest growing first; those without a law before all others."""
        return sorted(self.curves, key=lambda one: one.law.k if one.law else float("inf"), reverse=True)

    @property
    def flips(self) -> tuple[Flip, ...]:
        """Those that cost most first."""
        found = (flip for one in self.curves for flip in one.flips)
        return tuple(sorted(found, key=lambda flip: flip.jump, reverse=True))

    def worst_class(self, query: str, index_set: str) -> Curve:
        """The curve of a query and set: at each size the class that reads most there."""
        mine = [one for one in self.curves if (one.query, one.index_set) == (query, index_set)]
        points = tuple(_most(at_one_size) for at_one_size in zip(*(one.points for one in mine), strict=True))
        checks = [one.check for one in mine if one.check]
        return curve(points, _most(checks) if checks else None, (query, "worst", index_set))

    @property
    def worst_classes(self) -> tuple[Curve, ...]:
        return tuple(self.worst_class(query, name) for query in self.queries for name in self.sets)

    @property
    def headline(self) -> str:
        known = [one for one in self.worst_first if one.law and one.one_plan]
        if not known:
            return f"No case has figures at {FEWEST} sizes under one plan, so there is no law."
        worst = known[0]
        grows = (
            f"under one plan {worst.name} grows fastest, n^{worst.law.k:.2f} ± {worst.law.k_error:.2f}"
            if worst.law
            else ""
        )
        if self.check is None:
            return f"No prediction was checked; {grows}."
        (every_held, every), (worst_held, of_worst) = held(self.curves), held(self.worst_classes)
        return (
            f"{worst_held} of {of_worst} predictions for {self.check.messages:,} messages hold within {TOLERANCE:.0%} "
            f"or {FEW} buffers for the class that reads most, {every_held} of {every} for all classes; {grows}."
        )

    def require_sound(self) -> None:
        """Raises SubjectFailed when a cell failed at some size: to be called when everything has been shown."""
        for sample in (*self.samples, *([self.check] if self.check else [])):
            if sample.matrix.failures:
                raise SubjectFailed(f"at {sample.messages:,} messages: {sample.matrix.failures[0]}")

    def to_json(self) -> dict[str, Any]:
        return {
            "profile": self.profile,
            "unit": "messages",
            "scales": [_size_json(sample) for sample in self.samples],
            "check": _size_json(self.check) if self.check else None,
            "sizes": list(self.sizes),
            "tolerance": TOLERANCE,
            "curves": [one.to_json(self.sizes) for one in self.worst_first],
            "queries": [one.to_json(self.sizes) for one in self.worst_classes],
            "sets": [self._set_json(name) for name in self.sets],
            "flips": [str(flip) for flip in self.flips],
            "headline": self.headline,
            "notes": list(self.samples[-1].matrix.notes),
        }

    def _set_json(self, name: str) -> dict[str, Any]:
        (good, every), (worst_good, of_worst) = (
            held([one for one in curves if one.index_set == name]) for curves in (self.curves, self.worst_classes)
        )
        return {
            "name": name,
            "median_k": self.median_k(name),
            "predictions": every,
            "held": good,
            "worst_class_predictions": of_worst,
            "worst_class_held": worst_good,
        }

    def median_k(self, index_set: str) -> float | None:
        exponents = [one.law.k for one in self.curves if one.law and one.index_set == index_set]
        return round(median(exponents), 4) if exponents else None


def held(curves: Iterable[Curve]) -> tuple[int, int]:
    """Predictions that held, and how many there were."""
    outcomes = [one.held for one in curves if one.held is not None]
    return sum(outcomes), len(outcomes)


def _most(points: Sequence[Point]) -> Point:
    """The one that reads most at a size; one that was stopped or failed reads more than any."""
    present = [point for point in points if point.cell] or list(points)
    return max(present, key=lambda point: float("inf") if point.buffers is None else point.buffers)


def grow(samples: Sequence[Sample], check: Sample | None = None, sizes: Sequence[float] = ()) -> Growth:
    """Curves through `samples`, at least three, smallest first; each case that any size knows."""
    keys = dict.fromkeys(
        (cell.case.query.name, cell.case.parameter_class.name, cell.index_set)
        for sample in samples
        for cell in sample.matrix.cells
    )
    curves = (curve(tuple(one.point(key) for one in samples), check.point(key) if check else None, key) for key in keys)
    return Growth(tuple(samples), check, tuple(sizes), tuple(curves))


def _size_json(sample: Sample) -> dict[str, Any]:
    return {"scale": sample.scale, "messages": sample.messages}
