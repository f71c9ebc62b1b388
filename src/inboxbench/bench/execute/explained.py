"""One execution, explained: its rows, its counters, and its plan as lines a person reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from inboxbench.bench.execute.cell import SETTINGS
from inboxbench.bench.execute.plan import Plan, nodes_of, parse_plan
from inboxbench.database import Connection, connect
from inboxbench.server import Server

Rows = tuple[tuple[Any, ...], ...]

# Alike in every lab, so that plans are: what a server of somebody else's was tuned to must not decide them.
_SETTINGS = {name: value for name, value in SETTINGS.items() if name != "default_transaction_read_only"} | {
    "timezone": "UTC",
    "random_page_cost": "4",
    "seq_page_cost": "1",
}
_EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY ON, FORMAT JSON) "
_CONDITIONS = ("Index Cond", "Recheck Cond", "Filter", "Join Filter", "Sort Key", "Hash Cond")
_COUNTED = ("Rows Removed by Filter", "Rows Removed by Index Recheck", "Rows Removed by Join Filter", "Heap Fetches")


@dataclass(frozen=True, slots=True)
class Execution:
    """rows: as they came; searches: descents of indexes (Index Searches, PostgreSQL 18 and newer, else None)."""

    rows: Rows
    plan: Plan
    searches: int | None
    lines: tuple[str, ...]

    @property
    def buffers(self) -> int:
        return self.plan.buffers

    def to_json(self) -> dict[str, Any]:
        return {
            "buffers": self.plan.buffers,
            "rows": self.plan.rows,
            "removed": self.plan.removed,
            "sorts": self.plan.sorts,
            "index_searches": self.searches,
            "ms": round(self.plan.execution_ms, 3),
            "plan": self.plan.line,
            "plan_lines": list(self.lines),
        }


@contextmanager
def lab_session(server: Server, database: str, *, timeout_s: float) -> Iterator[Connection]:
    """A session with the labs' settings; a statement that takes longer than `timeout_s` is stopped."""
    settings = _SETTINGS | {"statement_timeout": f"{max(1, round(timeout_s * 1000))}ms"}
    with connect(server.conninfo(database), autocommit=True, **settings) as connection:
        yield connection


def execute(connection: Connection, query: str, *, rounds: int = 2) -> Execution:
    """Rows first, then the counters of the last of `rounds` more executions: the first ones set hint bits."""
    rows = tuple(connection.execute(query.encode()).fetchall())
    for _ in range(rounds):
        explained = connection.execute((_EXPLAIN + query).encode()).fetchone()
    assert explained is not None
    document = explained[0][0]
    return Execution(rows, parse_plan(document), _searches(document["Plan"]), tuple(plan_lines(document["Plan"])))


def _searches(root: Mapping[str, Any]) -> int | None:
    found = [int(node["Index Searches"]) for node in nodes_of(root) if "Index Searches" in node]
    return sum(found) if found else None


def plan_lines(node: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """A node a line, its conditions and what it threw away below it: EXPLAIN without estimates."""
    pages = node.get("Shared Hit Blocks", 0) + node.get("Shared Read Blocks", 0)
    rows = node.get("Actual Rows", 0)
    loops = f" × {node['Actual Loops']:g} loops" if node.get("Actual Loops", 1) != 1 else ""
    yield f"{'  ' * depth}{_label(node)}  ({rows:g} rows{loops}, {pages:,} buffers)"
    for key in _CONDITIONS:
        if key in node:
            yield f"{'  ' * depth}    {key}: {', '.join(node[key]) if isinstance(node[key], list) else node[key]}"
    for key in _COUNTED:
        if node.get(key):
            yield f"{'  ' * depth}    {key}: {node[key]:,.0f}"
    if "Index Searches" in node:
        yield f"{'  ' * depth}    Index Searches: {node['Index Searches']:,}"
    for child in node.get("Plans", ()):
        yield from plan_lines(child, depth + 1)


def _label(node: Mapping[str, Any]) -> str:
    kind = f"{node['Node Type']}{' Backward' if node.get('Scan Direction') == 'Backward' else ''}"
    place = node.get("Index Name") or node.get("Relation Name") or node.get("CTE Name")
    return f"{kind} on {place}" if place else kind
