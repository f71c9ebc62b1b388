"""`inboxbench bench drop-one`: which indexes of a set are missed when they go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inboxbench import units
from inboxbench.report.labs.sheet import Lab, LabTable, Row

_HEADINGS = (
    "Index",
    "Verdict",
    "What loses most, pages",
    "What gains most, pages",
    "Disk",
    "WAL, insert",
    "WAL, update",
)


def drop_one_lab(document: Mapping[str, Any]) -> Lab:
    sets = document["drop_one"]
    return Lab(
        "drop-one",
        "Each index removed in turn",
        "Judged by the queries and writes that were measured alone. Disk and WAL: what its going saves.",
        [_table(one) for one in sets],
        [line for one in sets for line in (one["headline"], one["outlook"], *one["notes"]) if line],
    )


def _table(found: Mapping[str, Any]) -> LabTable:
    title = found["title"] or found["set"]
    return LabTable(f"{title}: the most missed first.", _HEADINGS, [_row(one) for one in found["removals"]], words=4)


def _row(one: Mapping[str, Any]) -> Row:
    saved = [_wal(one[name]) for name in ("insert_wal_saved", "update_wal_saved")]
    loses, gains = (_most(one[name]) for name in ("loses", "gains"))
    if not one["loses"] and one["verdict"] == "needed":
        loses = _write(one["writes"])
    serves = f"it is there for {', '.join(one['serves'])}" if one["serves"] else ""
    cells = [one["indexes"][0], one["verdict"], loses, gains, units.size(one["bytes_saved"]), *saved]
    return Row(cells, serves, "bad" if one["verdict"] == "harmful" else "")


def _most(changed: list[Mapping[str, Any]]) -> str:
    if not changed:
        return units.DASH
    one, more = changed[0], f", and {len(changed) - 1} more" if len(changed) > 1 else ""
    after = units.number(one["after"]) if one["after"] is not None else "stopped"
    return f"{one['query']} [{one['class']}] {units.number(one['before'])} → {after}{more}"


def _write(writes: list[Mapping[str, Any]]) -> str:
    """The write that reads most more: an index may serve what a write looks up."""
    known = [one for one in writes if one["buffers_before"] and one["buffers_after"]]
    worst = max(known, key=lambda one: float(one["buffers_after"] / one["buffers_before"]), default=None)
    if worst is None:
        return units.DASH
    return f"{worst['name']} {units.number(worst['buffers_before'])} → {units.number(worst['buffers_after'])}"


def _wal(saved: float | None) -> str:
    """Of one row; rounding leaves no minus before a zero."""
    return units.wal(saved if saved is None or round(saved) else 0.0)
