"""Counters over commits as one HTML page, in the report's own style: nothing is fetched, no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inboxbench import units
from inboxbench.report.charts.scale import Frame, Segment, Tick, joined, linear_scale
from inboxbench.report.page import environment, style

_FRAME = Frame(height=110, top=12, bottom=18)
_LABELS = 8


@dataclass(frozen=True, slots=True)
class Mark:
    """A change, at a point of the chart."""

    at: int
    text: str
    worse: bool


@dataclass(frozen=True, slots=True)
class Counter:
    """One counter: a figure for each label, None where there is none."""

    title: str
    unit: str
    values: Sequence[float | None]
    marks: Sequence[Mark]


@dataclass(frozen=True, slots=True)
class _Dot:
    x: float
    y: float
    tone: str
    hint: str


@dataclass(frozen=True, slots=True)
class _Chart:
    counter: Counter
    dots: Sequence[_Dot]
    strokes: Sequence[Segment]
    levels: Sequence[Tick]
    names: Sequence[Tick]
    height: int = _FRAME.height
    bottom: int = _FRAME.axis_y


def render_history(counters: Sequence[Counter], labels: Sequence[str], remarks: Sequence[str]) -> str:
    """Return a chart a counter, those with the newest change for the worse first as given; `labels` name the points."""
    charts = [_chart(counter, labels) for counter in counters]
    page = environment().get_template("history.html.j2")
    return page.render(charts=charts, labels=labels, remarks=remarks, style=style())


def _chart(counter: Counter, labels: Sequence[str]) -> _Chart:
    scale = linear_scale(counter.values)

    def height(value: float) -> float:
        return _FRAME.row(scale.at(value), digits=2)

    marks = {mark.at: mark for mark in counter.marks}
    known = [(number, value) for number, value in enumerate(counter.values) if value is not None]
    dots = [
        _Dot(
            _across(number, labels),
            height(value),
            _tone(marks.get(number)),
            _hint(labels[number], value, marks, number),
        )
        for number, value in known
    ]
    levels = [Tick(height(mark), units.compact(mark)) for mark in (scale.low, scale.high)]
    step = max(1, -(-len(labels) // _LABELS))
    names = [Tick(_across(number, labels), labels[number]) for number in range(0, len(labels), step)]
    return _Chart(counter, dots, joined(dots), levels, names)


def _across(number: int, labels: Sequence[str]) -> float:
    """Per cent of the width; room for the figures of the axis on the left and a label on the right."""
    return round(7 + 88 * number / max(1, len(labels) - 1), 3)


def _tone(mark: Mark | None) -> str:
    return "plain" if mark is None else "worse" if mark.worse else "better"


def _hint(label: str, value: float, marks: dict[int, Mark], number: int) -> str:
    return f"{label}: {value:,.6g}" + (f", {marks[number].text}" if number in marks else "")
