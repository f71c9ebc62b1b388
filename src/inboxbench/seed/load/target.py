"""The database of a load: who may fill it, one at a time, and how it is given back when the load fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql

from inboxbench.database import Connection, connect
from inboxbench.errors import UsageError
from inboxbench.server import Server

_MAY_CREATE = "SELECT current_user, current_schema(), has_schema_privilege(current_schema(), 'CREATE')"
_TABLES = "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = %s::regnamespace"
_FUNCTIONS = """
    SELECT p.oid::regprocedure::text FROM pg_proc p
    WHERE p.pronamespace = %s::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
"""
_EXTENSIONS = "SELECT extname FROM pg_extension"
# Held by a session of its own, so that it goes with the process: what a killed load left is then known as such.
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('inboxbench load ' || %s, 0))"


@contextmanager
def load_lock(server: Server, name: str) -> Iterator[None]:
    """Keep others from loading into database `name` during the block. Raises UsageError when somebody does already."""
    with connect(server.conninfo()) as connection:
        row = connection.execute(_LOCK, (name,)).fetchone()
        if row is None or not row[0]:
            raise UsageError(f"{name} is being loaded by another process; wait for it, or end it first")
        yield


def check_rights(connection: Connection) -> None:
    """Raises UsageError when our role may not create tables where they would go."""
    row = connection.execute(_MAY_CREATE).fetchone()
    assert row is not None
    role, schema, may = row
    if schema is None:
        raise UsageError(
            f"database {connection.info.dbname!r} has no schema on {role}'s search_path to put tables into; "
            "create the schema, or ALTER ROLE … SET search_path"
        )
    if not may:
        raise UsageError(
            f"role {role!r} may not create tables in schema {schema!r} of database {connection.info.dbname!r}; its "
            f'owner can allow it: GRANT CREATE ON SCHEMA "{schema}" TO "{role}"'
        )


def _names(connection: Connection, query: str, *arguments: str) -> set[str]:
    return {str(name) for (name,) in connection.execute(query.encode(), arguments).fetchall()}


@contextmanager
def emptied_on_failure(conninfo: str) -> Iterator[None]:
    """Of a database without tables: when the block fails, drop what it made and nothing else.

    Schemas, their owners and grants, functions and extensions that were there stay.
    """
    with connect(conninfo) as connection:
        schema = str((connection.execute("SELECT current_schema()").fetchone() or ("public",))[0])
        functions = _names(connection, _FUNCTIONS, schema)
        extensions = _names(connection, _EXTENSIONS)
        tables = _names(connection, _TABLES, schema)
    try:
        yield
    except BaseException:
        with connect(conninfo) as connection, connection.transaction():
            for table in _names(connection, _TABLES, schema) - tables:
                _drop(connection, "TABLE", table)
            for function in _names(connection, _FUNCTIONS, schema) - functions:
                _drop(connection, "FUNCTION", function)
            for extension in _names(connection, _EXTENSIONS) - extensions:
                connection.execute(sql.SQL("DROP EXTENSION {} CASCADE").format(sql.Identifier(extension)))
        raise


def _drop(connection: Connection, kind: str, quoted: str) -> None:
    """`quoted` is a name as the server writes it."""
    connection.execute(f"DROP {kind} IF EXISTS {quoted} CASCADE".encode())
