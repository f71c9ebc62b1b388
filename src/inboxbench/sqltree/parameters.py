"""What the placeholders of a statement ($1, $2 …) stand for: a value of which column, or a limit.

A statement of `pg_stat_statements` has a placeholder in the place of each constant; what was there is lost, and the
place is all that says which values are possible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import postgast
from google.protobuf.message import DecodeError, Message
from postgast import pg_query_pb2 as pb

from inboxbench.sqltree.commands import Relation
from inboxbench.sqltree.tokens import placeholders, scan

UseKind = Literal[
    "compared", "member", "pattern", "search", "contains", "element", "key", "assigned", "limit", "offset", "unit",
    "configuration", "format", "count", "zone",
]  # fmt: skip

_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_KINDS: dict[str, UseKind] = {
    **dict.fromkeys(("=", "<", "<=", ">", ">=", "<>", "!="), "compared"),
    **dict.fromkeys(("~~", "~~*", "!~~", "!~~*", "~", "~*", "^@", "%", "<%", "%>"), "pattern"),
    **dict.fromkeys(("@@", "@@@"), "search"),
    **dict.fromkeys(("@>", "<@", "&&", "?", "?|", "?&", "-|-"), "contains"),
}
_PATHS = frozenset({"->", "->>", "#>", "#>>"})
_QUERY_OF_WORDS = ("to_tsvector", "to_tsquery", "plainto_tsquery", "phraseto_tsquery", "websearch_to_tsquery")
# Arguments that are words of SQL rather than data: by function, how many arguments, and which of them.
_WORDS: dict[str, tuple[UseKind, int, int]] = {
    "date_trunc": ("unit", 2, 0),
    "date_part": ("unit", 2, 0),
    "extract": ("unit", 2, 0),
    "to_char": ("format", 2, 1),
    "timezone": ("zone", 2, 0),  # AT TIME ZONE
    **dict.fromkeys(_QUERY_OF_WORDS, ("configuration", 2, 0)),
}
_SUBSTRING = 3  # arguments of substring(text, from, for)
_STATEMENTS = frozenset({"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"})


@dataclass(frozen=True, slots=True)
class Origin:
    """A relation of a FROM clause under the name by which the statement calls it."""

    alias: str
    relation: Relation


@dataclass(frozen=True, slots=True)
class Use:
    """What one placeholder is used for.

    operator: of a comparison, the column on its left. expression: the SQL of the column's side. column: its name (None
    where the expression has several, or an INSERT names no columns: then `place` counts them from 0). origins: the
    relations that the column can belong to, nearest first. direct: the placeholder stands there itself, or under a
    cast, and not within an expression. place: which of an IN list or of the placeholders of one
    side, from 0; -1: an array. row: which row of VALUES, from 0; of a side, how many placeholders it has.
    """

    number: int
    kind: UseKind
    operator: str = "="
    expression: str = ""
    column: str | None = None
    origins: tuple[Origin, ...] = ()
    direct: bool = True
    place: int = 0
    row: int = 0


@dataclass(slots=True)
class _Scope:
    """Relations of one SELECT or of a statement that changes rows, and of those around it."""

    origins: tuple[Origin, ...]
    outer: _Scope | None = None

    def all(self) -> tuple[Origin, ...]:
        return (*self.origins, *(self.outer.all() if self.outer else ()))

    def named(self, qualifier: str) -> tuple[Origin, ...]:
        return tuple(origin for origin in self.all() if origin.alias == qualifier)[:1]


@dataclass(slots=True)
class _Uses:
    """Walks a tree and collects the first use of each placeholder."""

    within: frozenset[str] = frozenset()
    everything: tuple[Origin, ...] = ()
    found: dict[int, Use] = field(default_factory=dict)

    def take(self, use: Use) -> None:
        self.found.setdefault(use.number, use)

    def visit(self, node: Any, scope: _Scope | None) -> None:
        name = node.DESCRIPTOR.name
        if name in _STATEMENTS:
            scope = _Scope(tuple(self._origins(node, name)), scope)
            self._statement(node, name, scope)
        elif name == "A_Expr" and scope:
            self._comparison(node, scope)
        for below in _below(node):
            self.visit(below, scope)

    def _origins(self, node: Any, name: str) -> Iterator[Origin]:
        tops: list[Any] = [*node.from_clause] if name in ("SelectStmt", "UpdateStmt") else []
        if name == "DeleteStmt":
            tops += node.using_clause
        if name == "MergeStmt":
            tops.append(node.source_relation)
        if name != "SelectStmt":
            yield _origin(node.relation)
        for top in tops:
            yield from (_origin(item) for item in _tables(top) if self.is_table(item))

    def is_table(self, node: Any) -> bool:
        """Return whether a name of FROM is a relation, and not that of a WITH."""
        return bool(node.schemaname) or node.relname not in self.within

    def words_of(self, node: Any) -> None:
        """Note the placeholders of a call that stand for words of SQL."""
        kind, count, place = _WORDS.get(node.funcname[-1].string.sval, ("unit", -1, 0))
        number = _direct(node.args[place]) if len(node.args) == count else None
        if number is not None:
            self.take(Use(number, kind))
        if node.funcname[-1].string.sval == "substring" and len(node.args) == _SUBSTRING:
            for argument in node.args[1:]:
                if (number := _direct(argument)) is not None:
                    self.take(Use(number, "count"))

    def _statement(self, node: Any, name: str, scope: _Scope) -> None:
        if name == "SelectStmt":
            for number in _numbers(node.limit_count):
                self.take(Use(number, "limit"))
            for number in _numbers(node.limit_offset):
                self.take(Use(number, "offset"))
        elif name == "InsertStmt":
            self._inserted(node, scope)
            self._assigned(node.on_conflict_clause.target_list, scope)
        elif name == "UpdateStmt":
            self._assigned(node.target_list, scope)

    def _inserted(self, node: Any, scope: _Scope) -> None:
        names = [item.res_target.name for item in node.cols]
        select = node.select_stmt.select_stmt
        lists = [values.list.items for values in select.values_lists]
        lists = lists or [[target.res_target.val for target in select.target_list]]
        for row, values in enumerate(lists):
            for place, value in enumerate(values):
                number = _direct(value)
                if number is not None and (not names or place < len(names)):
                    column = names[place] if names else None
                    self.take(Use(number, "assigned", "", "", column, scope.origins[:1], True, place, row))

    def _assigned(self, targets: Sequence[Any], scope: _Scope) -> None:
        for target in targets:
            number = _direct(target.res_target.val)
            if number is not None:
                self.take(Use(number, "assigned", "", "", target.res_target.name, scope.origins[:1]))

    def _comparison(self, node: Any, scope: _Scope) -> None:
        operator = str(node.name[-1].string.sval) if node.name else "="
        left, right = node.lexpr, node.rexpr
        if node.kind in (pb.AEXPR_BETWEEN, pb.AEXPR_BETWEEN_SYM) and len(right.list.items) == 2:
            self._pair(left, right.list.items[0], ">=", scope)
            self._pair(left, right.list.items[1], "<=", scope)
        elif node.kind == pb.AEXPR_IN:
            for place, item in enumerate(right.list.items):
                self._sides(left, item, "member", operator, scope, place)
        elif node.kind in (pb.AEXPR_OP_ANY, pb.AEXPR_OP_ALL):
            if _numbers(left) and _columns(right):
                self._sides(right, left, "element", operator, scope)
            else:
                self._sides(left, right, "member", operator, scope, -1)
        elif left.HasField("row_expr") and right.HasField("row_expr"):
            for one_side, other in zip(left.row_expr.args, right.row_expr.args, strict=False):
                self._pair(one_side, other, operator, scope)
        elif operator in _PATHS:
            self._sides(left, right, "key", operator, scope)
        else:
            self._pair(left, right, operator, scope)

    def _pair(self, left: Any, right: Any, operator: str, scope: _Scope) -> None:
        if operator not in _KINDS:
            return
        if _columns(left) and not _columns(right):
            self._sides(left, right, _KINDS[operator], operator, scope)
        elif _columns(right) and not _columns(left):
            self._sides(right, left, _KINDS[operator], _FLIPPED.get(operator, operator), scope)

    def _sides(  # noqa: PLR0917  (two nodes and what is known of them)
        self, columns: Any, value: Any, kind: UseKind, operator: str, scope: _Scope, place: int = 0
    ) -> None:
        """Note what `value` has of placeholders as used with the side that has the columns."""
        names = _columns(columns)
        if not names or _columns(value):
            return
        origins = scope.named(names[0][0]) if names[0][0] else scope.all()
        column = names[0][1] if len(set(names)) == 1 else None
        numbers = [number for number in _numbers(value) if number not in self.found]
        for count, number in enumerate(numbers):
            direct = _direct(value) == number
            at = place if direct or kind != "pattern" else count
            origins = (*origins, *self.everything)
            self.take(Use(number, kind, operator, _sql(columns), column, origins, direct, at, len(numbers)))


def uses(text: str) -> dict[int, Use]:
    """Return what each placeholder of a statement is used for, by its number, as far as it is known."""
    try:
        tree = postgast.parse(text)
    except (postgast.PgQueryError, DecodeError, UnicodeEncodeError):
        return {}
    walk = _Uses(frozenset(node.ctename for node in _nodes(tree, "CommonTableExpr")))
    walk.everything = tuple(_origin(node) for node in _nodes(tree, "RangeVar") if walk.is_table(node))
    for call in _nodes(tree, "FuncCall"):
        walk.words_of(call)
    for statement in tree.stmts:
        walk.visit(statement.stmt, None)
    return walk.found


def same_groups(text: str) -> dict[int, int]:
    """Return which placeholders have to be one so that a GROUP BY fits the columns: number → the number to use.

    What a client sent as `SELECT trunc(x, 2) … GROUP BY trunc(x, 2)` has two placeholders where one value was.
    """
    merged: dict[int, int] = {}
    for select in _nodes(postgast.parse(text), "SelectStmt"):
        groups = {_sql(node, blank=True): _numbers(node) for node in select.group_clause if _numbers(node)}
        others = [target.res_target.val for target in select.target_list]
        others += [item.sort_by.node for item in select.sort_clause]
        for node in [below for other in others for below in (other, *_every(other))]:
            wanted = groups.get(_sql(node, blank=True)) if node.DESCRIPTOR.name == "Node" and _numbers(node) else None
            merged |= dict(zip(_numbers(node), wanted, strict=True)) if wanted else {}
    return {number: target for number, target in merged.items() if number != target}


def _origin(node: Any) -> Origin:
    return Origin(node.alias.aliasname or node.relname, Relation(node.schemaname or None, node.relname))


def _below(node: Message) -> Iterator[Any]:
    for description, value in node.ListFields():
        if description.message_type is not None:
            yield from value if description.is_repeated else (value,)


def _every(node: Message) -> Iterator[Any]:
    for below in _below(node):
        yield below
        yield from _every(below)


def _nodes(node: Message, name: str) -> Iterator[Any]:
    return (below for below in _every(node) if below.DESCRIPTOR.name == name)


def _tables(node: Any) -> Iterator[Any]:
    """Yield the relations of an item of FROM, those of joins among them, but none of a sub-select."""
    if node.DESCRIPTOR.name == "RangeVar":
        yield node
    elif node.DESCRIPTOR.name not in ("RangeSubselect", "SubLink"):
        for below in _below(node):
            yield from _tables(below)


def _numbers(node: Any) -> list[int]:
    return list(dict.fromkeys(below.number for below in _nodes(node, "ParamRef")))


def _columns(node: Any) -> list[tuple[str | None, str]]:
    """Return the columns of an expression, each with its qualifier; none of a sub-select's."""
    if node.DESCRIPTOR.name == "ColumnRef":
        parts = [item.string.sval for item in node.fields if item.HasField("string")]
        return [(parts[-2] if parts[1:] else None, parts[-1])] if parts else []
    if node.DESCRIPTOR.name == "SubLink":
        return []
    return [name for below in _below(node) for name in _columns(below)]


