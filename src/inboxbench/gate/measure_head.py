"""Measures head, or another git revision, as it is: the migrated schema's own indexes on a seeded database; or a
database of somebody's own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from alembic.script import ScriptDirectory
from psycopg import sql

from inboxbench import __version__
from inboxbench.bench import TIMEOUT_S, Progress, run_matrix
from inboxbench.bench.execute.session import open_probe
from inboxbench.bench.sets.catalogue import project_catalogue
from inboxbench.bench.sets.indexset import IndexSet, live_set
from inboxbench.bench.sets.template import drop_secondary_indexes
from inboxbench.database import Connection, connect, scratch_database
from inboxbench.database_roles import check_role
from inboxbench.errors import UsageError
from inboxbench.explain import explain
from inboxbench.gate.environment import Environment
from inboxbench.gate.rules import read_rules
from inboxbench.gate.snapshot import Snapshot, Writing, digest, snapshot_of
from inboxbench.gate.writings import WatchedBuilder
from inboxbench.migrate import runner
from inboxbench.migrate.session import read_settings
from inboxbench.owner import temporary_folder
from inboxbench.project import Project, find_project
from inboxbench.seed import Dataset, load_dataset
from inboxbench.server import Server

_WORKTREE = "worktree"  # purpose of the temporary folder that one lies in
# Name of the set that a head's own indexes make.
MIGRATED = "migrated"
_TITLE = "head as migrated"
_KEYS = """
    SELECT n.nspname, t.relname, i.relname FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
    JOIN pg_namespace n ON n.oid = t.relnamespace
    WHERE x.indisprimary AND t.relkind = 'r' AND n.nspname <> 'information_schema'
        AND NOT starts_with(n.nspname::text, 'pg_')
    ORDER BY t.relname, n.nspname
"""
# A full page is written after a checkpoint, compressed or not; with checksums or hints in WAL also where nothing but a
# hint changed. A block's size decides how many there are.
_WRITING = """
    SELECT name, setting FROM pg_settings WHERE name IN ('full_page_writes', 'wal_compression', 'wal_level',
        'wal_log_hints', 'data_checksums', 'block_size')
"""
# Rounds of a cell: the first execution gives its rows, the second one its counters.
_ROUNDS = 1


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure: the profile's data, migrated; its own indexes, and sets of schema/indexes.toml beside them.

    role: whom queries and writes are executed as (None: the server's own user).
    """

    profile: str = "tiny"
    seed: int = 1
    sets: Sequence[str] = ()
    queries: Sequence[str] | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class _Rows:
    """What is known of the rows of a database: see Environment."""

    profile: str
    rows: int
    data: Mapping[str, str]
    made_of: str | None = None


def measure_head(server: Server, project: Project, request: Request, *, progress: Progress | None = None) -> Snapshot:
    """Seed (or find the dataset), migrate a copy to head, measure it; what was made for it is removed."""
    with upgraded(server, project, request) as (name, dataset):
        return measure_upgraded(server, name, dataset, project, request, progress=progress)


@contextmanager
def upgraded(server: Server, project: Project, request: Request) -> Iterator[tuple[str, Dataset]]:
    """The name of a copy of the dataset at head, rows where migrations left them; dropped at the end of the block."""
    dataset = load_dataset(server, request.profile, request.seed, project=project)
    with scratch_database(server, "gate", dataset.name) as name:
        # Nobody else is there for whom a backfill should rest.
        runner.upgrade(server.conninfo(name), project, settings=replace(read_settings(), pause_share=0.0))
        yield name, dataset


@contextmanager
def migrated(server: Server, project: Project, request: Request) -> Iterator[tuple[str, Dataset]]:
    """The same, laid out in order and with its indexes, to be altered or timed."""
    with upgraded(server, project, request) as (name, dataset):
        with connect(server.conninfo(name)) as connection:
            lay_out(connection)
        yield name, dataset


def measure_upgraded(
    server: Server, name: str, dataset: Dataset, project: Project, request: Request, *, progress: Progress | None = None
) -> Snapshot:
    """The counters of `name`, which `upgraded` gave and which loses its secondary indexes here: CLUSTER would build
    each of them once for nothing."""
    with connect(server.conninfo(name)) as connection:
        own = live_set(connection, MIGRATED, _TITLE)
        drop_secondary_indexes(connection)
        lay_out(connection)
    return _measured(server, (name, _seeded(dataset), own), project, request, progress)


def measure_migrated(
    server: Server, name: str, dataset: Dataset, project: Project, request: Request, *, progress: Progress | None = None
) -> Snapshot:
    """The counters of database `name`, which is `dataset` at head, laid out, under the indexes that it has."""
    with connect(server.conninfo(name)) as connection:
        own = live_set(connection, MIGRATED, _TITLE)
    return _measured(server, (name, _seeded(dataset), own), project, request, progress)


def measure_database(
    server: Server, name: str, project: Project, request: Request, *, progress: Progress | None = None
) -> Snapshot:
    """The counters of database `name` as it is, with its rows where they lie; it is read and never written.

    request.profile: what the database is called in the snapshot.
    """
    from inboxbench.dryrun.probes.downgrade import checksums  # noqa: PLC0415 - needed here alone, and slow to import

    with connect(server.conninfo(name), timezone="UTC") as connection:
        own = live_set(connection, MIGRATED, _TITLE)
        sums = checksums(connection)
    data = {f"column {table}.{column}": said for table, total in sums.items() for column, said in total.columns.items()}
    rows = _Rows(request.profile, sum(total.rows for total in sums.values()), data)
    return _measured(server, (name, rows, own), project, request, progress)


