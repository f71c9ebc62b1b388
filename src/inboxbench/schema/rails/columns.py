"""Columns and literals of schema.rb as SQL, as the PostgreSQL adapter of Rails spells them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from inboxbench.schema.rails.syntax import Call, Misread, Raw

_TYPES = {
    "string": "character varying",
    "binary": "bytea",
    "float": "double precision",
    "decimal": "numeric",
    "datetime": "timestamp",
    "bit_varying": "bit varying",
    "primary_key": "bigserial",
}
_WITH_LIMIT = frozenset({"string", "bit", "bit_varying", "vector", "halfvec", "char"})
_WITH_PRECISION = frozenset({"datetime", "timestamp", "timestamptz", "time", "timetz", "interval"})
_PRECISE = frozenset({"datetime", "timestamp", "timestamptz"})
# What a column may say, and what of it makes no difference to the database.
_OPTIONS = frozenset({
    "null", "default", "limit", "precision", "scale", "array", "collation", "comment", "enum_type", "type", "as",
    "stored", "if_not_exists", "primary_key", "default_function", "unique",
})  # fmt: skip


def quoted(name: str) -> str:
    """A name as SQL has it; `app.orders` is a table of a schema."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def column(name: str) -> str:
    """The name of a column, in which a dot is a dot."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: Any, *, array: bool = False) -> str:
    """A default as SQL. array: of a column that is an array."""
    if isinstance(value, Raw):
        return value.sql
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and array:
        value = _array(value)
    elif isinstance(value, list | dict):
        value = json.dumps(value)
    return "'" + str(value).replace("'", "''") + "'"


def _array(values: list[Any]) -> str:
    return "{" + ",".join(_array(v) if isinstance(v, list) else _element(v) for v in values) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def column_sql(call: Call, kind: str, name: str, *, precision: int | None) -> str:
    """Return a column's definition. kind: as Rails calls it. precision: of a time whose column names none.

    Raises Misread for an option that is not understood.
    """
    options = call.options
    if odd := sorted(options.keys() - _OPTIONS):
        raise Misread(call.line, f"option {odd[0]}: of column {name!r} is not understood")
    parts = [column(name), type_sql(call, kind, options, precision=precision)]
    if options.get("collation"):
        parts.append(f"COLLATE {quoted(str(options['collation']))}")
    if kind == "virtual":
        parts.append(f"GENERATED ALWAYS AS ({options.get('as')}) {'STORED' if options.get('stored') else 'VIRTUAL'}")
    elif options.get("default") is not None:
        parts.append(f"DEFAULT {literal(options['default'], array=bool(options.get('array')))}")
    if options.get("null") is False:
        parts.append("NOT NULL")
    return " ".join(parts)


def type_sql(call: Call, kind: str, options: Mapping[str, Any], *, precision: int | None) -> str:
    """Return a type with its modifiers. Raises Misread for one that names none."""
    if kind == "enum":
        if not options.get("enum_type"):
            raise Misread(call.line, "a column t.enum says no enum_type:")
        text = quoted(str(options["enum_type"]))
    elif kind == "virtual":
        if not options.get("as") or not options.get("type"):
            raise Misread(call.line, "a column t.virtual needs type: and as:")
        text = type_sql(call, str(options["type"]), {**options, "array": None}, precision=precision)
    else:
        text = _plain(call, kind, options, precision)
    return f"{text}[]" if options.get("array") else text


def _plain(call: Call, kind: str, options: Mapping[str, Any], precision: int | None) -> str:
    limit = options.get("limit")
    if limit is not None and not isinstance(limit, int):
        raise Misread(call.line, f"limit: {limit!r} is no number")
    if kind in ("integer", "bigint"):
        return _integer(call, kind, limit)
    if kind == "float" and limit:
        return f"float({limit})"
    base = _TYPES.get(kind, kind)
    if kind in ("decimal", "numeric") and options.get("precision"):
        scale = f", {options['scale']}" if options.get("scale") is not None else ""
        return f"{base}({options['precision']}{scale})"
    if kind in _WITH_PRECISION:
        given = options.get("precision", precision if kind in _PRECISE else None)
        return base if given is None else f"{base}({given})"
    return f"{base}({limit})" if limit and kind in _WITH_LIMIT else base


def _integer(call: Call, kind: str, limit: int | None) -> str:
    if limit is None:
        return kind
    if not 1 <= limit <= 8:
        raise Misread(call.line, f"no integer of PostgreSQL has limit: {limit}")
    return "smallint" if limit <= 2 else "integer" if limit <= 4 else "bigint"
