"""How a measured decay is shown: each read in its three states, the worst first, and each set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inboxbench import units
from inboxbench.bench.execute.cell import STOPPED
from inboxbench.report.document import MOST_ROWS, Lab
from inboxbench.report.table import Cell, Column, Row, Table, figures, words


def decay_lab(document: Mapping[str, Any]) -> Lab:
    """Return the tables and sentences of what `inboxbench bench decay` wrote."""
    found = document["decay"]
    churn = ", ".join(f"{count:,} × {name}" for name, count in found["churn"].items())
    return Lab(
        "decay",
        "What writes leave of it",
        f"Every read fresh, after {churn} without VACUUM, and after VACUUM.",
        [_cells_table(found, churn), _sets_table(found)],
        [found["headline"], *(f"plan flips: {flip}" for flip in found["flips"])],
        found["notes"],
    )


def _cells_table(found: Mapping[str, Any], churn: str) -> Table:
    columns = [
        *words("query [class]", "set"),
        *figures(units.number, "fresh", "after churn"),
        Column("ratio", units.times),
        Column("after VACUUM"),
        Column("ratio", units.times),
        *words("plan"),
    ]
    rows = [_cell_row(cell) for cell in found["cells"]]
    return Table(f"buffers before and after {churn}, the worst first", columns, rows, most=MOST_ROWS)


def _cell_row(cell: Mapping[str, Any]) -> Row:
    fresh, churned, vacuumed = (_buffers(cell[name]) for name in ("fresh", "churned", "vacuumed"))
    ratios = cell["ratio"], cell["ratio_after_vacuum"]
    flips = Cell("flips", "bad") if cell["flips"] else ""
    name = f"{cell['query']} [{cell['class']}]"
    return Row([name, cell["set"], fresh, churned, ratios[0], vacuumed, ratios[1], flips], note=cell["failure"] or "")


def _buffers(reading: Mapping[str, Any]) -> Cell:
    if reading["buffers"] is None:
        return Cell("stopped" if reading["failure"] == STOPPED else "failed", "bad")
    return Cell(reading["buffers"])


def _sets_table(found: Mapping[str, Any]) -> Table:
    columns = [
        *words("set"),
        *figures(units.times, "after churn", "after VACUUM", "worst"),
        Column("rows updated"),
        Column("HOT", units.share),
        *figures(units.size, "indexes fresh", "indexes after churn"),
    ]
    ratios = ("mean_ratio", "mean_ratio_after_vacuum")
    rows = [
        Row(
            [
                index_set["name"],
                *(index_set[name] for name in ratios),
                _worst(found, index_set["name"]),
                *(index_set[name] for name in ("rows_updated", "hot_share", "bytes_fresh", "bytes_churned")),
            ]
        )
        for index_set in found["sets"]
    ]
    return Table("by set: geometric means over all cells", columns, rows)


def _worst(found: Mapping[str, Any], index_set: str) -> float | None:
    mine = (cell["ratio"] for cell in found["cells"] if cell["set"] == index_set and cell["ratio_after_vacuum"])
    return max((ratio for ratio in mine if ratio), default=None)
