"""Write a description down as the SQL that builds it: deterministic, and laid out for a reader."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.dialects.postgresql import dialect

from inboxbench.catalog.model import Catalog, Entry

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
    """The indexes of a table as one block of lines."""
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
