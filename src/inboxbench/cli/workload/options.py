"""`--workload`: a workload as the questions of a command, imported on the copy that the command measures anyway."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.text import Text

from inboxbench.cli.progress import counting, progress_console
from inboxbench.database_copy import is_url
from inboxbench.errors import UsageError
from inboxbench.files import read_text
from inboxbench.owner import temporary_folder
from inboxbench.server import Server
from inboxbench.sqlfile import split_header
from inboxbench.workload.completing import completed, copy_others
from inboxbench.workload.questions import Statements, is_imported, statements_of, write_questions
from inboxbench.workload.run import MOST_QUERIES, Limits
from inboxbench.workload.show import coverage
from inboxbench.workload.sources.files import untyped
from inboxbench.workload.traffic import Replay, replay

R = TypeVar("R")


@dataclass(slots=True)
class Workload:
    """Statements that become questions in `folder` as soon as there is a copy to try them on; said: what they cover.

    beside: the folder of queries that they are a part of, whose other files are in `folder` already; roles: whom they
    are executed as.
    """

    statements: Statements
    folder: Path
    limits: Limits
    said: str = ""
    beside: Path | None = None
    roles: Sequence[str] = ()

    def write(self, server: Server, database: str) -> str:
        """Import the statements for `database`, the first time that this is asked for; return what they cover."""
        if not self.said:
            with counting() as progress:
                imported = write_questions(
                    server, database, self.statements, self.folder, limits=self.limits, progress=progress
                )
            if self.beside:
                self.said = completed(self.beside, self.folder, self.statements, imported)
            else:
                self.said = f"the questions are a workload: {coverage(imported).removesuffix('.')}"
            progress_console.print(Text(self.said))
        return self.said


@dataclass(slots=True)
class Replayed:
    """Statements that become requests as soon as there is a copy to try them on. speed, rate: those of `replay`."""

    statements: Statements
    speed: float
    rate: float | None
    _made: Replay | None = None

    def made(self, server: Server, database: str) -> Replay:
        """Return the requests; those that were made first, for deployed code does not change with the schema."""
        if self._made is None:
            with counting() as progress:
                self._made = replay(
                    server, database, self.statements, speed=self.speed, rate=self.rate, progress=progress
                )
        return self._made


@dataclass(frozen=True, slots=True)
class WorkloadOption:
    """The values of --workload and --top."""

    where: str | None
    top: int = MOST_QUERIES

    @staticmethod
    def completing(folder: Path) -> Workload | None:
        """Return what is to be found out on the copy of a folder of queries: types, and values, that no header says.

        None where every parameter has its type. Raises UsageError for a header or a query that cannot be read.
        """
        lacking = untyped(folder)
        if not lacking:
            return None
        into = click.get_current_context().with_resource(temporary_folder("workload"))
        copy_others(folder, into, lacking)
        headers = [split_header(path, read_text(path), strict=False)[0] for path in lacking]
        roles = [header["role"].strip('"') for header in headers if "role" in header]
        statements = Statements(tuple(lacking.values()), str(folder))
        return Workload(statements, into, Limits(len(lacking)), beside=folder, roles=roles)

    def of(self, database: str | None, queries: str | None) -> tuple[str | None, str | None, Workload | None]:
        """Return the database, the folder of queries where the workload is one that was imported, and else what is
        still to be imported.

        The folder that is written is removed when the command ends. Raises UsageError for what does not go together,
        and as `statements_of` does.
        """
        if self.where is None:
            asked = self.completing(Path(queries)) if queries and database and Path(queries).is_dir() else None
            return database, None if asked else queries, asked
        if queries:
            raise UsageError("--workload and --queries both say what is asked; give one of them")
        database = database or (self.where if is_url(self.where) else None)
        if database is None:
            raise UsageError("--workload was asked of a database of yours: name that with --database")
        if not is_url(self.where) and is_imported(Path(self.where)):
            return database, self.where, None
        statements = statements_of(self.where)
        folder = click.get_current_context().with_resource(temporary_folder("workload"))
        return database, None, Workload(statements, folder, Limits(self.top))


NO_WORKLOAD = WorkloadOption(None)


def workload_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give the command one `workload` in place of --workload and --top."""

    @click.option(
        "--workload",
        "where",
        metavar="WHERE",
        help="ask what a server was asked, instead of --queries: postgresql://… with pg_stat_statements, a CSV export "
        "of that, a server log, a folder of .sql files, or one that `inboxbench workload import` wrote; --database "
        "names the database that is copied and measured (default: that of the URL)",
    )
    @click.option(
        "--top",
        default=MOST_QUERIES,
        show_default=True,
        type=click.IntRange(1),
        help="with --workload: how many queries to take at most, those that took longest first; the rest is counted",
    )
    @functools.wraps(command)
    def wrapped(*args: Any, where: str | None, top: int, **rest: Any) -> R:
        return command(*args, workload=WorkloadOption(where, top), **rest)

    return wrapped
