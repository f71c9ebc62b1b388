"""What a migration leaves half done: invalid indexes, rules that do not hold for all rows, triggers that are off.

It is read before the run and after it: what was so before is said, too, for `IF NOT EXISTS` passes it over. pg_dump
leaves invalid indexes out, so that a copy from a URL is given them afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import psycopg
from psycopg import sql

from inboxbench.database import Connection, connect
from inboxbench.dryrun.more import Unfinished
from inboxbench.server import Server
from inboxbench.server.environment import completed
from inboxbench.sqlfile import read_sections

_QUERIES = read_sections(__file__)
_MOST_NOTES = 10


def read_unfinished(server: Server, database: str) -> tuple[Unfinished, ...]:
    """Return what is half done in a database now, by kind and name."""
    with connect(server.conninfo(database)) as connection:
        return tuple(Unfinished(*row) for row in connection.execute(_QUERIES["unfinished"]))


def compared(before: Iterable[Unfinished], after: Iterable[Unfinished]) -> tuple[Unfinished, ...]:
    """Return what is half done after a run, and whether it was before."""
    known = {item.key for item in before}
    return tuple(item.marked(before=item.key in known) for item in after)


def unfinished_notes(items: Sequence[Unfinished]) -> tuple[str, ...]:
    """Return a line for each that no rule speaks of."""
    lines = [f"{item.shown}{', as it was before the run' if item.before else ''}" for item in items if not item.index]
    more = [f"and {len(lines) - _MOST_NOTES} more that are not finished"] if len(lines) > _MOST_NOTES else []
    return (*lines[:_MOST_NOTES], *more)


def carry_invalid_indexes(server: Server, database: str, source: str) -> tuple[str, ...]:
    """Give a copy the invalid indexes of the database at the URL `source`; return remarks on those that it cannot have.

    Each is built CONCURRENTLY: where the rows refuse it, it stays behind as it did at the source; else it is marked.
    """
    with psycopg.connect(completed(source), autocommit=True) as connection:
        indexes = connection.execute(_QUERIES["invalid"]).fetchall()
    with connect(server.conninfo(database)) as connection:
        remarks = [_made_invalid(connection, *index) for index in indexes]
    return tuple(remark for remark in remarks if remark)


def _made_invalid(connection: Connection, schema: str, name: str, definition: str) -> str | None:
    try:
        connection.execute(definition.replace(" INDEX ", " INDEX CONCURRENTLY ", 1).encode())
    except psycopg.Error as error:
        reason = str(error).splitlines()[0]
    else:
        reason = ""
    mark = sql.SQL("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass({})")
    place = sql.Identifier(schema, name).as_string(connection)
    if connection.execute(mark.format(sql.Literal(place))).rowcount:
        return None
    return f"the copy lacks the invalid index {schema}.{name}: {reason}"
