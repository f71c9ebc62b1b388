"""`inboxbench bench` itself: the matrix measured on each server, and how it and its verdict are shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console
from rich.text import Text

from inboxbench import __version__, units
from inboxbench.bench import run_matrix
from inboxbench.bench.at_source import plans_at_source, remarks
from inboxbench.bench.cache.outcomes import Cache
from inboxbench.bench.model import Cell, Matrix
from inboxbench.bench.servers import Change, Contrast, Side, contrasts
from inboxbench.bench.sets.catalogue import CURRENT
from inboxbench.bench.upgrade import SAMPLES, Plans, sampled_plans, upgrade, upgrade_lab
from inboxbench.cli.bench.options import SCHEMA_VERSION
from inboxbench.cli.bench.source import Database, Source, cache_of, open_source, print_reuse
from inboxbench.cli.options import Session
from inboxbench.cli.progress import counting, progress_console
from inboxbench.machine import describe_machine
from inboxbench.report import render_markdown
from inboxbench.report.document import lab_markdown, print_lab
from inboxbench.report.index_figures import compare
from inboxbench.report.model import read_run
from inboxbench.report.table import Cell as Shown
from inboxbench.report.table import Row, Table, as_markdown, escape, figures, print_table, words
from inboxbench.report.tables import cells_table, mix_table, sets_table
from inboxbench.report.verdict import Verdict
from inboxbench.server import Server

_MOST = 40


def measure_side(
    session: Session,
    source: Source,
    options: dict[str, Any],
    *,
    fresh: bool,
    compared: bool,
    ready: Callable[[], object],
) -> tuple[Side, Cache]:
    """Measure the whole matrix on the session's server, and what of it was known before.

    compared: it is one of several servers. ready: is called when the questions are there and nothing is measured yet.
    """
    with session.server() as server:
        progress_console.print(Text(server.label))
        with open_source(session, server, source) as database, counting() as progress:
            ready()
            cache = cache_of(session, database, fresh=fresh or source.as_source, as_is=source.as_is)
            given = options | {"as_is": source.as_is, "cache": cache, "progress": progress, "lenient": True}
            given |= {"role": source.role, "caveats": database.remarks, "as_source": source.as_source}
            matrix = run_matrix(server, database.name, session.project, **given)
            matrix = _beside_source(matrix, source, database, timeout_s=options["timeout_s"])
            plans = _sampled(server, database, matrix, source, options["timeout_s"]) if compared else {}
        print_reuse(cache)
        return Side(server.label, server.version, matrix, plans), cache


def _sampled(server: Server, database: Database, matrix: Matrix, source: Source, timeout_s: float) -> Plans:
    progress_console.print(f"planning under {SAMPLES} samples of statistics", highlight=False)
    return sampled_plans(server, database.name, matrix, timeout_s=timeout_s, role=source.role)


def _beside_source(matrix: Matrix, source: Source, database: Database, *, timeout_s: float) -> Matrix:
    """Return the matrix with what is known of the source that `database` is a copy of."""
    known = database.state.to_json() if database.state else {}
    if not source.explain_at_source:
        return replace(matrix, source=known)
    url = str(source.database)
    plans = plans_at_source(url, matrix, CURRENT, timeout_s=timeout_s, role=source.role)
    return replace(
        matrix,
        caveats=(*matrix.caveats, *remarks(url, plans)),
        source=known | {"plans": [plan.to_json() for plan in plans]},
    )


def matrix_document(side: Side, verdict: Verdict, begun: dt.datetime) -> dict[str, Any]:
    """Return the parts of a run's record that a matrix and its verdict fill: `inboxbench report` shows it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "inboxbench", "version": __version__},
        "started_at": begun.isoformat(timespec="seconds"),
        "finished_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "server": {"label": side.label, "version": side.version},
        "matrix": side.matrix.to_json(),
        "verdict": verdict.to_json(),
    }


