"""`inboxbench bench decay`: what is left of fresh figures after writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inboxbench import units
from inboxbench.report.labs.sheet import Lab, LabTable, Row, shown

_SETS = ("Set", "After churn", "After VACUUM", "Rows updated", "HOT share", "Indexes fresh", "After churn")
_CELLS = ("Query [class]", "Set", "Fresh", "After churn", "Ratio", "After VACUUM", "Ratio", "Plan")


def decay_lab(document: Mapping[str, Any]) -> Lab:
    found = document["decay"]
    churn = ", ".join(f"{count:,} × {name}" for name, count in found["churn"].items())
    cells, order = shown([_cell(one) for one in found["cells"]], "Pages by query, class and set, the worst first")
    return Lab(
        "decay",
        "What writes leave of it",
        f"Every read fresh, after {churn} without VACUUM, and after VACUUM.",
        [
            LabTable(
                "By set: geometric means of the ratios over all cells.", _SETS, [_set(one) for one in found["sets"]]
            ),
            LabTable(order, _CELLS, cells, words=2),
        ],
        [found["headline"], *found["notes"]],
    )


def _set(one: Mapping[str, Any]) -> Row:
    ratios = (units.times(one[name]) for name in ("mean_ratio", "mean_ratio_after_vacuum"))
    sizes = (units.size(one[name]) for name in ("bytes_fresh", "bytes_churned"))
    return Row([one["name"], *ratios, units.number(one["rows_updated"]), units.share(one["hot_share"]), *sizes])


def _cell(one: Mapping[str, Any]) -> Row:
    fresh, churned, vacuumed = (units.number(one[name]["buffers"]) for name in ("fresh", "churned", "vacuumed"))
    after = (churned, units.times(one["ratio"]), vacuumed, units.times(one["ratio_after_vacuum"]))
    flips = "flips" if one["flips"] else ""
    return Row([f"{one['query']} [{one['class']}]", one["set"], fresh, *after, flips], one["failure"] or "")
