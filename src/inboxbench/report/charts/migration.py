"""The upgrade: how long each revision took, and how long live traffic waited."""

from collections.abc import Sequence
from dataclasses import dataclass

from inboxbench import units
from inboxbench.report.charts.bars import Bar, BarChart, Piece, chart, single
from inboxbench.report.charts.clock import Clock, Span, clock, span, time_scale
from inboxbench.report.charts.scale import Scale, Tick, linear_scale, log_scale
from inboxbench.report.model import Migration, Revision, Traffic

KINDS = ("expand", "backfill", "index", "contract")
_LEAST_MS = 1.0
_THIN = 12


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """A revision's part of the whole upgrade, and the worst stalls that fell into it."""

    revision: Revision
    start: float
    width: float
    tone: str
    took: str
    stalls: Sequence[Traffic]


@dataclass(frozen=True, slots=True)
class Timeline:
    rows: Sequence[TimelineRow]
    kinds: Sequence[tuple[str, str]]
    ticks: Sequence[Tick]
    total: str


def timeline(migration: Migration) -> Timeline:
    """Revisions one after the other on a common clock."""
    total = sum(r.elapsed_s or 0.0 for r in migration.revisions)
    scale = linear_scale([total])
    rows, clock = [], 0.0
    for revision in migration.revisions:
        rows.append(_timeline_row(revision, migration.traffic, scale, clock))
        clock += revision.elapsed_s or 0.0
    return Timeline(rows, _by_kind(migration.revisions), scale.ticks(_tick), units.seconds(total))


def traffic_chart(traffic: Sequence[Traffic]) -> BarChart | None:
    """Per class of requests, median, 99th percentile and worst stall on one logarithmic line."""
    if not traffic:
        return None
    scale = log_scale((value for t in traffic for value in (t.p50_ms, t.p99_ms, t.waited_ms)), floor=0.01)
    return chart((_traffic_bar(t, scale) for t in traffic), scale, lambda ms: f"{ms:g}", _THIN)


def upgrade_clock(migration: Migration) -> Clock | None:
    """Revisions, a lane for each kind, over the latency of each class; None in a record without their moments."""
    timed = [(item, item.started_s * 1000) for item in migration.revisions if item.started_s is not None]
    traffic = [{"class": item.name, "course": item.course} for item in migration.traffic]
    if not timed or not any(item["course"] for item in traffic):
        return None
    scale = time_scale(max(begin + (item.elapsed_s or 0.0) * 1000 for item, begin in timed))
    rows: dict[str, list[Span]] = {}
    for item, begin in timed:
        hint = f"{item.revision} {item.slug}: {units.seconds(item.elapsed_s)}, from {begin / 1000:.1f} s on"
        ran = span(scale, begin, (item.elapsed_s or 0.0) * 1000, tone(item.kind), hint)
        rows.setdefault(f"revisions: {item.kind or 'other'}", []).append(ran)
    return clock(scale, rows, traffic, 0.0)


def tone(kind: str) -> str:
    """Return the colour of a kind of revision; an unknown kind is neutral."""
    return f"k-{kind}" if kind in KINDS else "k-other"


def _timeline_row(revision: Revision, traffic: Sequence[Traffic], scale: Scale, clock: float) -> TimelineRow:
    elapsed = revision.elapsed_s or 0.0
    start = scale.at(clock)
    width = round(scale.at(clock + elapsed) - start, 3)
    stalled = [item for item in traffic if item.worst_revision == revision.revision]
    took = units.seconds(revision.elapsed_s)
    return TimelineRow(revision, start, width, tone(revision.kind), took, stalled)


def _by_kind(revisions: Sequence[Revision]) -> list[tuple[str, str]]:
    """Return each kind that occurs with the time all its revisions took."""
    kinds = dict.fromkeys(r.kind or "other" for r in revisions)
    spent = {kind: sum(r.elapsed_s or 0.0 for r in revisions if (r.kind or "other") == kind) for kind in kinds}
    return [(kind, units.seconds(seconds)) for kind, seconds in spent.items()]


def _tick(value: float) -> str:
    return f"{value:g} s"


def _traffic_bar(traffic: Traffic, scale: Scale) -> Bar:
    hint = f"{traffic.name}: worst stall {units.millis(traffic.waited_ms)}"
    worst = single(scale, traffic.waited_ms, f"t-{traffic.kind}", hint)
    ticks = tuple(
        Piece(scale.at(value), 0.0, tone, "", f"{traffic.name}: {what} {units.millis(value)}")
        for value, tone, what in (
            (traffic.p50_ms, "t-p50", "median"),
            (traffic.p99_ms, "t-p99", "99th percentile"),
        )
        if value is not None
    )
    figure = units.millis(traffic.waited_ms)
    note = f"in {traffic.worst_revision}" if traffic.worst_revision else ""
    return Bar(traffic.name, figure, (*worst, *ticks), note, traffic.kind)
