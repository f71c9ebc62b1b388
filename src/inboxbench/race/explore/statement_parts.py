"""Parts of a statement's tree that say which rows it picks or makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import postgast
from postgast import pg_query_pb2 as pb

from inboxbench.sqltree.tokens import scan


def words_of(text: str) -> set[str]:
    """Return the names and keywords of a statement."""
    return {token.value for token in scan(text) if token.kind in ("identifier", "keyword")}


def changes_within(text: str, kind: str) -> bool:
    """Return whether a statement may have another one within that changes rows."""
    found = scan(text)
    changes = kind != "select" or any(token.means("insert", "update", "delete", "merge") for token in found)
    return changes and any(token.means("with") for token in found)


def nested(text: str) -> bool:
    """Return whether a statement has queries within, so that its WHERE does not speak of all rows."""
    queries = [token for token in scan(text) if token.means("select", "with", "union", "except", "intersect", "values")]
    return len(queries) > 1 or any(token.means("with", "union", "except", "intersect") for token in queries)


def only_statement(text: str) -> Any:
    """Return the tree of the one statement that a text is."""
    (raw,) = postgast.parse(text).stmts
    return getattr(raw.stmt, raw.stmt.WhichOneof("node"))


def _constant(node: Any) -> Any:
    kind = node.WhichOneof("node")
    if kind == "type_cast":
        return _constant(node.type_cast.arg)
    if kind != "a_const":
        return None
    value = node.a_const
    if value.HasField("ival"):
        return value.ival.ival
    return value.sval.sval if value.HasField("sval") else None


def equals(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield the column and the constant of each `column = constant` that has to hold."""
    kind = node.WhichOneof("node")
    if kind == "bool_expr" and node.bool_expr.boolop == pb.AND_EXPR:
        for part in node.bool_expr.args:
            yield from equals(part)
    elif kind == "a_expr" and node.a_expr.kind == pb.AEXPR_OP:
        expression = node.a_expr
        if [name.string.sval for name in expression.name] != ["="]:
            return
        for column, value in ((expression.lexpr, expression.rexpr), (expression.rexpr, expression.lexpr)):
            constant = _constant(value)
            if column.WhichOneof("node") == "column_ref" and constant is not None:
                fields = column.column_ref.fields[-1]
                if fields.WhichOneof("node") == "string":
                    yield fields.string.sval, constant


def inserted(statement: Any) -> dict[str, Any] | None:
    """Return the columns of an INSERT of one row with their constants (None: not one); None for any other INSERT."""
    select = statement.select_stmt.select_stmt if statement.HasField("select_stmt") else None
    names = [node.res_target.name for node in statement.cols]
    if select is None or len(select.values_lists) != 1 or not names:
        return None
    items = select.values_lists[0].list.items
    if len(items) != len(names) or any(item.WhichOneof("node") == "set_to_default" for item in items):
        return None
    return {name: _constant(item) for name, item in zip(names, items, strict=True)}
