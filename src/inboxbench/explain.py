"""The one reader of EXPLAIN (FORMAT JSON): a tree of nodes, counters that do not depend on the machine, and lines.

`explain` executes a query and reads its plan; `Tracer` reads the plans of the statements that a session executes
itself, which auto_explain writes in the same shape; `read_explained` reads a document that came by another way, such
as the server's log.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from os.path import commonprefix
from typing import Any

import psycopg
from psycopg import sql

from inboxbench.database import Connection, first_row

Parameters = Mapping[str, Any] | Sequence[Any] | None
Query = str | sql.SQL | sql.Composed

_ANALYZE = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY ON, SETTINGS ON, FORMAT JSON) "
_PLAN_ONLY = "EXPLAIN (COSTS OFF, FORMAT JSON) "
_REMOVED = ("Rows Removed by Filter", "Rows Removed by Index Recheck", "Rows Removed by Join Filter")
_CONDITIONS = ("Index Cond", "Recheck Cond", "Filter", "Join Filter", "Sort Key", "Hash Cond")
_UNFOLDED = 3  # siblings alike, such as the scans of partitions, that a plan in words names one by one
_AUTO_EXPLAIN = {
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_settings": "on",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
    "client_min_messages": "notice",
}


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a plan. fields: what EXPLAIN wrote of it by EXPLAIN's own names, the nodes below it aside."""

    fields: Mapping[str, Any]
    children: tuple[Node, ...] = ()

    @property
    def kind(self) -> str:
        return str(self.fields["Node Type"])

    @property
    def index(self) -> str | None:
        return self.fields.get("Index Name")

    @property
    def relation(self) -> str | None:
        """Return the table's name without its schema."""
        return self.fields.get("Relation Name")

    @property
    def loops(self) -> float:
        return float(self.fields.get("Actual Loops", 1))

    @property
    def rows(self) -> float:
        """Rows that came out of the node, all loops together; EXPLAIN writes the average of a loop."""
        return float(self.fields.get("Actual Rows", 0)) * self.loops

    @property
    def removed(self) -> float:
        """Rows that the node read and threw away, all loops together."""
        return sum(float(self.fields.get(key, 0)) for key in _REMOVED) * self.loops

    @property
    def buffers(self) -> int:
        """Shared buffers hit or read by the node and those below it, all loops together."""
        return int(self.fields.get("Shared Hit Blocks", 0)) + int(self.fields.get("Shared Read Blocks", 0))

    @property
    def temp(self) -> int:
        """Return the pages of temporary files that the node and those below it wrote and read, all loops together."""
        return int(self.fields.get("Temp Written Blocks", 0)) + int(self.fields.get("Temp Read Blocks", 0))

    @property
    def searches(self) -> int | None:
        """Descents into the node's index, all loops together (None: no index, or a server before PostgreSQL 18)."""
        return self.fields.get("Index Searches")

    @property
    def sorts(self) -> bool:
        return self.kind in ("Sort", "Incremental Sort")

    def label(self, link: str = " ") -> str:
        """Return the kind of the node and, after `link`, what it reads."""
        kind = self.kind
        if kind == "Aggregate" and self.fields.get("Strategy") == "Hashed":
            kind = "HashAggregate"
        if self.fields.get("Scan Direction") == "Backward":
            kind += " Backward"
        target = self.index or self.relation or self.fields.get("CTE Name")
        return f"{kind}{link}{target}" if target else kind

    def walk(self) -> Iterator[Node]:
        """Yield the node and all below it, depth first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Plan:
    """The figures of one execution.

    line: the nodes from the leaves to the root; buffers: shared hit + read of the root node (never of planning); rows:
    what came out; removed: rows read and thrown away, all nodes; execution_ms: the server's own time; indexes: by name,
    in the order of the plan; settings: those that differ from the default. searches: descents into indexes, all nodes;
    more than one of a node are a list of values, or a skip over a leading column (None before PostgreSQL 18). visited:
    rows that all nodes handed on or threw away, the entries of a bitmap aside, which are no rows yet; temp: pages of
    temporary files written and read; planning: buffers of planning.
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
    visited: int = 0
    temp: int = 0
    planning: int = 0


