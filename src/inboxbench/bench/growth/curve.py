"""A curve: what one case reads under one set at several sizes of the same profile, and the law through it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from inboxbench.bench.growth.power_law import FEWEST, Law, Range, fit
from inboxbench.bench.model import Cell

# A prediction holds when it is this close: the closeness that measurement on three scales has shown to be usual.
TOLERANCE = 0.15
# Buffers: classes are drawn anew at each size, and another conversation lies on a page or two more or less.
FEW = 2


@dataclass(frozen=True, slots=True)
class Point:
    """scale: times the profile's messages, which are `messages` then; cell: None when this size lacks the case."""

    scale: float
    messages: int
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
            "messages": self.messages,
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

    @property
    def jump(self) -> float:
        """How many times more is read than the size alone would explain."""
        return (self.large.buffers or 1) / (self.small.buffers or 1) / (self.large.messages / self.small.messages)

    def __str__(self) -> str:
        return (
            f"{self.name}, {self.small.messages:,} → {self.large.messages:,} messages, {self.small.buffers:,} → "
            f"{self.large.buffers:,} buffers: {self.large.plan} instead of {self.small.plan}"
        )


@dataclass(frozen=True, slots=True)
class Curve:
    """`points` are those that the law goes through; `check` is a further one that it was not told."""

    query: str
    parameter_class: str
    index_set: str
    points: tuple[Point, ...]
    check: Point | None
    law: Law | None

    @property
    def name(self) -> str:
        return f"{self.query} [{self.parameter_class}] under {self.index_set}"

    @property
    def predicted(self) -> Range | None:
        return self.law.at(self.check.messages) if self.law and self.check else None

    @property
    def error(self) -> float | None:
        """Of the prediction: 0.1 when 10 % more was read than predicted. None: nothing to compare."""
        if self.predicted is None or self.check is None or self.check.buffers is None:
            return None
        return self.check.buffers / self.predicted.value - 1

    @property
    def held(self) -> bool | None:
        """Within TOLERANCE, or within FEW buffers."""
        if self.error is None or self.predicted is None:
            return None
        return abs(self.error) <= TOLERANCE or abs(self.error) * self.predicted.value <= FEW

    @property
    def flips(self) -> tuple[Flip, ...]:
        every = [point for point in (*self.points, self.check) if point and point.plan]
        return tuple(Flip(self.name, *pair) for pair in pairwise(every) if pair[0].plan != pair[1].plan)

    @property
    def one_plan(self) -> bool:
        """Whether all sizes were read by the same plan."""
        return not self.flips

    def at(self, messages: float) -> Range | None:
        return self.law.at(messages) if self.law else None

    def to_json(self, sizes: tuple[float, ...]) -> dict[str, Any]:
        return {
            "query": self.query,
            "class": self.parameter_class,
            "set": self.index_set,
            "points": [point.to_json() for point in self.points],
            **_law_json(self.law),
            "check": self._check_json(),
            "flips": [str(flip) for flip in self.flips],
            "extrapolated": [self._far_json(messages) for messages in sizes if self.law],
        }

    def _check_json(self) -> dict[str, Any] | None:
        if self.check is None:
            return None
        return {
            **self.check.to_json(),
            "predicted": _range_json(self.predicted),
            "error": _rounded(self.error),
            "held": self.held,
        }

    def _far_json(self, messages: float) -> dict[str, Any]:
        """`beyond`: how many times larger than anything measured; `one_plan`: whether the plan was the same so far."""
        largest = max(point.messages for point in (*self.points, self.check) if point)
        read = self.at(messages)
        found = {**(_range_json(read) or {}), "uncertain": read.uncertain if read else True}
        return {"messages": messages, "beyond": _rounded(messages / largest), "one_plan": self.one_plan, **found}


def curve(points: tuple[Point, ...], check: Point | None, names: tuple[str, str, str]) -> Curve:
    """`names`: query, parameter class, set. Without three points that have figures there is no law."""
    known = [(point.messages, point.buffers) for point in points if point.buffers is not None]
    return Curve(*names, points, check, fit(known) if len(known) >= FEWEST else None)


def _law_json(law: Law | None) -> dict[str, Any]:
    return {
        "k": _rounded(law.k) if law else None,
        "k_error": _rounded(law.k_error) if law else None,
        "c": law.c if law else None,
        "spread": _rounded(law.spread) if law else None,
    }


def _range_json(found: Range | None) -> dict[str, float | None] | None:
    if found is None:
        return None
    return {name: _finite(value) for name, value in (("value", found.value), ("low", found.low), ("high", found.high))}


def _finite(value: float) -> float | None:
    """JSON knows no infinity: an interval without an end has none."""
    return None if value == float("inf") else round(value, 1)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
