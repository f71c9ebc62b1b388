"""A curve: what one case reads under one set at several sizes of the same profile, and the power law through it.

The fit is least squares of log(pages) over log(rows), with the textbook's standard errors (Student's t).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, linear_regression
from typing import Any

from inboxbench.bench.model import Cell
from inboxbench.record import rounded

# 90 % quantiles of Student's t by degrees of freedom (any table of the distribution); two-sided they span 80 %.
_STUDENT = (3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415, 1.397, 1.383, 1.372)
FEWEST = 3
_WIDEST = 1000.0


@dataclass(frozen=True, slots=True)
class Range:
    """A value read off a law, and the 80 % prediction interval around it."""

    value: float
    low: float
    high: float

    @property
    def uncertain(self) -> bool:
        """The interval is so wide that the value in its middle says nothing."""
        return self.high > _WIDEST * self.low


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """k: the exponent, k_error: its standard error; spread: standard error of the regression, in ln(buffers).

    The rest is what a prediction interval needs: the centre of the points and how far they are from it.
    """

    c: float
    k: float
    k_error: float
    spread: float
    points: int
    centre: float
    breadth: float

    def at(self, n: float) -> Range:
        """Return what a size of `n` would read, if nothing but the size changes."""
        away = math.log(n) - self.centre
        student = _STUDENT[min(self.points - 2, len(_STUDENT)) - 1]
        error = self.spread * math.sqrt(1 + 1 / self.points + away**2 / self.breadth)
        middle = math.log(self.c) + self.k * math.log(n)
        return Range(_exp(middle), _exp(middle - student * error), _exp(middle + student * error))


def fit(points: Sequence[tuple[int, int]]) -> PowerLaw:
    """Return a law through (n, buffers), at least three of different n; a buffer at least, so that there is a
    logarithm.

    >>> law = fit([(100, 10), (200, 20), (400, 40)])
    >>> round(law.k, 6), round(law.k_error, 6), round(law.at(800).value, 6)
    (1.0, 0.0, 80.0)
    """
    if len({n for n, _buffers in points}) < FEWEST:
        raise ValueError(f"{len(points)} points are fewer than {FEWEST}: through two any law fits")
    xs = [math.log(n) for n, _buffers in points]
    ys = [math.log(max(buffers, 1)) for _n, buffers in points]
    k, start = linear_regression(xs, ys)
    centre = fmean(xs)
    breadth = sum((x - centre) ** 2 for x in xs)
    rest = sum((y - start - k * x) ** 2 for x, y in zip(xs, ys, strict=True))
    spread = math.sqrt(rest / (len(xs) - 2))
    return PowerLaw(math.exp(start), k, spread / math.sqrt(breadth), spread, len(xs), centre, breadth)


def _exp(power: float) -> float:
    """e to the power, infinite where a float ends."""
    return math.exp(power) if power < 700 else math.inf


# A prediction holds when it is this close: the closeness that measurement on three scales has shown to be usual.
TOLERANCE = 0.15
# Buffers: classes of parameters are drawn at each size, and other rows lie on a page or two more or less.
FEW = 2
# What a size is called in the JSON, whatever the rows are that a profile is measured in.
SIZE_KEY = "messages"


@dataclass(frozen=True, slots=True)
class Point:
    """scale: times the profile; size: its rows then; cell: None when this size lacks the case."""

    scale: float
    size: int
    cell: Cell | None

    @property
    def buffers(self) -> int | None:
        return self.cell.plan.buffers if self.cell and self.cell.plan else None

    @property
    def plan(self) -> str | None:
        return self.cell.plan.line if self.cell and self.cell.plan else None

    def to_json(self) -> dict[str, Any]:
        failure = self.cell.failure if self.cell else "this size has no parameters for it"
        return {
            "scale": self.scale,
            SIZE_KEY: self.size,
            "buffers": self.buffers,
            "plan": self.plan,
            "failure": failure,
        }


@dataclass(frozen=True, slots=True)
class Flip:
    """From one size to the next the planner changed its mind: one law does not hold for both."""

    name: str
    small: Point
    large: Point
    unit: str

    @property
    def jump(self) -> float:
        """Return how many times more is read than the size alone would explain."""
        return (self.large.buffers or 1) / (self.small.buffers or 1) / (self.large.size / self.small.size)

    def __str__(self) -> str:
        return (
            f"{self.name}, {self.small.size:,} → {self.large.size:,} {self.unit}, {self.small.buffers:,} → "
            f"{self.large.buffers:,} buffers: {self.large.plan} instead of {self.small.plan}"
        )


@dataclass(frozen=True, slots=True)
class Curve:
    """points: those that the law is fitted to; check: a further one, which it predicts; unit: what a size counts."""

    query: str
    parameter_class: str
    index_set: str
    points: tuple[Point, ...]
    check: Point | None
    law: PowerLaw | None
    unit: str = "rows"

    @property
    def name(self) -> str:
        return f"{self.query} [{self.parameter_class}] under {self.index_set}"

    @property
    def predicted(self) -> Range | None:
        return self.law.at(self.check.size) if self.law and self.check else None

    @property
    def error(self) -> float | None:
        """Return how far the prediction was off: 0.1 when 10 % more was read than predicted. None: nothing to
        compare."""
        if self.predicted is None or self.check is None or self.check.buffers is None:
            return None
        return self.check.buffers / self.predicted.value - 1

    @property
    def holds(self) -> bool | None:
        """Within TOLERANCE, or within FEW buffers."""
        if self.error is None or self.predicted is None:
            return None
        return abs(self.error) <= TOLERANCE or abs(self.error) * self.predicted.value <= FEW

    @property
    def flips(self) -> tuple[Flip, ...]:
        every = [point for point in (*self.points, self.check) if point and point.plan]
        return tuple(Flip(self.name, *pair, self.unit) for pair in pairwise(every) if pair[0].plan != pair[1].plan)

    @property
    def one_plan(self) -> bool:
        """Return whether all sizes were read by the same plan."""
        return not self.flips

    def at(self, size: float) -> Range | None:
        return self.law.at(size) if self.law else None

    def to_json(self, sizes: tuple[float, ...]) -> dict[str, Any]:
        return {
            "query": self.query,
            "class": self.parameter_class,
            "set": self.index_set,
            "points": [point.to_json() for point in self.points],
            **_law_json(self.law),
            "check": self._check_json(),
            "flips": [str(flip) for flip in self.flips],
            "extrapolated": [self._far_json(size) for size in sizes if self.law],
        }

    def _check_json(self) -> dict[str, Any] | None:
        if self.check is None:
            return None
        return {
            **self.check.to_json(),
            "predicted": _range_json(self.predicted),
            "error": rounded(self.error, 4),
            "held": self.holds,
        }

    def _far_json(self, size: float) -> dict[str, Any]:
        """`beyond`: how many times larger than anything measured; `one_plan`: whether the plan was the same so far."""
        largest = max(point.size for point in (*self.points, self.check) if point)
        read = self.at(size)
        found = {**(_range_json(read) or {}), "uncertain": read.uncertain if read else True}
        return {SIZE_KEY: size, "beyond": rounded(size / largest, 4), "one_plan": self.one_plan, **found}


def curve(points: tuple[Point, ...], check: Point | None, names: tuple[str, str, str], unit: str = "rows") -> Curve:
    """`names`: query, parameter class, set. Without three points that have figures there is no law."""
    known = [(point.size, point.buffers) for point in points if point.buffers is not None]
    return Curve(*names, points, check, fit(known) if len(known) >= FEWEST else None, unit)


def _law_json(law: PowerLaw | None) -> dict[str, Any]:
    return {
        "k": rounded(law.k, 4) if law else None,
        "k_error": rounded(law.k_error, 4) if law else None,
        "c": law.c if law else None,
        "spread": rounded(law.spread, 4) if law else None,
    }


def _range_json(found: Range | None) -> dict[str, float | None] | None:
    if found is None:
        return None
    return {name: _finite(value) for name, value in (("value", found.value), ("low", found.low), ("high", found.high))}


def _finite(value: float) -> float | None:
    """JSON knows no infinity: an interval without an end has none."""
    return None if value == float("inf") else round(value, 1)
