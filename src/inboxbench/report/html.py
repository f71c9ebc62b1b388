"""The report as one HTML file: style and charts inside, no script, nothing fetched from anywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from inboxbench import units
from inboxbench.report.charts.atlas import LEGEND, atlas_map
from inboxbench.report.charts.crowds import crowd_charts
from inboxbench.report.charts.data import rows_chart
from inboxbench.report.charts.migration import timeline, traffic_chart, upgrade_clock
from inboxbench.report.charts.pareto import scatter
from inboxbench.report.charts.races import race_charts, race_groups, unsafe
from inboxbench.report.charts.reads import LEVELS, dot_plot, heat_map
from inboxbench.report.charts.sizes import size_charts
from inboxbench.report.document import checked_run
from inboxbench.report.dry_run import FILTERS, dry_run_clock
from inboxbench.report.findings import fastest_safe, findings
from inboxbench.report.index_figures import Comparison, compare, families
from inboxbench.report.labs import read_lab
from inboxbench.report.model import Cell, Matrix, Query, Run
from inboxbench.report.read import read_run
from inboxbench.report.tables import by_cost, even_words, mix_figures
from inboxbench.report.words import Strong

# Of MIX_FIGURES, in full.
MIX_HEADINGS = (
    *("Reads, mean class", "Reads, worst class", "ms, mean class", "ms, worst class", "Inserts", "Updates"),
    *("A read, pages", "A write, pages", "A request, pages"),
)


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


def render_html(run: Mapping[str, Any]) -> str:
    """The whole page for a run; raises UsageError when the run does not follow its schema."""
    found = read_run(checked_run(run))
    comparison = compare(found)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            run=found,
            comparison=comparison,
            findings=findings(found, comparison),
            tiles=_tiles(found, comparison),
            style=Markup(_style()),  # noqa: S704 - our own style sheet, from the package
            **_charts(found, comparison),
        )
    )


def _charts(run: Run, comparison: Comparison) -> dict[str, Any]:
    """What the sections draw; None for each part that this run has not."""
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
        "race_groups": race_groups(run.races),
        "crowds": crowd_charts(run.races),
        "atlas": atlas_map(run.atlas),
        "rows": rows_chart(seed) if seed else None,
        "labs": [(read_lab(one["document"], one["source"]), one["source"]) for one in run.labs],
        "dry_runs": [(one["document"], one["source"], dry_run_clock(one["document"])) for one in run.dry_runs],
        "observed": dry_run_clock(migration.dry_run) if migration and migration.dry_run else None,
    }


def _tiles(run: Run, comparison: Comparison) -> list[Tile]:
    """The four or five figures that a reader takes away."""
    tiles = [*_choice_tiles(comparison)]
    if run.migration and (worst := run.migration.worst("write")):
        tiles.append(Tile(units.millis(worst.waited_ms), "longest wait of a writer during the upgrade"))
    if best := fastest_safe(run.races):
        tiles.append(Tile(units.rate(best.per_s), f"assignments, none twice: {best.strategy}"))
    if run.seed and units.known(run.seed.messages_per_s):
        tiles.append(Tile(units.rate(run.seed.messages_per_s), "messages loaded"))
    return tiles


def _choice_tiles(comparison: Comparison) -> list[Tile]:
    chosen, base = comparison.chosen, comparison.baseline
    if chosen is None or base is None or chosen.name == base.name:
        return []
    fewer = units.ratio(base.typical_reads, chosen.typical_reads)
    wal = units.change(chosen.index_set.insert_wal_bytes, base.index_set.insert_wal_bytes)
    tiles = [Tile(units.times(fewer), f"fewer pages read with {chosen.name} than with {base.name}")]
    return [*tiles, Tile(wal, "WAL per inserted message")] if wal else tiles


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
    environment = Environment(
        loader=PackageLoader("inboxbench.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for function in (units.number, units.pages, units.size, units.wal, units.millis, units.seconds):
        environment.filters[function.__name__] = function
    environment.filters.update(
        rate=units.rate, share=units.share, times=units.times, moment=moment, breakable=breakable, **FILTERS
    )
    environment.tests.update(strong=lambda part: isinstance(part, Strong), unsafe=unsafe)
    environment.globals.update(ratio=units.ratio, levels=LEVELS, atlas_legend=LEGEND, mix_headings=MIX_HEADINGS)
    environment.globals.update(by_cost=by_cost, mix_figures=mix_figures, even_words=even_words)
    return environment


@cache
def _style() -> str:
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), "style.css")[0]


def breakable(name: str) -> Markup:
    """A name that may be broken after each underscore, for narrow columns."""
    return Markup("_<wbr>").join(name.split("_"))


def moment(text: str | None) -> str:
    """An ISO 8601 time to the minute, in UTC; anything else as it stands."""
    if not text:
        return units.DASH
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return text
    utc = parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return utc.strftime("%Y-%m-%d %H:%M UTC")
