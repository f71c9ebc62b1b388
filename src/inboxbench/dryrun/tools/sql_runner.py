"""The process that runs files of SQL on a copy: each in a session of its own, and a row for each that is done."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg.pq import TransactionStatus

from inboxbench.dryrun.tools.formats import Format
from inboxbench.dryrun.tools.sql_files import SqlFile, numbered, read_file
from inboxbench.errors import UsageError

SCHEMA, TABLE = "inboxbench_rehearsal", "sql_files"
FILES = Format("SQL", TABLE, ("sql_file",), ("number",))
MAKE = (
    f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}",
    f"CREATE TABLE IF NOT EXISTS {SCHEMA}.{TABLE} (number int GENERATED ALWAYS AS IDENTITY, sql_file text)",
)
NOTE = f"INSERT INTO {SCHEMA}.{TABLE} (sql_file, number) VALUES (%s, DEFAULT)"  # noqa: S608 - two constants


def main() -> None:
    """Run what the arguments say: up or down, the target, and `NAME=PATH` of each file."""
    way, target, *places = sys.argv[1:]
    files = {name: Path(path) for name, _, path in (place.partition("=") for place in places)}
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as notes:
        for statement in MAKE:
            notes.execute(statement)
        done = {str(name) for (name,) in notes.execute(f"SELECT sql_file FROM {SCHEMA}.{TABLE}")}  # noqa: S608
        for name in chosen(list(files), done, target, back=way == "down"):
            _run(read_file(name, files[name], back=way == "down"))
            if way == "down":
                notes.execute(f"DELETE FROM {SCHEMA}.{TABLE} WHERE sql_file = %s", (name,))  # noqa: S608
            else:
                notes.execute(NOTE, (name,))


def chosen(names: Sequence[str], done: set[str], target: str, *, back: bool) -> list[str]:
    """Return the files to run: up to `target` (head: all) those that are not done, or down to it (base: all) undone.

    Raises UsageError for a target that no file is.
    """
    if target not in (*names, "head", "heads", "base"):
        raise UsageError(f"no file is named {target}; there are {', '.join(names[:8])}")
    last = names.index(target) + 1 if target in names else (0 if target == "base" else len(names))
    if back:
        return [name for name in reversed(names[last:]) if name in done]
    return [name for name in names[:last] if name not in done]


def _run(file: SqlFile) -> None:
    """Run a file as psql does, to its first error. Raises UsageError that names file and line."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        steps = list(numbered(file.steps))
        begin, end = ([(0, "BEGIN")], [(0, "COMMIT")]) if file.whole else ([], [])
        for line, sql in (*begin, *steps, *end):
            try:
                connection.execute(sql.encode())
            except psycopg.Error as error:
                said = str(error).splitlines()[0]
                connection.close()
                raise UsageError(f"{file.path}:{line}: {said}") from None
        open_still = connection.info.transaction_status != TransactionStatus.IDLE
        if open_still:
            connection.close()
    if open_still:
        raise UsageError(f"{file.path}: its BEGIN has no COMMIT, so that nothing of it stays")


if __name__ == "__main__":
    try:
        main()
    except (UsageError, psycopg.Error) as problem:
        sys.exit(f"error: {problem}")
