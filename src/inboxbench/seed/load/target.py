"""The database of a load: who may fill it, one at a time, and how it is given back when the load fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from inboxbench.database import Connection, connect
from inboxbench.errors import ServerError, UsageError
from inboxbench.leftovers import Leftover
from inboxbench.seed.load.created import forget, is_listing, list_owner, remove_listed
from inboxbench.server import Server

_MAY_CREATE = "SELECT current_user, current_schema(), has_schema_privilege(current_schema(), 'CREATE')"
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


_DATABASES = """
    SELECT datname FROM pg_database
    WHERE datallowconn AND NOT datistemplate AND has_database_privilege(oid, 'CONNECT') ORDER BY 1
"""


def left_loads(server: Server) -> list[Leftover]:
    """Return the loads into databases that are somebody's, by database, whose list is still there: they run, or were
    killed, or something of somebody's kept what they made from going."""
    found = []
    with connect(server.conninfo()) as connection:
        names = [str(row[0]) for row in connection.execute(_DATABASES).fetchall()]
    for name in names:
        with suppress(ServerError, psycopg.Error), connect(server.conninfo(name)) as connection:
            if is_listing(connection):
                owner, created = list_owner(connection)
                found.append(Leftover("load", name, 0, created, owner, owner.state if owner else "unknown"))
    return found


def remove_load(server: Server, name: str) -> list[str]:
    """Remove what a load that is no more left in database `name`; return a line for each object that has to stay."""
    with load_lock(server, name), connect(server.conninfo(name)) as connection:
        return remove_listed(connection)


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


@contextmanager
def emptied_on_failure(conninfo: str) -> Iterator[None]:
    """Of a database without tables: when the block fails, drop what it made and nothing else (see `created`).

    What has to stay, since something of somebody's depends on it, is noted on the exception.
    """
    try:
        yield
    except BaseException as error:
        with connect(conninfo) as connection:
            kept = remove_listed(connection)
        if kept:
            error.add_note(f"not all that the load made could be removed: {'; '.join(kept)}")
        raise
    with connect(conninfo) as connection:
        forget(connection)
