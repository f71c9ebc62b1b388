"""Parts of a statement's tree: its columns, constants, the keys of an order, and expressions as SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import postgast
from google.protobuf.message import Message
from postgast import pg_query_pb2 as pb

from inboxbench.sqltree.openings import nodes_of, text_of

STATEMENTS = frozenset({"SelectStmt", "UpdateStmt", "DeleteStmt", "InsertStmt", "MergeStmt"})


def target_of(node: Any, targets: Sequence[Any]) -> Any:
    """Return the expression that a key of an order or a group stands for: a place or a name of the select list."""
    if node.HasField("a_const") and node.a_const.HasField("ival"):
        place = node.a_const.ival.ival - 1
        return targets[place].val if 0 <= place < len(targets) else node
    if node.HasField("column_ref") and len(node.column_ref.fields) == 1:
        name = node.column_ref.fields[0].string.sval
        return next((target.val for target in targets if target.name == name), node)
    return node


def suffix_of(sort: Any) -> str:
    words = [" DESC"] if sort.sortby_dir == pb.SORTBY_DESC else []
    nulls = {pb.SORTBY_NULLS_FIRST: " NULLS FIRST", pb.SORTBY_NULLS_LAST: " NULLS LAST"}.get(sort.sortby_nulls, "")
    usual = " NULLS FIRST" if words else " NULLS LAST"
    return "".join([*words, nulls if nulls != usual else ""])


def bare(node: Any) -> str:
    """Return a node as SQL, its columns without qualifiers."""
    copy = pb.Node()
    copy.CopyFrom(node)
    for below in (copy, *nodes_of(copy)):
        if below.DESCRIPTOR.name == "ColumnRef":
            del below.fields[:-1]
    try:
        return text_of(copy)
    except postgast.PgQueryError:
        return ""


def is_constant(node: Any) -> bool:
    """Return whether a side is made of constants alone."""
    names = {below.DESCRIPTOR.name for below in (node, *nodes_of(node))}
    return bool(names & {"A_Const"}) and not names & {"ParamRef", "FuncCall", "SubLink", "SQLValueFunction"}


def columns_in(node: Any) -> list[Any]:
    """Return the columns of an expression; none of a query within it."""
    if node.DESCRIPTOR.name == "ColumnRef":
        return [node]
    if node.DESCRIPTOR.name in STATEMENTS:
        return []
    return [column for below in nodes_below(node) for column in columns_in(below)]


def nodes_below(node: Message) -> Iterator[Any]:
    for description, value in node.ListFields():
        if description.message_type is not None:
            yield from value if description.is_repeated else (value,)


def own_nodes(statement: Message, skipped: str) -> Iterator[Any]:
    """Yield the nodes of a statement itself, without those of queries within it, of a WITH, and of one field."""
    for description, value in statement.ListFields():
        if description.message_type is None or description.name in (skipped, "with_clause"):
            continue
        for below in value if description.is_repeated else (value,):
            if below.DESCRIPTOR.name not in STATEMENTS:
                yield below
                yield from own_nodes(below, "")
