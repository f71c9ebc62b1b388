"""What a statement reads, locks and writes, as far as its text and the catalogue say: so it is known what commutes.

A cell is a part of a table: the rows in which some columns have given values, or the whole table. Where anything is
not understood (a function that is not immutable, a trigger, a view, DDL), the statement touches everything.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.resources import files
from typing import Any

import psycopg

from inboxbench.database import Connection
from inboxbench.race.explore.statement_parts import changes_within, equals, inserted, nested, only_statement, words_of
from inboxbench.sqltree import Parsed, parse

# A table, or an index of it, and the values of columns that its rows have; no values: all of its rows.
Cell = tuple[str, frozenset[tuple[str, Any]]]
_ALL: frozenset[tuple[str, Any]] = frozenset()


@dataclass(frozen=True, slots=True)
class Footprint:
    """Cells that are read in a snapshot, kept from changing (a foreign key's parent), and locked or written."""

    reads: frozenset[Cell] = frozenset()
    keeps: frozenset[Cell] = frozenset()
    writes: frozenset[Cell] = frozenset()
    everything: bool = False

    def __or__(self, other: Footprint) -> Footprint:
        return Footprint(
            self.reads | other.reads,
            self.keeps | other.keeps,
            self.writes | other.writes,
            self.everything or other.everything,
        )

    @property
    def cells(self) -> frozenset[Cell]:
        return self.reads | self.keeps | self.writes


EVERYTHING = Footprint(everything=True)
NOTHING = Footprint()


def meet(one: frozenset[Cell], other: frozenset[Cell]) -> bool:
    """Return whether two sets of cells may have a row in common."""
    return any(_meet(a, b) for a in one for b in other)


def _meet(one: Cell, other: Cell) -> bool:
    if one[0] != other[0]:
        return False
    values = dict(other[1])
    return all(values.get(column, value) == value for column, value in one[1])


@dataclass(frozen=True, slots=True)
class _Table:
    """plain: has nothing that runs by itself. types: of its columns, None for those whose equality is not that of
    their text. defaults: columns whose default is computed. uniques: columns of each unique index.
    """

    plain: bool
    types: Mapping[str, str | None]
    defaults: frozenset[str]
    uniques: tuple[tuple[str, ...], ...]
    parents: tuple[str, ...]
    children: tuple[str, ...]


_INTEGERS = ("int2", "int4", "int8")
_TEXTS = ("text", "varchar", "uuid")
_CLOCKS = frozenset(
    ("current_timestamp", "current_time", "current_date", "localtime", "localtimestamp", "ctid", "xmin", "xmax")
) | {"cmin", "cmax", "tableoid", "session_user", "current_user"}
_LOCAL = ("savepoint", "release")
_SIMPLE = (int, str, bytes, bool, float, Decimal, dt.date, dt.time, dt.timedelta, uuid.UUID, type(None))
_IMMUTABLE = """
    SELECT proname FROM pg_proc GROUP BY proname
    HAVING bool_and(pronamespace = 'pg_catalog'::regnamespace AND provolatile = 'i')
"""
# Operators, casts and domains that call a function without naming it, which may do anything.
_HIDDEN_CALLS = """
    SELECT FROM pg_operator AS o JOIN pg_proc AS f ON f.oid = o.oprcode
    WHERE o.oprnamespace <> 'pg_catalog'::regnamespace AND f.provolatile = 'v'
    UNION ALL SELECT FROM pg_cast AS c JOIN pg_proc AS f ON f.oid = c.castfunc
    WHERE f.pronamespace <> 'pg_catalog'::regnamespace AND f.provolatile = 'v'
    UNION ALL SELECT FROM pg_constraint AS k JOIN pg_depend AS d ON d.objid = k.oid
    WHERE k.contypid <> 0 AND d.classid = 'pg_constraint'::regclass AND d.refclassid = 'pg_proc'::regclass
"""


class CoarserError(Exception):
    """A table is read as a whole after all, so that rows of it do not count alone: their order may matter."""


@dataclass
class Footprints:
    """Reads statements against one database. coarse: tables that some statement reads without naming rows."""

    control: Connection
    coarse: set[str] = field(default_factory=set)
    _tables: dict[str, _Table] = field(default_factory=dict)
    _immutable: frozenset[str] = frozenset()
    _known: dict[Any, Footprint] = field(default_factory=dict)
    _fine: set[str] = field(default_factory=set)
    _plain: dict[str, bool] = field(default_factory=dict)
    _hidden_calls: bool = True

    def load(self) -> None:
        """Read the catalogue as it is after a reset."""
        query = (files("inboxbench.race.explore") / "footprint.sql").read_text(encoding="utf-8")
        for name, plain, types, defaults, uniques, parents, children in self.control.execute(query.encode()).fetchall():
            known = {column: kind if compared else None for column, (kind, compared) in types.items()}
            table = _Table(
                plain and name not in self._tables,
                known,
                frozenset(defaults),
                tuple(map(tuple, uniques)),
                tuple(parents),
                tuple(children),
            )
            self._tables[name] = table
        self._immutable = frozenset(name for (name,) in self.control.execute(_IMMUTABLE.encode()))
        self._hidden_calls = bool(self.control.execute(_HIDDEN_CALLS.encode()).rowcount)

    def of(self, text: str, parameters: Any) -> Footprint:
        """Return the footprint of a statement with its parameters, as psycopg takes them.

        Raises CoarserError when a table turns out to be read as a whole that was not before.
        """
        key = (text, _key(parameters))
        if key[1] is not None and key in self._known:
            return self._known[key]
        footprint = self._read(text, parameters)
        late = self._fine & self.coarse
        if late:
            self._fine -= late
            self._known.clear()
            raise CoarserError
        if key[1] is not None:
            self._known[key] = footprint
        return footprint

    def is_plain(self, text: str, parameters: Any) -> bool:
        """Return whether a statement reads, locks and writes rows and does nothing else.

        After it a session is what it was before: it has no setting, advisory lock, temporary table or value of a
        sequence more, and it has let go of nothing that another one waits for.
        """
        if text not in self._plain:
            self._plain[text] = not self._hidden_calls and self._does_rows_alone(text, parameters)
        return self._plain[text]

    def _does_rows_alone(self, text: str, parameters: Any) -> bool:
        understood = self._understood(text, parameters)
        if understood is None:
            return False
        kind, target = understood.commands[0].kind, understood.commands[0].target
        if kind == "insert":
            return target is not None and not self._tables[target.name].defaults
        return kind != "select" or not only_statement(understood.text).HasField("into_clause")

    def _read(self, text: str, parameters: Any) -> Footprint:
        words = text.split(None, 1)
        if words and words[0].lower() in _LOCAL and ";" not in text.rstrip().rstrip(";"):
            return NOTHING
        understood = self._understood(text, parameters)
        if understood is None:
            return EVERYTHING
        whole, only, references = understood.text, understood.commands[0], understood.references
        names = sorted({relation.name for relation in references.relations})
        simple = len(references.relations) == 1 and not nested(whole)
        target = only.target.name if only.target is not None else None
        return self._footprint(only.kind, only_statement(whole), names, target, simple, locks=references.locks_rows)

    def _understood(self, text: str, parameters: Any) -> Parsed | None:
        """Return the one statement with its values, read by the parser; None where it may do anything."""
        try:
            whole = psycopg.ClientCursor(self.control).mogrify(text.encode(), parameters) if parameters else text
        except (psycopg.Error, TypeError, ValueError, UnicodeError):
            return None
        parsed = parse(whole)
        only = parsed.only
        if only is None or only.kind not in ("select", "insert", "update", "delete"):
            return None
        references = parsed.references
        names = {relation.name for relation in references.relations}
        unknown = any(name not in self._tables or not self._tables[name].plain for name in names)
        if (
            unknown
            or references.functions - self._immutable
            or _CLOCKS & words_of(whole)
            or changes_within(whole, only.kind)
        ):
            return None
        return parsed

    def _footprint(
        self, kind: str, statement: Any, names: Sequence[str], target: str | None, simple: bool, *, locks: bool
    ) -> Footprint:
        if kind == "select":
            if statement.HasField("into_clause"):
                return EVERYTHING
            cells = frozenset(self._cell(name, statement, simple) for name in names)
            return Footprint(cells, frozenset(), cells if locks else frozenset())
        if target is None or statement is None:
            return EVERYTHING
        table = self._tables[target]
        reads = frozenset(self._cell(name, statement, simple) for name in names if name != target or kind != "insert")
        if kind == "insert":
            return self._insert(target, table, statement, reads)
        written = {node.res_target.name for node in statement.target_list} if kind == "update" else set()
        cell = self._cell(target, statement, simple, written)
        writes = {cell}
        if kind == "delete" or written & {column for unique in table.uniques for column in unique}:
            writes |= {(f"{target}#{number}", _ALL) for number, _ in enumerate(table.uniques)}
        keeps = {(parent, _ALL) for parent in table.parents} if kind == "update" else set()
        child_reads = {(child, _ALL) for child in table.children if kind == "delete" or _in_unique(written, table)}
        return Footprint(reads | {cell}, frozenset(keeps | child_reads), frozenset(writes))

    def _insert(self, target: str, table: _Table, statement: Any, reads: frozenset[Cell]) -> Footprint:
        given = inserted(statement)
        values = {} if given is None else {name: value for name, value in given.items() if value is not None}
        typed = {name: self._value(table, name, value) for name, value in values.items()}
        known = {name: value for name, value in typed.items() if value is not None}
        conflict = statement.HasField("on_conflict_clause")
        single = any(set(known).issuperset(unique) for unique in table.uniques)
        row = frozenset(known.items()) if single and not conflict and target not in self.coarse else _ALL
        if row:
            self._fine.add(target)
        writes: set[Cell] = {(target, row)}
        for number, unique in enumerate(table.uniques):
            whole = all(name in known for name in unique)
            writes.add((f"{target}#{number}", frozenset((name, known[name]) for name in unique) if whole else _ALL))
        if given is None or table.defaults - set(given):
            writes.add((f"{target}#default", _ALL))
        return Footprint(reads, frozenset((parent, _ALL) for parent in table.parents), frozenset(writes))

    def _row(self, name: str, row: frozenset[tuple[str, Any]]) -> frozenset[tuple[str, Any]]:
        """Return the row that a query names, no values where it may be several: then their order matters as well."""
        columns = {column for column, _ in row}
        if name not in self.coarse and any(columns.issuperset(unique) for unique in self._tables[name].uniques):
            self._fine.add(name)
            return row
        self.coarse.add(name)
        return _ALL

    def _cell(self, name: str, statement: Any, simple: bool, written: set[str] | None = None) -> Cell:
        """Return the rows that WHERE picks by equality. written: columns that are set, which pick none for long."""
        table = self._tables[name]
        row = _ALL
        if simple and statement is not None and statement.HasField("where_clause"):
            pairs = ((column, self._value(table, column, value)) for column, value in equals(statement.where_clause))
            row = frozenset((column, value) for column, value in pairs if value is not None)
        return name, frozenset(pair for pair in self._row(name, row) if pair[0] not in (written or ()))

    @staticmethod
    def _value(table: _Table, column: str, value: Any) -> Any:
        """Return a value by which rows are told apart, None where equal values may be written in several ways."""
        kind = table.types.get(column)
        if kind in _INTEGERS:
            try:
                return int(value)
            except ValueError:
                return None
        if kind == "uuid":
            return str(value).lower().replace("-", "").strip("{}")
        return value if kind in _TEXTS and isinstance(value, str) else None


def _in_unique(written: set[str], table: _Table) -> bool:
    return bool(written & {column for unique in table.uniques for column in unique})


def _key(parameters: Any) -> Any:
    """Return parameters as a key that no two different ones share; None for those that have none."""
    if parameters is None:
        return ()
    items = list(parameters.items()) if isinstance(parameters, Mapping) else list(enumerate(parameters))
    if all(isinstance(value, _SIMPLE) for _, value in items):
        return tuple((name, type(value), value) for name, value in items)
    return None
