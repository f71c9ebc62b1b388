"""The first revision's question: is this database empty, the messenger as it was, or something else?"""

from __future__ import annotations

from typing import Literal

from psycopg import sql

from inboxbench.database import Connection
from inboxbench.errors import ForeignDatabaseError
from inboxbench.sqlfile import read_sections

_SQL = read_sections(__file__)

# (table, column) → type and whether it may be NULL
Columns = dict[tuple[str, str], str]
_PROBE = "inboxbench_baseline_probe"
_SHOWN = 6


def columns_here(connection: Connection) -> Columns:
    """Return the columns of every table in the current schema."""
    return {(table, column): spelling for table, column, spelling in connection.execute(_SQL["columns"])}


def columns_built_by(connection: Connection, script: str) -> Columns:
    """Return the columns `script` would build: run in a schema of its own that is rolled back."""
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(_PROBE)))
        connection.execute("SELECT set_config('search_path', %s, true)", (_PROBE,))
        run_script(connection, script)
        return columns_here(connection)


def run_script(connection: Connection, script: str) -> None:
    """Execute a file of the project, many statements at once."""
    connection.execute(script.encode())  # bytes: the file is the project's own text, not composed here


def inspect(connection: Connection, script: str) -> Literal["empty", "baseline"]:
    """Return what is there, measured by what `script` builds. Other tables beside the baseline's are left alone.

    Raises ForeignDatabaseError for a database that holds other tables and no messenger, and for a messenger whose
    tables differ from the baseline (older, newer, or migrated half way by other means).
    """
    expected, found = columns_built_by(connection, script), columns_here(connection)
    tables = {table for table, _ in expected}
    ours = {key: spelling for key, spelling in found.items() if key[0] in tables}
    others = sorted({table for table, _ in found} - tables - {"alembic_version"})
    if not ours:
        if others:
            raise ForeignDatabaseError(_foreign(connection, others))
        return "empty"
    if differences := _differences(expected, ours):
        raise ForeignDatabaseError(_half(connection, differences))
    return "baseline"


def _differences(expected: Columns, found: Columns) -> list[str]:
    absent_tables = {table for table, _ in expected} - {table for table, _ in found}
    return [
        *(f"no table {table}" for table in sorted(absent_tables)),
        *(f"no column {t}.{c}" for t, c in sorted(expected.keys() - found.keys()) if t not in absent_tables),
        *(f"unknown column {t}.{c}" for t, c in sorted(found.keys() - expected.keys())),
        *(
            f"{t}.{c} is {found[t, c]} instead of {expected[t, c]}"
            for t, c in sorted(expected.keys() & found.keys())
            if found[t, c] != expected[t, c]
        ),
    ]


def _listed(items: list[str]) -> str:
    return ", ".join(items[:_SHOWN]) + (f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else "")


def _foreign(connection: Connection, tables: list[str]) -> str:
    return (
        f"database {connection.info.dbname!r} holds other tables ({_listed(tables)}) and none of the messenger's; "
        "it was left alone: name an empty database or one with the messenger's baseline"
    )


def _half(connection: Connection, differences: list[str]) -> str:
    return (
        f"database {connection.info.dbname!r} is not at the messenger's baseline and carries no revision: "
        f"{_listed(differences)}; it was left alone: bring it to schema/baseline.sql first, or, if it was migrated "
        "by other means, `alembic stamp` the revision that it holds"
    )