@dataclass(frozen=True, slots=True)
class Explained:
    """One document of EXPLAIN: its tree, the server's time in ms (0.0: not executed), settings off their default, calls
    of the triggers and keys that fired (`NAME on TABLE`), and shared buffers that planning touched."""

    root: Node
    execution_ms: float
    settings: Mapping[str, str]
    fired: Mapping[str, int] = field(default_factory=dict)
    planning: int = 0

    @property
    def plan(self) -> Plan:
        nodes = list(self.root.walk())
        searches = [node.searches for node in nodes if node.searches is not None]
        return Plan(
            line=one_line(self.root),
            buffers=self.root.buffers,
            rows=round(self.root.rows),
            removed=round(sum(node.removed for node in nodes)),
            execution_ms=self.execution_ms,
            sorts=any(node.sorts for node in nodes),
            indexes=tuple(dict.fromkeys(node.index for node in nodes if node.index is not None)),
            settings=self.settings,
            searches=sum(searches) if searches else None,
            visited=round(sum(node.rows + node.removed for node in nodes if node.kind != "Bitmap Index Scan")),
            temp=self.root.temp,
            planning=self.planning,
        )

    @property
    def scanned(self) -> tuple[str, ...]:
        """Return the tables that are read from end to end."""
        return tuple(dict.fromkeys(str(node.relation) for node in self.root.walk() if node.kind == "Seq Scan"))

    @property
    def writes(self) -> bool:
        return any(node.kind == "ModifyTable" for node in self.root.walk())


def read_node(document: Mapping[str, Any]) -> Node:
    """Read what stands under "Plan" in a document of EXPLAIN (FORMAT JSON)."""
    fields = {key: value for key, value in document.items() if key != "Plans"}
    return Node(fields, tuple(read_node(child) for child in document.get("Plans", ())))


def read_explained(document: Mapping[str, Any], execution_ms: float | None = None) -> Explained:
    """Read one element of what EXPLAIN (FORMAT JSON) returns, or what auto_explain logs.

    auto_explain writes no "Execution Time" but the duration next to the document: `execution_ms`.
    """
    taken = document.get("Execution Time", 0.0) if execution_ms is None else execution_ms
    fired: Counter[str] = Counter()
    for trigger in document.get("Triggers", ()):
        name = trigger.get("Constraint Name") or trigger["Trigger Name"]
        fired[f"{name} on {trigger['Relation']}"] += int(trigger["Calls"])
    planning = read_node({"Node Type": "Planning", **document.get("Planning", {})}).buffers
    return Explained(read_node(document["Plan"]), float(taken), dict(document.get("Settings", {})), fired, planning)


def explain(connection: Connection, query: Query, parameters: Parameters = None, *, execute: bool = True) -> Explained:
    """Return the plan of `query`, executed under EXPLAIN ANALYZE or, without `execute`, only planned.

    `parameters` as psycopg takes them. Raises psycopg.Error for what the query does.
    """
    words = _ANALYZE if execute else _PLAN_ONLY
    statement = (words + query).encode() if isinstance(query, str) else sql.SQL(words) + query
    return read_explained(first_row(connection, statement, parameters)[0][0])


def one_line(node: Node) -> str:
    """Return a plan from the leaves to the root: `Index Scan conversations_pkey → Sort → Limit`; `+` joins siblings.

    A bitmap's index stands in for its heap scan: `Bitmap messages_body_trgm_idx → Sort → Limit`. Bitmaps that are
    joined are sorted by name: which of them is scanned first is a toss-up between equal costs and changes no step.
    Siblings that do the same to more than three partitions are one: `60 × Seq Scan events_p*`.
    """
    children = _folded(node.children)
    if node.kind in ("BitmapAnd", "BitmapOr"):
        children.sort()
    if node.kind == "Bitmap Index Scan":
        return f"Bitmap {node.index}"
    if node.kind == "Bitmap Heap Scan":
        return " + ".join(children)
    if not children:
        return node.label()
    below = children[0] if len(children) == 1 else f"({' + '.join(children)})"
    return f"{below} → {node.label()}"


