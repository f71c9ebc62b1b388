"""The same counters over many runs, and where one changed for good.

A change is a step of what repeats exactly, or a change point by Apache Otava's analysis (E-divisive means with a
t-test, the method of "Hunter", ICPE 2023). Otava is asked for counters, never for times: it then judges levels, not
noise. It needs a few runs on both sides of a change; an exact counter does not.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from inboxbench.errors import UsageError
from inboxbench.gate.environment import check_environment
from inboxbench.gate.measure_head import git
from inboxbench.gate.snapshot import Reading, Snapshot, parse_snapshot, read_snapshot


@dataclass(frozen=True, slots=True)
class Point:
    """One run. label: a commit or a file; text: what the commit says, or ""."""

    label: str
    text: str
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Series:
    """One counter over the points; None where a run has no figure.

    exact: it repeats to the unit, so that any other figure is a change. texts: digests of the query and its
    parameters, which say where a change is one of the question and not of the answer.
    """

    where: str
    metric: str
    exact: bool
    values: tuple[float | None, ...]
    texts: tuple[str, ...] = ()


def points_of_files(paths: Sequence[Path]) -> list[Point]:
    """Files in the order given, those of a folder by name. Raises UsageError naming what is no snapshot."""
    files = [file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    for file in files:
        if not file.is_file():
            raise UsageError(f"{file}: no such file")
    return [Point(file.stem, "", read_snapshot(file)) for file in files]


def points_of_git(path: Path) -> tuple[list[Point], list[str]]:
    """Every commit that changed the baseline `path`, oldest first, and remarks on those that hold no snapshot.

    Raises UsageError when it is in no repository.
    """
    folder = path.parent if path.parent.is_dir() else Path.cwd()
    lines = git(folder, "log", "--reverse", "--format=%H%x09%h%x09%s", "--", path.name).splitlines()
    points: list[Point] = []
    remarks: list[str] = []
    for line in lines:
        commit, label, text = line.split("\t", 2)
        try:
            points.append(
                Point(label, text, parse_snapshot(git(folder, "show", f"{commit}:./{path.name}"), f"{label}:{path}"))
            )
        except UsageError as error:
            remarks.append(f"left out: {str(error).partition('; ')[0]}")
    return points, remarks


def environment_changes(points: Sequence[Point]) -> dict[int, str]:
    """Where a run was measured on something else than the one before: counters do not compare across that."""
    return {
        number: said for number, (old, new) in enumerate(pairwise(points), start=1) if (said := _environment(old, new))
    }


def _environment(old: Point, new: Point) -> str:
    try:
        check_environment(old.snapshot.environment, new.snapshot.environment, new.label)
    except UsageError as error:
        return str(error).partition(": its counters")[0].partition("measured with ")[2]
    return ""


def series_of(points: Sequence[Point]) -> list[Series]:
    """Pages and rows thrown away of each cell, WAL and HOT share of each write, bytes of each set's indexes."""
    series = [*_of_readings(points), *_of_costs(points)]
    return [counter for counter in series if any(value is not None for value in counter.values)]


def _of_readings(points: Sequence[Point]) -> Iterator[Series]:
    for key in sorted({key for point in points for key in point.snapshot.readings}):
        cells = [point.snapshot.readings.get(key) for point in points]
        texts = tuple(_text(cell) for cell in cells)
        for metric in ("buffers", "removed"):
            values = tuple(None if cell is None else getattr(cell, metric) for cell in cells)
            yield Series(key, metric, True, values, texts)


def _text(cell: Reading | None) -> str:
    return f"{cell.query} {cell.parameters}" if cell else ""


def _of_costs(points: Sequence[Point]) -> Iterator[Series]:
    for name in sorted({name for point in points for name in point.snapshot.costs}):
        costs = [point.snapshot.costs.get(name) for point in points]
        yield Series(name, "size", False, tuple(cost.bytes if cost else None for cost in costs))
        for write in sorted({write for cost in costs if cost for write in cost.writes}):
            writes = [cost.writes.get(write) if cost else None for cost in costs]
            for metric, field in (("wal", "wal_bytes"), ("hot", "hot_share"), ("buffers", "buffers")):
                values = tuple(getattr(cost, field) if cost else None for cost in writes)
                yield Series(f"{write}/{name}", metric, metric == "buffers", values)


Evidence = Literal["change point", "step"]

_MAX_PVALUE = 0.001
# As the gate's own budget for what repeats only roughly.
_MIN_MAGNITUDE = 0.01


@dataclass(frozen=True, slots=True)
class Shift:
    """From point `at` on, a counter is another. before, after: its means of the runs up to the neighbouring shifts.

    evidence: "change point" if Otava says so, "step" if an exact counter changed and there is not more to go by.
    asked: the query or its parameters changed there, too.
    """

    series: Series
    at: int
    before: float
    after: float
    evidence: Evidence
    asked: bool

    @property
    def worse(self) -> bool:
        """More pages, rows, bytes; less HOT."""
        return (self.after < self.before) if self.series.metric == "hot" else (self.after > self.before)

    @property
    def factor(self) -> float:
        return self.after / self.before if self.before else float("inf")


def analysis_missing() -> str | None:
    """Why there are no change points, in words; None when Otava is installed."""
    try:
        import otava.analysis  # noqa: F401, PLC0415 - an extra
    except ImportError:
        return "steps of exact counters only; change points need Apache Otava: pip install 'inboxbench[history]'"
    return None


def shifts(series: Series) -> list[Shift]:
    """Oldest first. Without Otava, steps of exact counters alone."""
    known = [(number, float(value)) for number, value in enumerate(series.values) if value is not None]
    values = [value for _, value in known]
    points = set() if analysis_missing() else set(change_points(values))
    steps = (
        {place for place, (old, new) in enumerate(pairwise(values), start=1) if old != new} if series.exact else set()
    )
    cuts = sorted(points | steps)
    return list(_shifts(series, known, cuts, points))


def _shifts(
    series: Series, known: Sequence[tuple[int, float]], cuts: Sequence[int], points: set[int]
) -> Iterator[Shift]:
    edges = [0, *cuts, len(known)]
    for number, cut in enumerate(cuts, start=1):
        before, after = (
            sum(value for _, value in known[low:high]) / (high - low)
            for low, high in ((edges[number - 1], cut), (cut, edges[number + 1]))
        )
        at, last = known[cut][0], known[cut - 1][0]
        asked = bool(series.texts) and series.texts[at] != series.texts[last]
        yield Shift(series, at, before, after, "change point" if cut in points else "step", asked)


def change_points(values: Sequence[float]) -> list[int]:
    """Indexes at which a new level begins. Raises UsageError when Otava is not installed."""
    if said := analysis_missing():
        raise UsageError(said)
    if len(set(values)) < 2:
        return []
    import numpy as np  # noqa: PLC0415
    from otava.analysis import compute_change_points  # noqa: PLC0415

    with np.errstate(all="ignore"), warnings.catch_warnings():  # levels without any spread divide by zero
        warnings.simplefilter("ignore")
        points, _weak = compute_change_points(
            np.asarray(values, dtype=float), max_pvalue=_MAX_PVALUE, min_magnitude=_MIN_MAGNITUDE
        )
    return [int(point.index) for point in points]
