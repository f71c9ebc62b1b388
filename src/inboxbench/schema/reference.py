"""A reference: columns, keys, indexes and validations of a product's schema as TOML, `schema/reference/NAME.toml`.

`ours` names the part of the project's own schema that answers one of the reference; docs/reference/file-formats.md has
the format.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from inboxbench.errors import UsageError, unknown
from inboxbench.schema.build import Statement, build, extensions_for
from inboxbench.schema.model import Mapped, Schema, Validation
from inboxbench.server import Server
from inboxbench.sqlfile import read_text
from inboxbench.sqltree import tokens

_TOP = frozenset({"product", "version", "tables"})
_TABLE = frozenset({"ours", "columns", "indexes", "validations", "primary_key"})
_COLUMN = frozenset({"type", "null", "default", "ours", "why"})
_INDEX = frozenset({"name", "on", "unique", "method", "where", "operators", "ours", "differs", "why"})
_VALIDATION = frozenset({"name", "on", "rule", "ours", "why"})
_SERIAL = {"integer": "serial", "bigint": "bigserial", "smallint": "smallserial"}
_WORDS = re.compile(r"[a-z_]+\(.*\)|CURRENT_[A-Z]+|now\(\)", re.DOTALL)


def read_reference(server: Server, path: Path) -> Schema:
    """Return a reference as PostgreSQL normalises it. Raises UsageError naming the file and key that is wrong."""
    try:
        document = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: cannot be read as TOML: {error}") from error
    _known(document, _TOP, f"{path}")
    tables = _of_kind(document.get("tables", {}), dict, f"{path} [tables]")
    statements = [s for name, table in tables.items() for s in _statements(path, name, table)]
    schema = build(server, [*extensions_for(statements), *statements], source=str(path))
    checked = [replace(t, validations=list(_validations(tables[t.name]))) for t in schema.tables]
    mapped = {name: _mapped(table) for name, table in tables.items() if "ours" in table}
    label = " ".join(str(document[key]) for key in ("product", "version") if key in document) or path.stem
    return replace(schema, label=label, tables=checked, mapped=mapped)


def _known(table: Mapping[str, Any], keys: frozenset[str], where: str) -> None:
    for key in table:
        if key not in keys:
            raise unknown("key", key, keys, where=where)


def _of_kind(value: Any, kind: type, where: str) -> Any:
    if not isinstance(value, kind):
        raise UsageError(f"{where}: expected {'a table' if kind is dict else kind.__name__}, found {value!r}")
    return value


def _value(table: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    if key not in table:
        raise UsageError(f"{where} {key}: missing")
    return _of_kind(table[key], kind, f"{where} {key}")


def _statements(path: Path, name: str, table: Any) -> Iterator[Statement]:
    where = f"{path} [tables.{name}]"
    _known(_of_kind(table, dict, where), _TABLE, where)
    columns = _value(table, "columns", dict, where)
    lines = [_column(f"{where} columns.{column}", column, spec) for column, spec in columns.items()]
    if key := table.get("primary_key"):
        lines.append(f"PRIMARY KEY ({', '.join(map(tokens.quoted, _of_kind(key, list, f'{where} primary_key')))})")
    full = f"public.{name}"
    yield Statement(f"CREATE TABLE {tokens.quoted(name)} ({', '.join(lines)})", 1, full)
    for number, index in enumerate(_of_kind(table.get("indexes", []), list, f"{where} indexes"), 1):
        yield Statement(_index(f"{where} indexes, number {number}", name, index), 1, full)


def _column(where: str, name: str, spec: Any) -> str:
    _known(_of_kind(spec, dict, where), _COLUMN, where)
    kind, default = _value(spec, "type", str, where), spec.get("default")
    if default == "sequence":
        if kind not in _SERIAL:
            raise UsageError(f"{where} default: a sequence is of {', '.join(_SERIAL)}, not of {kind}")
        return f"{tokens.quoted(name)} {_SERIAL[kind]} NOT NULL"
    value = "'" + str(default).replace("'", "''") + "'"
    value = str(default) if _WORDS.fullmatch(str(default)) else value
    clause = "" if default is None else f" DEFAULT {value}"
    return f"{tokens.quoted(name)} {kind}{clause}{'' if spec.get('null', True) else ' NOT NULL'}"


def _index(where: str, table: str, index: Any) -> str:
    _known(_of_kind(index, dict, where), _INDEX, where)
    name, terms = _value(index, "name", str, where), _value(index, "on", list, where)
    operators = f" {index['operators']}" if "operators" in index else ""
    keys = ", ".join(f"{term}{operators}" for term in terms)
    condition = f" WHERE {index['where']}" if "where" in index else ""
    kind = "UNIQUE INDEX" if index.get("unique") else "INDEX"
    method = index.get("method", "btree")
    return f"CREATE {kind} {tokens.quoted(name)} ON {tokens.quoted(table)} USING {method} ({keys}){condition}"


def _validations(table: Mapping[str, Any]) -> Iterator[Validation]:
    for entry in table.get("validations", ()):
        where = f"validations of {table.get('ours', 'a table')}"
        _known(entry, _VALIDATION, where)
        yield Validation(_value(entry, "name", str, where), entry.get("on", ""), _value(entry, "rule", str, where))


def _mapped(table: Mapping[str, Any]) -> Mapped:
    columns = dict(table.get("columns", {}))
    indexes, rules = ({entry["name"]: entry for entry in table.get(key, ())} for key in ("indexes", "validations"))

    def said(entries: Mapping[str, Any], key: str) -> dict[str, str]:
        return {name: entry[key] for name, entry in entries.items() if key in entry}

    ours = [said(entries, "ours") for entries in (columns, indexes, rules)]
    why = said({**columns, **indexes, **rules}, "why")
    return Mapped(table["ours"], ours[0], ours[1], ours[2], said(indexes, "differs"), why)
