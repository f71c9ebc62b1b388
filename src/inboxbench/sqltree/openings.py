"""What a query leaves open of its rows, and queries that leave less open.

ORDER BY with ties, LIMIT, DISTINCT ON, window functions that number or pick rows, and aggregates that keep the order in
which values come: of several right answers the server gives any, as the plan happens to read rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import postgast
from google.protobuf.message import DecodeError, Message
from postgast import pg_query_pb2 as pb

_KEEPING_ORDER = frozenset({
    "array_agg", "string_agg", "json_agg", "jsonb_agg", "xmlagg", "any_value", "json_agg_strict", "jsonb_agg_strict",
    "json_object_agg", "jsonb_object_agg", "json_object_agg_strict", "jsonb_object_agg_strict", "first", "last",
})  # fmt: skip
PICKING_ROWS = frozenset({"row_number", "ntile", "lag", "lead", "first_value", "last_value", "nth_value"})
_OF_PEERS = frozenset({"rank", "dense_rank", "percent_rank", "cume_dist"})  # alike for all rows that tie
_CHANGING = frozenset({
    "random", "random_normal", "gen_random_uuid", "uuidv4", "uuidv7", "nextval", "now", "clock_timestamp", "timeofday",
    "statement_timestamp", "transaction_timestamp", "uuid_generate_v4", "pg_backend_pid", "txid_current",
})  # fmt: skip
_NO_ORDER = "no ORDER BY"
ROWS_FRAME = 0x04  # FRAMEOPTION_ROWS: the frame counts rows, so that rows that tie are told apart


@dataclass(frozen=True, slots=True)
class Openings:
    """outer: what the statement's own clauses leave open, in words; within: what a query in it, a window or an
    aggregate does; changing: functions that give something else at every execution."""

    text: str
    outer: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    changing: tuple[str, ...] = ()
    ordered: bool = False

    def __str__(self) -> str:
        cut = [words for words in self.outer if not (self.within and words == _NO_ORDER)]
        return " and ".join(dict.fromkeys((*cut, *self.within)))


@lru_cache(4096)
def openings(text: str) -> Openings:
    """Return what a statement leaves open, as far as its text says; of a text that cannot be read, nothing."""
    try:
        tree = postgast.parse(text)
    except (postgast.PgQueryError, DecodeError, UnicodeEncodeError):
        return Openings(text)
    top = only_select(tree)
    within: list[str] = []
    for select in selects(tree):
        within += [] if select is top else cut_by(select)
        within += [_spelled(call) for call in calls(select) if keeps_order(call) or picks_rows(call, select)]
        within += ["JSON_ARRAYAGG" for node in own_nodes(select) if node.DESCRIPTOR.name == "JsonArrayAgg"]
    changing = [name for node in nodes_of(tree) if (name := changing_name(node))]
    outer = [] if top is None else cut_by(top) or [_order(top) or _NO_ORDER]
    return Openings(
        text, tuple(outer), tuple(dict.fromkeys(within)), tuple(dict.fromkeys(changing)), bool(top and top.sort_clause)
    )


def only_select(tree: Any) -> Any:
    """Return the tree's one statement if it is a SELECT, else None."""
    only = tree.stmts[0].stmt if len(tree.stmts) == 1 else None
    return only.select_stmt if only is not None and only.HasField("select_stmt") else None


def nodes_of(node: Message, *, deep: bool = True) -> Iterator[Any]:
    """Yield all nodes below one; unless `deep`, those of queries within are left out."""
    for description, value in node.ListFields():
        if description.message_type is not None:
            for below in value if description.is_repeated else (value,):
                if deep or below.DESCRIPTOR.name != "SelectStmt":
                    yield below
                    yield from nodes_of(below, deep=deep)


def selects(tree: Message) -> Iterator[Any]:
    """Yield all queries, the innermost first, so that one is changed before what holds it is."""
    nodes = [node for node in nodes_of(tree) if node.DESCRIPTOR.name == "SelectStmt"]
    yield from reversed(nodes)


def own_nodes(select: Any) -> Iterator[Any]:
    """Yield the nodes of a query's own expressions."""
    yield from nodes_of(select, deep=False)


def calls(select: Any) -> list[Any]:
    return [node for node in own_nodes(select) if node.DESCRIPTOR.name == "FuncCall"]


def name_of(call: Any) -> str:
    return str(call.funcname[-1].string.sval)


def keeps_order(call: Any) -> bool:
    """Return whether an aggregate shows in which order its values came, and is given none in which no two tie."""
    plain = not (call.agg_distinct or call.agg_within_group or call.HasField("over"))
    given = {text_of(item.sort_by.node) for item in call.agg_order}
    return name_of(call) in _KEEPING_ORDER and plain and not {text_of(item) for item in call.args} <= given


def picks_rows(call: Any, select: Any) -> bool:
    """Return whether a window function tells apart rows that its window's order leaves tied."""
    if not call.HasField("over") or name_of(call) in _OF_PEERS:
        return False
    window = window_of(call, select)
    by_rows = bool(window.frame_options & ROWS_FRAME) and bool(window.order_clause)
    return name_of(call) in PICKING_ROWS | _KEEPING_ORDER or by_rows


def window_of(call: Any, select: Any) -> Any:
    """Return the window of a call, the one that it names where it names one alone."""
    named = {item.window_def.name: item.window_def for item in select.window_clause}
    return named.get(call.over.name, call.over)


def cut_by(select: Any) -> list[str]:
    """Return what a query's own clauses leave open of which rows come."""
    cut = [] if not select.distinct_clause or not distinct_on(select) else ["DISTINCT ON"]
    if select.HasField("limit_count") or select.HasField("limit_offset"):
        cut.append(f"{_order(select) or _NO_ORDER} with {'LIMIT' if select.HasField('limit_count') else 'OFFSET'}")
    return cut


def distinct_on(select: Any) -> list[Any]:
    """Return the expressions of DISTINCT ON; DISTINCT alone has one that is nothing."""
    return [item for item in select.distinct_clause if item.WhichOneof("node")]


def _order(select: Any) -> str:
    """Return the ORDER BY of a query as it is spelled, or nothing."""
    tree = postgast.parse("SELECT 1")
    tree.stmts[0].stmt.select_stmt.sort_clause.extend(select.sort_clause)
    return str(postgast.deparse(tree)).removeprefix("SELECT 1").strip()


def text_of(node: Any) -> str:
    tree = postgast.parse("SELECT 1")
    tree.stmts[0].stmt.select_stmt.target_list[0].res_target.val.CopyFrom(node)
    return str(postgast.deparse(tree)).removeprefix("SELECT ")


def _spelled(call: Any) -> str:
    node = pb.Node()
    node.func_call.CopyFrom(call)
    return text_of(node)


def changing_name(node: Any) -> str | None:
    kind = node.DESCRIPTOR.name
    if kind == "FuncCall" and name_of(node) in _CHANGING:
        return f"{name_of(node)}()"
    return {"SQLValueFunction": "the time of the execution", "RangeTableSample": "TABLESAMPLE"}.get(kind)
