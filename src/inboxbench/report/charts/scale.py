"""Linear and logarithmic scales from values to percentages of a chart, and the places of marks and lines on it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from inboxbench.units import known

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_TICKS = 5
_NOTHING = 1e-12  # smaller figures have no round number above them that a float can hold apart


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A straight line between two points, in per cent of the width and in pixels from the top."""

    x1: float
    y1: float
    x2: float
    y2: float


class Point(Protocol):
    """What has a place on a chart."""

    @property
    def x(self) -> float: ...

    @property
    def y(self) -> float: ...


def joined(points: Iterable[Point]) -> list[Segment]:
    """Return the lines from each point to the next one."""
    return [Segment(before.x, before.y, after.x, after.y) for before, after in pairwise(points)]


@dataclass(frozen=True, slots=True)
class Frame:
    """The vertical room of a chart in pixels, with what is kept free above and below it."""

    height: int
    top: int
    bottom: int

    @property
    def axis_y(self) -> int:
        """Return where the chart ends and its axis begins."""
        return self.height - self.bottom

    def row(self, percent: float, digits: int = 1) -> float:
        """Return the place of a percentage of a scale, which grows upwards."""
        return round(self.axis_y - percent / 100 * (self.axis_y - self.top), digits)

    def ticks(self, scale: Scale, label: Callable[[float], str]) -> list[Tick]:
        """Return the marks of a scale by their places."""
        return [Tick(self.row(tick.at), tick.label) for tick in scale.ticks(label)]


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps `low … high` to 0 … 100 %; values outside are drawn at the edge."""

    low: float
    high: float
    log: bool
    marks: Sequence[float]

    def at(self, value: float | None) -> float:
        if not known(value):
            return 0.0
        inside = min(max(value, self.low), self.high)
        if self.log:
            part = math.log(inside / self.low) / math.log(self.high / self.low)
        else:
            part = (inside - self.low) / (self.high - self.low)
        return round(part * 100, 3)

    def ticks(self, label: Callable[[float], str]) -> tuple[Tick, ...]:
        return tuple(Tick(self.at(mark), label(mark)) for mark in self.marks)


def log_scale(values: Iterable[float | None], floor: float = 1.0) -> Scale:
    """Whole decades around the values; nothing below `floor`, where the logarithm of a zero would lie."""
    positive = [max(value, floor) for value in values if known(value)] or [floor]
    low = math.floor(math.log10(min(positive)))
    high = max(math.ceil(math.log10(max(positive)) - 1e-9), low + 1)
    step = max(1, math.ceil((high - low) / 7))
    return Scale(10.0**low, 10.0**high, True, tuple(10.0**power for power in range(low, high + 1, step)))


def linear_scale(values: Iterable[float | None], *, octets: bool = False) -> Scale:
    """From zero to a round number above the largest value; of `octets`, round in kB, MB, … of 1024."""
    top = max((value for value in values if known(value)), default=0.0)
    unit = 1024.0 ** int(math.log(top, 1024)) if octets and top >= 1 else 1.0
    step = _round_step(top / unit / _TICKS) * unit if top > _NOTHING else 1.0
    count = max(math.ceil(top / step - 1e-9), 1)
    return Scale(0.0, step * count, False, tuple(step * number for number in range(count + 1)))


def _round_step(raw: float) -> float:
    magnitude = 10.0 ** math.floor(math.log10(raw))
    return next(step for step in _STEPS if step * magnitude >= raw * (1 - 1e-9)) * magnitude
