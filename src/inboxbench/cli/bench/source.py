"""The database that a bench command measures: one that is there already, a copy of somebody's, or a seeded one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from rich.text import Text

from inboxbench.bench.cache.outcomes import Cache
from inboxbench.bench.cache.store import Store, default_folder
from inboxbench.bench.request import check_sets
from inboxbench.bench.workload.queries import locale_remark, read_workload
from inboxbench.cli.options import Session
from inboxbench.cli.progress import SeedProgress, progress_console
from inboxbench.cli.workload.options import Workload
from inboxbench.credentials import place
from inboxbench.database import connect, read_marker, require_ours, scratch_database, write_marker
from inboxbench.database_copy import CopyFailed, copied, is_url
from inboxbench.database_roles import check_role
from inboxbench.database_settings import override
from inboxbench.database_state import State
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.migrate import runner
from inboxbench.project import Project
from inboxbench.seed import load_profile
from inboxbench.seed.datasets.dataset import load_dataset, schema_file
from inboxbench.server import Server, parse_spec
from inboxbench.server.binaries import find_bindir
from inboxbench.server.handle import Binaries, Embedded
from inboxbench.sqlfile import read_queries
from inboxbench.units import read_size


@dataclass(frozen=True, slots=True)
class Source:
    """Holds what to measure on: a database that is at head already, or a profile that is seeded there.

    overrides: settings for the sessions on it, by name. role: whom queries are executed as (None: the server's own
    user). as_source: dead rows and all-visible pages are as many as at the source. explain_at_source: ask the source
    for its plans, too. workload: what becomes the questions of the project once the copy is there.
    """

    database: str | None
    profile: str
    seed: int
    allow_foreign: bool
    as_is: bool = False
    overrides: Mapping[str, str] = field(default_factory=dict)
    role: str | None = None
    as_source: bool = False
    explain_at_source: bool = False
    workload: Workload | None = None


@dataclass(frozen=True, slots=True)
class Database:
    """A database to measure on. rows: of the table that a profile is measured in (0: of no profile). data: what the
    rows were made of (None: nobody knows, so that the cache reads them). remarks: in what a copy is not like its
    source."""

    name: str
    rows: int
    data: str | None = None
    remarks: tuple[str, ...] = ()
    state: State | None = None


@contextmanager
def opened_database(session: Session, server: Server, source: Source) -> Iterator[str]:
    """Yield the name of a database at head; one made here is gone afterwards, its dataset stays with the server."""
    with open_source(session, server, source) as database:
        yield database.name


@contextmanager
def open_source(session: Session, server: Server, source: Source) -> Iterator[Database]:
    """Yield the same, with what is known of its rows. Warns of a locale that queries of the project find too little
    in."""
    with _opened(session, server, source) as database:
        remarks = [source.workload.write(server, database.name)] if source.workload else []
        for role in _roles(session.project, source):
            check_role(server, role)
        _warn_of_locale(session.project, server, database.name)
        yield replace(database, remarks=(*database.remarks, *remarks))


def _warn_of_locale(project: Project, server: Server, database: str) -> None:
    if not project.queries.is_dir():
        return
    with connect(server.conninfo(database)) as connection:
        remark = locale_remark(connection, read_queries(project.queries, strict=False))
    if remark:
        progress_console.print(Text(remark, style="yellow"))


@contextmanager
def _opened(session: Session, server: Server, source: Source) -> Iterator[Database]:
    if source.database and not is_url(source.database) and not source.allow_foreign:
        require_ours(server, source.database)
    if source.database and (is_url(source.database) or source.overrides):  # what is theirs is not altered
        with _copied(session.project, server, source) as database:
            override(server, database.name, source.overrides)
            yield database
    elif source.database:
        yield Database(source.database, 0)
    else:
        with seeded(session, server, source.profile, source.seed) as database:
            override(server, database.name, source.overrides)
            yield database


def _roles(project: Project, source: Source) -> list[str]:
    """Return whom queries are executed as: the role of the command first, then those that queries name."""
    known = project.queries.is_dir() and source.workload is None
    queries = read_queries(project.queries, strict=False) if known else ()
    named = source.workload.roles if source.workload else [query.role for query in queries]
    return list(dict.fromkeys(name for name in (source.role, *named) if name))


@contextmanager
def _copied(project: Project, server: Server, asked: Source) -> Iterator[Database]:
    source, roles = str(asked.database), _roles(project, asked)
    with ExitStack() as stack:
        with progress_console.status(f"copying {place(source) if is_url(source) else source} to {server.label}"):
            try:
                copy = stack.enter_context(copied(server, source, roles=roles, as_source=asked.as_source))
            except CopyFailed as error:  # what is measured is at fault, and no server: exit code 3
                raise SubjectFailed(str(error)) from None
        remarks = (*copy.remarks, *copy.losses)
        for remark in remarks:
            progress_console.print(Text(remark, style="yellow"))
        yield Database(copy.name, 0, remarks=remarks, state=copy.state)


@contextmanager
def seeded(session: Session, server: Server, profile: str, seed: int, scale: float = 1.0) -> Iterator[Database]:
    """Yield a database at head with `scale` times the rows of the profile; gone afterwards.

    It is filled at head, with what the baseline could not hold: priorities, put-away conversations, notes, keys of
    other systems. A project without schema/head.sql is filled at the baseline and migrated.
    """
    project = session.project
    at = "head" if schema_file(project, "head").is_file() else "baseline"
    with SeedProgress() as progress:
        dataset = load_dataset(server, profile, seed, scale=scale, at=at, project=project, progress=progress)
    with scratch_database(server, "bench", dataset.name) as name:
        write_marker(server, name, (read_marker(server, name) or {}) | {"profile": dataset.profile})
        if at == "baseline":
            with progress_console.status("migrating to head"):
                runner.upgrade(server.conninfo(name), project)
        yield Database(name, dataset.size, f"{dataset.fingerprint} at {_history(project)}")


def _history(project: Project) -> str:
    """Return a digest of the migrations, their SQL included."""
    found = hashlib.sha256()
    for path in sorted(path for path in project.migrations.rglob("*") if path.suffix in (".py", ".sql")):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()[:16]


def cache_of(session: Session, database: Database, *, fresh: bool, as_is: bool) -> Cache:
    """Outcomes of earlier runs. Where rows lie as they lie, what they were made of does not say how."""
    store = Store(default_folder(), fresh=fresh, limit=read_size(session.settings.cache_limit))
    store.trim()
    return Cache(store, None if as_is else database.data)


def print_reuse(cache: Cache) -> None:
    """Say on stderr how much was known already, and what could not be read."""
    cache.store.trim()
    if cache.reused:
        progress_console.print(Text(str(cache)))
    for problem in cache.store.problems:
        progress_console.print(Text(problem, style="yellow"))


def check_servers(session: Session) -> None:
    """Before minutes of work on the first: is there a program for each? Raises UsageError, ServerError."""
    for each in session.each():
        spec = parse_spec(each.settings.server)
        if isinstance(spec, Embedded | Binaries):
            find_bindir(spec)


def check_names(session: Session, source: Source, sets: list[str] | None, queries: list[str] | None) -> None:
    """A wrong name is said before a server is started."""
    check_sets(session.project, sets)
    if source.workload is None:
        read_workload(session.project, queries)
    if not source.database:
        needed = {
            session.project.seeds: "to fill a database by",
            session.project.migrations: "to migrate a database by",
        }
        for folder, why in needed.items():
            if not folder.is_dir():
                raise UsageError(f"{session.project.root} has no {folder.name}/ {why}; name one with --database")
        load_profile(session.project, source.profile)
