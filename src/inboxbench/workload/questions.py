"""A workload as questions to measure, without a file written by hand.

`statements_of` reads what was asked; `questions` makes of it, for the time of a block, what `bench` measures:

    statements = statements_of("postgresql://reader@db.example/shop")
    with questions(server, copy, statements) as asked:
        run_matrix(server, copy, asked.project)
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from inboxbench.credentials import named, place
from inboxbench.database_copy import cloned, is_url
from inboxbench.errors import SubjectFailed, UsageError, shortened
from inboxbench.owner import temporary_folder
from inboxbench.project import Loose
from inboxbench.server import Server
from inboxbench.workload.model import Imported, Recorded
from inboxbench.workload.run import Limits, Progress, import_workload
from inboxbench.workload.shapes import HIDDEN, measurable
from inboxbench.workload.sources.files import read_files
from inboxbench.workload.sources.server_log import read_log
from inboxbench.workload.sources.statistics import TIMES, read_export, read_statistics

_BEGINNING = 64 * 1024  # characters of a file that say what it is


@dataclass(frozen=True, slots=True)
class Statements:
    """What was asked, and in words where that is known from. seconds: within which it was asked (None: not known)."""

    recorded: tuple[Recorded, ...]
    source: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Questions:
    """Queries with draws of their values and a mix, as a project that `bench` measures, and what they cover."""

    project: Loose
    imported: Imported


def statements_of(where: str, role: str | None = None, option: str = "--workload") -> Statements:
    """Read the statements of a workload: of pg_stat_statements at a URL, an export of it, a log or a folder of .sql.

    role: of pg_stat_statements what this role sent (None: all roles). option: what `where` was given as, for messages.
    Raises UsageError for what is none of these, ServerError where the URL cannot be read, and as `checked` does.
    """
    if is_url(where):
        recorded, seconds = read_statistics(where, role)
        return checked(Statements(tuple(recorded), f"pg_stat_statements of {place(where)}", seconds))
    path = Path(where)
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except (OSError, ValueError):  # too long, a NUL
        is_folder, is_there = False, False
    if not is_there or not where:
        shown = named(where, option) if set("@=:") & set(where) else shortened(where, 200)
        raise UsageError(
            f"{shown}: there is no such workload; name postgresql://…, a server log, a CSV export of "
            "pg_stat_statements or a folder of .sql files"
        )
    read = read_files if is_folder else read_export if _is_export(path) else read_log
    found = tuple(read(path))
    moments = [statement.at for statement in found if statement.at is not None]
    return checked(Statements(found, str(path), (max(moments) - min(moments) if moments else 0) or None))


def checked(statements: Statements) -> Statements:
    """Return the statements; raise SubjectFailed, before anything is copied, where none of them is one to measure."""
    if any(measurable(statement.text)[1] is None for statement in statements.recorded):
        return statements
    reasons = Counter(str(measurable(statement.text)[1]) for statement in statements.recorded)
    most = "; ".join(reason for reason, _ in reasons.most_common(3)) or "no statement"
    hint = "" if HIDDEN in reasons else "; let the application work for a while first"
    raise SubjectFailed(f"{statements.source} has no query to measure, only: {most}{hint}")


def _is_export(path: Path) -> bool:
    """Return whether the file begins with the names of the columns of pg_stat_statements, as no log does."""
    if not path.is_file():
        return False
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            names = next(csv.reader([file.readline(_BEGINNING)]), [])
    except (OSError, csv.Error):
        return False
    return bool({"query", "calls", *TIMES}.intersection(names))


def is_imported(folder: Path) -> bool:
    """Return whether a folder is one that `workload import` wrote, which is measured as it is."""
    return (folder / "mix.toml").is_file() or (folder / "classes.toml").is_file()


def write_questions(
    server: Server,
    database: str,
    statements: Statements,
    folder: Path,
    *,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Write queries, draws and mix to `folder`, tried on a clone of `database`, which stays as it is.

    Raises SubjectFailed when not one of the statements can be run.
    """
    with cloned(server, database) as clone:
        return import_workload(
            server, clone, statements.recorded, folder, source=statements.source, limits=limits, progress=progress
        )


@contextmanager
def questions(
    server: Server,
    database: str,
    statements: Statements,
    *,
    catalogue: Path | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Iterator[Questions]:
    """Yield the workload as questions to `database` of `server`, which is only read; their folder goes with the block.

    catalogue: a file of index sets (None: none). progress(done, total, what comes next). Raises SubjectFailed when not
    one of the statements can be run.
    """
    with temporary_folder("workload") as folder:
        imported = write_questions(server, database, statements, folder, limits=limits, progress=progress)
        yield Questions(Loose(folder, catalogue or folder / "indexes.toml"), imported)
