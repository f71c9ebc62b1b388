"""A side of a comparison, from what the user wrote: a URL, `baseline`, `head`, a reference, a file or metadata."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import SQLAlchemyError

from inboxbench.credentials import place
from inboxbench.database import connect, scratch_database
from inboxbench.database_copy import is_url
from inboxbench.errors import UsageError, unknown
from inboxbench.extensions import import_target
from inboxbench.migrate.runner import upgrade
from inboxbench.project import Project
from inboxbench.schema.build import Statement, build, extensions_for
from inboxbench.schema.catalogue import read_schema
from inboxbench.schema.dump import read_dump
from inboxbench.schema.model import Schema
from inboxbench.schema.rails import read_schema_rb
from inboxbench.schema.reference import read_reference
from inboxbench.server import Server, check_url
from inboxbench.sqltree import parse, tokens

FORMS = (
    "a database's postgresql://… URL, baseline, head, the name of a file in schema/reference/, a schema.rb, a file of "
    "SQL (pg_dump --schema-only, structure.sql) or SQLAlchemy metadata as MODULE:Base.metadata"
)

_SUFFIXES = (".rb", ".sql", ".toml")


def check_side(text: str, project: Project) -> None:
    """Raises UsageError for what names no side, before a server is started for it."""
    if is_url(text):
        check_url(text, f"{place(text)!r}")
        return
    if text in ("baseline", "head") or _reference(text, project).is_file():
        return
    path = Path(text)
    if path.suffix in _SUFFIXES:
        if not path.is_file():
            raise UsageError(f"{text}: there is no such file; a side is {FORMS}")
        return
    if ":" not in text:
        if path.exists():
            raise UsageError(f"{text}: is neither .rb, .sql nor .toml; a side is {FORMS}")
        known = ["baseline", "head", *(found.stem for found in _reference("*", project).parent.glob("*.toml"))]
        raise unknown("schema", text, known)


def read_side(server: Server, text: str, project: Project) -> Schema:
    """Return what one side names. server: where SQL is run, in a scratch database, to be read back.

    Raises UsageError, naming file and line or key, for what cannot be read.
    """
    check_side(text, project)
    if is_url(text):
        with connect(text) as connection:
            return read_schema(connection, place(text))
    if text in ("baseline", "head"):
        return _of_project(server, text, project).called(text)
    path = found if (found := _reference(text, project)).is_file() else Path(text)
    return _of_file(server, path) if path.suffix in _SUFFIXES else _of_metadata(server, text)


def _of_file(server: Server, path: Path) -> Schema:
    if path.suffix == ".toml":
        return read_reference(server, path)
    if path.suffix == ".sql":
        return build(server, read_dump(path), source=str(path))
    statements, remarks = read_schema_rb(path)
    return build(server, statements, source=str(path), remarks=remarks)


def _reference(name: str, project: Project) -> Path:
    return project.schema / "reference" / f"{name}.toml"


def _of_project(server: Server, name: str, project: Project) -> Schema:
    path = project.schema / f"{name}.sql"
    if path.is_file():
        return build(server, read_dump(path), source=str(path))
    if name == "baseline":
        raise UsageError(f"{path} is missing; write the schema before any migration there, or name another side")
    with scratch_database(server, "migrated") as database:
        upgrade(server.conninfo(database), project)
        with connect(server.conninfo(database)) as connection:
            return read_schema(connection, name)


def _of_metadata(server: Server, text: str) -> Schema:
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    # What stands behind the colon may be a password: it is repeated only when the module is there.
    metadata = import_target(text, "a side as MODULE:ATTRIBUTE")
    if not isinstance(metadata, sa.MetaData):
        raise UsageError(f"{text}: is no sqlalchemy.MetaData but {type(metadata).__name__}; name Base.metadata")
    statements = ddl_of(metadata, text)
    return build(server, [*_schemas(metadata), *extensions_for(statements), *statements], source=text)


def _schemas(metadata: sa.MetaData) -> Iterable[Statement]:
    names = {table.schema for table in metadata.tables.values() if table.schema}
    return [Statement(f"CREATE SCHEMA IF NOT EXISTS {tokens.quoted(name)}", 1) for name in sorted(names)]


# A style of parameters in which no percent sign is doubled.
_DIALECT = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped


def ddl_of(metadata: sa.MetaData, source: str) -> list[Statement]:
    """Return the statements of `create_all`, each with its number as its line.

    Raises UsageError where SQLAlchemy has no SQL for a part of it.
    """
    texts: list[str] = []

    def collect(element: Any, *_: object, **__: object) -> None:
        texts.append(str(element.compile(dialect=_DIALECT)).strip())

    try:
        metadata.create_all(sa.create_mock_engine("postgresql+psycopg://", collect), checkfirst=False)
    except (SQLAlchemyError, AttributeError, TypeError) as error:
        raise UsageError(f"{source}: SQLAlchemy makes no SQL of it: {str(error).splitlines()[0]}") from error
    return [Statement(text, number, _about(text)) for number, text in enumerate(texts, 1)]


def _about(text: str) -> str:
    """Full name of the table that a statement makes; empty for any other."""
    target = command.target if (command := parse(text).only) and command.kind == "create table" else None
    return f"{target.schema or 'public'}.{target.name}" if target else ""