def _seeded(dataset: Dataset) -> _Rows:
    """Known by what the generator made of them, not by who made it: another release of a library that makes the same
    rows makes no other counters."""
    data = {f"table {table}": checksum for table, checksum in dataset.checksums.items()}
    if dataset.churn is not None:
        data["past"] = digest(sorted(dataset.churn.items()))
    return _Rows(dataset.profile, dataset.size, data, dataset.fingerprint)


def _measured(
    server: Server, source: tuple[str, _Rows, IndexSet], project: Project, request: Request, progress: Progress | None
) -> Snapshot:
    """source: a database, what is known of its rows, and its own indexes."""
    name, rows, own = source
    check_role(server, request.role)
    writings: dict[str, dict[str, Writing]] = {}
    matrix = run_matrix(
        server,
        name,
        project,
        sets=[own, *_catalogued(project, request.sets)],
        queries=request.queries,
        writes=False,
        rounds=_ROUNDS,
        as_is=True,
        role=request.role,
        progress=progress,
        make_builder=partial(WatchedBuilder, project=project, role=request.role, writings=writings),
    )
    with connect(server.conninfo(name)) as connection:
        rules = read_rules(connection)
        writing: dict[str, str] = dict(connection.execute(_WRITING).fetchall())
    environment = Environment(
        __version__,
        _version(server),
        rows.profile,
        rows.rows,
        request.seed,
        rows.data,
        _settings(server, name),
        request.role,
        rows.made_of,
        writing,
    )
    return snapshot_of(matrix, writings, rules, environment, _head(project))


def _settings(server: Server, name: str) -> Mapping[str, str]:
    """Those of a measuring session that change plans and are off their default, whether or not any query works."""
    with open_probe(server, name, timeout_s=TIMEOUT_S) as probe:
        return explain(probe.connection, "SELECT 1").settings


def lay_out(connection: Connection) -> None:
    """Rewrite every table in the order of its key, which is that of arrival.

    All of them, even one whose rows lie in order: it may have gaps. Backfills take batches as large as the moment
    allows, so that rows come to lie elsewhere in each run: pages touched would differ by a few per cent.
    """
    for schema, table, key in connection.execute(_KEYS).fetchall():
        connection.execute(sql.SQL("CLUSTER {} USING {}").format(sql.Identifier(schema, table), sql.Identifier(key)))


def _catalogued(project: Project, names: Sequence[str]) -> Sequence[IndexSet]:
    return project_catalogue(project).choose(names) if names else ()


def _version(server: Server) -> str:
    """180006 → 18.6."""
    return f"{server.version // 10_000}.{server.version % 10_000}"


def _head(project: Project) -> str:
    """The last revision; "" in a project without migrations."""
    if not project.migrations.is_dir():
        return ""
    return ScriptDirectory(str(project.migrations)).get_current_head() or ""


@dataclass(frozen=True, slots=True)
class OtherRevision(Project):
    """A project as it was. The code that it brings is what is installed now, as `present` names it."""

    present: Project

    @property
    def extensions(self) -> Path:
        return self.present.extensions


def git(root: Path, *words: str) -> str:
    """What git answers. Raises UsageError with its first line of complaint."""
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UsageError("this needs git, and there is no such program here; install it") from None
    if done.returncode:
        said = next(iter(done.stderr.strip().splitlines()), f"exit code {done.returncode}")
        raise UsageError(f"git {words[0]}: {said}")
    return done.stdout.strip()


def uncommitted(root: Path) -> int:
    """How many files under `root` differ from the last commit."""
    return len(git(root, "status", "--porcelain", "--", ".").splitlines())


def resolve(root: Path, ref: str) -> str:
    """The commit that `ref` names. Raises UsageError when there is none."""
    try:
        return git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    except UsageError as error:
        if "exit code" not in str(error):
            raise
        raise UsageError(
            f"--against {ref}: no such revision; in CI fetch it first (actions/checkout with fetch-depth: 0)"
        ) from None


def _forget_killed(root: Path) -> None:
    """Take worktrees of ours off the repository's list whose folder is gone; those of others are not ours to forget."""
    for line in git(root, "worktree", "list", "--porcelain").splitlines():
        path = Path(line.removeprefix("worktree "))
        if path.parent.name.startswith(f"inboxbench_{_WORKTREE}_") and not path.exists():
            git(root, "worktree", "remove", "--force", str(path))


@contextmanager
def checked_out(project: Project, ref: str) -> Iterator[Project]:
    """The project as it was at `ref`, in a worktree that is removed at the end of the block.

    Raises UsageError for an unknown revision, one without the project, and a project that is in no repository.
    """
    commit = resolve(project.root, ref)
    inside = project.root.relative_to(Path(git(project.root, "rev-parse", "--show-toplevel")).resolve())
    with temporary_folder(_WORKTREE) as folder:  # which removes those of runs that were killed
        _forget_killed(project.root)
        tree = folder / "tree"
        git(project.root, "worktree", "add", "--detach", "--quiet", str(tree), commit)
        try:
            yield OtherRevision(find_project(tree / inside).root, project)
        finally:
            git(project.root, "worktree", "remove", "--force", str(tree))
