"""What happened when, over what requests took at that moment: lanes of spans, then the latency of each class, on one
clock. Horizontal positions are percentages of the width, vertical ones pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from inboxbench import units
from inboxbench.report.charts.scale import Scale, Tick, linear_scale, log_scale

_LEAST = 0.2  # per cent of the width: what took no time is still seen
_MANY = 1_000  # spans of a lane that a page draws whatever they cover
_LABEL = 20  # room for a name, above what it names
_LANE, _BAND, _GAP = 14, 44, 10


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took from x on, width, both in per cent."""

    x: float
    width: float
    tone: str
    hint: str


@dataclass(frozen=True, slots=True)
class Lane:
    """Spans of one name; y is the top of the name."""

    name: str
    y: int
    spans: Sequence[Span]


@dataclass(frozen=True, slots=True)
class Bar:
    """Requests that were due in an interval: x and width in per cent; y of the slowest and of the median, from the
    top of the chart."""

    x: float
    width: float
    worst: float
    median: float
    hint: str


@dataclass(frozen=True, slots=True)
class Band:
    """The latency of a class; y is the top of its name, foot where zero would be; marks are decades by their y."""

    name: str
    y: int
    foot: int
    bars: Sequence[Bar]
    marks: Sequence[Tick]


@dataclass(frozen=True, slots=True)
class Clock:
    """lane: height of a span, label: room of a name, axis_y: where the clock is read."""

    lanes: Sequence[Lane]
    bands: Sequence[Band]
    ticks: Sequence[Tick]
    axis_y: int
    lane: int = _LANE
    label: int = _LABEL

    @property
    def height(self) -> int:
        return self.axis_y + 24


def time_scale(end_ms: float) -> Scale:
    """From the moment that the chart begins to `end_ms` after it."""
    return linear_scale([max(end_ms, 1.0)])


def span(scale: Scale, begin: float, length: float, tone: str, hint: str) -> Span:
    """begin and length in ms on the chart's clock."""
    x = min(scale.at(begin), 100 - _LEAST)
    return Span(x, round(max(scale.at(begin + length) - x, _LEAST), 3), tone, hint)


def clock(
    scale: Scale, rows: Mapping[str, Sequence[Span]], traffic: Sequence[Mapping[str, Any]], origin: float
) -> Clock:
    """Lay out the chart. traffic: classes, each with `class` and perhaps `course`, in times that are `origin` ahead."""
    step = _LABEL + _LANE + _GAP
    lanes = [Lane(name, number * step, _seen(spans)) for number, (name, spans) in enumerate(rows.items())]
    top = step * len(lanes)
    bands = _bands([item for item in traffic if item.get("course")], scale, origin, top)
    axis_y = bands[-1].foot + 4 if bands else top
    return Clock(lanes, bands, scale.ticks(lambda ms: f"{ms / 1000:g} s"), axis_y)


def _seen(spans: Sequence[Span]) -> list[Span]:
    """Of many, without what the one before it of its tone covers: a history of an hour has 50,000 statements."""
    if len(spans) <= _MANY:
        return list(spans)
    kept: list[Span] = []
    reached: dict[str, float] = {}
    for item in sorted(spans, key=lambda span: span.x):
        end = item.x + item.width
        if end > reached.get(item.tone, -1.0) + _LEAST / 2:
            kept.append(item)
            reached[item.tone] = end
    return kept


def _bands(traffic: Sequence[Mapping[str, Any]], scale: Scale, origin: float, top: int) -> list[Band]:
    """Draw all classes on the same scale, so that they can be compared."""
    slow = log_scale([interval["max_ms"] for item in traffic for interval in item["course"]])
    bands = []
    for number, item in enumerate(traffic):
        y = top + number * (_LABEL + _BAND + _GAP)
        foot = y + _LABEL + _BAND
        marks = tuple(Tick(_height(slow, mark, foot), units.millis(mark)) for mark in (slow.low, slow.high))
        bands.append(Band(item["class"], y, foot, _bars(item["course"], scale, slow, origin, foot), marks))
    return bands


def _bars(course: Sequence[Mapping[str, Any]], scale: Scale, slow: Scale, origin: float, foot: int) -> list[Bar]:
    """What was due before the chart begins, or after it, is left out."""
    width = max(scale.at(_step(course)), _LEAST)
    bars = []
    for interval in course:
        begin = interval["started_ms"] - origin
        if 0 <= begin < scale.high:
            x = scale.at(begin)
            worst, median = _height(slow, interval["max_ms"], foot), _height(slow, interval["p50_ms"], foot)
            bars.append(Bar(x, round(min(width, 100 - x), 3), worst, median, _hint(interval, begin)))
    return bars


def _step(course: Sequence[Mapping[str, Any]]) -> float:
    """Return the length of an interval, ms; those in which nothing was due are not there."""
    starts = [float(interval["started_ms"]) for interval in course]
    return min((after - before for before, after in pairwise(starts)), default=0.0)


def _hint(interval: Mapping[str, Any], begin: float) -> str:
    median, slowest = units.millis(interval["p50_ms"]), units.millis(interval["max_ms"])
    return f"{begin / 1000:.1f} s: {interval['requests']} requests, median {median}, slowest {slowest}"


def _height(slow: Scale, ms: float, foot: int) -> float:
    return round(foot - _BAND * slow.at(ms) / 100, 1)
