"""Databases on a server: connections to them; those that we make, mark as ours (see `database_marks`) and drop."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.abc import Params
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from inboxbench.credentials import named
from inboxbench.database_marks import (
    MAKING,
    OWNER,
    PREFIX,
    database_name,
    is_being_made,
    mark,
    parse_marker,
    proves_itself,
)
from inboxbench.errors import ForeignDatabaseError, ServerError, UsageError
from inboxbench.owner import this_process
from inboxbench.server import Server, reason

_NAME_LIMIT = 63

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class DatabaseInfo:
    """size in bytes; marker is None for a database that is not ours."""

    name: str
    size: int
    marker: dict[str, Any] | None


# What is forced in each session here: a database may be set to end long statements, and psycopg reads dates in only
# one style. The order of day and month stays.
_NO_LIMITS = "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0"
_READABLE = {"DateStyle": "ISO", "IntervalStyle": "postgres", "standard_conforming_strings": "on"}


def connect(conninfo: str, *, autocommit: bool = True, **settings: str) -> Connection:
    """Connect and SET `settings` for the session, which no statement_timeout of the database ends.

    Raises ServerError in one line.
    """
    try:
        connection = psycopg.connect(_without_limits(conninfo), autocommit=autocommit)
    except psycopg.OperationalError as error:
        raise ServerError(f"cannot connect: {reason(error)}") from None
    unread = {name: value for name, value in _READABLE.items() if not _begins(connection, name, value)}
    settings = unread | settings
    for name, value in settings.items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    if not autocommit:
        connection.commit()  # or the first rollback would take the settings back
    return connection


def _without_limits(conninfo: str) -> str:
    """Return `conninfo` for a session that has no time limits but those that it sets itself."""
    given = conninfo_to_dict(conninfo).get("options", os.environ.get("PGOPTIONS", ""))
    return make_conninfo(conninfo, options=f"{_NO_LIMITS} {given}".rstrip())


def _begins(connection: Connection, name: str, value: str) -> bool:
    """Whether the reported setting begins with `value`; what a proxy does not report counts as being so."""
    return (connection.info.parameter_status(name) or value).startswith(value)


def with_names(text: LiteralString, *parts: str | sql.Composable) -> sql.Composed:
    """Return a statement with its `{}` filled in: a string as an identifier, anything else as it is."""
    return sql.SQL(text).format(*(sql.Identifier(part) if isinstance(part, str) else part for part in parts))


def first_row(
    connection: Connection, query: LiteralString | bytes | sql.SQL | sql.Composed, parameters: Params | None = None
) -> tuple[Any, ...]:
    """Return the first row of a query that always has one."""
    row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row


def exists(server: Server, name: str) -> bool:
    with connect(server.conninfo()) as connection:
        row = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
    return row is not None


_LIST = """
    SELECT datname, CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) ELSE 0 END,
           shobj_description(oid, 'pg_database')
    FROM pg_database WHERE NOT datname = 'template0' AND datname LIKE %s ORDER BY datname
