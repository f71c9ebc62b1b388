"""A dry run as one HTML page: statements, their locks, the stalls and the latency of traffic on a common clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from inboxbench import units
from inboxbench.report.charts.clock import Clock, Span, clock, span, time_scale
from inboxbench.report.charts.scale import Scale
from inboxbench.report.rehearsal_tables import (
    bare,
    brief,
    compared_figures,
    first_start,
    keeps_out,
    longest_stalls,
    longest_statements,
)

FILTERS = {"compared": compared_figures, "stalls": longest_stalls, "longest": longest_statements}


def render_rehearsal(run: Mapping[str, Any]) -> str:
    """The page for the JSON of `inboxbench dryrun`."""
    page = _environment().get_template("dry_run_page.html.j2")
    return page.render(dry=run, level=2, clock=rehearsal_clock(run), style=Markup(_style()))  # noqa: S704 - ours


def rehearsal_clock(run: Mapping[str, Any]) -> Clock:
    """From the first statement to the end of the last lock or stall."""
    begin = first_start(run)
    scale = time_scale(_end(run) - begin)
    return clock(scale, _rows(run, scale, begin), run["traffic"], begin)


def _end(run: Mapping[str, Any]) -> float:
    ends = [one["started_ms"] + one["duration_ms"] for one in run["statements"]]
    ends += [lock["taken_ms"] + lock["held_ms"] for one in run["statements"] for lock in one["locks"]]
    ends += [stall["started_ms"] + stall["duration_ms"] for felt in run["traffic"] for stall in felt["stalls"]]
    return max(ends, default=1.0)


def _rows(run: Mapping[str, Any], scale: Scale, origin: float) -> dict[str, list[Span]]:
    """Lanes by name: statements, then tables as they were first locked, then classes that stalled."""
    rows: dict[str, list[Span]] = {"statements": []}
    for one in run["statements"]:
        begin = one["started_ms"] - origin
        hint = f"{one['revision'] or ''} {brief(one)}: {units.millis(one['duration_ms'])}"
        tone = "l-rewrite" if one["rewrites"] else "l-run"
        rows["statements"].append(span(scale, begin, one["duration_ms"], tone, hint))
        for name, lock in _locks(one, scale, origin):
            rows.setdefault(name, []).append(lock)
    for felt in run["traffic"]:
        for stall in felt["stalls"]:
            hint = f"{felt['class']} waited {units.millis(stall['duration_ms'])}"
            found = span(scale, stall["started_ms"] - origin, stall["duration_ms"], "l-stall", hint)
            rows.setdefault(f"stalled: {felt['class']}", []).append(found)
    return rows


def _locks(one: Mapping[str, Any], scale: Scale, origin: float) -> Iterator[tuple[str, Span]]:
    for lock in one["locks"]:
        if keeps_out(lock):
            hint = f"{lock['mode']} for {units.millis(lock['held_ms'])}, by {brief(one)}"
            tone = "l-reads" if lock["mode"] == "ACCESS EXCLUSIVE" else "l-writes"
            held = span(scale, lock["taken_ms"] - origin, lock["held_ms"], tone, hint)
            yield f"locked: {bare(lock['relation'])}", held


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("inboxbench.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(millis=units.millis, number=units.number, size=units.size, **FILTERS)
    return environment


@cache
def _style() -> str:
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), "style.css")[0]
