"""Reads what a statement asks of each of its tables: conditions by kind, order, groups, and the columns that it uses.

Names are looked up by a function that knows the columns of a relation, so that `placed` in a join belongs to a table.
What cannot be looked up (a column of a sub-select or of a WITH) asks for nothing here; the plan's own filters say it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import postgast
from google.protobuf.message import DecodeError
from postgast import pg_query_pb2 as pb

from inboxbench.advise.model import Condition, ConditionKind, Need, Sort
from inboxbench.advise.nodes import (
    STATEMENTS,
    bare,
    columns_in,
    is_constant,
    nodes_below,
    own_nodes,
    suffix_of,
    target_of,
)
from inboxbench.sqltree.commands import Relation
from inboxbench.sqltree.expressions import normal
from inboxbench.sqltree.openings import calls, name_of, nodes_of
from inboxbench.sqltree.tokens import quoted

# Names of the columns of a relation; None of one that is no table with columns of its own.
ColumnsOf = Callable[[Relation], Collection[str] | None]

_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "<@": "@>", "@>": "<@"}
_OPERATORS: dict[str, ConditionKind] = {
    "=": "equal",
    **dict.fromkeys(("<", "<=", ">", ">="), "range"),
    **dict.fromkeys(("~~", "~~*", "~", "~*", "%", "<%", "%>", "^@"), "pattern"),
    **dict.fromkeys(("@@", "@@@"), "search"),
    **dict.fromkeys(("@>", "<@", "&&", "?", "?|", "?&"), "contains"),
    **dict.fromkeys(("<>", "!="), "given"),
}  # fmt: skip
_AGGREGATES = frozenset(
    {"sum", "count", "avg", "min", "max", "array_agg", "string_agg", "json_agg", "jsonb_agg", "bool_or"}
)
_MOST_ARMS = 8  # alternatives of an OR that are looked at


@dataclass(slots=True)
class _Table:
    alias: str
    relation: Relation
    names: Collection[str]
    used: set[str] = field(default_factory=set)
    star: bool = False
    conditions: list[Condition] = field(default_factory=list)
    arms: list[list[Condition]] = field(default_factory=list)
    order: list[Sort] = field(default_factory=list)
    group: list[str] = field(default_factory=list)
    limited: bool = False

    def needs(self) -> Iterator[Need]:
        columns = None if self.star else frozenset(self.used)
        plain = Need(self.relation, tuple(self.conditions), tuple(self.order), tuple(self.group), columns, self.limited)
        yield plain
        for arm in self.arms[:_MOST_ARMS]:
            yield replace(plain, conditions=(*self.conditions, *arm), order=(), group=(), limited=False)


@dataclass(slots=True)
class _Scope:
    tables: list[_Table]
    opaque: bool = False
    outer: _Scope | None = None

    def find(self, column: Any) -> tuple[_Table, str] | None:
        """Return the table and the name of a column; None where it is not one of a table's."""
        parts = [item.string.sval for item in column.fields if item.HasField("string")]
        if len(parts) != len(column.fields) or not parts:
            return None
        for table in self.tables:
            if parts[-1] in table.names and (len(parts) == 1 or table.alias == parts[-2]):
                return table, parts[-1]
        if self.outer is None or (len(parts) == 1 and self.opaque):
            return None
        return self.outer.find(column)


def needs_of(text: str, columns_of: ColumnsOf, *, literal: bool = True) -> tuple[Need, ...]:
    """Return what a statement asks of its tables, those of queries within it too; nothing of a text that is no SQL.

    literal: its constants are part of the question; else they are values that somebody drew, and limit no index.
    """
    try:
        tree = postgast.parse(text)
    except (postgast.PgQueryError, DecodeError, UnicodeEncodeError):
        return ()
    reader = _Reader(columns_of, literal)
    for statement in tree.stmts:
        reader.enter(statement.stmt, None)
    return tuple(need for table in reader.tables for need in table.needs())


