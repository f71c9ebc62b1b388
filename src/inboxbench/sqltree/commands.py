"""A statement as a value: its kind, what it is about, the parts of ALTER TABLE, the settings that it changes.

Names are spelled as the catalogue has them; places are characters of the text.
"""

from __future__ import annotations

from dataclasses import dataclass

# Statements that belong to a transaction block and change nothing themselves.
TRANSACTION_CONTROL = frozenset({
    "begin", "start", "commit", "rollback", "savepoint", "release", "rollback to", "prepare", "commit prepared",
    "rollback prepared",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, index, view or sequence as a statement names it; start: the character where its name begins."""

    schema: str | None
    name: str
    only: bool = False
    start: int | None = None

    @property
    def full_name(self) -> str:
        """schema.name, or the name alone."""
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, slots=True)
class Constraint:
    """Of a table or of a column, from the character `start` on. kind: `check`, `foreign key`, `not null`, `default` …

    valid: without NOT VALID. plain: an index constraint by columns alone, without INCLUDE, USING INDEX or options.
    """

    kind: str
    start: int
    name: str | None = None
    columns: tuple[str, ...] = ()
    valid: bool = True
    enforced: bool = True
    deferrable: bool = False
    deferred: bool = False
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it is defined, from the character `start` on. type: the last word of its type's name."""

    name: str
    type: str
    start: int
    constraints: tuple[Constraint, ...] = ()

    def has(self, *kinds: str) -> bool:
        """Return whether one of its constraints is of one of these kinds."""
        return any(constraint.kind in kinds for constraint in self.constraints)


@dataclass(frozen=True, slots=True)
class Action:
    """A part of ALTER TABLE. kind: `add column`, `drop constraint`, `set not null` …; name: what it is about."""

    kind: str
    name: str | None = None
    column: Column | None = None
    constraint: Constraint | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """A parameter that SET, RESET or set_config() changes. value: None for its default, `$1` for a placeholder."""

    name: str
    value: str | None
    local: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """One statement, from the character `start` up to `end`, without comments before it and the semicolon behind it.

    kind: the command in lower case (`select`, `alter table`, `create index`, `drop table`, `set`, `rollback to` …).
    relations: what it is about, the target first. name: of the index or savepoint that it makes or goes back to.
    writes: rows, itself or in a WITH. exists: IF EXISTS or IF NOT EXISTS. columns, constraints: that it defines, of
    ALTER TABLE those of all actions. assigned: columns that an UPDATE sets or an INSERT lists. where: an UPDATE has a
    condition of its own. plain: an UPDATE without WITH, FROM, RETURNING, ONLY, alias or cursor. on_commit: a table
    with an ON COMMIT.
    """

    kind: str
    start: int
    end: int
    relations: tuple[Relation, ...] = ()
    name: str | None = None
    writes: bool = False
    unique: bool = False
    exists: bool = False
    concurrently: bool = False
    cascade: bool = False
    full: bool = False
    actions: tuple[Action, ...] = ()
    columns: tuple[Column, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    settings: tuple[Setting, ...] = ()
    assigned: tuple[str, ...] = ()
    where: bool = False
    plain: bool = False
    on_commit: bool = False

    @property
    def target(self) -> Relation | None:
        return self.relations[0] if self.relations else None

    @property
    def controls(self) -> bool:
        """Return whether it only begins, ends or goes back in a transaction."""
        return self.kind in TRANSACTION_CONTROL

    @property
    def commits_inside(self) -> bool:
        """Return whether it is several transactions, so that its locks need not last until it ends."""
        return self.concurrently or self.kind in ("vacuum", "cluster", "reindex")

    def does(self, *kinds: str) -> bool:
        """Return whether an action of it is of one of these kinds."""
        return any(action.kind in kinds for action in self.actions)

    def constrains(self, *kinds: str) -> bool:
        """Return whether it defines a constraint of one of these kinds, for a table or for a column."""
        inline = (constraint for column in self.columns for constraint in column.constraints)
        return any(constraint.kind in kinds for constraint in (*self.constraints, *inline))


@dataclass(frozen=True, slots=True)
class References:
    """All that a text names anywhere, also in queries within. locks_rows: a SELECT FOR UPDATE, SHARE or the like."""

    relations: tuple[Relation, ...] = ()
    columns: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()
    locks_rows: bool = False
