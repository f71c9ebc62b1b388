"""`inboxbench bench traps`: queries and indexes that look right and are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inboxbench import units
from inboxbench.report.labs.sheet import Lab, LabTable, Row


def traps_lab(document: Mapping[str, Any]) -> Lab:
    return Lab(
        "traps",
        "Planner traps",
        "Each has rows of its own; pages of one execution the bad way and the good way, the same on every run of a "
        "server. Other rows: the bad way answers wrongly, however fast.",
        [
            LabTable(
                f"On {document['server']}, the worst first.",
                ("Trap", "Here", "Bad, pages", "Good, pages", "Ratio"),
                [_row(one) for one in document["traps"]],
                words=2,
            )
        ],
        [f"{one['name']}: {one['why']}" for one in document["traps"]],
    )


def _row(one: Mapping[str, Any]) -> Row:
    ratio = units.times(one["ratio"]) + (", other rows" if one["rows"] == "different" else "")
    tone = "" if one["outcome"] in ("springs", "mended") else "bad"
    return Row([one["name"], one["outcome"], _pages(one["bad"]), _pages(one["good"]), ratio], one["title"], tone)


def _pages(execution: Mapping[str, Any] | None) -> str:
    return units.number(execution["buffers"]) if execution else units.DASH