def _direct(node: Any) -> int | None:
    """Return the number of a placeholder that stands alone or under casts."""
    while node.HasField("type_cast"):
        node = node.type_cast.arg
    return int(node.param_ref.number) if node.HasField("param_ref") else None


def _sql(node: Any, *, blank: bool = False) -> str:
    """Return an expression as SQL. blank: all placeholders alike."""
    tree = postgast.parse("SELECT 1")
    target = tree.stmts[0].stmt.select_stmt.target_list[0].res_target.val
    if node.DESCRIPTOR.name != "Node":
        return ""
    target.CopyFrom(node)
    if blank:
        for below in _nodes(target, "ParamRef"):
            below.number = 1
    try:
        return str(postgast.deparse(tree)).removeprefix("SELECT ")
    except postgast.PgQueryError:
        return ""


def renumbered(text: str, merged: Mapping[int, int]) -> str:
    """Return the text with placeholders replaced by others, and the rest of them numbered from 1 without gaps."""
    kept = sorted({merged.get(int(number), int(number)) for number in placeholders(text)})
    names = {number: place for place, number in enumerate(kept, 1)}
    pieces, end = [], 0
    for token in scan(text, comments=True):
        if token.kind == "parameter":
            number = int(token.text[1:])
            pieces += [text[end : token.start], f"${names[merged.get(number, number)]}"]
            end = token.end
    return "".join(pieces) + text[end:]
