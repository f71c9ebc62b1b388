"""A rehearsal for a pull request: verdict, findings with both measurements, and everything that held a lock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inboxbench import units
from inboxbench.dryrun.model import DryRun, Finding
from inboxbench.dryrun.more import Comparison, Curve, Grown, Scales
from inboxbench.dryrun.output.annotations import place_of
from inboxbench.dryrun.rules.checks import head, short
from inboxbench.record import as_json
from inboxbench.report.dry_run import compared_figures, traffic_table
from inboxbench.report.table import Row, Table, words
from inboxbench.report.table import as_markdown as table_markdown
from inboxbench.units import DASH

_HEADINGS = ("revision", "statement", "rows", "lock held", "stall", "duration", "WAL", "comes from")
_MOST, _LONGEST = 15, 5
_TEXT = 60
_SHOWN = ("lock_hold_ms", "stall_ms", "duration_ms", "wal_bytes")


def as_markdown(run: DryRun) -> str:
    """Ends with a line feed."""
    return "\n".join([*_verdict(run), *_head(run), *_findings(run), *_locks(run), *_traffic(run), *_scales(run), ""])


def _verdict(run: DryRun) -> Iterator[str]:
    if run.verdict:
        yield from [f"**May this ship? {_cell(run.verdict.answer)}**", "", f"Worst: {_cell(run.verdict.worst)}", ""]
        if run.verdict.first:
            yield from [f"First: {_cell(run.verdict.first)}", ""]


def _head(run: DryRun) -> Iterator[str]:
    open_findings = [finding for finding in run.findings if not finding.suppressed]
    errors = sum(finding.severity == "error" for finding in open_findings)
    verdict = f"failed: {run.error}" if run.error else f"{len(open_findings)} findings, {errors} of them errors"
    yield f"## Dry run: {_cell(verdict)}"
    yield ""
    yield (
        f"`{run.command}` on a copy of {_cell(run.source)}, {_cell(run.server)}, {run.started}: "
        f"{len(run.revisions)} revisions, {run.statement_count:,} statements, {units.millis(run.duration_ms)}, "
        f"{units.size(run.wal_bytes)} of WAL, {units.size(run.peak_bytes)} of extra disk."
    )


def _findings(run: DryRun) -> Iterator[str]:
    for finding in run.findings:
        yield from ["", f"### `{finding.rule}`{_where(run, finding)}", "", _cell(finding.what)]
        if finding.suppressed:
            yield from ["", f"Suppressed: {_cell(finding.suppressed)}"]
            continue
        yield from ["", f"Instead: {_cell(finding.instead)}"]
        if finding.code:
            yield from ["", "```python", finding.code, "```"]
        if finding.compared:
            yield from ["", *_compared(finding.compared)]


def _where(run: DryRun, finding: Finding) -> str:
    file, line = place_of(run, finding)
    place = f"{file}:{line}" if file and line else file
    return f" in {finding.where}" * bool(finding.where) + f" ({place})" * bool(place)


def _compared(compared: Comparison) -> Iterator[str]:
    """Both were run on the same rows."""
    yield "| measured on the same rows | as it is | instead |"
    yield "|---|---:|---:|"
    for cells in compared_figures(as_json(compared), DASH):
        yield f"| {' | '.join(cells)} |"


def both(compared: Comparison) -> str:
    """Return the same in a line: figure by figure, as it is → instead."""
    rows = compared_figures(as_json(compared), DASH)
    return "; ".join(f"{title} {was} → {now}" for title, was, now in rows if {was, now} != {DASH})


def _locks(run: DryRun) -> Iterator[str]:
    rows = [(statement, lock) for statement in run.statements for lock in statement.locks if lock.keeps_out]
    if not rows:
        return
    yield from ["", "### Locks that kept others out", ""]
    yield "| revision | statement | relation | mode | held | statements meanwhile | waited for |"
    yield "|---|---|---|---|---:|---:|---:|"
    for statement, lock in rows:
        waited = units.millis(lock.waited_ms) if lock.waited_ms >= 1 else "–"
        yield (
            f"| {statement.revision or '–'} | {_cell(head(statement))} | {lock.titled} | {lock.mode} | "
            f"{units.millis(lock.held_ms)} | {max(lock.through - statement.number, 0) or '–'} | {waited} |"
        )


def _traffic(run: DryRun) -> Iterator[str]:
    if run.traffic:
        yield from ["", "### What live traffic waited for", "", table_markdown(traffic_table(as_json(run.traffic)))]


def _scales(run: DryRun) -> Iterator[str]:
    if run.more.scales is not None:
        table = scales_table(run.more.scales)
        yield from ["", "### In production", "", f"{table.notes[0]}.", "", table_markdown(table)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def scales_table(scales: Scales) -> Table:
    """Return what the worst revisions and statements cost in production."""
    shares = ", ".join(f"{share:.3g}" for share in scales.shares)
    source = "--rows" if scales.rows_from == "--rows" else "the source's statistics"
    caption = (
        f"Fitted on {shares} of the source's rows as start + slope · rows; ± is the standard error, k the "
        f"exponent of a power law; rows of production from {source}"
    )
    return Table("In production", words(*_HEADINGS), [Row(row) for row in rows_of(scales)], [caption])


def rows_of(scales: Scales) -> Iterator[tuple[str, ...]]:
    """Of the worst revisions and then the worst statements, those that cost anything."""
    for grown in [*_worst(scales.revisions), *_worst(scales.statements)]:
        if not all(curve.constant for curve in grown.curves):
            rows = f"{grown.rows:,} {', '.join(map(short, grown.tables)) or 'of all tables'}"
            text = "whole" if grown.sql is None else grown.sql[:_TEXT]
            costs = (_cost(grown.curve(measure)) for measure in _SHOWN)
            measured = all(curve.origin == "measured" for curve in grown.curves)
            yield grown.revision, text, rows, *costs, "measured" if measured else "extrapolated"


def _worst(grown: Sequence[Grown]) -> list[Grown]:
    """Return those that keep others waiting the longest, as they come, then those that take the longest."""
    rest = sorted(grown[_MOST:], key=_duration, reverse=True)
    return [*grown[:_MOST], *rest[:_LONGEST]]


def _duration(grown: Grown) -> float:
    return grown.curve("duration_ms").value


def _cost(curve: Curve) -> str:
    shown = units.size if curve.measure == "wal_bytes" else units.millis
    if curve.constant:
        return f"{shown(curve.value)}, constant" if curve.value else "–"
    return f"{shown(curve.value)} ± {shown(curve.error)}, k {curve.k:.2f}"
