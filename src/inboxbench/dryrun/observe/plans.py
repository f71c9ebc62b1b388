"""What the plan of an ordinary statement shows: rows that full scans read, rows made dead, WAL, and locks it implies.

A plan locks what it writes (ROW EXCLUSIVE), what it marks (ROW SHARE) and what it reads (ACCESS SHARE). Each function
takes the JSON document that auto_explain logged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inboxbench.explain import Node, read_node

_SYSTEM = ("pg_catalog", "information_schema")
_BLOCK = 8192


def _nodes(explained: dict[str, Any]) -> list[Node]:
    return list(read_node(explained["Plan"]).walk())


def _of_project(nodes: list[Node]) -> Iterator[Node]:
    """Yield the nodes that read or write a relation of the project."""
    return (node for node in nodes if node.relation is not None and node.fields.get("Schema") not in _SYSTEM)


def _name(node: Node) -> str:
    return f"{node.fields.get('Schema')}.{node.relation}"


def locks(explained: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (schema.name, mode as pg_locks writes it); the same relation may come more than once."""
    nodes = _nodes(explained)
    marked = any(node.kind == "LockRows" for node in nodes)
    for node in _of_project(nodes):
        if node.kind == "ModifyTable":
            yield _name(node), "RowExclusiveLock"
        else:
            yield _name(node), "RowShareLock" if marked else "AccessShareLock"
    for node in nodes:
        for target in node.fields.get("Target Tables", ()):
            yield f"{target.get('Schema')}.{target['Relation Name']}", "RowExclusiveLock"


def scans(explained: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield (schema.name, rows read) of the full scans that read something."""
    for node in _of_project(_nodes(explained)):
        if node.kind in ("Seq Scan", "Sample Scan") and "Actual Loops" in node.fields:
            filtered = float(node.fields.get("Rows Removed by Filter", 0)) * node.loops
            if rows := round(node.rows + filtered):
                yield _name(node), rows


def dead(explained: dict[str, Any]) -> int:
    """Return how many row versions the statement left behind."""
    return sum(
        round(child.rows)
        for node in _nodes(explained)
        if node.kind == "ModifyTable" and node.fields.get("Operation") in ("Update", "Delete")
        for child in node.children
        if child.fields.get("Parent Relationship") == "Outer"
    )


def wal_bytes(explained: dict[str, Any]) -> int:
    """Return the WAL of the top node, which holds what it pulled from those below it.

    A writing CTE that nothing reads runs after the top node, and its WAL is added.
    """
    nodes = _nodes(explained)
    read = {f"CTE {node.fields['CTE Name']}" for node in nodes if node.kind == "CTE Scan"}
    apart = (node for node in nodes if node.fields.get("Subplan Name", "").startswith("CTE "))
    unread = (int(node.fields.get("WAL Bytes", 0)) for node in apart if node.fields["Subplan Name"] not in read)
    return int(nodes[0].fields.get("WAL Bytes", 0)) + sum(unread)


def temp_bytes(explained: dict[str, Any]) -> int:
    """Return the bytes of temporary files that the statement wrote."""
    return int(explained["Plan"].get("Temp Written Blocks", 0)) * _BLOCK
