"""A comparison in the forms that CI systems read: annotations, JUnit, and two collections of benchmarks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from inboxbench.gate.compare import Change, Comparison
from inboxbench.gate.snapshot import Snapshot
from inboxbench.project import Project


def source_of(project: Project, change: Change) -> tuple[Path, int]:
    """The file and line that a reader should look at: the query's or write's statement, else the index sets."""
    for folder in (project.bench / "queries", project.bench / "writes"):
        path = folder / f"{change.query}.sql"
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines()
            numbers = (n for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("--"))
            return path, next(numbers, 1)
    return project.schema / "indexes.toml", 1


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def workflow_commands(comparison: Comparison, project: Project, root: Path) -> Iterator[str]:
    """Workflow commands of GitHub Actions, one for each change that closes the gate; paths are relative to `root`."""
    for change in comparison.of("broken", "worse"):
        path, line = source_of(project, change)
        shown = path.relative_to(root) if path.is_relative_to(root) else path
        yield (
            f"::error file={_property(shown.as_posix())},line={line},"
            f"title={_property(f'{change.where}: {change.metric}')}::{_data(change.text)}"
        )


def junit(comparison: Comparison, now: Snapshot) -> str:
    """One test case a cell and a write; what closes the gate is its failure."""
    suite = ET.Element("testsuite", name="inboxbench gate")
    failures: dict[str, list[Change]] = {}
    for change in comparison.of("broken", "worse"):
        failures.setdefault(change.where, []).append(change)
    writes = [f"{write}/{name}" for name, cost in now.costs.items() for write in cost.writes]
    names = dict.fromkeys([*sorted(now.readings), *sorted(writes), *sorted(failures)])
    for name in names:
        case = ET.SubElement(suite, "testcase", classname=name.partition("/")[0], name=name)
        for change in failures.get(name, []):
            failure = ET.SubElement(case, "failure", message=change.text, type=change.metric)
            failure.text = _plans(change)
    suite.set("tests", str(len(names)))
    suite.set("failures", str(len(failures)))
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _plans(change: Change) -> str:
    if change.plan_before is None and change.plan_after is None:
        return change.text
    return f"{change.text}\nbefore: {change.plan_before or '–'}\nafter:  {change.plan_after or '–'}"


def _figures(now: Snapshot) -> Iterator[tuple[str, str, str, float]]:
    """Name, measure, unit, value of everything for which less is better."""
    for key, reading in sorted(now.readings.items()):
        if reading.buffers is not None:
            yield key, "buffers", "pages", reading.buffers
    for name, cost in sorted(now.costs.items()):
        yield f"indexes/{name}", "size", "bytes", cost.bytes
        for write, writing in sorted(cost.writes.items()):
            yield f"{write}/{name}", "wal", "bytes", writing.wal_bytes


def smaller_is_better(now: Snapshot) -> list[dict[str, Any]]:
    """What benchmark-action/github-action-benchmark reads as `customSmallerIsBetter`."""
    return [{"name": f"{name} {measure}", "unit": unit, "value": value} for name, measure, unit, value in _figures(now)]


def bencher(now: Snapshot) -> Mapping[str, Any]:
    """Bencher Metric Format: benchmark → measure → value."""
    return {f"{name}": {measure: {"value": value}} for name, measure, _unit, value in _figures(now)}
