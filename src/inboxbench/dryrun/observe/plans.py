"""What the plan of an ordinary statement shows: rows that full scans read, rows made dead, WAL, and locks it implies.

A plan locks what it writes (ROW EXCLUSIVE), what it marks (ROW SHARE) and what it reads (ACCESS SHARE).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_SYSTEM = ("pg_catalog", "information_schema")
_BLOCK = 8192


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def _foreign(node: dict[str, Any]) -> bool:
    """Whether a node concerns a relation of the project."""
    return "Relation Name" in node and node.get("Schema") not in _SYSTEM


def _name(node: dict[str, Any]) -> str:
    return f"{node.get('Schema')}.{node['Relation Name']}"


def locks(explained: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(schema.name, mode as pg_locks writes it); the same relation may come more than once."""
    plan = explained["Plan"]
    marked = any(node["Node Type"] == "LockRows" for node in nodes(plan))
    for node in filter(_foreign, nodes(plan)):
        if node["Node Type"] == "ModifyTable":
            yield _name(node), "RowExclusiveLock"
        else:
            yield _name(node), "RowShareLock" if marked else "AccessShareLock"
    for node in nodes(plan):
        for target in node.get("Target Tables", ()):
            yield f"{target.get('Schema')}.{target['Relation Name']}", "RowExclusiveLock"


def scans(explained: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """(schema.name, rows read) of full scans that read something."""
    for node in filter(_foreign, nodes(explained["Plan"])):
        if node["Node Type"] in ("Seq Scan", "Sample Scan"):
            loops = node.get("Actual Loops", 0)
            each = node.get("Actual Rows", 0) + node.get("Rows Removed by Filter", 0)
            if rows := round(each * loops):
                yield _name(node), rows


def dead(explained: dict[str, Any]) -> int:
    """Row versions that the statement left behind."""
    return sum(
        round(below.get("Actual Rows", 0) * below.get("Actual Loops", 1))
        for node in nodes(explained["Plan"])
        if node["Node Type"] == "ModifyTable" and node.get("Operation") in ("Update", "Delete")
        for below in node.get("Plans", ())
        if below.get("Parent Relationship") == "Outer"
    )


def wal_bytes(explained: dict[str, Any]) -> int:
    """Of the top node, which holds what it pulled from those below; a writing CTE that nothing reads runs after it."""
    plan = explained["Plan"]
    read = {f"CTE {node['CTE Name']}" for node in nodes(plan) if node["Node Type"] == "CTE Scan"}
    apart = (node for node in nodes(plan) if node.get("Subplan Name", "").startswith("CTE "))
    unread = (int(node.get("WAL Bytes", 0)) for node in apart if node["Subplan Name"] not in read)
    return int(plan.get("WAL Bytes", 0)) + sum(unread)


def temp_bytes(explained: dict[str, Any]) -> int:
    return int(explained["Plan"].get("Temp Written Blocks", 0)) * _BLOCK
