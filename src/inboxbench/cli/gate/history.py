"""`inboxbench gate history`: counters over a series of runs, and where they changed for good."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from inboxbench import units
from inboxbench.cli.output import Output, OutputFile, output_options
from inboxbench.errors import ThresholdExceeded, UsageError
from inboxbench.files import write_text
from inboxbench.gate.change import METRICS
from inboxbench.gate.series import (
    Point,
    Shift,
    analysis_missing,
    environment_changes,
    points_of_files,
    points_of_git,
    series_of,
    shifts,
)
from inboxbench.report.history import Counter, Mark, render_history

_BLOCKS = "▁▂▃▄▅▆▇█"


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--git",
    "tracked",
    type=click.Path(path_type=Path, dir_okay=False),
    help="baseline file to follow through git, as each commit left it",
)
@click.option(
    "--html",
    type=OutputFile(),
    help="write a page with a chart for each counter that changed to this file",
)
@click.option(
    "--fail-within",
    default=0,
    type=click.IntRange(0),
    help="end with exit code 1 if a counter got worse in the last N runs (0: never)",
)
@output_options("html")
def history(paths: tuple[Path, ...], tracked: Path | None, html: Path | None, fail_within: int, output: Output) -> None:
    """Show where counters changed over runs: baselines or --output files in PATHS (a folder's by name), oldest first.

    Change points are Apache Otava's (extra [history]); a counter that repeats exactly needs no statistics for a step.
    """
    points, remarks = _points(paths, tracked)
    changes = [shift for series in series_of(points) for shift in shifts(series)]
    changes.sort(key=lambda shift: (-shift.at, not shift.worse, -shift.factor, shift.series.where))
    breaks = environment_changes(points)
    remarks += [f"from {points[at].label} on it was measured with another {said}" for at, said in breaks.items()]
    remarks += [said] if (said := analysis_missing()) else []

    def page() -> str:
        return render_history(_counters(changes, points), [point.label for point in points], remarks)

    if html:
        write_text(html, page(), option="--html")
    output.hand_over(
        _document(changes, points, remarks), text=lambda console: _show(console, changes, points, remarks), html=page
    )
    _close(
        [
            shift
            for shift in changes
            if shift.worse and shift.at >= len(points) - fail_within and shift.at not in breaks
        ],
        points,
    )


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


def _counters(changes: Sequence[Shift], points: Sequence[Point]) -> list[Counter]:
    """A track for each counter that changed, in the order of `found`."""
    marks: dict[int, list[Shift]] = {}
    for shift in changes:
        marks.setdefault(id(shift.series), []).append(shift)
    return [
        Counter(
            f"{group[0].series.where} {group[0].series.metric}",
            METRICS[group[0].series.metric],
            group[0].series.values,
            [Mark(shift.at, f"{_words(shift)} {points[shift.at].text}".strip(), shift.worse) for shift in group],
        )
        for group in marks.values()
    ]


def _document(changes: Sequence[Shift], points: Sequence[Point], remarks: Sequence[str]) -> dict[str, object]:
    shifted = [
        {
            "at": points[shift.at].label,
            "where": shift.series.where,
            "metric": shift.series.metric,
            "before": shift.before,
            "after": shift.after,
            "worse": shift.worse,
            "evidence": shift.evidence,
            "edited": shift.asked,
            "values": shift.series.values,
        }
        for shift in changes
    ]
    return {"points": [point.label for point in points], "remarks": list(remarks), "changes": shifted}


def _show(console: Console, changes: Sequence[Shift], points: Sequence[Point], remarks: Sequence[str]) -> None:
    table = Table(title=f"counters over {len(points)} runs, the newest change first", title_justify="left")
    for heading in ("from", "query/class/set or write/set", "what", "factor", "over time"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "factor" else "left")
    for shift in changes:
        style = "red" if shift.worse else "green"
        factor = units.times(shift.factor) if shift.before else ""
        table.add_row(
            points[shift.at].label,
            shift.series.where,
            _words(shift),
            Text(factor, style=style),
            sparkline(shift.series.values),
        )
    if changes:
        console.print(table)
    for remark in remarks:
        console.print(Text(f"  {remark}", style="dim"))
    worse = sum(shift.worse for shift in changes)
    console.print(
        f"{len(points)} runs, {points[0].label} to {points[-1].label}: {worse} changes for the worse, "
        f"{len(changes) - worse} for the better"
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
