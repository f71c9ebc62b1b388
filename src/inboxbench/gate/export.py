"""A comparison in the forms that CI systems read: annotations, JUnit, and two collections of benchmarks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from rich.console import Group, RenderableType
from rich.text import Text

from inboxbench import units
from inboxbench.gate.change import CLOSING, Change, Comparison
from inboxbench.gate.snapshot import Snapshot
from inboxbench.project import Project
from inboxbench.report.table import Cell, Column, Row, Table, Tone, as_rich, words
from inboxbench.report.table import as_markdown as table_as_markdown


def source_of(project: Project, change: Change) -> tuple[Path, int]:
    """The file and line that a reader should look at: the query's or write's statement, the folder of migrations for a
    rule, else the index sets."""
    if change.metric == "rule":
        return project.migrations, 1
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
    for change in comparison.of(*CLOSING):
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
    for change in comparison.of(*CLOSING):
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
            if writing.wal_bytes is not None:
                yield f"{write}/{name}", "wal", "bytes", writing.wal_bytes
            if writing.buffers is not None:
                yield f"{write}/{name}", "buffers", "pages", writing.buffers


def smaller_is_better(now: Snapshot) -> list[dict[str, Any]]:
    """What benchmark-action/github-action-benchmark reads as `customSmallerIsBetter`."""
    return [{"name": f"{name} {measure}", "unit": unit, "value": value} for name, measure, unit, value in _figures(now)]


def bencher(now: Snapshot) -> Mapping[str, Any]:
    """Bencher Metric Format: benchmark → measure → value."""
    document: dict[str, dict[str, Any]] = {}
    for name, measure, _unit, value in _figures(now):
        document.setdefault(name, {})[measure] = {"value": value}
    return document


_MOST = 50  # rows of a table in Markdown: a comment has a limit, and nobody reads further
_SIGNS = {"broken": "✗", "worse": "▲", "uncompared": "?", "better": "▼", "note": "·"}
_TONES: dict[str, Tone] = {"broken": "bad", "worse": "bad", "uncompared": "bad", "better": "good", "note": "weak"}


def changes_table(title: str, changes: Sequence[Change]) -> Table:
    """Return a line for each change, the worst first."""
    columns = [
        Column("", words=True),
        Column("query/class/set, write/set or relation/rule", words=True, code=True),
        *words("what"),
        Column("factor", units.times),
    ]
    return Table(title, columns, [_row(change) for change in changes])


def _row(change: Change) -> Row:
    factor = change.factor if change.before and change.after is not None else None
    sign = Cell(f"{_SIGNS[change.verdict]} {change.verdict}", _TONES[change.verdict])
    return Row([sign, change.where, change.text, Cell(factor if factor is not None else "")])


def _with_plans(changes: Sequence[Change]) -> Iterator[Change]:
    """Changes of a plan, once a cell: that of the counter, not that of the answer."""
    for change in changes:
        if change.plan_before != change.plan_after and change.metric != "removed":
            yield change


def scoreboard(comparison: Comparison, headline: str, remarks: Sequence[str]) -> RenderableType:
    """Return what a terminal shows; nothing but the headline when nothing changed."""
    parts: list[RenderableType] = []
    if changed := comparison.of(*CLOSING, "better"):
        parts.append(as_rich(changes_table("figures that changed, the worst first", changed), fold=True))
    for change in _with_plans(comparison.changes):
        title = change.where if change.verdict != "note" else f"{change.where} {change.text}"
        parts += [Text(title, style="bold"), Text(f"  before  {change.plan_before or units.DASH}")]
        parts.append(Text(f"  after   {change.plan_after or units.DASH}"))
    notes = [f"{change.where} {change.text}" for change in comparison.of("note") if change.metric != "plan"]
    parts += [Text(f"  {line}", style="dim") for line in (*notes, *remarks)]
    verdict = Text("closed: ", style="bold red") if comparison.closed else Text("open: ", style="bold green")
    return Group(*parts, verdict.append(headline, style="default"))


def as_markdown(comparison: Comparison, headline: str, remarks: Sequence[str]) -> str:
    """Return a headline, what closes the gate, what got better, the plans, remarks."""
    closing, missing = comparison.of("broken", "worse"), comparison.of("uncompared")
    better, notes = comparison.of("better"), comparison.of("note")
    lines = [f"### inboxbench gate: {'closed' if comparison.closed else 'open'}", "", headline, ""]
    lines += (
        _part("Worse", closing)
        + _part("Not compared", missing)
        + _part("Better", better)
        + _scored_plans((*closing, *better, *notes))
    )
    lines += [f"- {_cell(change.where)} {_cell(change.text)}" for change in notes if change.metric != "plan"]
    lines += [f"- {_cell(remark)}" for remark in remarks]
    return "\n".join(lines).rstrip() + "\n"


def _part(title: str, changes: Sequence[Change]) -> list[str]:
    if not changes:
        return []
    more = ["", f"… and {len(changes) - _MOST} more"] if len(changes) > _MOST else []
    return [f"**{title}**", "", table_as_markdown(changes_table(title, changes[:_MOST])), *more, ""]


def _scored_plans(changes: Sequence[Change]) -> list[str]:
    changed = list(_with_plans(changes))[:_MOST]
    if not changed:
        return []
    lines = ["<details><summary>Plans that changed</summary>", ""]
    for change in changed:
        before, after = (_cell(plan or units.DASH) for plan in (change.plan_before, change.plan_after))
        lines += [f"`{_cell(change.where)}`", "```text", f"before  {before}", f"after   {after}", "```"]
    return [*lines, "</details>", ""]


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")
