"""What each definition of schema.rb makes: tables, indexes, constraints, enums, extensions, in the order of the file.

A definition that is not understood is named with file and line; its table is left out rather than guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inboxbench.errors import UsageError
from inboxbench.files import read_text
from inboxbench.schema.build import Statement
from inboxbench.schema.rails.columns import column, column_sql, literal, quoted
from inboxbench.schema.rails.keys import PARTS, only, singular
from inboxbench.schema.rails.syntax import Call, Misread, Raw, Ruby

_PRECISE_SINCE = 7  # a Rails whose dump leaves out `precision: 6`
_TABLE_OPTIONS = frozenset({
    "id", "primary_key", "force", "comment", "options", "default", "limit", "null", "if_not_exists", "charset",
    "collation", "precision", "scale", "unlogged",
})  # fmt: skip
_REFERENCE_OPTIONS = frozenset({"index", "foreign_key", "polymorphic", "type", "null", "default", "comment", "limit"})


@dataclass
class _Reader:
    """A file under way. precision: of times without one of their own. columns: by table, those seen so far."""

    ruby: Ruby
    source: str
    precision: int | None = None
    statements: list[Statement] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    columns: dict[str, list[str]] = field(default_factory=dict)

    def read(self) -> None:
        """Read every definition of the file. Raises UsageError for a file without any."""
        defined = [call for node in self.ruby.statements if (call := self.ruby.call(node)) and call.method == "define"]
        if not defined or defined[0].block is None:
            raise UsageError(
                f"{self.source}: has no ActiveRecord::Schema.define block; name a schema.rb as `rails db:schema:dump` "
                "writes it"
            )
        version = re.search(r"\[(\d+)", defined[0].receiver)
        self.precision = 6 if version and int(version[1]) >= _PRECISE_SINCE else None
        for node in defined[0].block:
            call = self.ruby.call(node)
            if node.type in ("comment", "heredoc_body"):
                continue
            if call is None or call.method not in _DEFINITIONS:
                text = (node.text or b"").decode().split("\n")[0]
                self.remark(node.start_point[0] + 1, f"`{text[:60]}` is not understood, so what it makes is left out")
                continue
            self.define(call)

    def define(self, call: Call) -> None:
        """Read one definition, all of it or nothing."""
        done = len(self.statements)
        try:
            _DEFINITIONS[call.method](self, call)
        except Misread as problem:
            del self.statements[done:]
            self.remark(problem.line, f"{problem}, so {call.method} {_first(call)} is left out")
            if call.method == "create_table":
                self.columns.pop(_first(call), None)
                self.add(call, "", _first(call), fails=True)

    def remark(self, line: int, what: str) -> None:
        """Note what is left out, with its line."""
        self.remarks.append(f"{self.source}:{line}: {what}")

    def add(self, call: Call, sql: str, table: str = "", *, fails: bool = False) -> None:
        """Add a statement. fails: of a table that could not be read."""
        full = table if "." in table or not table else f"public.{table}"
        self.statements.append(Statement(sql, call.line, full, unread=fails))


def read_schema_rb(path: Path) -> tuple[list[Statement], list[str]]:
    """Return the statements of a schema.rb, and what of it was not understood.

    Raises UsageError for a file that is no Ruby, or holds no schema.
    """
    reader = _Reader(Ruby(read_text(path), str(path)), str(path))
    reader.read()
    return reader.statements, reader.remarks


def _first(call: Call) -> str:
    return str(call.arguments[0]) if call.arguments else ""


def _create_table(reader: _Reader, call: Call) -> None:
    table = call.name()
    only(call, _TABLE_OPTIONS)
    lines = _primary_key(reader, call)
    reader.columns[table] = [re.match(r'"((?:[^"]|"")*)"', line)[1] for line in lines if line.startswith('"')]  # type: ignore[index]
    later: list[Callable[[], None]] = []
    for node in call.block or ():
        member = reader.ruby.call(node)
        if node.type in ("comment", "heredoc_body"):
            continue
        if member is None or not member.receiver:
            text = (node.text or b"").decode().split("\n")[0]
            raise Misread(node.start_point[0] + 1, f"`{text[:60]}` is not understood")
        if made := _member(reader, table, member, later):
            made[0] = "\n" * (member.line - call.line - "".join(lines).count("\n")) + made[0]  # for the server's errors
        lines += made
    options = f" {call.options['options']}" if call.options.get("options") else ""
    kind = "UNLOGGED TABLE" if call.options.get("unlogged") else "TABLE"
    reader.add(call, f"CREATE {kind} {quoted(table)} ({', '.join(lines)}){options}", table)
    for add in later:
        add()


def _primary_key(reader: _Reader, call: Call) -> list[str]:
    """The lines of a table's primary key."""
    kind, names = call.options.get("id", "primary_key"), call.options.get("primary_key", "id")
    if isinstance(names, list):
        return [f"PRIMARY KEY ({', '.join(map(column, names))})"]
    if kind is False:
        return []
    details = dict(kind) if isinstance(kind, dict) else {"type": kind}
    details = {key: call.options[key] for key in ("default", "limit", "precision") if key in call.options} | details
    kind = str(details.pop("type", "primary_key"))
    if kind in ("integer", "bigint") and "default" not in details:
        kind = "serial" if kind == "integer" and details.pop("limit", 4) <= 4 else "bigserial"
    if kind == "uuid":
        details = {"default": Raw("gen_random_uuid()")} | details
    made = Call(call.method, call.line, options=details)
    return [f"{column_sql(made, kind, str(names), precision=reader.precision)} PRIMARY KEY"]


