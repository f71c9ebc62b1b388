"""A dry run as one HTML page: statements, the locks they held and the stalls of traffic on a common clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from inboxbench.report import units
from inboxbench.report.charts.scale import Scale, Tick, linear_scale

_STEP = 20
_LEAST = 0.2  # per cent of the width: what took no time is still seen
_BLOCKING = ("ACCESS EXCLUSIVE", "EXCLUSIVE", "SHARE ROW EXCLUSIVE", "SHARE")


@dataclass(frozen=True, slots=True)
class Span:
    """x and width in per cent."""

    x: float
    width: float
    tone: str
    hint: str


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of the timeline; y is its top."""

    name: str
    y: int
    spans: Sequence[Span]


def render_rehearsal(run: Mapping[str, Any]) -> str:
    """The page for the JSON of `inboxbench dryrun`."""
    begin = min((one["started_ms"] for one in run["statements"]), default=0.0)
    scale = linear_scale([_end(run) - begin])
    lanes = _lanes(run, scale, begin)
    page = _environment().get_template("rehearsal.html.j2")
    ticks: tuple[Tick, ...] = scale.ticks(lambda ms: f"{ms / 1000:g} s")
    return page.render(
        run=run, lanes=lanes, ticks=ticks, height=_STEP * len(lanes), style=Markup(_style())  # noqa: S704 - ours
    )  # fmt: skip


def _end(run: Mapping[str, Any]) -> float:
    ends = [one["started_ms"] + one["duration_ms"] for one in run["statements"]]
    ends += [lock["taken_ms"] + lock["held_ms"] for one in run["statements"] for lock in one["locks"]]
    ends += [stall["started_ms"] + stall["duration_ms"] for felt in run["traffic"] for stall in felt["stalls"]]
    return max(ends, default=1.0)


def _lanes(run: Mapping[str, Any], scale: Scale, origin: float) -> list[Lane]:
    rows: dict[str, list[Span]] = {"statements": []}
    for one in run["statements"]:
        begin = one["started_ms"] - origin
        hint = f"{one['revision'] or ''} {' '.join(one['sql'].split())[:120]}: {units.millis(one['duration_ms'])}"
        rows["statements"].append(
            _span(scale, begin, one["duration_ms"], "rewrite" if one["rewrites"] else "run", hint)
        )
        for lock in one["locks"]:
            if lock["mode"] in _BLOCKING and lock["kind"] == "table" and not lock["created"]:
                hint = f"{lock['mode']} for {units.millis(lock['held_ms'])}, by {' '.join(one['sql'].split())[:120]}"
                tone = "reads" if lock["mode"] == "ACCESS EXCLUSIVE" else "writes"
                name = lock["relation"].removeprefix("public.")
                rows.setdefault(name, []).append(_span(scale, lock["taken_ms"] - origin, lock["held_ms"], tone, hint))
    for felt in run["traffic"]:
        for stall in felt["stalls"]:
            hint = f"{felt['class']} waited {units.millis(stall['duration_ms'])}"
            span = _span(scale, stall["started_ms"] - origin, stall["duration_ms"], "stall", hint)
            rows.setdefault(f"stalled: {felt['class']}", []).append(span)
    return [Lane(name, number * _STEP, spans) for number, (name, spans) in enumerate(rows.items())]


def _span(scale: Scale, begin: float, length: float, tone: str, hint: str) -> Span:
    x = scale.at(begin)
    return Span(x, round(max(scale.at(begin + length) - x, _LEAST), 3), tone, hint)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("inboxbench.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(millis=units.millis)
    return environment


@cache
def _style() -> str:
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), "style.css")[0]
