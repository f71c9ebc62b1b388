"""A reference: columns, keys, indexes and validations of a product's schema as TOML, `schema/reference/NAME.toml`.

`ours` names the part of the project's own schema that answers one of the reference; docs/reference/file-formats.md has
the format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from inboxbench.documents import check_table, read_toml
from inboxbench.errors import UsageError, kind_of, unknown
from inboxbench.schema.build import Statement, build, extensions_for
from inboxbench.schema.model import Mapped, Schema, Validation
from inboxbench.server import Server
from inboxbench.sqltree import tokens

_TOP = frozenset({"product", "version", "tables"})
_TABLE = {"ours": str, "primary_key": list}
_PARTS = frozenset({"columns", "indexes", "validations"})
_COLUMN = {"type": str, "null": bool, "default": str, "ours": str, "why": str}
_INDEX = {
    **dict.fromkeys(("name", "method", "where", "operators", "ours", "differs", "why"), str),
    **{"on": list, "unique": bool},
}
_VALIDATION = dict.fromkeys(("name", "on", "rule", "ours", "why"), str)
_SERIAL = {"integer": "serial", "bigint": "bigserial", "smallint": "smallserial"}
_WORDS = re.compile(r"[a-z_]+\(.*\)|CURRENT_[A-Z]+|now\(\)", re.DOTALL)


def read_reference(server: Server, path: Path) -> Schema:
    """Return a reference as PostgreSQL normalises it. Raises UsageError naming the file and key that is wrong."""
    document = read_toml(path)
    if odd := document.keys() - _TOP:
        raise unknown("key", min(odd), _TOP, where=str(path))
    tables = check_table(document.get("tables", {}), None, f"{path} [tables]")
    statements = [s for name, table in tables.items() for s in _statements(path, name, table)]
    schema = build(server, [*extensions_for(statements), *statements], source=str(path))
    checked = [
        replace(table, validations=list(_validations(f"{path} [tables.{table.name}]", tables[table.name])))
        for table in schema.tables
    ]
    mapped = {name: _mapped(table) for name, table in tables.items() if "ours" in table}
    label = " ".join(str(document[key]) for key in ("product", "version") if key in document) or path.stem
    return replace(schema, label=label, tables=checked, mapped=mapped)


def _checked(value: Any, keys: Mapping[str, type], needed: Sequence[str], where: str) -> dict[str, Any]:
    """Return a table that has what it needs. Raises UsageError that begins with `where`."""
    table = check_table(value, keys, where)
    for key in needed:
        if key not in table:
            raise UsageError(f"{where} {key}: missing")
    return table


def _entries(table: Mapping[str, Any], key: str, where: str) -> list[Any]:
    entries = table.get(key, [])
    if not isinstance(entries, list):
        raise UsageError(f"{where} {key}: expected a list of tables, found {kind_of(entries)}")
    return entries


def _statements(path: Path, name: str, table: Any) -> Iterator[Statement]:
    where = f"{path} [tables.{name}]"
    check_table(
        {key: value for key, value in check_table(table, None, where).items() if key not in _PARTS}, _TABLE, where
    )
    if "columns" not in table:
        raise UsageError(f"{where} columns: missing")
    columns = check_table(table["columns"], None, f"{where} columns")
    lines = [_column(f"{where} columns.{column}", column, spec) for column, spec in columns.items()]
    if key := table.get("primary_key"):
        lines.append(f"PRIMARY KEY ({', '.join(map(tokens.quoted, key))})")
    full = f"public.{name}"
    yield Statement(f"CREATE TABLE {tokens.quoted(name)} ({', '.join(lines)})", 1, full)
    for number, index in enumerate(_entries(table, "indexes", where), 1):
        yield Statement(_index(f"{where} indexes, number {number}", name, index), 1, full)


def _column(where: str, name: str, spec: Any) -> str:
    kind, default = _checked(spec, _COLUMN, ("type",), where)["type"], spec.get("default")
    if default == "sequence":
        if kind not in _SERIAL:
            raise UsageError(f"{where} default: a sequence is of {', '.join(_SERIAL)}, not of {kind}")
        return f"{tokens.quoted(name)} {_SERIAL[kind]} NOT NULL"
    value = "'" + str(default).replace("'", "''") + "'"
    value = str(default) if _WORDS.fullmatch(str(default)) else value
    clause = "" if default is None else f" DEFAULT {value}"
    return f"{tokens.quoted(name)} {kind}{clause}{'' if spec.get('null', True) else ' NOT NULL'}"


def _index(where: str, table: str, index: Any) -> str:
    name, terms = (_checked(index, _INDEX, ("name", "on"), where)[key] for key in ("name", "on"))
    operators = f" {index['operators']}" if "operators" in index else ""
    keys = ", ".join(f"{term}{operators}" for term in terms)
    condition = f" WHERE {index['where']}" if "where" in index else ""
    kind = "UNIQUE INDEX" if index.get("unique") else "INDEX"
    method = index.get("method", "btree")
    return f"CREATE {kind} {tokens.quoted(name)} ON {tokens.quoted(table)} USING {method} ({keys}){condition}"


def _validations(where: str, table: Mapping[str, Any]) -> Iterator[Validation]:
    for number, entry in enumerate(_entries(table, "validations", where), 1):
        rule = _checked(entry, _VALIDATION, ("name", "rule"), f"{where} validations, number {number}")
        yield Validation(rule["name"], rule.get("on", ""), rule["rule"])


def _mapped(table: Mapping[str, Any]) -> Mapped:
    columns = dict(table.get("columns", {}))
    indexes, rules = ({entry["name"]: entry for entry in table.get(key, ())} for key in ("indexes", "validations"))

    def said(entries: Mapping[str, Any], key: str) -> dict[str, str]:
        return {name: entry[key] for name, entry in entries.items() if key in entry}

    ours = [said(entries, "ours") for entries in (columns, indexes, rules)]
    why = said({**columns, **indexes, **rules}, "why")
    return Mapped(table["ours"], ours[0], ours[1], ours[2], said(indexes, "differs"), why)
