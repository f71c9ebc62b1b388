"""What a plan that ran says of a statement's work: locks, full scans, dead rows, WAL, temporary files.

The plan of auto_explain is a few kilobytes of JSON; what is kept of it is a few numbers, and names that statements of
the same kind share.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from inboxbench.explain import Node, read_node

_SYSTEM = ("pg_catalog", "information_schema")
_BLOCK = 8192


@dataclass(frozen=True, slots=True)
class Work:
    """locks: (schema.name, mode as pg_locks writes it), a relation perhaps more than once; scans: (schema.name, rows
    that full scans read); dead: row versions left behind; wal and temporary: bytes.
    """

    locks: tuple[tuple[str, str], ...] = ()
    scans: tuple[tuple[str, int], ...] = ()
    dead: int = 0
    wal: int = 0
    temporary: int = 0


def read_work(plan: str) -> Work:
    """Read it from the JSON of auto_explain; work that is the same in all figures is one value."""
    top = read_node(json.loads(plan)["Plan"])
    nodes = list(top.walk())
    return _work(tuple(_locks(nodes)), tuple(_scans(nodes)), _dead(nodes), _wal_bytes(nodes), _temp_bytes(top))


@lru_cache(4096)
def _work(
    locks: tuple[tuple[str, str], ...], scans: tuple[tuple[str, int], ...], dead: int, wal: int, temporary: int
) -> Work:
    return Work(locks, scans, dead, wal, temporary)


def _of_project(nodes: list[Node]) -> Iterator[Node]:
    """Yield the nodes that read or write a relation of the project."""
    return (node for node in nodes if node.relation is not None and node.fields.get("Schema") not in _SYSTEM)


def _name(node: Node) -> str:
    return f"{node.fields.get('Schema')}.{node.relation}"


def _locks(nodes: list[Node]) -> Iterator[tuple[str, str]]:
    """Yield (schema.name, mode as pg_locks writes it); the same relation may come more than once."""
    marked = any(node.kind == "LockRows" for node in nodes)
    for node in _of_project(nodes):
        if node.kind == "ModifyTable":
            yield _name(node), "RowExclusiveLock"
        else:
            yield _name(node), "RowShareLock" if marked else "AccessShareLock"
    for node in nodes:
        for target in node.fields.get("Target Tables", ()):
            yield f"{target.get('Schema')}.{target['Relation Name']}", "RowExclusiveLock"


def _scans(nodes: list[Node]) -> Iterator[tuple[str, int]]:
    """Yield (schema.name, rows read) of the full scans that read something."""
    for node in _of_project(nodes):
        if node.kind in ("Seq Scan", "Sample Scan") and "Actual Loops" in node.fields:
            filtered = float(node.fields.get("Rows Removed by Filter", 0)) * node.loops
            if rows := round(node.rows + filtered):
                yield _name(node), rows


def _dead(nodes: list[Node]) -> int:
    """Return how many row versions the statement left behind."""
    return sum(
        round(child.rows)
        for node in nodes
        if node.kind == "ModifyTable" and node.fields.get("Operation") in ("Update", "Delete")
        for child in node.children
        if child.fields.get("Parent Relationship") == "Outer"
    )


def _wal_bytes(nodes: list[Node]) -> int:
    """Return the WAL of the top node, which holds what it pulled from those below it.

    A writing CTE that nothing reads runs after the top node, and its WAL is added.
    """
    read = {f"CTE {node.fields['CTE Name']}" for node in nodes if node.kind == "CTE Scan"}
    apart = (node for node in nodes if node.fields.get("Subplan Name", "").startswith("CTE "))
    unread = (int(node.fields.get("WAL Bytes", 0)) for node in apart if node.fields["Subplan Name"] not in read)
    return int(nodes[0].fields.get("WAL Bytes", 0)) + sum(unread)


def _temp_bytes(top: Node) -> int:
    """Return the bytes of temporary files that the statement wrote."""
    return int(top.fields.get("Temp Written Blocks", 0)) * _BLOCK