def sides_json(sides: Sequence[Side], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return what a run on several servers adds to its record: each of them whole, and all that changes from the
    first."""
    every = [
        {"label": side.label, "version": side.version, "matrix": side.matrix.to_json(), "verdict": verdict.to_json()}
        for side, verdict in zip(sides, verdicts, strict=True)
    ]
    return {"servers": every, "contrast": [_contrast_json(contrast) for contrast in contrasts(sides)]}


def _contrast_json(contrast: Contrast) -> dict[str, Any]:
    rehearsed = upgrade(contrast)
    return contrast.to_json() | ({"upgrade": rehearsed.to_json()} if rehearsed else {})


def print_matrix(matrix: Matrix, document: Mapping[str, Any], console: Console) -> None:
    """Print the cells, the sets and the verdict on them. document: the record of the matrix."""
    run = read_run(document)
    assert run.matrix is not None
    tables = [cells_table(run.matrix), sets_table(compare(run)), mix_table(run.verdict)]
    for table in tables:
        if table is not None:
            print_table(table, console, notes=False)
    for caveat in matrix.caveats:
        console.print(Text(caveat, style="yellow"))
    console.print(Text(run.verdict.headline, style="bold"))
    for reason in run.verdict.reasons:
        console.print(Text(f"  {reason}"))
    if matrix.client:
        console.print(Text(f"  {matrix.client}", style="dim" if matrix.client.met else "bold red"))
    for remark in matrix.ties:
        console.print(Text(f"  any is right: {remark}"))
    for remark in matrix.generic_plans:
        console.print(Text(f"  generic plan: {remark}"))
    for note in matrix.notes:
        console.print(Text(f"  note: {note}", style="dim"))


def matrix_markdown(matrix: Matrix, document: Mapping[str, Any]) -> str:
    """Return the verdict and the sets as the report has them, then every cell, the widest spread first."""
    run = read_run(document)
    assert run.matrix is not None
    rehearsed = (
        [lab_markdown(upgrade_lab(document), ["## From one server to another", ""])] if _rehearsed(document) else []
    )
    cells = cells_table(run.matrix)
    said = [*run.verdict.reasons, *([str(matrix.client)] if matrix.client else [])]
    said += [f"note: {note}" for note in matrix.notes]
    blocks = [
        render_markdown(document).rstrip(),
        *rehearsed,
        "\n".join(f"- {escape(sentence)}" for sentence in said),
        "Buffers and median milliseconds of server time; ~ where the round trip says nothing.",
        as_markdown(cells),
    ]
    return "\n\n".join(block for block in blocks if block)


def _rehearsed(document: Mapping[str, Any]) -> bool:
    return any("upgrade" in part for part in document.get("contrast", ()))


def print_rehearsal(document: Mapping[str, Any], console: Console) -> None:
    """Print what an upgrade changes, where several servers were measured under the indexes that the database has."""
    if _rehearsed(document):
        print_lab(upgrade_lab(document), console)


def print_contrast(contrast: Contrast, console: Console) -> None:
    """Print what changes from one server to another, the largest change first, and by which plan."""
    console.print(Text(contrast.headline, style="bold"))
    for result in contrast.before.matrix.sets:
        name = result.index_set.name
        if (typical := contrast.typical(name)) is not None:
            console.print(Text(f"  {name}: a typical read touches {units.times(typical)} the pages"))
    if contrast.ranked:
        print_table(_changes(contrast), console)
    if (rest := len(contrast.ranked) - _MOST) > 0:
        console.print(Text(f"  and {rest} more: --format json names them"))
    if contrast.lacking:
        console.print(Text(f"  on one of them only: {', '.join(contrast.lacking)}", style="dim"))


def _changes(contrast: Contrast) -> Table:
    columns = [
        *words("query [class]", "set"),
        *figures(units.number, contrast.before.label, contrast.now.label),
        *words("plan"),
    ]
    rows = [
        Row(
            [
                change.before.case.name,
                change.before.index_set,
                _figure(change.before),
                _figure(change.after),
                _plan(change),
            ]
        )
        for change in contrast.ranked[:_MOST]
    ]
    return Table("pages, index searches and plan, what got dearer first", columns, rows)


def _figure(cell: Cell) -> str:
    if cell.plan is None:
        return "stopped" if cell.stopped else "failed"
    searches = "" if cell.plan.searches is None else f" · {cell.plan.searches:,} searches"
    return f"{cell.plan.buffers:,}{searches}"


def _plan(change: Change) -> Shown:
    if change.other_values:
        return Shown("other parameters were drawn there", "bad")
    if change.other_rows:
        return Shown("other rows", "bad")
    now = change.after.plan.line if change.after.plan else str(change.after.failure)
    if not change.other_plan:
        return Shown(now, "weak")
    before = change.before.plan.line if change.before.plan else str(change.before.failure)
    return Shown(f"{now}  instead of  {before}")
