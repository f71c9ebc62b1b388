"""Plain SQL behind the seam: files that are run in order, each a revision, without any migration tool."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from inboxbench.database import Connection
from inboxbench.dryrun.rewrites.steps import Step
from inboxbench.dryrun.tools import revision_files, sql_runner, version_rows
from inboxbench.dryrun.tools.base import Command, Stamp
from inboxbench.dryrun.tools.sql_code import OUTSIDE, as_sql
from inboxbench.dryrun.tools.sql_files import listed_files, read_file
from inboxbench.migrate.history import History, Revision
from inboxbench.owner import temporary_folder
from inboxbench.server.environment import without_libpq

_LINE = re.compile(r"/\* line (\d+) \*/")


@dataclass(frozen=True, slots=True)
class PlainSql:
    """Files of SQL by the names of their revisions. places: as they were given, for people."""

    files: dict[str, Path]
    places: tuple[str, ...] = ()
    timeout_s: float = 3600.0
    name: str = "SQL"
    aims: bool = True
    version_tables: tuple[str, ...] = field(default=(f"{sql_runner.SCHEMA}.{sql_runner.TABLE}",))

    @property
    def shown(self) -> str:
        return f"SQL of {', '.join(self.places)}"

    def command(self, url: str, target: str, *, downgrade: bool = False) -> Command:
        arguments = [sys.executable, "-m", sql_runner.__name__, "down" if downgrade else "up", target]
        arguments += [f"{name}={path}" for name, path in self.files.items()]
        return Command(arguments, without_libpq() | {"DATABASE_URL": url}, None, url)

    def history(self, _revisions: set[str], /) -> History:
        return revision_files.chained(Revision(name, (), "", path) for name, path in self.files.items())

    def configured(self, _history: History, /) -> tuple[str, ...]:
        return self.version_tables

    def states(self, connection: Connection) -> dict[str, list[str]]:
        tables = version_rows.version_tables(connection, [sql_runner.FILES])
        return {table.full_name: list(table.ids) for table in tables if table.schema == sql_runner.SCHEMA}

    def stamp(self, connection: Connection, revision: str) -> None:
        for statement in sql_runner.MAKE:
            connection.execute(statement)
        connection.execute(sql_runner.NOTE, (revision,))

    def read_stamp(self, sql: str) -> Stamp | None:
        return version_rows.read_stamp(sql, [sql_runner.FILES])

    def asked(self, sql: str) -> str | None:
        return version_rows.asked_table(sql, [sql_runner.FILES])

    def source_line(self, file: Path, sql: str) -> int | None:
        mark = _LINE.match(sql)
        return int(mark[1]) if mark else revision_files.line_of(file, sql)

    def render(self, steps: Sequence[Step]) -> str:
        return as_sql(steps)

    @contextmanager
    def pasted(self, file: Path, line: int, code: str, *, whole: bool = False) -> Iterator[PlainSql | None]:
        name = next((name for name, path in self.files.items() if path == file), None)
        text = _with_code(file, line, code, whole=whole) if name else None
        if name is None or text is None:
            yield None
            return
        with temporary_folder("pasted") as folder:
            (folder / file.name).write_text(text, encoding="utf-8")
            yield replace(self, files=self.files | {name: folder / file.name})

    def suppression(self, file: Path, line: int, rule: str) -> str | None:
        return revision_files.suppression(file, line, rule)


def _with_code(file: Path, line: int, code: str, *, whole: bool) -> str | None:
    """Return the text of a file with code in place of the statement at a line; None where that cannot be done."""
    if "put in what the revision gives" in code:
        return None
    if whole:
        return f"{code}\n"
    text, read = file.read_text(encoding="utf-8-sig"), read_file("", file)
    sql = next((sql for place, sql in read.steps if place == line), None)
    start = sum(map(len, text.splitlines(keepends=True)[: line - 1]))
    place = text.find(sql, start) if sql else -1
    if sql is None or place < 0:
        return None
    head = "-- +goose NO TRANSACTION\n" if read.whole and OUTSIDE in code else ""
    return f"{head}{text[:place]}{code}\n{text[place + len(sql) :].removeprefix(';')}"


def plain_sql(places: Sequence[Path], timeout_s: float) -> PlainSql:
    """Return the files below these places. Raises UsageError for one that cannot be read, or that only psql can run."""
    files = {name: path.absolute() for name, path in listed_files(places).items()}
    for name, path in files.items():
        read_file(name, path)
    return PlainSql(files, tuple(map(str, places)), timeout_s)
