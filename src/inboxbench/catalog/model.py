"""The description of a schema: a sorted tuple of entries, each one object with its definition in SQL."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["table", "column", "constraint", "index", "function", "trigger"]

STRUCTURE: tuple[Kind, ...] = ("table", "column", "constraint", "index")
"""The kinds that SQLAlchemy metadata can declare; functions and triggers are the migrations' alone."""

BOOKKEEPING = frozenset({"alembic_version", "backfill_progress"})
"""Tables that record how a database was migrated, not what it is."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One object. ``table`` is empty for functions, ``name`` empty for the table itself.

    ``position`` orders the columns of a table for a reader; two databases whose columns came in another
    order are still the same, so it takes no part in comparisons.
    """

    kind: Kind
    table: str
    name: str
    definition: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Catalog:
    """A schema at one moment; equal catalogues build equal databases."""

    entries: tuple[Entry, ...]

    def only(self, *kinds: Kind) -> Catalog:
        """The same schema, seen through some kinds of objects."""
        return Catalog(tuple(entry for entry in self.entries if entry.kind in kinds))

    def of(self, kind: Kind, table: str | None = None) -> tuple[Entry, ...]:
        """Entries of one kind, of one table when given, in their order of position, then name."""
        entries = (e for e in self.entries if e.kind == kind and table in (None, e.table))
        return tuple(sorted(entries, key=lambda entry: (entry.table, entry.position, entry.name)))

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(entry.table for entry in self.of("table"))

    @property
    def hash(self) -> str:
        """SHA-256 of the whole description, to tell at a glance that two databases are alike."""
        digest = hashlib.sha256()
        for entry in self.entries:
            line = "\0".join((entry.kind, entry.table, entry.name, entry.definition))
            digest.update(line.encode() + b"\n")
        return digest.hexdigest()