def _folded(nodes: Sequence[Node]) -> list[str]:
    """Return a line for each of some siblings, and one for all that differ in the names of what they read alone."""
    alike: dict[str, list[str]] = {}
    for node in nodes:
        text = key = one_line(node)
        names = {name for below in node.walk() for name in (below.index, below.relation) if name}
        for name in sorted(names, key=len, reverse=True):
            key = key.replace(name, "*")
        alike.setdefault(key, []).append(text)
    lines: list[str] = []
    for texts in alike.values():
        lines += [f"{len(texts)} × {_common(texts)}"] if len(texts) > _UNFOLDED else texts
    return lines


def _common(texts: Sequence[str]) -> str:
    """Return what texts of as many words have in common, with * for what differs in a word; the first of words that
    begin with other letters.

    >>> _common(["Seq Scan events_p1 → Sort", "Seq Scan events_p2 → Sort"])
    'Seq Scan events_p* → Sort'
    """
    words = []
    for spelt in zip(*(text.split(" ") for text in texts), strict=False):
        if len(set(spelt)) == 1:
            words.append(spelt[0])
            continue
        begun = commonprefix(spelt)  # noqa: RUF071 - letter by letter is what is wanted
        rest = [word[len(begun) :][::-1] for word in spelt]
        ended = commonprefix(rest)[::-1]  # noqa: RUF071 - the same from the end
        words.append(f"{begun}*{ended}" if begun else f"{spelt[0]}, …")
    return " ".join(words)


def plan_shape(node: Node) -> tuple[Any, ...]:
    """Return a plan without its figures: equal shapes do the same steps with the same values.

    An index is known by its name, which the catalogue gives to one definition only.
    """
    own = tuple((key, repr(value)) for key, value in sorted(node.fields.items()))
    return (own, tuple(plan_shape(child) for child in node.children))


def plan_lines(node: Node, depth: int = 0) -> Iterator[str]:
    """Yield a line for each node, its conditions and what it threw away below it: EXPLAIN without estimates."""
    fields, indent = node.fields, "  " * depth
    loops = f" × {node.loops:g} loops" if node.loops != 1 else ""
    yield f"{indent}{node.label(' on ')}  ({fields.get('Actual Rows', 0):g} rows{loops}, {node.buffers:,} buffers)"
    for key in _CONDITIONS:
        if key in fields:
            yield f"{indent}    {key}: {', '.join(fields[key]) if isinstance(fields[key], list) else fields[key]}"
    for key in (*_REMOVED, "Heap Fetches"):
        if fields.get(key):
            yield f"{indent}    {key}: {fields[key]:,.0f}"
    if node.searches is not None:
        yield f"{indent}    Index Searches: {node.searches:,}"
    alike: Counter[tuple[str, ...]] = Counter()
    for child in node.children:
        steps = tuple(below.kind for below in child.walk())
        alike[steps] += 1
        if alike[steps] <= _UNFOLDED:
            yield from plan_lines(child, depth + 1)
    for steps, count in alike.items():
        if count > _UNFOLDED:
            nodes = [child for child in node.children if tuple(below.kind for below in child.walk()) == steps]
            read = sum(child.buffers for child in nodes[_UNFOLDED:])
            yield f"{indent}  … and {count - _UNFOLDED:,} more of {nodes[0].label(' on ')}  ({read:,} buffers)"


class Tracer:
    """Reads the plans of a session's own statements by auto_explain, so that one execution gives rows and counters.

    able: whether the role may load auto_explain; where it may not, no plan is ever seen.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._plans: list[Plan] = []
        self.able = _loaded(connection)
        connection.add_notice_handler(self._note)

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        duration, separator, document = (notice.message_primary or "").partition(" ms  plan:")
        if separator:
            explained = read_explained(json.loads(document), float(duration.removeprefix("duration:")))
            self._plans.append(explained.plan)

    @contextmanager
    def traced(self) -> Iterator[list[Plan]]:
        """Yield a list that gets the plan of each statement that the connection executes within the block."""
        self._plans = plans = list[Plan]()
        self._log_above("0")
        try:
            yield plans
        finally:
            self._log_above("-1")

    def _log_above(self, milliseconds: str) -> None:
        if self.able:
            self._connection.execute("SELECT set_config('auto_explain.log_min_duration', %s, false)", (milliseconds,))


def _loaded(connection: Connection) -> bool:
    """Only a superuser may load auto_explain."""
    try:
        connection.execute("LOAD 'auto_explain'")
    except psycopg.Error:
        return False
    for name, value in _AUTO_EXPLAIN.items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    return True
