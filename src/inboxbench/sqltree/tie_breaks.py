"""Texts of a query that leave less open: one that gives every row which may come, one in which every tie is broken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import postgast
from postgast import pg_query_pb2 as pb

from inboxbench.sqltree.openings import (
    PICKING_ROWS,
    ROWS_FRAME,
    calls,
    changing_name,
    cut_by,
    distinct_on,
    keeps_order,
    name_of,
    nodes_of,
    only_select,
    own_nodes,
    picks_rows,
    selects,
    text_of,
    window_of,
)


@dataclass(frozen=True, slots=True)
class Whole:
    """text: gives for each row, in order, the number of its group of ties, whether it may come at all of its group
    (`DISTINCT ON` takes one), and its columns. limit, offset: expressions, None where there is none; with_ties: the
    limit takes all rows that tie with its last; distinct: one row of each group comes."""

    text: str
    limit: str | None
    offset: str | None
    with_ties: bool
    distinct: bool


class _OpenError(Exception):
    """Raised for a statement of which no text leaves nothing open."""


def settled_text(text: str, *, reverse: bool = False) -> str | None:
    """Return a statement with every tie broken by the rows' own text, or broken the other way round; None where no text
    does so."""
    tree = postgast.parse(text)
    try:
        for select in list(selects(tree)):
            _settle(select, reverse=reverse)
    except _OpenError:
        return None
    return str(postgast.deparse(tree))


def whole_text(text: str, names: Sequence[str]) -> Whole | None:
    """Return a text that gives all rows from which the answer is cut; None for what is no plain SELECT. names: of the
    statement's columns."""
    return _whole(only_select(postgast.parse(text)), list(names))


def _whole(select: Any, names: list[str]) -> Whole | None:
    if select is None:
        return None
    keys = [item.sort_by for item in select.sort_clause]
    distinct = [pb.SortBy(node=node) for node in distinct_on(select)]
    limit, offset = (
        text_of(getattr(select, part)) if select.HasField(part) else None for part in ("limit_count", "limit_offset")
    )
    with_ties = select.limit_option == pb.LIMIT_OPTION_WITH_TIES
    inner = pb.SelectStmt()
    inner.CopyFrom(select)
    for field in ("sort_clause", "limit_count", "limit_offset", "locking_clause", "limit_option"):
        inner.ClearField(field)
    inner.limit_option = pb.LIMIT_OPTION_DEFAULT
    if distinct:
        inner.ClearField("distinct_clause")
    columns = [f"c{number}" for number in range(1, len(names) + 1)]
    ranked = [_key(key, inner, names, columns) for key in _steady(keys)]
    apart = [_key(key, inner, names, columns) for key in distinct]
    if None in ranked or None in apart:
        return None
    tree = postgast.parse("SELECT 1")
    tree.stmts[0].stmt.select_stmt.CopyFrom(inner)
    order = f"ORDER BY {', '.join(map(str, ranked))}" if ranked else ""
    group = f"dense_rank() OVER ({order})" if ranked else "1"
    best = "true"
    if distinct:
        by = ", ".join(map(str, apart))
        best = f"rank() OVER (PARTITION BY {by} {order}) = 1"
        group = f"dense_rank() OVER ({order + ', ' if order else 'ORDER BY '}{by})"
    shown = ", ".join(f"s.{column}" for column in columns[: len(names)])
    rows = f"({postgast.deparse(tree)}) AS s({', '.join(columns)})"
    text = f"SELECT {group}, {best}, {shown} FROM {rows} ORDER BY 1"  # noqa: S608 - made of the user's own statement
    return Whole(text, limit, offset, with_ties, bool(distinct))


def _steady(keys: Sequence[Any]) -> Iterator[Any]:
    """Yield the keys up to the first that is another one at every execution, such as random()."""
    for key in keys:
        if any(changing_name(node) for node in nodes_of(key)):
            return
        yield key


def _key(key: Any, inner: Any, names: list[str], columns: list[str]) -> str | None:
    """Return a key of the order as a column of `inner`, which is given one more where it shows it not yet."""
    if key.sortby_dir == pb.SORTBY_USING:
        return None
    place = _shown_at(key.node, names)
    if place is None:
        if inner.op != pb.SETOP_NONE:
            return None
        columns.append(f"k{len(columns)}")
        inner.target_list.add().res_target.val.CopyFrom(key.node)
        place = len(columns)
    direction = " DESC" if key.sortby_dir == pb.SORTBY_DESC else ""
    nulls = {pb.SORTBY_NULLS_FIRST: " NULLS FIRST", pb.SORTBY_NULLS_LAST: " NULLS LAST"}.get(key.sortby_nulls, "")
    return f"s.{columns[place - 1]}{direction}{nulls}"


def _shown_at(node: Any, names: list[str]) -> int | None:
    """Return the place of the output column that a key names or counts, from 1 on."""
    if node.HasField("a_const") and node.a_const.HasField("ival"):
        return int(node.a_const.ival.ival)
    if node.HasField("column_ref") and len(node.column_ref.fields) == 1:
        name = node.column_ref.fields[0].string.sval
        return names.index(name) + 1 if name in names else None
    return None


