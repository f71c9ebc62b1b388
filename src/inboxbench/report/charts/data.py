"""Rows per table, largest first."""

from inboxbench import units
from inboxbench.report.charts.bars import Bar, BarChart, chart, single
from inboxbench.report.charts.scale import linear_scale
from inboxbench.report.model import Seed

_THIN = 12


def rows_chart(seed: Seed) -> BarChart | None:
    """None for a seed that made no rows."""
    if not any(seed.rows.values()):
        return None
    scale = linear_scale(seed.rows.values())
    ordered = sorted(seed.rows.items(), key=lambda item: item[1], reverse=True)
    bars = (
        Bar(table, f"{rows:,}", single(scale, rows, "d-rows", f"{table}: {rows:,} rows")) for table, rows in ordered
    )
    return chart(bars, scale, units.compact, _THIN)
