"""The same counters over many runs: snapshots in order, and the figures of each counter beside one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from inboxbench.errors import UsageError
from inboxbench.gate.environment import check_environment
from inboxbench.gate.revision import git
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
    found = [*_of_readings(points), *_of_costs(points)]
    return [one for one in found if any(value is not None for value in one.values)]


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
            for metric, field in (("wal", "wal_bytes"), ("hot", "hot_share")):
                values = tuple(getattr(one, field) if one else None for one in writes)
                yield Series(f"{write}/{name}", metric, False, values)
