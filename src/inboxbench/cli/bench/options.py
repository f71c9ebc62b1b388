"""What the bench commands share: which data to measure on, which sets and queries, where the outcome goes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.text import Text

from inboxbench.bench import TIMEOUT_S
from inboxbench.bench.cache.recall import Memory
from inboxbench.bench.cache.store import Store, default_folder
from inboxbench.bench.request import Sets
from inboxbench.bench.sets.indexset import live_set, read_catalogue
from inboxbench.bench.workload.letters import locale_remark
from inboxbench.bench.workload.queries import read_workload
from inboxbench.cli.options import Session
from inboxbench.cli.progress import SeedProgress, progress_console
from inboxbench.database import connect, read_marker, require_ours, scratch_database, write_marker
from inboxbench.database_copy import CopyFailed, copied, is_url
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.migrate import runner
from inboxbench.project import Loose, Project
from inboxbench.seed import load_profile
from inboxbench.seed.datasets.dataset import load_dataset, schema_file
from inboxbench.server import Server, parse_spec, redact
from inboxbench.server.binaries import find_bindir
from inboxbench.server.spec import Binaries, Embedded
from inboxbench.sqlfile import read_queries

SCHEMA_VERSION = 1
# The set of indexes that a database of one's own has.
CURRENT = "current"
Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Source:
    """What to measure on: a database that is at head already, or a profile that is seeded there."""

    database: str | None
    profile: str
    seed: int
    allow_foreign: bool
    as_is: bool = False


@dataclass(frozen=True, slots=True)
class Ground:
    """A database to measure on. data: what its rows were made of (None: nobody knows, they speak for themselves)."""

    name: str
    messages: int
    data: str | None = None


def _together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Options as one decorator, in this order in the help."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


profile_options = _together(
    click.option("--profile", "--dataset", default="small", show_default=True, help="else this, seeded at head"),
    click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="of the profile"),
)
source_options = _together(
    click.option("--database", help="a database at head that inboxbench made, or postgresql://…; read, never written"),
    click.option("--allow-foreign", is_flag=True, help="take --database NAME even if inboxbench did not make it"),
    profile_options,
)
queries_option = click.option(
    "--queries", help="queries or families with commas between (default: all of bench/queries); `bench`: or a folder"
)
sets_option = click.option(
    "--sets", help="index sets with commas between (default: those marked so in schema/indexes.toml)"
)
as_is_option = click.option(
    "--as-is", is_flag=True, help="leave rows where they lie (default: in key order, so that whole runs repeat)"
)
fresh_option = click.option("--fresh", is_flag=True, help="measure also what an earlier run did on the same ground")
timeout_option = click.option(
    "--timeout", default=TIMEOUT_S, show_default=True, type=click.FloatRange(0.001), help="seconds a query"
)
output_option = click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="write the JSON there as well"
)
form_options = _together(
    click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True),
    output_option,
)
markdown_options = _together(
    click.option(
        "--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True
    ),
    output_option,
)


@contextmanager
def opened_database(session: Session, server: Server, source: Source) -> Iterator[str]:
    """The name of a database at head; one made here is gone afterwards, its dataset stays with the server."""
    with opened_ground(session, server, source) as ground:
        yield ground.name


@contextmanager
def opened_ground(session: Session, server: Server, source: Source) -> Iterator[Ground]:
    """The same, with what is known of its rows. Warns of a locale that queries of the project find too little in."""
    with _ground(session, server, source) as ground:
        _warn_of_locale(session.project, server, ground.name)
        yield ground


def _warn_of_locale(project: Project, server: Server, database: str) -> None:
    if not project.queries.is_dir():
        return
    with connect(server.conninfo(database)) as connection:
        remark = locale_remark(connection, read_queries(project.queries, strict=False))
    if remark:
        progress_console.print(Text(remark, style="yellow"))


@contextmanager
def _ground(session: Session, server: Server, source: Source) -> Iterator[Ground]:
    if is_url(source.database):
        with _copied(source.database or "", server) as ground:
            yield ground
        return
    if source.database:
        if not source.allow_foreign:
            require_ours(server, source.database)
        yield Ground(source.database, 0)
        return
    with seeded(session, server, source.profile, source.seed) as ground:
        yield ground


@contextmanager
def _copied(url: str, server: Server) -> Iterator[Ground]:
    with ExitStack() as stack:
        with progress_console.status(f"copying {redact(url)} to {server.label}"):
            try:
                copy = stack.enter_context(copied(server, url))
            except CopyFailed as error:  # what is measured is at fault, and no server: exit code 3
                raise SubjectFailed(str(error)) from None
        for remark in copy.remarks:
            progress_console.print(Text(remark, style="yellow"))
        yield Ground(copy.name, 0)


def sets_of(server: Server, ground: Ground, project: Project, names: list[str] | None) -> Sets | None:
    """What to compare: of a project by name; a database of one's own also as it is, under the name CURRENT."""
    if not isinstance(project, Loose):
        return names
    with connect(server.conninfo(ground.name)) as connection:
        current = live_set(connection, CURRENT, "the indexes it has")
    own = [current] if names is None or CURRENT in names else []
    rest = None if names is None else [name for name in names if name != CURRENT]
    return [*own, *read_catalogue(project.indexes).choose(rest)]


