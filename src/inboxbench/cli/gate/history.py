"""`inboxbench gate history`: counters over a series of runs, and where they changed for good."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from inboxbench import units
from inboxbench.cli.output import Output, output_options
from inboxbench.errors import ThresholdExceeded, UsageError
from inboxbench.files import check_writable, write_text
from inboxbench.gate.change import METRICS
from inboxbench.gate.change_points import Shift, analysis_missing, shifts
from inboxbench.gate.series import Point, environment_changes, points_of_files, points_of_git, series_of
from inboxbench.report.history import Mark, Track, render_history

_BLOCKS = "▁▂▃▄▅▆▇█"


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--git", "tracked", type=click.Path(path_type=Path, dir_okay=False), help="a baseline, as each commit left it"
)
@click.option(
    "--html", type=click.Path(path_type=Path, dir_okay=False), help="write a page with a chart a counter there"
)
@click.option("--fail-within", default=0, type=click.IntRange(0), help="exit 1 if one got worse in the last N runs")
@output_options("html")
def history(paths: tuple[Path, ...], tracked: Path | None, html: Path | None, fail_within: int, output: Output) -> None:
    """Show where counters changed over runs: baselines or --output files in PATHS (a folder's by name), oldest first.

    Change points are Apache Otava's (extra [history]); a counter that repeats exactly needs no statistics for a step.
    """
    check_writable(html, "--html")
    points, remarks = _points(paths, tracked)
    found = [shift for one in series_of(points) for shift in shifts(one)]
    found.sort(key=lambda one: (-one.at, not one.worse, -one.factor, one.series.where))
    breaks = environment_changes(points)
    remarks += [f"from {points[at].label} on it was measured with another {said}" for at, said in breaks.items()]
    remarks += [said] if (said := analysis_missing()) else []

    def page() -> str:
        return render_history(_tracks(found, points), [point.label for point in points], remarks)

    if html:
        write_text(html, page(), option="--html")
    output.hand_over(
        _document(found, points, remarks), text=lambda console: _show(console, found, points, remarks), html=page
    )
    _close([one for one in found if one.worse and one.at >= len(points) - fail_within and one.at not in breaks], points)


def _points(paths: Sequence[Path], tracked: Path | None) -> tuple[list[Point], list[str]]:
    if bool(paths) == bool(tracked):
        raise UsageError("name snapshots (files, or folders of them), or --git PATH of a baseline; one of the two")
    points, remarks = points_of_git(tracked) if tracked else (points_of_files(paths), [])
    if len(points) < 2:
        where = tracked or ", ".join(map(str, paths))
        raise UsageError(f"{where}: {len(points)} of the two snapshots that a history needs at least")
    return points, remarks


def _words(shift: Shift) -> str:
    asked = "; query edited" if shift.asked else ""
    return f"{shift.before:,.6g} → {shift.after:,.6g} {METRICS[shift.series.metric]} ({shift.evidence}{asked})"


def _tracks(found: Sequence[Shift], points: Sequence[Point]) -> list[Track]:
    """A track for each counter that changed, in the order of `found`."""
    marks: dict[int, list[Shift]] = {}
    for shift in found:
        marks.setdefault(id(shift.series), []).append(shift)
    return [
        Track(
            f"{group[0].series.where} {group[0].series.metric}",
            METRICS[group[0].series.metric],
            group[0].series.values,
            [Mark(one.at, f"{_words(one)} {points[one.at].text}".strip(), one.worse) for one in group],
        )
        for group in marks.values()
    ]


def _document(found: Sequence[Shift], points: Sequence[Point], remarks: Sequence[str]) -> dict[str, object]:
    shifted = [
        {
            "at": points[one.at].label,
            "where": one.series.where,
            "metric": one.series.metric,
            "before": one.before,
            "after": one.after,
            "worse": one.worse,
            "evidence": one.evidence,
            "edited": one.asked,
            "values": one.series.values,
        }
        for one in found
    ]
    return {"points": [point.label for point in points], "remarks": list(remarks), "changes": shifted}


def _show(console: Console, found: Sequence[Shift], points: Sequence[Point], remarks: Sequence[str]) -> None:
    table = Table(title=f"counters over {len(points)} runs, the newest change first", title_justify="left")
    for heading in ("from", "query/class/set or write/set", "what", "factor", "over time"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "factor" else "left")
    for one in found:
        style = "red" if one.worse else "green"
        factor = units.times(one.factor) if one.before else ""
        table.add_row(
            points[one.at].label, one.series.where, _words(one), Text(factor, style=style), sparkline(one.series.values)
        )
    if found:
        console.print(table)
    for remark in remarks:
        console.print(Text(f"  {remark}", style="dim"))
    worse = sum(one.worse for one in found)
    console.print(
        f"{len(points)} runs, {points[0].label} to {points[-1].label}: {worse} changes for the worse, "
        f"{len(found) - worse} for the better"
    )


def sparkline(values: Sequence[float | None]) -> str:
    """A block a run, from the lowest to the highest; a space where there is no figure.

    >>> sparkline([1, 1, None, 8])
    '▁▁ █'
    """
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    return "".join(
        " " if value is None else _BLOCKS[round((value - low) / ((high - low) or 1) * (len(_BLOCKS) - 1))]
        for value in values
    )


def _close(fresh: Sequence[Shift], points: Sequence[Point]) -> None:
    if fresh:
        first, more = fresh[0], f", and {len(fresh) - 1} more" if len(fresh) > 1 else ""
        where = f"{first.series.where} since {points[first.at].label}"
        raise ThresholdExceeded(f"{where}: {_words(first)}{more}")
