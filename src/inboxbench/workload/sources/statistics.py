"""Statements from pg_stat_statements: of a database, or exported to a file of CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from inboxbench.credentials import place
from inboxbench.database import Connection
from inboxbench.errors import ServerError, UsageError
from inboxbench.files import read_lines
from inboxbench.server import reason
from inboxbench.server.environment import completed
from inboxbench.workload.model import Recorded

_HOW = (
    "switch it on: `ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'`, restart the server, then "
    "`CREATE EXTENSION pg_stat_statements` in the database; or import a log with --log"
)
_VIEW = """
    SELECT n.nspname, array(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = %s AND c.relkind = 'v'"""
TIMES = ("total_exec_time", "total_time")  # the second up to PostgreSQL 12
_LONGEST = 64 * 1024 * 1024  # bytes of one field


def read_statistics(url: str, role: str | None = None) -> tuple[list[Recorded], float | None]:
    """Return what the server counted for the database behind `url`, and in how many seconds (None: it does not say).

    role: of this role alone. The database is read in a read-only transaction. Raises UsageError where the extension is
    not there, ServerError where it cannot be read.
    """
    try:
        with psycopg.connect(completed(url), connect_timeout=10, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = on")
            return list(_counted(connection, url, role)), _counted_for(connection)
    except psycopg.errors.ObjectNotInPrerequisiteState:
        raise UsageError(f"{place(url)}: pg_stat_statements is not loaded; {_HOW}") from None
    except psycopg.OperationalError as error:
        raise ServerError(f"cannot reach {place(url)}: {reason(error)}") from None
    except psycopg.Error as error:
        raise ServerError(f"cannot read pg_stat_statements of {place(url)}: {reason(error)}") from None


def _counted_for(connection: Connection) -> float | None:
    """Return the seconds since the counters were last put to zero; PostgreSQL 13 and before do not know."""
    view = connection.execute(_VIEW, ("pg_stat_statements_info",)).fetchone()
    if view is None:
        return None
    query = sql.SQL("SELECT extract(epoch FROM clock_timestamp() - stats_reset)::float8 FROM {}")
    row = connection.execute(query.format(sql.Identifier(view[0], "pg_stat_statements_info"))).fetchone()
    return float(row[0]) if row and row[0] else None


def _counted(connection: Connection, url: str, role: str | None) -> Iterator[Recorded]:
    found = connection.execute(_VIEW, ("pg_stat_statements",)).fetchone()
    if found is None:
        raise UsageError(f"{place(url)} has no pg_stat_statements; {_HOW}")
    schema, columns = found
    if role and connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
        raise UsageError(f"--role {role}: {place(url)} has no such role")
    time = sql.Identifier(next(name for name in TIMES if name in columns))
    query = sql.SQL(
        "SELECT query, sum(calls)::bigint, sum({time})::float8, sum(rows)::bigint FROM {view} "
        "WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND {top} AND {mine} "
        "AND query NOT LIKE '%pg_stat_statements%' GROUP BY query"
    ).format(
        time=time,
        view=sql.Identifier(schema, "pg_stat_statements"),
        top=sql.SQL("toplevel") if "toplevel" in columns else sql.SQL("true"),
        mine=sql.SQL("userid = (SELECT oid FROM pg_roles WHERE rolname = {})").format(sql.Literal(role))
        if role
        else sql.SQL("true"),
    )
    for text, calls, ms, rows in connection.execute(query):
        yield Recorded(text or "", calls, ms, rows)


def read_export(path: Path) -> list[Recorded]:
    """Return the statements of a CSV file with the columns query, calls and total_exec_time (and, if there, rows).

    Raises UsageError naming the file and the line or column that is wrong.
    """
    limit = csv.field_size_limit(_LONGEST)
    try:
        reader = csv.DictReader(read_lines(path, encoding="utf-8-sig"))
        time = _check_columns(path, reader.fieldnames or ())
        return [_exported(path, reader.line_num, row, time) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: no CSV in UTF-8: {error}") from None
    finally:
        csv.field_size_limit(limit)


def _check_columns(path: Path, names: object) -> str:
    columns = list(names) if isinstance(names, list) else []
    for name in ("query", "calls"):
        if name not in columns:
            raise UsageError(
                f"{path}: has no column {name!r}; export it with its names: "  # noqa: S608
                "`psql --csv -c 'SELECT query, calls, total_exec_time, rows FROM pg_stat_statements'`"
            )
    time = next((name for name in TIMES if name in columns), None)
    if time is None:
        raise UsageError(f"{path}: has no column 'total_exec_time' (nor 'total_time')")
    return time


def _exported(path: Path, line: int, row: Mapping[str, str | None], time: str) -> Recorded:
    try:
        calls, ms, rows = int(row["calls"] or ""), float(row[time] or ""), int(row.get("rows") or 0)
    except (TypeError, ValueError):
        raise UsageError(f"{path}, line {line}: calls, {time} or rows is no number") from None
    if calls < 0 or not 0 <= ms < float("inf"):
        raise UsageError(f"{path}, line {line}: calls or {time} is negative or no number")
    return Recorded(row["query"] or "", calls, ms, rows)
