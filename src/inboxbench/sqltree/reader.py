"""From a node of libpg_query's tree to a value. Nothing outside of this module sees such a node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from google.protobuf.message import Message
from postgast import pg_query_pb2 as pb

from inboxbench.sqltree.commands import Action, Column, Command, Constraint, References, Relation, Setting

_MODIFYING = frozenset({"insert_stmt", "update_stmt", "delete_stmt", "merge_stmt"})
_KINDS = {
    "index_stmt": "create index",
    "create_stmt": "create table",
    "create_trig_stmt": "create trigger",
    "variable_show_stmt": "show",
    "constraints_set_stmt": "set constraints",
}
_CONSTRAINTS = {
    pb.CONSTR_NULL: "null",
    pb.CONSTR_NOTNULL: "not null",
    pb.CONSTR_DEFAULT: "default",
    pb.CONSTR_IDENTITY: "identity",
    pb.CONSTR_GENERATED: "generated",
    pb.CONSTR_CHECK: "check",
    pb.CONSTR_PRIMARY: "primary key",
    pb.CONSTR_UNIQUE: "unique",
    pb.CONSTR_EXCLUSION: "exclude",
    pb.CONSTR_FOREIGN: "foreign key",
}  # the rest are attributes of the constraint before them, such as DEFERRABLE of a column's
_ENFORCED = (pb.CONSTR_CHECK, pb.CONSTR_FOREIGN)  # alone can be NOT ENFORCED


def read_command(raw: pb.RawStmt, places: Sequence[int]) -> Command:
    """Return a statement of the tree. places: the character of each byte of the text that was parsed."""
    kind = str(raw.stmt.WhichOneof("node"))
    node: Any = getattr(raw.stmt, kind)
    start = places[raw.stmt_location]
    end = places[raw.stmt_location + raw.stmt_len] if raw.stmt_len else places[-1]
    parts: dict[str, Any] = {
        "kind": _KINDS.get(kind, _spaced(kind.removesuffix("_stmt"))),
        "relations": _targets(node, places),
    }
    parts["writes"] = _writes(kind, node)
    if read := _READERS.get(kind):
        parts |= read(node, places)
    return Command(start=start, end=end, **parts)


def read_references(nodes: Iterable[Message], places: Sequence[int]) -> References:
    """Return what the nodes below these name; names of a WITH are no relations."""
    relations: list[Relation] = []
    columns: set[str] = set()
    functions: set[str] = set()
    within: set[str] = set()
    locks = False
    for node in nodes:
        for name, below in _walk(node):
            if name == "RangeVar":
                relations.append(_relation(below, places))
            elif name == "ColumnRef":
                columns.update(_strings(below.fields)[-1:])
            elif name == "FuncCall":
                functions.update(_strings(below.funcname)[-1:])
            elif name == "CommonTableExpr":
                within.add(below.ctename)
            locks = locks or name == "LockingClause"
    named = tuple(relation for relation in relations if relation.schema or relation.name not in within)
    return References(named, frozenset(columns), frozenset(functions), locks)


def _walk(node: Message) -> Iterator[tuple[str, Any]]:
    for description, value in node.ListFields():
        if description.message_type is not None:
            for below in value if description.is_repeated else (value,):
                yield below.DESCRIPTOR.name, below
                yield from _walk(below)


def _spaced(name: str) -> str:
    return name.replace("_", " ").lower()


def _words(enum: Any, number: int, prefix: str) -> str:
    """Return the name of a value: AT_SetNotNull is `set not null`, OBJECT_MATVIEW is `matview`."""
    name = str(enum.Name(number)).removeprefix(prefix)
    if name.isupper():
        return _spaced(name)
    return "".join(f" {sign.lower()}" if sign.isupper() else sign for sign in name).strip()


def _strings(nodes: Iterable[Any]) -> list[str]:
    return [node.string.sval for node in nodes if node.HasField("string")]


def _relation(node: Any, places: Sequence[int]) -> Relation:
    start = places[node.location] if node.location >= 0 else None
    return Relation(node.schemaname or None, node.relname, not node.inh, start)


def _targets(node: Any, places: Sequence[int]) -> tuple[Relation, ...]:
    """Of LOCK, TRUNCATE and VACUUM several."""
    fields = node.DESCRIPTOR.fields_by_name
    if "relation" in fields and fields["relation"].message_type is pb.RangeVar.DESCRIPTOR and node.HasField("relation"):
        return (_relation(node.relation, places),)
    if "relations" in fields:
        return tuple(_relation(item.range_var, places) for item in node.relations if item.HasField("range_var"))
    return ()


def _writes(kind: str, node: Any) -> bool:
    if kind in _MODIFYING:
        return True
    if "with_clause" not in node.DESCRIPTOR.fields_by_name:
        return False
    return any(item.common_table_expr.ctequery.WhichOneof("node") in _MODIFYING for item in node.with_clause.ctes)


def _constraint(node: Any, places: Sequence[int]) -> Constraint:
    keys = _strings(node.fk_attrs) or _strings(node.keys)
    plain = not (node.including or node.nulls_not_distinct or node.indexname or node.options or node.deferrable
                 or node.indexspace)  # fmt: skip
    return Constraint(
        _CONSTRAINTS[node.contype], places[node.location], node.conname or None, tuple(keys),
        valid=not node.skip_validation, enforced=node.is_enforced or node.contype not in _ENFORCED,
        deferrable=node.deferrable, deferred=node.initdeferred, plain=plain,
    )  # fmt: skip


def _column(node: Any, places: Sequence[int]) -> Column:
    written = (item.constraint for item in node.constraints if item.HasField("constraint"))
    constraints = tuple(_constraint(item, places) for item in written if item.contype in _CONSTRAINTS)
    kind = (_strings(node.type_name.names) or [""])[-1]
    return Column(node.colname, kind, places[max(node.location, 0)], constraints)


def _action(node: Any, places: Sequence[int]) -> Action:
    definition = getattr(node, "def")
    column = _column(definition.column_def, places) if definition.HasField("column_def") else None
    constraint = _constraint(definition.constraint, places) if definition.HasField("constraint") else None
    name = node.name or (column.name if column else constraint.name if constraint else None)
    return Action(_words(pb.AlterTableType, node.subtype, "AT_"), name, column, constraint)


def _alter_table(node: Any, places: Sequence[int]) -> dict[str, Any]:
    commands = [item.alter_table_cmd for item in node.cmds]
    actions = tuple(_action(item, places) for item in commands)
    return {
        "kind": f"alter {_words(pb.ObjectType, node.objtype, 'OBJECT_')}",
        "exists": node.missing_ok,
        "actions": actions,
        "columns": tuple(action.column for action in actions if action.column),
        "constraints": tuple(action.constraint for action in actions if action.constraint),
        "cascade": any(command.behavior == pb.DROP_CASCADE for command in commands),
        "concurrently": any(getattr(command, "def").partition_cmd.concurrent for command in commands),
    }


def _create_table(node: Any, places: Sequence[int]) -> dict[str, Any]:
    constraints = (item.constraint for item in node.table_elts if item.HasField("constraint"))
    return {
        "exists": node.if_not_exists,
        "columns": tuple(_column(item.column_def, places) for item in node.table_elts if item.HasField("column_def")),
        "constraints": tuple(_constraint(item, places) for item in constraints if item.contype in _CONSTRAINTS),
        "on_commit": node.oncommit > pb.ONCOMMIT_NOOP,
    }


def _create_table_as(node: Any, places: Sequence[int]) -> dict[str, Any]:
    into = node.into
    return {"relations": (_relation(into.rel, places),), "on_commit": into.on_commit > pb.ONCOMMIT_NOOP}


def _create_index(node: Any, _: Sequence[int]) -> dict[str, Any]:
    return {"name": node.idxname or None, "unique": node.unique, "exists": node.if_not_exists,
            "concurrently": node.concurrent}  # fmt: skip


def _drop(node: Any, _: Sequence[int]) -> dict[str, Any]:
    names = [_strings(item.list.items) for item in node.objects if item.HasField("list")]
    return {
        "kind": f"drop {_words(pb.ObjectType, node.remove_type, 'OBJECT_')}",
        "relations": tuple(Relation(parts[-2] if parts[1:] else None, parts[-1]) for parts in names if parts),
        "exists": node.missing_ok,
        "concurrently": node.concurrent,
        "cascade": node.behavior == pb.DROP_CASCADE,
    }


def _update(node: Any, _: Sequence[int]) -> dict[str, Any]:
    around = node.from_clause or node.HasField("with_clause") or node.HasField("returning_clause")
    narrow = not node.relation.inh or node.relation.HasField("alias") or node.where_clause.HasField("current_of_expr")
    return {
        "assigned": tuple(item.res_target.name for item in node.target_list),
        "where": node.HasField("where_clause"),
        "plain": not around and not narrow,
    }


def _transaction(node: Any, _: Sequence[int]) -> dict[str, Any]:
    return {"kind": _words(pb.TransactionStmtKind, node.kind, "TRANS_STMT_"), "name": node.savepoint_name or None}


def _set(node: Any, _: Sequence[int]) -> dict[str, Any]:
    """TRANSACTION and SESSION CHARACTERISTICS set several parameters under one name, and none that we look for."""
    reset = node.kind in (pb.VAR_RESET, pb.VAR_RESET_ALL)
    value = ", ".join(map(_literal, node.args)) if node.kind == pb.VAR_SET_VALUE else None
    setting = Setting(node.name, value, node.is_local)
    single = node.kind in (pb.VAR_SET_VALUE, pb.VAR_SET_DEFAULT, pb.VAR_RESET)
    kind = "reset" if reset else "set" if single else f"set {node.name.lower() or 'current'}"
    return {"kind": kind, "settings": (setting,) if single else ()}


def _select(node: Any, _: Sequence[int]) -> dict[str, Any]:
    calls = (call.res_target.val.func_call for call in node.target_list if call.res_target.val.HasField("func_call"))
    return {"settings": tuple(_by_call(call) for call in calls if _strings(call.funcname)[-1] == "set_config")}


def _by_call(node: Any) -> Setting:
    """LOCAL unless the third argument says otherwise."""
    name, value, local = (*map(_literal, node.args), "…", "…", "…")[:3]
    return Setting(name, value, local != "false")


def _literal(node: Any) -> str:
    """Return the text of a constant; a placeholder as `$1`, and `…` for what is computed."""
    if node.HasField("type_cast"):
        return _literal(node.type_cast.arg)
    if node.HasField("param_ref"):
        return f"${node.param_ref.number}"
    kind = node.a_const.WhichOneof("val")
    if kind == "boolval":
        return "true" if node.a_const.boolval.boolval else "false"
    return str(getattr(getattr(node.a_const, kind), kind)) if kind else "…"


def _vacuum(node: Any, places: Sequence[int]) -> dict[str, Any]:
    tables = (item.vacuum_relation.relation for item in node.rels)
    return {
        "kind": "vacuum" if node.is_vacuumcmd else "analyze",
        "relations": tuple(_relation(item, places) for item in tables),
        "full": any(option.def_elem.defname == "full" for option in node.options),
    }


def _reindex(node: Any, _: Sequence[int]) -> dict[str, Any]:
    return {"concurrently": any(option.def_elem.defname == "concurrently" for option in node.params)}


_READERS: dict[str, Callable[[Any, Sequence[int]], dict[str, Any]]] = {
    "alter_table_stmt": _alter_table,
    "create_stmt": _create_table,
    "create_table_as_stmt": _create_table_as,
    "drop_stmt": _drop,
    "index_stmt": _create_index,
    "insert_stmt": lambda node, _: {"assigned": tuple(column.res_target.name for column in node.cols)},
    "refresh_mat_view_stmt": lambda node, _: {"concurrently": node.concurrent},
    "reindex_stmt": _reindex,
    "rename_stmt": lambda node, _: {"name": node.newname, "exists": node.missing_ok},
    "select_stmt": _select,
    "transaction_stmt": _transaction,
    "truncate_stmt": lambda node, _: {"cascade": node.behavior == pb.DROP_CASCADE},
    "update_stmt": _update,
    "vacuum_stmt": _vacuum,
    "variable_set_stmt": _set,
}
