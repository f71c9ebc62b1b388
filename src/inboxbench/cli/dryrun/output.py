"""The forms that a rehearsal is handed over in; on the terminal by revision, and only what others could notice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from inboxbench.cli.output import Output
from inboxbench.dryrun.folding import fold
from inboxbench.dryrun.model import DryRun, Finding, Lock, Revision, Statement
from inboxbench.dryrun.output.annotations import as_github, as_sarif
from inboxbench.dryrun.output.markdown import as_markdown, both, scales_table
from inboxbench.dryrun.rules.checks import ran, short
from inboxbench.dryrun.tenants import schemas_of, statements_of
from inboxbench.record import as_json
from inboxbench.report.dry_run import render_dry_run, traffic_table
from inboxbench.report.table import print_table
from inboxbench.sqltree.tokens import in_a_line
from inboxbench.units import millis, size

_WIDTH = 24  # characters of the line of time
_SQL = 76
_INDENT = " " * 4
_WAL_SHOWN = 1e6
_CODE = ("call", "do")
_INNER = 3  # of what ran within a statement, those with the most rows


def hand_over_run(run: DryRun, output: Output) -> None:
    """Print the record and write it to the file, in the forms that were asked for."""
    output.hand_over(
        run.to_json(),
        text=lambda console: show_run(console, run),
        markdown=lambda: as_markdown(run),
        sarif=lambda: json.dumps(as_sarif(run), ensure_ascii=False, indent=1),
        github=lambda: as_github(run),
        html=lambda: render_dry_run(json.loads(json.dumps(run.to_json()))),
    )


def show_run(console: Console, run: DryRun) -> None:
    """The verdict, findings, then the history: header, a line a statement that matters, traffic, notes."""
    _verdict(console, run)
    _header(console, run)
    shown = [revision for revision in run.revisions if _is_noteworthy(run, revision)]
    for revision in shown:
        _show_revision(console, run, revision)
    _show_outside(console, run)
    quiet = len(run.revisions) - len(shown)
    if quiet:
        several = f"{'other ' if shown else ''}revision{'s' if quiet > 1 else ''}"
        seen = "a lock that keeps others out, a rewrite, a full scan or an error that was seen"
        console.print(f"{quiet} {several} without {seen}")
    if run.traffic:
        print_table(traffic_table(as_json(run.traffic)), console)
    if run.more.scales is not None:
        print_table(scales_table(run.more.scales), console)
    for finding in run.findings:
        where = escape(finding.where or "the history")
        console.print(f"[bold]{finding.rule}[/] {finding.severity} {where}: {escape(finding.what)}")
        _show_remedy(console, finding)
    for index in run.invalid_indexes:
        console.print(f"[red]invalid index left behind: {escape(index)}[/]")
    for note in run.notes:
        console.print(f"note: {escape(note)}")


def _show_remedy(console: Console, finding: Finding) -> None:
    if finding.suppressed:
        console.print(f"  suppressed: {escape(finding.suppressed)}")
        return
    console.print(f"  Instead: {escape(finding.instead)}")
    for line in finding.code.splitlines():
        console.print(f"      {line}", markup=False, highlight=False, soft_wrap=True)
    if finding.compared:
        console.print(f"  Both were run on the same rows: {escape(both(finding.compared))}")


def _verdict(console: Console, run: DryRun) -> None:
    if verdict := run.verdict:
        colour = "green" if verdict.ships else "red"
        console.print(f"[bold {colour}]May this ship? {escape(verdict.answer)}[/]", highlight=False)
        console.print(f"Worst: {escape(verdict.worst)}", highlight=False)
        if verdict.first:
            console.print(f"First: {escape(verdict.first)}", highlight=False)
        console.print()


def _header(console: Console, run: DryRun) -> None:
    console.print(f"[bold]{escape(run.command)}[/] on a copy of {escape(run.source)}, {escape(run.server)}")
    shape = ", all in one transaction" if run.one_transaction else f" in {len(run.transactions)} transactions"
    console.print(
        f"{len(run.revisions)} revisions, {run.statement_count:,} statements{shape}; {millis(run.duration_ms)}, "
        f"{size(run.wal_bytes)} of WAL, {size(run.peak_bytes)} more disk at the highest",
        highlight=False,
    )


def _is_noteworthy(run: DryRun, revision: Revision) -> bool:
    return revision.error is not None or any(_is_noticeable(statement) for statement in statements_of(run, revision))


def _is_noticeable(statement: Statement) -> bool:
    """Somebody could notice: it kept others out, rewrote a file, read a table through, wrote much, or failed. Of what
    code of the database did (CALL, DO) not all is seen.
    """
    return bool(
        statement.error
        or statement.rewrites
        or statement.scans
        or any(lock.keeps_out for lock in statement.locks)
        or statement.temp_bytes
        or statement.times > 1
        or any(inner.writes for inner in statement.inner)
        or statement.wal_bytes >= _WAL_SHOWN
        or any(command.kind in _CODE for command in statement.parsed.commands)
    )


def _show_revision(console: Console, run: DryRun, revision: Revision) -> None:
    """One line for the revision, one a statement, one a lock or rewrite below it."""
    length = millis(revision.finished_ms - revision.started_ms)
    title = escape(revision.title)
    console.print(
        f"{_line(run, revision)} [bold]{escape(revision.revision)}[/]{escape(_in(run, revision))} "
        f"{length:>10}  {title}",
        no_wrap=True,
        highlight=False,
    )
    alike = fold([replace(statement, transaction=0) for statement in statements_of(run, revision)])
    for statement in filter(_is_noticeable, alike):
        _show_statement(console, statement)
    if revision.error:
        console.print(f"{_INDENT}[red]failed: {escape(revision.error)}[/]", highlight=False)
    for index in revision.invalid_indexes:
        console.print(f"{_INDENT}[red]left the invalid index {escape(index)}[/]", highlight=False)


def _show_outside(console: Console, run: DryRun) -> None:
    """Show what belongs to no revision: what comes before the first or after the last, and what nothing explains."""
    outside = [item for item in run.statements if item.revision is None and not item.stamps and _is_noticeable(item)]
    alike = fold([replace(statement, transaction=0) for statement in outside])
    if alike:
        console.print("[bold]outside of any revision[/]", highlight=False)
    for statement in alike:
        _show_statement(console, statement)


def _in(run: DryRun, revision: Revision) -> str:
    schemas = schemas_of(run, revision)
    return f" in {schemas}" if schemas else ""


def _show_statement(console: Console, statement: Statement) -> None:
    place = f"{Path(statement.file).name}:{statement.line}" if statement.file and statement.line else ""
    text = escape(in_a_line(statement.sql, _SQL, statement.times))
    console.print(
        f"{_INDENT}{millis(statement.duration_ms):>11}  {text}  [dim]{escape(place)}[/]",
        no_wrap=True,
        highlight=False,
    )
    parts = [_lock(lock, statement.number) for lock in statement.locks if lock.keeps_out] + list(_more(statement))
    if statement.error:
        parts.append(f"[red]{escape(statement.error)}[/]")
    if statement.wal_bytes >= _WAL_SHOWN:
        parts.append(f"{size(statement.wal_bytes)} of WAL")
    parts += [f"within it: {escape(ran(inner))}" for inner in statement.inner[:_INNER]]
    if parts:
        console.print(f"{_INDENT}{'':11}  {'; '.join(parts)}", highlight=False)


def _lock(lock: Lock, own: int) -> str:
    waited = f", waited {millis(lock.waited_ms)}" if lock.waited_ms >= 1 else ""
    after = f", through {lock.through - own} more statements" if lock.through > own else ""
    return escape(f"{lock.mode} on {lock.titled} for {millis(lock.held_ms)}{after}{waited}")


def _more(statement: Statement) -> Iterator[str]:
    for rewrite in statement.rewrites:
        if not rewrite.relation.startswith("pg_toast."):
            yield escape(f"rewrote {short(rewrite.relation)} {size(rewrite.bytes)}")
    for scan in statement.scans:
        yield escape(f"read {short(scan.relation)} {scan.rows:,} rows")
    if statement.temp_bytes:
        yield f"temp files {size(statement.temp_bytes)}"


def _line(run: DryRun, revision: Revision) -> str:
    """Return where it was between the first revision's beginning and the last one's end."""
    begin = min(revision.started_ms for revision in run.revisions)
    length = max(revision.finished_ms for revision in run.revisions) - begin
    if length <= 0:
        return "█" * _WIDTH
    first = min(int((revision.started_ms - begin) / length * _WIDTH), _WIDTH - 1)
    last = max(min(int((revision.finished_ms - begin) / length * _WIDTH), _WIDTH - 1), first)
    return "·" * first + "█" * (last - first + 1) + "·" * (_WIDTH - 1 - last)
