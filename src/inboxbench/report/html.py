"""The report as one HTML file: style and charts inside, no script, nothing fetched from anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

from jinja2 import Environment

from inboxbench import units
from inboxbench.report.charts.atlas import LEGEND, atlas_map
from inboxbench.report.charts.bars import rows_chart, size_charts
from inboxbench.report.charts.migration import timeline, traffic_chart, upgrade_clock
from inboxbench.report.charts.pareto import scatter
from inboxbench.report.charts.races import crowd_charts, race_charts
from inboxbench.report.charts.reads import LEVELS, dot_plot, heat_map
from inboxbench.report.document import Lab, checked_run
from inboxbench.report.dry_run import FILTERS, TABLES, dry_run_clock
from inboxbench.report.findings import fastest_safe, findings
from inboxbench.report.index_figures import Comparison, compare, families
from inboxbench.report.model import Cell, Matrix, Query, Run, read_run
from inboxbench.report.page import environment, style
from inboxbench.report.tables import index_table, run_tables, write_table
from inboxbench.report.words import Strong


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure of the headline with what it counts."""

    figure: str
    caption: str


@dataclass(frozen=True, slots=True)
class ClassDetail:
    """A query's cells for one class of parameters, a set per row."""

    title: str
    params: Mapping[str, Any]
    cells: Sequence[Cell]


def render_html(run: Mapping[str, Any], labs: Sequence[tuple[Lab, str]] = ()) -> str:
    """Return the whole page for a run. labs: results of labs, each with the name of its file.

    Raises UsageError when the run does not follow its schema.
    """
    record = read_run(checked_run(run))
    comparison = compare(record)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            run=record,
            comparison=comparison,
            findings=findings(record, comparison),
            tiles=_tiles(record, comparison),
            labs=labs,
            style=style(),
            tables=run_tables(record, comparison),
            **_charts(record, comparison),
        )
    )


def _charts(run: Run, comparison: Comparison) -> dict[str, Any]:
    """Return what the sections draw; None for each part that this run has not."""
    matrix, migration, seed = run.matrix, run.migration, run.seed
    measured = matrix is not None and bool(matrix.cells)
    return {
        "heat": heat_map(matrix) if matrix and measured else None,
        "dots": dot_plot(matrix) if matrix and measured else None,
        "details": _details(matrix) if matrix and measured else None,
        "scatter": scatter(comparison),
        "sizes": size_charts(matrix) if matrix and any(s.indexes for s in matrix.sets) else None,
        "timeline": timeline(migration) if migration else None,
        "upgrade": upgrade_clock(migration) if migration and not migration.dry_run else None,
        "traffic": traffic_chart(migration.traffic) if migration else None,
        "races": race_charts(run.races) if run.races else None,
        "crowds": crowd_charts(run.races),
        "atlas": atlas_map(run.atlas),
        "rows": rows_chart(seed) if seed else None,
        "dry_runs": [(joined.document, joined.source, dry_run_clock(joined.document)) for joined in run.dry_runs],
        "observed": dry_run_clock(migration.dry_run) if migration and migration.dry_run else None,
    }


def _tiles(run: Run, comparison: Comparison) -> list[Tile]:
    """Return the four or five figures that a reader takes away."""
    tiles = [*_choice_tiles(comparison)]
    if run.migration and (worst := run.migration.worst("write")):
        tiles.append(Tile(units.millis(worst.waited_ms), "longest wait of a writer during the upgrade"))
    if best := fastest_safe(run.races):
        tiles.append(Tile(units.rate(best.per_s), f"assignments, none twice: {best.strategy}"))
    if run.seed and run.seed.rate:
        what, rate = run.seed.rate
        tiles.append(Tile(units.rate(rate), f"{what} loaded"))
    return tiles


def _choice_tiles(comparison: Comparison) -> list[Tile]:
    chosen, base = comparison.chosen, comparison.baseline
    if chosen is None or base is None or chosen.name == base.name:
        return []
    fewer = units.ratio(base.typical_reads, chosen.typical_reads)
    wal = units.change(chosen.index_set.insert_wal_bytes, base.index_set.insert_wal_bytes)
    tiles = [Tile(units.times(fewer), f"fewer pages read with {chosen.name} than with {base.name}")]
    return [*tiles, Tile(wal, "WAL per insert")] if wal else tiles


def _details(matrix: Matrix) -> dict[str, list[tuple[Query, list[ClassDetail]]]]:
    """By family and query, each measured class with a cell per set."""
    return {
        family: [(query, _class_details(matrix, query)) for query in queries]
        for family, queries in families(matrix).items()
    }


def _class_details(matrix: Matrix, query: Query) -> list[ClassDetail]:
    order = {c.name: number for number, c in enumerate(matrix.classes)}
    titles = {c.name: c.title for c in matrix.classes}
    sets = {s.name: number for number, s in enumerate(matrix.sets)}
    mine = [c for c in matrix.cells if c.query == query.name]
    mine.sort(key=lambda c: (order.get(c.parameter_class, 0), c.parameter_class, sets[c.index_set]))
    grouped = ((name, list(cells)) for name, cells in groupby(mine, key=lambda c: c.parameter_class))
    return [ClassDetail(titles.get(name) or name, cells[0].params, cells) for name, cells in grouped]


@cache
def _environment() -> Environment:
    page = environment()
    page.filters.update(FILTERS)
    page.tests.update(strong=lambda part: isinstance(part, Strong))
    page.globals.update(levels=LEVELS, atlas_legend=LEGEND, index_table=index_table, write_table=write_table, **TABLES)
    return page
