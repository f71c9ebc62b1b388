"""The description of a schema: a sorted tuple of entries; compared with another one, and written as SQL."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy.dialects.postgresql import dialect

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
        """Return the same schema, seen through some kinds of objects."""
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


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """One object that is not the same on both sides; None stands for an absent one."""

    table: str
    kind: Kind
    name: str
    expected: str | None
    found: str | None


def compare(expected: Catalog, found: Catalog) -> tuple[Difference, ...]:
    """Return every difference, sorted by table; the contents of a table that one side lacks are not listed."""
    wanted, present = _by_identity(expected), _by_identity(found)
    one_sided = set(expected.tables) ^ set(found.tables)
    differences = (
        Difference(key[1], key[0], key[2], wanted.get(key), present.get(key))
        for key in wanted.keys() | present.keys()
        if wanted.get(key) != present.get(key) and not (key[1] in one_sided and key[0] != "table")
    )
    return tuple(sorted(differences, key=lambda d: (d.table, d.kind, d.name)))


def _by_identity(catalog: Catalog) -> dict[tuple[Kind, str, str], str]:
    return {_identity(entry): entry.definition for entry in catalog.entries}


def _identity(entry: Entry) -> tuple[Kind, str, str]:
    return entry.kind, entry.table, entry.name


def explain(differences: Iterable[Difference], *, expected: str = "expected", found: str = "found") -> str:
    """Return the differences as text; ``expected`` and ``found`` name the two sides for the reader."""
    return "\n".join(line for each in differences for line in _explain_one(each, expected, found))


def _explain_one(difference: Difference, expected: str, found: str) -> Iterator[str]:
    yield _title(difference)
    if _is_long(difference.expected) and _is_long(difference.found):
        yield from _changed_lines(difference, expected, found)
        return
    width = max(len(expected), len(found))
    yield f"  {expected:<{width}}  {_present(difference.expected)}"
    yield f"  {found:<{width}}  {_present(difference.found)}"


def _title(difference: Difference) -> str:
    subject = f"{difference.kind} {difference.name}".strip()
    return f"{difference.table}: {subject}" if difference.table else subject


def _is_long(definition: str | None) -> bool:
    return definition is not None and "\n" in definition


def _present(definition: str | None) -> str:
    if definition is None:
        return "absent"
    return definition.splitlines()[0] if definition else "present"


def _changed_lines(difference: Difference, expected: str, found: str) -> Iterator[str]:
    before, after = (difference.expected or "").splitlines(), (difference.found or "").splitlines()
    for line in difflib.unified_diff(before, after, expected, found, lineterm="", n=1):
        yield f"  {line}"


_PREPARER = dialect().identifier_preparer  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


def render(catalog: Catalog, *, header: str = "", extensions: tuple[str, ...] = ()) -> str:
    """SQL that builds the schema in an empty database, ending in a newline.

    Tables come first, each with its indexes; foreign keys follow all tables, so that no order among the
    tables has to be found; then functions, then the triggers that call them.
    """
    blocks = [_comment(header), *map(_extension, extensions)]
    for table in catalog.of("table"):
        blocks += [_table(catalog, table), *_indexes(catalog, table.table)]
    blocks += _later_constraints(catalog)
    blocks += [f"{function.definition};" for function in catalog.of("function")]
    blocks += [f"{trigger.definition};" for trigger in catalog.of("trigger")]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _comment(header: str) -> str:
    return "\n".join(f"-- {line}".rstrip() for line in header.splitlines())


def _extension(name: str) -> str:
    return f"CREATE EXTENSION IF NOT EXISTS {_quoted(name)};"


def _table(catalog: Catalog, table: Entry) -> str:
    lines = [*_columns(catalog, table.table), *_inline_constraints(catalog, table.table)]
    options = f" {table.definition}" if table.definition else ""
    body = ",\n".join(f"    {line}" for line in lines)
    return f"CREATE TABLE {_quoted(table.table)} (\n{body}\n){options};"


def _columns(catalog: Catalog, table: str) -> Iterator[str]:
    columns = catalog.of("column", table)
    width = max((len(_quoted(column.name)) for column in columns), default=0)
    return (f"{_quoted(column.name):<{width}}  {column.definition}" for column in columns)


def _inline_constraints(catalog: Catalog, table: str) -> Iterator[str]:
    for constraint in catalog.of("constraint", table):
        if not _comes_later(constraint):
            yield f"CONSTRAINT {_quoted(constraint.name)} {constraint.definition}"


def _indexes(catalog: Catalog, table: str) -> list[str]:
    """Return the indexes of a table as one block of lines."""
    lines = [f"{index.definition};" for index in catalog.of("index", table)]
    return ["\n".join(lines)] if lines else []


def _later_constraints(catalog: Catalog) -> list[str]:
    lines = [
        f"ALTER TABLE {_quoted(key.table)} ADD CONSTRAINT {_quoted(key.name)} {key.definition};"
        for key in catalog.of("constraint")
        if _comes_later(key)
    ]
    return ["\n".join(lines)] if lines else []


def _comes_later(constraint: Entry) -> bool:
    """Foreign keys wait for all tables; NOT VALID means nothing inside CREATE TABLE."""
    return constraint.definition.startswith("FOREIGN KEY") or constraint.definition.endswith("NOT VALID")


def _quoted(name: str) -> str:
    """Quoted only where PostgreSQL needs it: plain lower-case names read better bare."""
    return _PREPARER.quote(name)
