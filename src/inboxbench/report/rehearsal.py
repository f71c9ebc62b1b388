"""A dry run as one HTML page: statements, their locks, the stalls and the latency of traffic on a common clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from inboxbench.report import units
from inboxbench.report.charts.clock import Clock, Span, clock, span, time_scale
from inboxbench.report.charts.scale import Scale

_LABELS = {
    "reads_blocked_ms": "reads kept out at a stretch",
    "writes_blocked_ms": "writes kept out at a stretch",
    "duration_ms": "duration",
    "wal_bytes": "WAL",
    "peak_bytes": "extra disk",
    "rows_locked_at_once": "rows changed at once",
    "read_stalled_ms": "longest wait of a read",
    "write_stalled_ms": "longest wait of a write",
    "requests_failed": "requests that failed",
}
_UNITS = {"ms": units.millis, "bytes": units.size}
_BLOCKING = ("ACCESS EXCLUSIVE", "EXCLUSIVE", "SHARE ROW EXCLUSIVE", "SHARE")


def render_rehearsal(run: Mapping[str, Any]) -> str:
    """The page for the JSON of `inboxbench dryrun`."""
    page = _environment().get_template("rehearsal_page.html.j2")
    return page.render(dry=run, clock=rehearsal_clock(run), style=Markup(_style()))  # noqa: S704 - ours


def rehearsal_clock(run: Mapping[str, Any]) -> Clock:
    """From the first statement to the end of the last lock or stall."""
    begin = min((one["started_ms"] for one in run["statements"]), default=0.0)
    scale = time_scale(_end(run) - begin)
    return clock(scale, _rows(run, scale, begin), run["traffic"], begin)


def compared_figures(compared: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """A row a figure: its name, of the original, of the rewrite. Those known come first, others by their own names."""
    original, rewrite = compared["original"], compared["rewrite"]
    names = dict.fromkeys((*(name for name in _LABELS if name in original), *original, *rewrite))
    return [(_label(name), *(_figure(name, side.get(name)) for side in (original, rewrite))) for name in names]


def _label(name: str) -> str:
    return _LABELS.get(name) or name.replace("_", " ")


def _figure(name: str, value: float | None) -> str:
    return _UNITS.get(name.rpartition("_")[2], units.number)(value)


def _end(run: Mapping[str, Any]) -> float:
    ends = [one["started_ms"] + one["duration_ms"] for one in run["statements"]]
    ends += [lock["taken_ms"] + lock["held_ms"] for one in run["statements"] for lock in one["locks"]]
    ends += [stall["started_ms"] + stall["duration_ms"] for felt in run["traffic"] for stall in felt["stalls"]]
    return max(ends, default=1.0)


def _rows(run: Mapping[str, Any], scale: Scale, origin: float) -> dict[str, list[Span]]:
    rows: dict[str, list[Span]] = {"statements": []}
    for one in run["statements"]:
        begin = one["started_ms"] - origin
        hint = f"{one['revision'] or ''} {_brief(one)}: {units.millis(one['duration_ms'])}"
        tone = "rewrite" if one["rewrites"] else "run"
        rows["statements"].append(span(scale, begin, one["duration_ms"], tone, hint))
        for name, lock in _locks(one, scale, origin):
            rows.setdefault(name, []).append(lock)
    for felt in run["traffic"]:
        for stall in felt["stalls"]:
            hint = f"{felt['class']} waited {units.millis(stall['duration_ms'])}"
            found = span(scale, stall["started_ms"] - origin, stall["duration_ms"], "stall", hint)
            rows.setdefault(f"stalled: {felt['class']}", []).append(found)
    return rows


def _locks(one: Mapping[str, Any], scale: Scale, origin: float) -> Iterator[tuple[str, Span]]:
    """By table, those that keep somebody out of a table that was there before."""
    for lock in one["locks"]:
        if lock["mode"] in _BLOCKING and lock["kind"] == "table" and not lock["created"]:
            hint = f"{lock['mode']} for {units.millis(lock['held_ms'])}, by {_brief(one)}"
            tone = "reads" if lock["mode"] == "ACCESS EXCLUSIVE" else "writes"
            held = span(scale, lock["taken_ms"] - origin, lock["held_ms"], tone, hint)
            yield f"locked: {lock['relation'].removeprefix('public.')}", held


def _brief(one: Mapping[str, Any]) -> str:
    return " ".join(one["sql"].split())[:120]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("inboxbench.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(millis=units.millis, number=units.number, compared=compared_figures)
    return environment


@cache
def _style() -> str:
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), "style.css")[0]