"""


def list_databases(server: Server) -> list[DatabaseInfo]:
    """Our databases, by name; also those whose process was killed before it marked them, with an empty marker."""
    with connect(server.conninfo()) as connection:
        rows = connection.execute(_LIST, (f"{PREFIX}%",)).fetchall()
        infos = [
            DatabaseInfo(name, size, parse_marker(comment)) for name, size, comment in rows if name.startswith(PREFIX)
        ]
        unmarked = {info.name for info in infos if info.marker is None and proves_itself(info.name)}
        left = {name for name in unmarked if not is_being_made(connection, name)}
    infos = [replace(info, marker={}) if info.name in left else info for info in infos]
    return [info for info in infos if info.marker is not None]


def read_marker(server: Server, name: str) -> dict[str, Any] | None:
    """The marker of `name`; None when it has none or does not exist."""
    query = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"
    with connect(server.conninfo()) as connection:
        row = connection.execute(query, (name,)).fetchone()
    return parse_marker(row[0]) if row else None


def write_marker(server: Server, name: str, marker: Mapping[str, Any]) -> None:
    """Replace the marker of one of our databases."""
    require_ours(server, name)
    with connect(server.conninfo()) as connection:
        mark(connection, name, marker)


def require_ours(server: Server, name: str) -> None:
    """Raises ForeignDatabaseError unless `name` carries our prefix and marker, UsageError when it is absent."""
    if not exists(server, name):
        raise UsageError(f"database {named(name, '--database')} does not exist on {server.label}")
    if not name.startswith(PREFIX) or (read_marker(server, name) is None and not proves_itself(name)):
        raise ForeignDatabaseError(
            f"database {name!r} on {server.label} was not made by inboxbench (no marker), so it is left alone; "
            "name it with --allow-foreign if it really is meant"
        )


# Only ASCII letters are letters here: where a server has no better locale, and what a benchmark needs to show that.
_C_LOCALE = sql.SQL("LOCALE_PROVIDER libc LOCALE 'C'")


def _locale_clauses(server: Server) -> list[sql.SQL]:
    """Ways to ask for a locale that knows all letters, best first; the server may lack some, but never the last."""
    builtin = "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C.UTF-8'"
    libc = [f"LOCALE_PROVIDER libc LOCALE '{name}'" for name in ("C.UTF-8", "en_US.UTF-8", "en_US.utf8")]
    icu = ["LOCALE_PROVIDER icu ICU_LOCALE 'und'"]
    return [*(sql.SQL(text) for text in ([builtin] if server.version >= 170000 else []) + libc + icu), _C_LOCALE]


def _create_empty(connection: Connection, server: Server, name: str, locales: Sequence[sql.Composable]) -> None:
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' {}")
    for clause in locales:
        try:
            connection.execute(statement.format(sql.Identifier(name), clause))
        except (
            psycopg.errors.WrongObjectType,
            psycopg.errors.InvalidParameterValue,
            psycopg.errors.FeatureNotSupported,
        ) as error:
            if clause is locales[-1]:
                raise ServerError(f"{server.label} makes no UTF8 database: {reason(error)}") from None
            continue
        return


def _copy_methods(server: Server) -> list[str | None]:
    """18 can share the blocks of a copied file where the file system can (reflink); None: the server's default."""
    return ["clone", "copy"] if server.version >= 180000 else [None]


def _create_copy(connection: Connection, server: Server, name: str, template: str) -> None:
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
        sql.Identifier(name), sql.Identifier(template)
    )
    for method in _copy_methods(server):
        try:
            if method:
                connection.execute("SELECT set_config('file_copy_method', %s, false)", (method,))
            connection.execute(statement)
        except (
            psycopg.errors.InvalidParameterValue,
            psycopg.errors.FeatureNotSupported,
            psycopg.errors.SystemError,
        ):
            if method != "clone":
                raise
            continue
        except psycopg.errors.ObjectInUse:
            raise ServerError(
                f"{template} cannot be cloned while sessions are connected to it; end them first"
            ) from None
        return


_DATABASE_SETTINGS = """
    SELECT split_part(entry, '=', 1), substr(entry, strpos(entry, '=') + 1)
    FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = s.setdatabase, unnest(s.setconfig) AS entry
    WHERE d.datname = %s AND s.setrole = 0
"""
_LISTS = ("search_path", "local_preload_libraries", "session_preload_libraries", "temp_tablespaces")


def _copy_settings(connection: Connection, template: str, name: str) -> None:
    """Give `name` the settings of the database `template`, which CREATE DATABASE leaves behind; what only a superuser
    may set is left out for others."""
    for setting, value in connection.execute(_DATABASE_SETTINGS, (template,)).fetchall():
        with suppress(psycopg.errors.InsufficientPrivilege):
            set_on_database(connection, name, setting, value)