def _member(reader: _Reader, table: str, call: Call, later: list[Callable[[], None]]) -> list[str]:
    """The lines that a call on `t` adds to its table; what stands outside of CREATE TABLE goes to `later`."""
    if call.problem:
        raise call.problem
    if call.method in PARTS:
        later.append(_part(reader, table, call))
        return []
    if call.method == "timestamps":
        options = {"null": False, **call.options}
        made = Call("datetime", call.line, call.receiver, ("created_at", "updated_at"), options)
        return _columns(reader, table, made, "datetime", made.arguments)
    if call.method in ("references", "belongs_to"):
        return _references(reader, table, call, later)
    if call.method == "column":
        return _columns(reader, table, call, call.name(1), call.arguments[:1])
    return _columns(reader, table, call, call.method, call.arguments)


def _part(reader: _Reader, table: str, call: Call) -> Callable[[], None]:
    made = Call(call.method, call.line, call.receiver, (table, *call.arguments), call.options)
    return lambda: _add_part(reader, made)


def _columns(reader: _Reader, table: str, call: Call, kind: str, names: Sequence[Any]) -> list[str]:
    if not names or not all(isinstance(name, str) for name in names):
        raise Misread(call.line, f"t.{call.method} names no column")
    reader.columns[table].extend(names)
    return [column_sql(call, kind, name, precision=reader.precision) for name in names]


def _references(reader: _Reader, table: str, call: Call, later: list[Callable[[], None]]) -> list[str]:
    only(call, _REFERENCE_OPTIONS)
    own = {
        key: value for key, value in call.options.items() if key not in ("index", "foreign_key", "polymorphic", "type")
    }
    lines: list[str] = []
    for name in map(str, call.arguments):
        names = [f"{name}_id"]
        made = Call("references", call.line, options=own)
        if call.options.get("polymorphic"):
            names.insert(0, f"{name}_type")
            lines += _columns(reader, table, made, "string", names[:1])
        lines += _columns(reader, table, made, str(call.options.get("type", "bigint")), names[-1:])
        if (index := call.options.get("index", True)) is not False:
            options = index if isinstance(index, dict) else {}
            later.append(_part(reader, table, Call("index", call.line, "t", (names,), options)))
        if key := call.options.get("foreign_key"):
            options = {"column": names[-1]} | (key if isinstance(key, dict) else {})
            target = str(options.pop("to_table", None) or _plural(reader, name, table, call))
            later.append(_part(reader, table, Call("foreign_key", call.line, "t", (target,), options)))
    return lines


def _plural(reader: _Reader, name: str, table: str, call: Call) -> str:
    """The table of the file that a reference means. Raises Misread when there is none: nothing is guessed."""
    tables = [*reader.columns, table]
    found = next((known for known in tables if name in singular(known)), None)
    if found is None:
        raise Misread(call.line, f"no table above is called after {name!r}; say to_table:")
    return found


def _enum(reader: _Reader, call: Call) -> None:
    values = call.arguments[1] if len(call.arguments) > 1 else call.options.get("values")
    if not isinstance(values, list):
        raise Misread(call.line, "create_enum lists no values")
    reader.add(call, f"CREATE TYPE {quoted(call.name())} AS ENUM ({', '.join(map(literal, values))})")


def _extension(reader: _Reader, call: Call) -> None:
    reader.add(call, f"CREATE EXTENSION IF NOT EXISTS {column(call.name().rpartition('.')[2])}")


def _schema(reader: _Reader, call: Call) -> None:
    reader.add(call, f"CREATE SCHEMA IF NOT EXISTS {column(call.name())}")


def _add_column(reader: _Reader, call: Call) -> None:
    table, name = call.name(), call.name(1)
    text = column_sql(call, call.name(2), name, precision=reader.precision)
    reader.columns.setdefault(table, []).append(name)
    reader.add(call, f"ALTER TABLE {quoted(table)} ADD COLUMN {text}", table)


def _add_part(reader: _Reader, call: Call) -> None:
    table = call.name()
    reader.add(call, PARTS[call.method.removeprefix("add_")](call, reader.columns), table)


_DEFINITIONS: dict[str, Callable[[_Reader, Call], None]] = {
    "create_table": _create_table,
    "create_enum": _enum,
    "create_schema": _schema,
    "enable_extension": _extension,
    "add_column": _add_column,
    **{f"add_{name}": _add_part for name in PARTS},
}
