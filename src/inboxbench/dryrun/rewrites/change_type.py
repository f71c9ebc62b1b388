"""Another type for a column without a long lock: a second column that takes over all that hangs on the first one.

Expand (a column kept alike by a trigger, filled in batches, with its NOT NULL, indexes and constraints made beside the
traffic), then contract: one short transaction that exchanges names, defaults, keys and sequences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from inboxbench.dryrun.rewrites.operation import NAME, Operation
from inboxbench.dryrun.rewrites.sql_parts import batches, made_name, not_null
from inboxbench.dryrun.rewrites.steps import Step, Steps

_INDEX = re.compile(
    r"CREATE (?P<unique>UNIQUE )?INDEX .+? ON (?P<table>.+?) USING (?P<method>\w+) (?P<rest>.+)", re.DOTALL
)
_FOREIGN_KEY = re.compile(r"(FOREIGN KEY \()([^)]+)(\) REFERENCES .+)")
_LITERAL = re.compile(r"('(?:[^']|'')*')")
_UNCHECKED = re.compile(r" NOT (VALID|ENFORCED)$")
_WHOLE = ("smallint", "integer", "bigint")


@dataclass(frozen=True, slots=True)
class Index:
    """name and schema as they are to be written; definition as pg_get_indexdef gives it."""

    name: str
    schema: str
    definition: str


@dataclass(frozen=True, slots=True)
class Constraint:
    """kind as pg_constraint writes it (p, u, f, c); index: the definition of the one that it owns."""

    name: str
    kind: str
    definition: str
    index: str | None = None


@dataclass(frozen=True, slots=True)
class Dependents:
    """What hangs on a column, as the server spells it.

    name: of the column, quoted where it must be; default: its expression; identity: ALWAYS or BY DEFAULT; sequence:
    the one that it owns, with its schema; obstacles: what cannot be handed over to another column.
    """

    name: str = ""
    required: bool = False
    default: str | None = None
    identity: str | None = None
    sequence: str | None = None
    indexes: tuple[Index, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    obstacles: tuple[str, ...] = ()

    @property
    def built(self) -> list[str]:
        """Definitions of all indexes, those of constraints too."""
        return [one.definition for one in self.indexes] + [one.index for one in self.constraints if one.index]

    @classmethod
    def read(cls, found: Mapping[str, Any]) -> Dependents:
        """From a row of dependents.sql."""
        lists = {
            "indexes": tuple(Index(**one) for one in found["indexes"]),
            "constraints": tuple(Constraint(**one) for one in found["constraints"]),
            "obstacles": tuple(found["obstacles"]),
        }
        return cls(**{**found, **lists})


def retype(one: Operation, key: str, has: Dependents | None) -> Steps | None:
    """None where something on the column cannot be handed over; has None: nothing is known to hang on it."""
    if has and (has.obstacles or not all(map(_INDEX.fullmatch, has.built))):
        return None
    swap = _Swap(one, has or Dependents(), made_name("", one.column, "new"), made_name("", one.column, "old"))
    return (*swap.expand(key), *swap.contract())


@dataclass(frozen=True, slots=True)
class _Swap:
    one: Operation
    has: Dependents
    new: str
    old: str

    def expand(self, key: str) -> Iterator[Step]:
        one, table = self.one, self.one.table
        value = one.using or one.column  # an assignment: a cast would cut what is too long without a word
        lacking = f"{self.new} IS NULL" + ("" if one.using else f" AND {one.column} IS NOT NULL")
        yield Step(f"ALTER TABLE {table} ADD COLUMN {self.new} {one.type}", alone=True)
        yield Step(f"CREATE FUNCTION {self.function}() RETURNS trigger LANGUAGE plpgsql AS "
                   f"$$BEGIN NEW.{self.new} := {self._fresh()}; RETURN NEW; END$$", alone=True)  # fmt: skip
        yield Step(f"CREATE TRIGGER {self.trigger} BEFORE INSERT OR UPDATE ON {table} "
                   f"FOR EACH ROW EXECUTE FUNCTION {self.function}()", alone=True)  # fmt: skip
        yield batches(table, f"{self.new} = {value}", lacking, key)
        if self.has.required:
            yield from not_null(table, self.new)
        for constraint in self.has.constraints:
            yield from self._second(constraint)
        for index in self.has.indexes:
            yield self._index(index.definition, _fresh_name(index.name))

    def contract(self) -> Iterator[Step]:
        """One transaction, whose first lock keeps everybody out."""
        table, column, has = self.one.table, self.one.column, self.has
        yield Step(f"DROP TRIGGER {self.trigger} ON {table}")
        yield Step(f"DROP FUNCTION {self.function}()")
        yield from self._identity()
        for constraint in has.constraints:
            yield Step(f"ALTER TABLE {table} DROP CONSTRAINT {constraint.name}")
        for index in has.indexes:
            yield Step(f"DROP INDEX {index.schema}.{index.name}")
        if has.default:
            yield Step(f"ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT")
        yield Step(f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL")
        yield Step(f"ALTER TABLE {table} RENAME COLUMN {column} TO {self.old}")
        yield Step(f"ALTER TABLE {table} RENAME COLUMN {self.new} TO {column}")
        if has.default:
            yield Step(f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {has.default}")
        if has.sequence and not has.identity:
            if self.one.type.lower() in _WHOLE:
                yield Step(f"ALTER SEQUENCE {has.sequence} AS {self.one.type}")
            yield Step(f"ALTER SEQUENCE {has.sequence} OWNED BY {table}.{column}")
        for constraint in has.constraints:
            yield self._first(constraint)
        for index in has.indexes:
            yield Step(f"ALTER INDEX {index.schema}.{_fresh_name(index.name)} RENAME TO {index.name}")

    @property
    def function(self) -> str:
        return made_name(self.one.table, self.one.column, "sync")

    @property
    def trigger(self) -> str:
        """The last by name, so that it sees what other triggers made of the row."""
        return f"zz_{self.function}"[:63]

    def _fresh(self) -> str:
        """Of the row at hand; an expression may name the table and any column of it."""
        if not self.one.using:
            return f"NEW.{self.one.column}"
        name = self.one.table.rpartition(".")[2]
        return f"(SELECT {self.one.using} FROM (SELECT NEW.*) AS {name})"  # noqa: S608 - the project's own words

    def _renamed(self, text: str) -> str:
        """With the new column's name, beside literals, casts, functions and what is qualified."""
        word = re.compile(rf"(?<![\w.\":]){re.escape(self.has.name)}(?![\w\"(])")
        parts = _LITERAL.split(text)
        return "".join(part if place % 2 else word.sub(self.new, part) for place, part in enumerate(parts))

    def _index(self, definition: str, name: str) -> Step:
        made = _INDEX.fullmatch(definition)
        assert made is not None  # or retype had given up
        unique, rest = made["unique"] or "", self._renamed(made["rest"])
        return Step(
            f"CREATE {unique}INDEX CONCURRENTLY {name} ON {made['table']} USING {made['method']} {rest}", alone=True
        )

    def _second(self, constraint: Constraint) -> Iterator[Step]:
        """Its twin on the new column."""
        name, definition = _fresh_name(constraint.name), constraint.definition
        if constraint.index:
            yield self._index(constraint.index, name)
            return
        if found := _FOREIGN_KEY.fullmatch(definition):
            definition = f"{found[1]}{self._renamed(found[2])}{found[3]}"
        else:
            definition = self._renamed(definition)
        unchecked = _UNCHECKED.search(definition)
        add = f"ALTER TABLE {self.one.table} ADD CONSTRAINT {name} {definition}"
        yield Step(add if unchecked else f"{add} NOT VALID", alone=True)
        if not unchecked:
            yield Step(f"ALTER TABLE {self.one.table} VALIDATE CONSTRAINT {name}", alone=True)

    def _first(self, constraint: Constraint) -> Step:
        """The twin under the constraint's own name."""
        alter, twin = f"ALTER TABLE {self.one.table}", _fresh_name(constraint.name)
        if not constraint.index:
            return Step(f"{alter} RENAME CONSTRAINT {twin} TO {constraint.name}")
        kind = "PRIMARY KEY" if constraint.kind == "p" else "UNIQUE"
        late = re.search(r"( DEFERRABLE)?( INITIALLY DEFERRED)?$", constraint.definition)
        return Step(f"{alter} ADD CONSTRAINT {constraint.name} {kind} USING INDEX {twin}{late[0] if late else ''}")

    def _identity(self) -> Iterator[Step]:
        """Goes on counting where the old column's sequence was, under its name."""
        if not (self.has.identity and self.has.sequence):
            return
        alter, (schema, name) = f"ALTER TABLE {self.one.table} ALTER COLUMN", NAME.findall(self.has.sequence)
        twin = f"{schema}.{_fresh_name(name)}"
        yield Step(f"{alter} {self.new} ADD GENERATED {self.has.identity} AS IDENTITY (SEQUENCE NAME {twin})")
        yield Step(f"SELECT setval('{twin}', last_value, is_called) FROM {self.has.sequence}")  # noqa: S608 - a name
        yield Step(f"{alter} {self.one.column} DROP IDENTITY")
        yield Step(f"ALTER SEQUENCE {twin} RENAME TO {name}")


def _fresh_name(name: str) -> str:
    """
    >>> _fresh_name("ix"), _fresh_name('"Ix"')
    ('ix_new', '"Ix_new"')
    """
    stem, quote = name.strip('"'), '"' if name.startswith('"') else ""
    return f"{quote}{stem[:59]}_new{quote}"