@dataclass(slots=True)
class _Reader:
    columns_of: ColumnsOf
    literal: bool
    tables: list[_Table] = field(default_factory=list)
    within: set[str] = field(default_factory=set)

    def enter(self, node: Any, outer: _Scope | None, *, exists: bool = False) -> None:
        """Read the statements at and below a node, each in a scope of its own."""
        if node.DESCRIPTOR.name in STATEMENTS:
            self._statement(node, outer, exists=exists)
            return
        if node.DESCRIPTOR.name == "CommonTableExpr":
            self.within.add(node.ctename)
        found = node.DESCRIPTOR.name == "SubLink" and node.sub_link_type == pb.EXISTS_SUBLINK
        for below in nodes_below(node):
            self.enter(below, outer, exists=exists or found)

    def _statement(self, node: Any, outer: _Scope | None, *, exists: bool) -> None:
        for below in node.with_clause.ctes if "with_clause" in node.DESCRIPTOR.fields_by_name else ():
            self.enter(below, outer)
        scope = _Scope([], outer=outer)
        kind = node.DESCRIPTOR.name
        tops: list[Any] = []
        if kind in ("UpdateStmt", "DeleteStmt"):
            self._source(node.relation, scope)
        if kind in ("SelectStmt", "UpdateStmt"):
            tops = [*node.from_clause]
        elif kind == "DeleteStmt":
            tops = [*node.using_clause]
        conditions: list[Any] = []
        for top in tops:
            self._from(top, scope, conditions)
        self.tables += scope.tables
        if kind in ("SelectStmt", "UpdateStmt", "DeleteStmt") and node.HasField("where_clause"):
            conditions.append(node.where_clause)
        for condition in conditions:
            self._condition(condition, scope, None)
        if kind == "SelectStmt":
            self._order_and_groups(node, scope)
        self._used(node, scope, skip_targets=exists)
        for below in nodes_below(node):
            if below.DESCRIPTOR.name != "WithClause":
                self.enter(below, scope)

    def _from(self, node: Any, scope: _Scope, conditions: list[Any]) -> None:
        kind = node.WhichOneof("node") if node.DESCRIPTOR.name == "Node" else None
        if kind == "range_var":
            self._source(node.range_var, scope)
        elif kind == "join_expr":
            join = node.join_expr
            before = len(scope.tables)
            self._from(join.larg, scope, conditions)
            middle = len(scope.tables)
            self._from(join.rarg, scope, conditions)
            if join.HasField("quals"):
                conditions.append(join.quals)
            for name in (item.string.sval for item in join.using_clause):
                for table in [*scope.tables[before:middle], *scope.tables[middle:]]:
                    if name in table.names:
                        table.conditions.append(Condition("join", quoted(name)))
                        table.used.add(name)
        else:
            scope.opaque = True

    def _source(self, node: Any, scope: _Scope) -> None:
        relation = Relation(node.schemaname or None, node.relname)
        names = None if relation.schema is None and relation.name in self.within else self.columns_of(relation)
        if names is None:
            scope.opaque = True
        else:
            scope.tables.append(_Table(node.alias.aliasname or node.relname, relation, names))

    def _used(self, node: Any, scope: _Scope, *, skip_targets: bool) -> None:
        for below in own_nodes(node, "target_list" if skip_targets else ""):
            if below.DESCRIPTOR.name != "ColumnRef":
                continue
            if found := scope.find(below):
                found[0].used.add(found[1])
            elif below.fields and below.fields[-1].HasField("a_star"):
                names = [item.string.sval for item in below.fields if item.HasField("string")]
                for table in scope.tables:
                    table.star = table.star or not names or table.alias == names[-1]

    def _order_and_groups(self, node: Any, scope: _Scope) -> None:
        targets = [item.res_target for item in node.target_list if item.HasField("res_target")]
        limited = node.HasField("limit_count")
        keys = [(target_of(item.sort_by.node, targets), suffix_of(item.sort_by)) for item in node.sort_clause]
        if not keys:
            distinct = [item for item in node.distinct_clause if item.WhichOneof("node")]
            keys = [(item, "") for item in distinct]
        self._sorted(keys, scope, limited=limited)
        for item in node.group_clause:
            if side := self._side(target_of(item, targets), scope):
                side[0].group.append(side[1])
        for call in [] if node.group_clause or node.sort_clause else calls(node):
            if name_of(call) in ("min", "max") and len(call.args) == 1:
                self._sorted([(call.args[0], "")], scope, limited=True)

    def _sorted(self, keys: Sequence[tuple[Any, str]], scope: _Scope, *, limited: bool) -> None:
        """Take the keys as far as they are of one table."""
        first: _Table | None = None
        for node, suffix in keys:
            side = self._side(node, scope)
            if side is None or (first is not None and side[0] is not first):
                return
            first = side[0]
            first.order.append(Sort(side[1], suffix))
            first.limited = first.limited or limited

    def _condition(self, node: Any, scope: _Scope, arm: dict[int, list[Condition]] | None) -> None:
        """Read a condition and those that AND joins. arm: conditions of one alternative of an OR, by table."""
        kind = node.WhichOneof("node")
        if kind == "bool_expr" and node.bool_expr.boolop == pb.AND_EXPR:
            for below in node.bool_expr.args:
                self._condition(below, scope, arm)
        elif kind == "bool_expr" and node.bool_expr.boolop == pb.OR_EXPR:
            if arm is None:
                self._alternatives(node.bool_expr.args, scope)
        elif kind == "a_expr":
            self._comparison(node, scope, arm)
        elif kind == "null_test":
            self._given(node, node.null_test.arg, "null", scope, arm)
        elif kind == "sub_link" and node.sub_link.sub_link_type == pb.ANY_SUBLINK:
            if side := self._side(node.sub_link.testexpr, scope):
                _take(side[0], Condition("join", side[1]), arm)
        else:
            tested = node
            if kind == "bool_expr":  # NOT
                tested = node.bool_expr.args[0]
            if kind == "boolean_test":
                tested = node.boolean_test.arg
            if tested.WhichOneof("node") == "column_ref":
                self._given(node, tested, "given", scope, arm)

    def _alternatives(self, nodes: Sequence[Any], scope: _Scope) -> None:
        """Read an OR: every alternative asks for an index of its own, joined by bitmaps."""
        for node in nodes:
            arm: dict[int, list[Condition]] = {}
            self._condition(node, scope, arm)
            for table in scope.tables:
                if id(table) in arm:
                    table.arms.append(arm[id(table)])

    def _given(
        self, node: Any, tested: Any, kind: ConditionKind, scope: _Scope, arm: dict[int, list[Condition]] | None
    ) -> None:
        """Take a condition without any value: IS NULL, IS NOT NULL, and a boolean column."""
        if side := self._side(tested, scope):
            null = kind == "null" and node.null_test.nulltesttype == pb.IS_NULL
            _take(side[0], Condition("null" if null else "given", side[1], "is", bare(node)), arm)

    def _comparison(self, node: Any, scope: _Scope, arm: dict[int, list[Condition]] | None) -> None:
        expr = node.a_expr
        operator = str(expr.name[-1].string.sval) if expr.name else "="
        if expr.kind in (pb.AEXPR_BETWEEN, pb.AEXPR_BETWEEN_SYM):
            kind: ConditionKind | None = "range"
        elif expr.kind == pb.AEXPR_OP_ALL:
            return
        else:
            kind = _OPERATORS.get(operator)
        if kind is None or operator.startswith("!~"):
            return
        if expr.lexpr.HasField("row_expr") and expr.rexpr.HasField("row_expr"):
            for mine, other in zip(expr.lexpr.row_expr.args, expr.rexpr.row_expr.args, strict=False):
                self._sides(node, mine, other, kind, operator, scope, arm)
            return
        self._sides(node, expr.lexpr, expr.rexpr, kind, operator, scope, arm)
        if expr.kind == pb.AEXPR_OP:
            flipped = _FLIPPED.get(operator, operator)
            self._sides(node, expr.rexpr, expr.lexpr, kind, flipped, scope, arm)

    def _sides(  # noqa: PLR0917
        self,
        node: Any,
        mine: Any,
        other: Any,
        kind: ConditionKind,
        operator: str,
        scope: _Scope,
        arm: dict[int, list[Condition]] | None,
    ) -> None:
        side = self._side(mine, scope)
        if side is None:
            return
        others = [found[0] for column in columns_in(other) if (found := scope.find(column))]
        if side[0] in others or (kind == "pattern" and operator == "%" and others):
            return
        if others or any(below.DESCRIPTOR.name == "SubLink" for below in (other, *nodes_of(other))):
            kind = "join" if kind == "equal" else kind
        constant = self.literal and not columns_in(other) and is_constant(other)
        alone = kind in ("equal", "given", "range") and constant
        pattern = other.a_const.sval.sval if constant and other.HasField("a_const") else ""
        if kind == "given" and not alone:
            return
        _take(side[0], Condition(kind, side[1], operator, bare(node) if alone else "", pattern), arm)

    def _side(self, node: Any, scope: _Scope) -> tuple[_Table, str] | None:
        """Return the table that all columns of an expression belong to, and the expression without qualifiers."""
        columns = columns_in(node)
        parts = [node, *nodes_of(node)]
        if not columns or any(part.DESCRIPTOR.name in ("SubLink", "ParamRef", "RowExpr") for part in parts):
            return None
        if any(part.DESCRIPTOR.name == "FuncCall" and name_of(part) in _AGGREGATES for part in parts):
            return None
        found = [scope.find(column) for column in columns]
        first = found[0]
        if first is None or any(other is None or other[0] is not first[0] for other in found):
            return None
        return first[0], normal(bare(node))


def _take(table: _Table, condition: Condition, arm: dict[int, list[Condition]] | None) -> None:
    known = table.conditions if arm is None else arm.setdefault(id(table), [])
    if condition not in known:
        known.append(condition)