def _settle(select: Any, *, reverse: bool) -> None:
    """Break every tie of a query's own. Raises _OpenError for what has no order by which it could be."""
    if select.op != pb.SETOP_NONE:
        if select.sort_clause or select.HasField("limit_count") or select.HasField("limit_offset"):
            _wrap(select)
        else:
            return
    for call in calls(select):
        if picks_rows(call, select):
            _settle_window(call, select, reverse=reverse)
        elif keeps_order(call):
            call.agg_order.extend(_by(_as_text(argument), reverse) for argument in call.args)
    for node in list(own_nodes(select)):
        if node.DESCRIPTOR.name == "JsonArrayAgg":
            node.constructor.agg_order.append(_by(_as_text(node.arg.raw_expr), reverse))
    if cut_by(select) or select.sort_clause:
        distinct = distinct_on(select)
        select.sort_clause.extend(_by(node, reverse=False) for node in distinct)
        plain = bool(select.distinct_clause) and not distinct
        select.sort_clause.extend(_by(tie, reverse) for tie in _shown(select, plain=plain))


def _wrap(select: Any) -> None:
    """Put a UNION and the like into a FROM, so that its rows have a name to be ordered by."""
    inner = pb.SelectStmt()
    inner.CopyFrom(select)
    select.Clear()
    for field in ("sort_clause", "limit_count", "limit_offset", "with_clause", "limit_option"):
        if field == "limit_option":
            select.limit_option = inner.limit_option
            inner.limit_option = pb.LIMIT_OPTION_DEFAULT
            continue
        if getattr(inner, field) and (field == "sort_clause" or inner.HasField(field)):
            if field == "sort_clause":
                select.sort_clause.extend(inner.sort_clause)
            else:
                getattr(select, field).CopyFrom(getattr(inner, field))
        inner.ClearField(field)
    select.op = pb.SETOP_NONE
    select.target_list.add().res_target.val.column_ref.fields.add().a_star.SetInParent()
    source = select.from_clause.add().range_subselect
    source.subquery.select_stmt.CopyFrom(inner)
    source.alias.aliasname = "settled_rows"


def _settle_window(call: Any, select: Any, *, reverse: bool) -> None:
    window = window_of(call, select)
    shared = not window.frame_options & ROWS_FRAME and name_of(call) not in PICKING_ROWS - {"last_value", "nth_value"}
    if shared or window.refname:
        raise _OpenError("a window that all rows which tie share, such as last_value() without ROWS")
    own = pb.WindowDef()
    own.CopyFrom(window)
    own.ClearField("name")
    own.order_clause.extend(_by(tie, reverse) for tie in _sources(select))
    call.over.CopyFrom(own)


def _sources(select: Any) -> list[Any]:
    """Return texts that tell apart all rows that a query's windows see: of its groups, or of what it reads."""
    if select.group_clause:
        if any(item.HasField("a_const") or item.HasField("grouping_set") for item in select.group_clause):
            raise _OpenError("GROUP BY by number or by sets")
        return [_as_text(item) for item in select.group_clause]
    return [_row_text(name) for name in _all_aliases(select)]


def _all_aliases(select: Any) -> list[str]:
    return [name for item in select.from_clause for name in _aliases(item)]


def _aliases(item: Any) -> list[str]:
    """Return the names under which a part of FROM shows its rows."""
    kind = item.WhichOneof("node")
    source = getattr(item, kind)
    if "alias" in source.DESCRIPTOR.fields_by_name and source.HasField("alias"):
        return [source.alias.aliasname]
    if kind == "range_var":
        return [source.relname]
    if kind == "join_expr":
        return [*_aliases(source.larg), *_aliases(source.rarg)]
    raise _OpenError("a part of FROM without a name")


def _shown(select: Any, *, plain: bool) -> list[Any]:
    """Return what tells apart all rows that a query shows. plain: it has a DISTINCT, which takes columns alone."""
    ties: list[Any] = []
    for item in select.target_list:
        value = item.res_target.val
        fields = value.column_ref.fields if value.HasField("column_ref") else []
        if fields and fields[-1].HasField("a_star"):
            names = [fields[-2].string.sval] if fields[1:] else _all_aliases(select)
            ties += [_row_text(name) for name in names]
        elif not value.HasField("a_const"):
            ties.append(value if plain else _as_text(value))
    return ties


def _row_text(name: str) -> Any:
    row = pb.Node()
    star = row.row_expr.args.add().column_ref
    star.fields.add().string.sval = name
    star.fields.add().a_star.SetInParent()
    row.row_expr.row_format = pb.COERCE_EXPLICIT_CALL
    return _as_text(row)


def _as_text(node: Any) -> Any:
    """Return an expression as text that two different values never share."""
    text = pb.Node()
    cast = text.collate_clause.arg.type_cast
    cast.arg.CopyFrom(node)
    cast.type_name.names.add().string.sval = "text"
    cast.type_name.typemod = -1
    text.collate_clause.collname.add().string.sval = "C"
    return text


def _by(node: Any, reverse: bool) -> Any:
    direction = pb.SORTBY_DESC if reverse else pb.SORTBY_ASC
    return pb.Node(sort_by=pb.SortBy(node=node, sortby_dir=direction, sortby_nulls=pb.SORTBY_NULLS_DEFAULT))
