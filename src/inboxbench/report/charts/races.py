"""Safety against cost of each strategy: claims a second as bars, and as lines over the number of workers.

A line is dashed where its strategy gave rows away twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inboxbench import units
from inboxbench.report.charts.bars import Bar, BarChart, chart, single
from inboxbench.report.charts.scale import Frame, Scale, Segment, Tick, joined, linear_scale, log_scale
from inboxbench.report.model import Race

_FRAME = Frame(height=320, top=14, bottom=46)
_LEFT, _RIGHT = 4.0, 96.0  # percent of the width, so that marks at both ends are whole
_LEAST_COUNTS = 3


@dataclass(frozen=True, slots=True)
class CrowdPoint:
    x: float
    y: float
    hint: str


@dataclass(frozen=True, slots=True)
class CrowdLine:
    """mark: of the strategy, in every chart the same; note: what it gave away."""

    strategy: str
    mark: int
    unsafe: bool
    note: str
    points: Sequence[CrowdPoint]
    segments: Sequence[Segment]


@dataclass(frozen=True, slots=True)
class CrowdChart:
    lines: Sequence[CrowdLine]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    height: int
    axis_y: int


def race_charts(races: Sequence[Race]) -> dict[str, BarChart]:
    """Return a chart per server and worker count, all on one scale so that they compare.

    Of a load that has a chart over its numbers of workers, only the largest crowd.
    """
    shown = [race for race in races if race.load not in crowd_loads(races) or race.workers == _most(races, race)]
    scale = linear_scale(race.per_s for race in shown)
    return {
        heading: chart((_bar(race, scale) for race in group), scale, units.compact)
        for heading, group in race_groups(shown).items()
    }


def _most(races: Sequence[Race], like: Race) -> int:
    return max(race.workers or 0 for race in races if race.load == like.load)


def race_groups(races: Sequence[Race]) -> dict[str, list[Race]]:
    """Races run under the same conditions, by what these were."""
    grouped: dict[str, list[Race]] = {}
    for race in races:
        grouped.setdefault(_conditions(race), []).append(race)
    return grouped


def _bar(race: Race, scale: Scale) -> Bar:
    tone = "r-unsafe" if unsafe(race) else "r-safe"
    return Bar(
        race.strategy, units.rate(race.per_s), single(scale, race.per_s, tone, _bar_hint(race)), _doubles(race), tone
    )


def unsafe(race: Race) -> bool:
    """Return whether this race gave a row to two workers, or was declared unsafe."""
    return race.doubled or race.safe is False


def _conditions(race: Race) -> str:
    workers = f"{race.workers} workers" if race.workers and race.workers > 1 else "one worker" if race.workers else ""
    driven = f"{race.think_ms:g} ms inside, by {race.driver}" if race.driver and race.think_ms is not None else ""
    return ", ".join(part for part in (workers, driven, race.server) if part) or "races"


def _doubles(race: Race) -> str:
    if race.doubles is None:
        return "doubles not counted"
    return f"{race.doubles:,} doubled"


def _bar_hint(race: Race) -> str:
    retries = f", {race.retries:,} retries" if race.retries is not None else ""
    return f"{race.strategy}: {units.rate(race.per_s)}, {_doubles(race)}{retries}"


def crowd_charts(races: Sequence[Race]) -> dict[str, CrowdChart]:
    """Return a chart for each server, driver and application time that has three numbers of workers or more."""
    marks = {name: number for number, name in enumerate(dict.fromkeys(race.strategy for race in races))}
    grouped: dict[str, list[Race]] = {}
    for race in races:
        if race.load in crowd_loads(races) and _drawable(race):
            grouped.setdefault(_heading(race), []).append(race)
    return {heading: _chart(group, marks) for heading, group in grouped.items()}


def crowd_loads(races: Sequence[Race]) -> set[tuple[str, str | None, float | None]]:
    """Return the loads that were raced with enough numbers of workers to draw a line."""
    counts: dict[tuple[str, str | None, float | None], set[int | None]] = {}
    for race in races:
        if _drawable(race):
            counts.setdefault(race.load, set()).add(race.workers)
    return {load for load, workers in counts.items() if len(workers) >= _LEAST_COUNTS}


def _drawable(race: Race) -> bool:
    return bool(race.workers) and units.known(race.per_s)


def _heading(race: Race) -> str:
    inside = f"{race.think_ms:g} ms of application time inside" if race.think_ms is not None else ""
    driver = f"driven by {race.driver}" if race.driver else ""
    return ", ".join(part for part in (inside, driver, race.server) if part)


def _chart(races: Sequence[Race], marks: dict[str, int]) -> CrowdChart:
    counts = sorted({race.workers for race in races if race.workers})
    step = (_RIGHT - _LEFT) / (len(counts) - 1)
    across = {count: round(_LEFT + number * step, 2) for number, count in enumerate(counts)}
    down = log_scale(race.per_s for race in races)
    lines = []
    for strategy in dict.fromkeys(race.strategy for race in races):
        mine = sorted((r for r in races if r.strategy == strategy), key=lambda r: r.workers or 0)
        points = [CrowdPoint(across[r.workers or 0], _FRAME.row(down.at(r.per_s)), _hint(r)) for r in mine]
        lines.append(CrowdLine(strategy, marks[strategy], any(map(unsafe, mine)), _note(mine), points, joined(points)))
    x_ticks = [Tick(at, f"{count:,}") for count, at in across.items()]
    y_ticks = _FRAME.ticks(down, units.compact)
    return CrowdChart(lines, x_ticks, y_ticks, _FRAME.height, _FRAME.axis_y)


def _share(race: Race) -> float:
    claims = (race.assigned or 0) + (race.doubles or 0)
    return (race.doubles or 0) / claims if claims else 0.0


def _note(races: Sequence[Race]) -> str:
    worst = max(races, key=_share)
    if not worst.doubles:
        return "none twice"
    return f"✗ {_share(worst):.0%} of its claims took what somebody held ({worst.workers} workers)"


def _hint(race: Race) -> str:
    doubled = f", {race.doubles:,} doubled" if race.doubles else ", none doubled"
    naive = f", {race.times_naive:g} times naive" if race.times_naive is not None else ""
    return f"{race.strategy}, {race.workers} workers: {units.rate(race.per_s)}{naive}{doubled}"