@contextmanager
def seeded(session: Session, server: Server, profile: str, seed: int, scale: float = 1.0) -> Iterator[Ground]:
    """A database at head with `scale` times the profile's messages; gone afterwards.

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
        yield Ground(name, dataset.size, f"{dataset.fingerprint} at {_history(project)}")


def _history(project: Project) -> str:
    """A digest of the migrations, their SQL included."""
    found = hashlib.sha256()
    for path in sorted(path for path in project.migrations.rglob("*") if path.suffix in (".py", ".sql")):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()[:16]


def memory_of(ground: Ground, *, fresh: bool, as_is: bool) -> Memory:
    """Outcomes of earlier runs. Where rows lie as they lie, what they were made of does not say how."""
    return Memory(Store(default_folder(), fresh=fresh), None if as_is else ground.data)


def tell_memory(memory: Memory) -> None:
    """On stderr: how much was known already, and what could not be read."""
    if memory.reused:
        progress_console.print(Text(str(memory)))
    for problem in memory.store.problems:
        progress_console.print(Text(problem, style="yellow"))


def check_servers(session: Session) -> None:
    """Before minutes of work on the first: is there a program for each? Raises UsageError, ServerError."""
    for one in session.each():
        spec = parse_spec(one.settings.server)
        if isinstance(spec, Embedded | Binaries):
            find_bindir(spec)


def check_names(session: Session, source: Source, sets: list[str] | None, queries: list[str] | None) -> None:
    """A wrong name is said before a server is started."""
    own = isinstance(session.project, Loose)
    read_catalogue(session.project.indexes).choose([name for name in sets if name != CURRENT] if own and sets else sets)
    read_workload(session.project, queries)
    if not source.database:
        if not session.project.seeds.is_dir():
            raise UsageError(f"{session.project.root} has no seeds/ to fill a database by; name one with --database")
        load_profile(session.project, source.profile)


def hand_over(
    document: dict[str, Any],
    form: str,
    output: Path | None,
    show: Callable[[], None],
    markdown: Callable[[], str] | None = None,
) -> None:
    """The JSON to --output if one was given, and to stdout or else `markdown`, or whatever `show` prints."""
    text = json.dumps(document, ensure_ascii=False, indent=1)
    if output is not None:
        try:
            output.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--output {output}: cannot be written: {error.strerror}") from error
    if form == "json":
        click.echo(text)
    elif form == "markdown" and markdown:
        click.echo(markdown())
    else:
        show()
