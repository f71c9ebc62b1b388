"""Another type for a column without a long lock: a second column that takes over all that hangs on the first one.

Expand (a column kept alike by a trigger, filled in batches, with its NOT NULL, indexes and constraints made under
traffic), then contract: one short transaction that exchanges names, defaults, keys and sequences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from inboxbench.dryrun.rewrites.operation import Operation
from inboxbench.dryrun.rewrites.steps import Step, Steps, batches, made_name, not_null
from inboxbench.sqltree import parse
from inboxbench.sqltree.commands import Constraint as Definition
from inboxbench.sqltree.tokens import Token, flat, name_parts, scan

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
        return [part.definition for part in self.indexes] + [part.index for part in self.constraints if part.index]

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Dependents:
        """From a row of dependents.sql."""
        lists = {
            "indexes": tuple(Index(**index) for index in row["indexes"]),
            "constraints": tuple(Constraint(**constraint) for constraint in row["constraints"]),
            "obstacles": tuple(row["obstacles"]),
        }
        return cls(**{**row, **lists})


def retype(change: Operation, key: str, has: Dependents | None) -> Steps | None:
    """Return None where something on the column cannot be handed over; has None: nothing is known to hang on it."""
    if has and (has.obstacles or not all(_is_index(definition) for definition in has.built)):
        return None
    swap = _Swap(change, has or Dependents(), made_name("", change.column, "new"), made_name("", change.column, "old"))
    return (*swap.expand(key), *swap.contract())


@dataclass(frozen=True, slots=True)
class _Swap:
    change: Operation
    has: Dependents
    new: str
    old: str

    def expand(self, key: str) -> Iterator[Step]:
        change, table = self.change, self.change.table
        value = change.using or change.column  # an assignment: a cast would cut what is too long without a word
        lacking = f"{self.new} IS NULL" + ("" if change.using else f" AND {change.column} IS NOT NULL")
        yield Step(f"ALTER TABLE {table} ADD COLUMN {self.new} {change.type}", alone=True)
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
        table, column, has = self.change.table, self.change.column, self.has
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
            if self.change.type.lower() in _WHOLE:
                yield Step(f"ALTER SEQUENCE {has.sequence} AS {self.change.type}")
            yield Step(f"ALTER SEQUENCE {has.sequence} OWNED BY {table}.{column}")
        for constraint in has.constraints:
            yield self._first(constraint)
        for index in has.indexes:
            yield Step(f"ALTER INDEX {index.schema}.{_fresh_name(index.name)} RENAME TO {index.name}")

    @property
    def function(self) -> str:
        return made_name(self.change.table, self.change.column, "sync")

    @property
    def trigger(self) -> str:
        """Return the last by name, so that it sees what other triggers made of the row."""
        return f"zz_{self.function}"[:63]

    def _fresh(self) -> str:
        """Of the row at hand; an expression may name the table and any column of it."""
        if not self.change.using:
            return f"NEW.{self.change.column}"
        name = name_parts(self.change.table)[-1]
        return f"(SELECT {self.change.using} FROM (SELECT NEW.*) AS {name})"  # noqa: S608 - the project's own words

    def _renamed(self, tokens: Sequence[Token]) -> str:
        """With the new column's name for the old one, but in literals, as a type, as a function and after a dot."""
        renamed = list(tokens)
        for place, token in enumerate(tokens):
            qualified = place > 0 and tokens[place - 1].means(".", ":", "::")
            called = place + 1 < len(tokens) and tokens[place + 1].means("(")
            name = token.kind in ("identifier", "keyword") and token.text == self.has.name
            if name and not qualified and not called:
                renamed[place] = replace(token, text=self.new)
        return flat(renamed)

    def _index(self, definition: str, name: str) -> Step:
        """CREATE INDEX as the server writes it: the table after ON, the method after USING."""
        (command,), tokens = parse(definition).commands, scan(definition)
        place = next(place for place, token in enumerate(tokens) if token.means("using"))
        begin = next(place for place, token in enumerate(tokens) if token.means("on"))
        table, method, rest = (
            flat(tokens[begin + 1 : place]),
            tokens[place + 1].text,
            self._renamed(tokens[place + 2 :]),
        )
        unique = "UNIQUE " if command.unique else ""
        return Step(f"CREATE {unique}INDEX CONCURRENTLY {name} ON {table} USING {method} {rest}", alone=True)

    def _second(self, constraint: Constraint) -> Iterator[Step]:
        """Yield its twin on the new column."""
        name, tokens = _fresh_name(constraint.name), scan(constraint.definition)
        if constraint.index:
            yield self._index(constraint.index, name)
            return
        own = next((place for place, token in enumerate(tokens) if token.means("references")), len(tokens))
        definition = " ".join(filter(None, (self._renamed(tokens[:own]), flat(tokens[own:]))))
        checked = _parsed(constraint)
        add = f"ALTER TABLE {self.change.table} ADD CONSTRAINT {name} {definition}"
        if not (checked.valid and checked.enforced):
            yield Step(add, alone=True)
            return
        yield Step(f"{add} NOT VALID", alone=True)
        yield Step(f"ALTER TABLE {self.change.table} VALIDATE CONSTRAINT {name}", alone=True)

    def _first(self, constraint: Constraint) -> Step:
        """Return the twin under the constraint's own name."""
        alter, twin = f"ALTER TABLE {self.change.table}", _fresh_name(constraint.name)
        if not constraint.index:
            return Step(f"{alter} RENAME CONSTRAINT {twin} TO {constraint.name}")
        kind = "PRIMARY KEY" if constraint.kind == "p" else "UNIQUE"
        late = _parsed(constraint)
        when = " DEFERRABLE" * late.deferrable + " INITIALLY DEFERRED" * late.deferred
        return Step(f"{alter} ADD CONSTRAINT {constraint.name} {kind} USING INDEX {twin}{when}")

    def _identity(self) -> Iterator[Step]:
        """Goes on counting where the old column's sequence was, under its name."""
        if not (self.has.identity and self.has.sequence):
            return
        alter, (schema, name) = f"ALTER TABLE {self.change.table} ALTER COLUMN", name_parts(self.has.sequence)
        twin = f"{schema}.{_fresh_name(name)}"
        yield Step(f"{alter} {self.new} ADD GENERATED {self.has.identity} AS IDENTITY (SEQUENCE NAME {twin})")
        yield Step(f"SELECT setval('{twin}', last_value, is_called) FROM {self.has.sequence}")  # noqa: S608 - a name
        yield Step(f"{alter} {self.change.column} DROP IDENTITY")
        yield Step(f"ALTER SEQUENCE {twin} RENAME TO {name}")


def _is_index(definition: str) -> bool:
    """Return whether it is a CREATE INDEX as the server writes it, so that it can be said again."""
    command = parse(definition).only
    return command is not None and command.kind == "create index"


def _parsed(constraint: Constraint) -> Definition:
    (command,) = parse(f"ALTER TABLE t ADD {constraint.definition}").commands
    return command.constraints[0]


def _fresh_name(name: str) -> str:
    """
    >>> _fresh_name("ix"), _fresh_name('"Ix"')
    ('ix_new', '"Ix_new"')
    """
    stem, quote = name.strip('"'), '"' if name.startswith('"') else ""
    return f"{quote}{stem[:59]}_new{quote}"