def set_on_database(connection: Connection, database: str, setting: str, value: str) -> None:
    """ALTER DATABASE … SET. A list goes by way of the session, which reads it as one: two schemas are two names."""
    alter = sql.SQL("ALTER DATABASE {} SET {} ").format(
        sql.Identifier(database), sql.SQL(".").join(map(sql.Identifier, setting.split(".")))
    )
    with connection.transaction():
        if setting.lower() in _LISTS:
            connection.execute("SELECT set_config(%s, %s, true)", (setting, value))
            connection.execute(alter + sql.SQL("FROM CURRENT"))
        else:
            connection.execute(alter + sql.SQL("TO {}").format(sql.Literal(value)))


def _check_new(server: Server, name: str) -> None:
    if not name.startswith(PREFIX):
        raise UsageError(f"database name {name!r} must begin with {PREFIX!r}: that is how our databases are told apart")
    if len(name.encode()) > _NAME_LIMIT:
        raise UsageError(f"database name {name!r} is longer than PostgreSQL's {_NAME_LIMIT} bytes")
    if exists(server, name):
        raise UsageError(f"database {name!r} exists already on {server.label}; choose another name or drop it")


def create_database(
    server: Server,
    name: str,
    *,
    kind: str = "work",
    template: str | None = None,
    marker: Mapping[str, Any] | None = None,
    kept: bool = False,
    c_locale: bool = False,
    locales: Sequence[sql.Composable] = (),
) -> None:
    """Create `name` empty (UTF8, in a locale that knows all letters) or as a copy of `template`, and mark it as ours.

    Its marker names this process as the owner, which removes it, unless it is `kept`.
    `c_locale` asks for a locale that knows the letters of ASCII alone, which is also taken where a server has no other.
    `locales` are ways to ask for another locale, best first; the first that the server has is taken.
    Raises UsageError for a bad or taken name, ServerError when the server refuses or its disk is full.
    """
    _check_new(server, name)
    first = name if proves_itself(name) else database_name("new")
    facts = {"kind": kind, "created": int(time.time()), **(marker or {})}
    with connect(server.conninfo()) as connection:
        try:
            connection.execute(f"SELECT pg_advisory_lock({MAKING})".encode(), (first,))
            if template is None:
                wanted = locales or ([_C_LOCALE] if c_locale else _locale_clauses(server))
                _create_empty(connection, server, first, wanted)
            else:
                _create_copy(connection, server, first, template)
                _copy_settings(connection, template, first)
            mark(connection, first, {**facts, OWNER: this_process().to_json()})
            if first != name:
                rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
                connection.execute(rename.format(sql.Identifier(first), sql.Identifier(name)))
                first = name
            if kept:
                mark(connection, name, facts)
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            if first != name:  # what has the name is somebody else's
                _drop(connection, first)
            raise UsageError(
                f"database {name!r} is being made on {server.label} by another process; wait for it, or choose "
                "another name"
            ) from None
        except (
            psycopg.errors.InsufficientPrivilege,
            psycopg.errors.DiskFull,
            psycopg.errors.IoError,
        ) as error:
            _drop(connection, first)
            raise ServerError(f"database {name!r} could not be created on {server.label}: {reason(error)}") from None
        except BaseException:
            _drop(connection, first)
            raise


def clone_database(server: Server, template: str, name: str, *, kind: str = "clone", kept: bool = False) -> None:
    """A copy of `template`, with its dead tuples, visibility map and physical order."""
    create_database(server, name, kind=kind, template=template, marker={"template": template}, kept=kept)


def _drop(connection: Connection, name: str) -> None:
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def drop_database(server: Server, name: str, *, allow_foreign: bool = False) -> None:
    """Drop one of ours. Raises ForeignDatabaseError for any other unless `allow_foreign`."""
    if not exists(server, name):
        return
    if not allow_foreign:
        require_ours(server, name)
    with connect(server.conninfo()) as connection:
        _drop(connection, name)


@contextmanager
def scratch_database(
    server: Server,
    purpose: str,
    template: str | None = None,
    *,
    c_locale: bool = False,
    locales: Sequence[sql.Composable] = (),
) -> Iterator[str]:
    """The name of a new database, empty or a copy of `template`, dropped at the end of the block."""
    name = database_name(purpose)
    create_database(server, name, template=template, c_locale=c_locale, locales=locales)
    try:
        yield name
    finally:
        drop_database(server, name)
