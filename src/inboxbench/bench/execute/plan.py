"""EXPLAIN (FORMAT JSON) as a value: one line for a reader, counters that do not depend on the machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_REMOVED = ("Rows Removed by Filter", "Rows Removed by Index Recheck", "Rows Removed by Join Filter")


@dataclass(frozen=True, slots=True)
class Plan:
    """One execution.

    buffers: shared hit + read of the root node (never of planning); rows: what came out; removed: rows read
    and thrown away, all nodes; execution_ms: the server's own time. searches: descents into indexes, all nodes; more
    than one of a node are a list of values, or a skip over a leading column (None: told since PostgreSQL 18).
    """

    line: str
    buffers: int
    rows: int
    removed: int
    execution_ms: float
    sorts: bool
    indexes: tuple[str, ...]
    settings: Mapping[str, str]
    searches: int | None = None


def nodes_of(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from nodes_of(child)


def _label(node: Mapping[str, Any]) -> str:
    kind = str(node["Node Type"])
    if kind == "Aggregate" and node.get("Strategy") == "Hashed":
        kind = "HashAggregate"
    if node.get("Scan Direction") == "Backward":
        kind += " Backward"
    target = node.get("Index Name") or node.get("Relation Name") or node.get("CTE Name")
    return f"{kind} {target}" if target else kind


def one_line(node: Mapping[str, Any]) -> str:
    """From the leaves to the root: `Index Scan conversations_pkey → Sort → Limit`; `+` joins siblings.

    A bitmap's index stands in for its heap scan: `Bitmap messages_body_trgm_idx → Sort → Limit`. Bitmaps that are
    joined stand by name: which of them is scanned first changes no step.
    """
    children = [one_line(child) for child in node.get("Plans", ())]
    if node["Node Type"] in ("BitmapAnd", "BitmapOr"):
        children.sort()  # which comes first is a toss-up between equal costs, and changes nothing
    if node["Node Type"] == "Bitmap Index Scan":
        return f"Bitmap {node['Index Name']}"
    if node["Node Type"] == "Bitmap Heap Scan":
        return " + ".join(children)
    if not children:
        return _label(node)
    if node["Node Type"] in ("BitmapAnd", "BitmapOr"):
        children.sort()
    below = children[0] if len(children) == 1 else f"({' + '.join(children)})"
    return f"{below} → {_label(node)}"


def plan_shape(node: Mapping[str, Any]) -> tuple[Any, ...]:
    """A plan without its figures: equal shapes do the same steps with the same values.

    An index is known by its name, which the catalogue gives to one definition only.
    """
    own = tuple((key, repr(value)) for key, value in sorted(node.items()) if key != "Plans")
    return (own, tuple(plan_shape(child) for child in node.get("Plans", ())))


def _loops(node: Mapping[str, Any]) -> float:
    return float(node.get("Actual Loops", 1))


def _removed(nodes: list[Mapping[str, Any]]) -> int:
    """A node's figure is an average over its loops."""
    return round(sum(float(node.get(key, 0)) * _loops(node) for node in nodes for key in _REMOVED))


def _searches(nodes: list[Mapping[str, Any]]) -> int | None:
    """A node's figure is the sum over its loops."""
    told = [int(node["Index Searches"]) for node in nodes if "Index Searches" in node]
    return sum(told) if told else None


def parse_plan(document: Mapping[str, Any]) -> Plan:
    """From one element of what EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY ON, FORMAT JSON) returns.

    auto_explain writes the same shape, without "Execution Time" but with the duration beside it.
    """
    root = document["Plan"]
    nodes = list(nodes_of(root))
    return Plan(
        line=one_line(root),
        buffers=int(root.get("Shared Hit Blocks", 0)) + int(root.get("Shared Read Blocks", 0)),
        rows=round(root.get("Actual Rows", 0) * root.get("Actual Loops", 1)),
        removed=_removed(nodes),
        execution_ms=float(document.get("Execution Time", 0.0)),
        sorts=any(node["Node Type"] in ("Sort", "Incremental Sort") for node in nodes),
        indexes=tuple(dict.fromkeys(str(node["Index Name"]) for node in nodes if "Index Name" in node)),
        settings=dict(document.get("Settings", {})),
        searches=_searches(nodes),
    )
