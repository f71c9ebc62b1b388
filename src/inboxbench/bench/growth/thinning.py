"""Smaller copies of a database of somebody's own: a share of the rows of each table that no other one refers to.

Tables that others refer to (customers, products) stay whole, so that every key still finds its row; each of their rows
then has a share of what it had. Which rows stay goes by a digest of their place, so a smaller copy is part of a larger.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import sql

from inboxbench.database import connect, scratch_database
from inboxbench.errors import UsageError
from inboxbench.server import Server
from inboxbench.sqlfile import read_sections

_SQL = read_sections(__file__)
# A digest of a row's place, as a share of all that there are.
_DELETE = "DELETE FROM ONLY {} WHERE (hashtextextended(ctid::text, 0) & 1048575) >= %s"


@dataclass(frozen=True, slots=True)
class Thinned:
    """A copy with a share of the rows. rows: those of the thinned tables, together; tables: their names."""

    name: str
    rows: int
    tables: tuple[str, ...]


@contextmanager
def thinned(server: Server, database: str, share: float) -> Iterator[Thinned]:
    """Yield a copy of `database` with a share (above 0, at most 1) of its rows; it is dropped at the end of the block.

    Raises UsageError where every table is referred to by another one, so that none can be thinned.
    """
    with scratch_database(server, "thin", database) as name:
        with connect(server.conninfo(name)) as connection:
            tables = connection.execute(_SQL["loose"]).fetchall()
            if not tables:
                raise UsageError("every table is referred to by another one, so that no smaller copy can be made")
            # Keys and triggers of the application are not asked: what goes here was never there.
            connection.execute("SET session_replication_role = replica")
            rows = 0
            for schema, table in tables:
                identifier = sql.Identifier(schema, table)
                if share < 1:
                    connection.execute(sql.SQL(_DELETE).format(identifier), (round(share * 1048576),))
                    connection.execute(sql.SQL("VACUUM FULL {}").format(identifier))
                counted = connection.execute(sql.SQL("SELECT count(*) FROM ONLY {}").format(identifier)).fetchone()
                rows += counted[0] if counted else 0
        yield Thinned(name, rows, tuple(f"{schema}.{table}" for schema, table in tables))
