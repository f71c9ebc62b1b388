"""The options that bench commands share, and how they show a lab's result."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from inboxbench.bench import TIMEOUT_S
from inboxbench.bench.verdict.pareto import WAL_PER_PAGE
from inboxbench.bench.workload.mix import Weights, check_weights, parse_weights, project_weights
from inboxbench.bench.workload.queries import read_workload
from inboxbench.bench.workload.writes import read_writes
from inboxbench.cli.bench.source import Source
from inboxbench.cli.options import Session, names_in, names_option, role_option, set_option
from inboxbench.cli.output import Output, heading
from inboxbench.cli.workload.options import NO_WORKLOAD, WorkloadOption
from inboxbench.database_copy import is_url
from inboxbench.errors import UsageError
from inboxbench.project import Loose
from inboxbench.report.document import Lab, lab_markdown, print_lab

SCHEMA_VERSION = 1
R = TypeVar("R")
Command = TypeVar("Command", bound=Callable[..., Any])


def _together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return options as one decorator, in this order in the help."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _as_source(command: Callable[..., R]) -> Callable[..., R]:
    """Give the command one `source` in place of the options that say what to measure on."""

    @functools.wraps(command)
    def wrapped(
        *args: Any,
        profile: str,
        seed: int,
        database: str | None = None,
        allow_foreign: bool = False,
        overrides: Mapping[str, str] | None = None,
        role: str | None = None,
        **rest: Any,
    ) -> R:
        source = Source(database, profile, seed, allow_foreign, overrides=overrides or {}, role=role)
        return command(*args, source=source, **rest)

    return wrapped


_profile_options = _together(
    click.option(
        "--profile",
        "--dataset",
        default="small",
        show_default=True,
        help="data profile to seed a database with when no --database is given",
    ),
    click.option(
        "--seed",
        default=1,
        show_default=True,
        type=click.IntRange(0),
        help="random seed of the profile's rows; the same seed gives the same rows",
    ),
)
profile_options = _together(_profile_options, _as_source)
source_options = _together(
    click.option(
        "--database",
        help="measure this database: NAME of one at head that inboxbench made, or postgresql://… to measure a copy of "
        "it; it is read and never written",
    ),
    click.option(
        "--allow-foreign", is_flag=True, help="measure --database NAME even if inboxbench did not make that database"
    ),
    set_option,
    role_option,
    profile_options,
)
_QUERIES = (
    "queries or families of queries to measure, with commas between (default: all of bench/queries); "
    "or a folder of .sql files, for a --database of your own"
)
queries_or_folder_option = click.option("--queries", help=_QUERIES)
indexes_option = click.option(
    "--indexes",
    type=click.Path(path_type=Path, dir_okay=False),
    help="file of index sets to compare when --queries is a folder (default: indexes.toml in that folder; without one, "
    "the indexes that the database has)",
)
sets_option = click.option(
    "--sets",
    callback=names_option,
    help="index sets to compare, with commas between; `current` is what the database has (default: those that "
    "schema/indexes.toml marks as default, for questions of your own after `current`)",
)
as_is_option = click.option(
    "--as-is",
    is_flag=True,
    help="leave rows in the order in which they lie in the tables (default: sorted by key, so that whole runs repeat)",
)
fresh_option = click.option(
    "--fresh",
    is_flag=True,
    help="measure again what an earlier run measured with the same code, data and server (default: take it from there)",
)
timeout_option = click.option(
    "--timeout",
    default=TIMEOUT_S,
    show_default=True,
    type=click.FloatRange(0.001),
    help="seconds after which a query is stopped and counts as not answered",
)
mix_option = click.option(
    "--mix",
    metavar="NAME=WEIGHT,…",
    help="how often which query, write or family is asked for, which decides what set to choose: list=60,writes=20, or "
    "80:20 for reads:writes (default: bench/mix.toml)",
)
wal_page_option = click.option(
    "--wal-page",
    default=WAL_PER_PAGE,
    show_default=True,
    type=click.IntRange(1),
    help="bytes of write-ahead log (WAL) that cost as much as reading one page",
)


def page_of(lab: Lab, server: str) -> str:
    """Return a lab's result page in Markdown. server: its label."""
    return lab_markdown(lab, heading(lab.title, server, dt.datetime.now(dt.UTC)))


def show_lab(output: Output, document: Any, lab_of: Callable[[Any], Lab], server: str) -> None:
    """Hand over what a lab wrote: as JSON, or as its tables in text or Markdown. server: its label."""
    lab = lab_of(document)
    output.hand_over(document, text=lambda console: print_lab(lab, console), markdown=lambda: page_of(lab, server))


def weights_of(session: Session, text: str | None, queries: list[str] | None, *, writes: bool) -> Weights:
    """Before the work: the user's mix, of what is going to be measured, or the project's. Raises UsageError."""
    if text is None:
        return project_weights(session.project)
    weights = parse_weights(text)
    changes = read_writes(session.project) if writes else ()
    check_weights(weights, read_workload(session.project, queries).queries, changes)
    return weights


def own_questions(
    session: Session, database: str | None, queries: str | None, indexes: Path | None
) -> tuple[Session, str | None]:
    """Return the session with the folder of queries as its project, and which of them to measure (None: all).

    Raises UsageError for what lies nowhere, and for questions without a database to put them to.
    """
    folder = Path(queries) if queries else None
    if folder is None or not folder.is_dir():
        if queries and ("/" in queries or indexes):
            raise UsageError(f"--queries {queries}: there is no such folder")
        if indexes:
            raise UsageError("--indexes goes with a folder of queries: --queries DIR")
        if is_url(database) and session.settings.project is None:
            raise UsageError("--database of your own needs queries of your own: --queries DIR [--indexes FILE]")
        return session, queries
    catalogue = indexes or folder / "indexes.toml"
    if indexes and not indexes.is_file():
        raise UsageError(f"{indexes}: there is no such file of index sets; name it with --indexes FILE")
    if database is None:
        raise UsageError("--queries DIR are of a database of your own; name it with --database")
    return replace(session, project=Loose(folder.resolve(), catalogue.resolve())), None


def subject(
    session: Session,
    source: Source,
    queries: str | None,
    indexes: Path | None,
    workload: WorkloadOption = NO_WORKLOAD,
) -> tuple[Session, Source, list[str] | None]:
    """Return the session, the source and the names of queries (None: all) for questions of a project or of one's own.

    Rows of a database that is not ours stay where they lie. Raises UsageError as `own_questions` does.
    """
    database, queries, asked = workload.of(source.database, queries)
    source = replace(source, database=database, workload=asked)
    session, names = own_questions(session, database, str(asked.folder) if asked else queries, indexes)
    lying = source.as_is or source.allow_foreign or is_url(source.database)
    return session, replace(source, as_is=lying), names_in(names)
