"""Fill a database: outline, blocks by worker processes, then keys and indexes, all or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from inboxbench import units
from inboxbench.database import Connection, connect
from inboxbench.errors import UsageError
from inboxbench.messenger.data.plan import outline, outline_tasks, total_rows, window_tasks
from inboxbench.messenger.data.profile import Churn, Profile
from inboxbench.messenger.data.table_layout import LAYOUTS, Layout
from inboxbench.seed.dask.option import Cluster, cluster_runner
from inboxbench.seed.load import churn
from inboxbench.seed.load import deferred_indexes as bare
from inboxbench.seed.load.checksum import table_checksum
from inboxbench.seed.load.copy_transport import reads_files
from inboxbench.seed.load.process_pool import Crew, runner
from inboxbench.seed.load.task import SLICE, Job
from inboxbench.seed.load.worker import Done

# Heap, baseline indexes and the sort files of their build, for a message and its share of the other tables.
_BYTES_A_MESSAGE = 620
# Below this a second process costs more to start than it saves.
_SMALL = 100_000


@dataclass(frozen=True, slots=True)
class Step:
    """Progress: `stage` is rows (done and total count rows), keys or churn (they count statements)."""

    stage: str
    done: int
    total: int
    octets: int = 0


Progress = Callable[[Step], None]


def silent(step: Step) -> None:
    """The Progress of callers who want none."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did. Seconds are wall time by stage; cpu is of the clients."""

    rows: dict[str, int]
    octets: dict[str, int]
    checksums: dict[str, str]
    seconds: dict[str, float]
    client_cpu: float
    server_cpu: float | None
    client_peak_mb: float
    workers: int


@dataclass(slots=True)
class _Tally:
    """Done blocks by table and number, whatever order they came in."""

    total_rows: int
    progress: Progress
    done: dict[str, dict[int, Done]] = field(default_factory=dict)
    rows: int = 0
    octets: int = 0

    def add(self, result: Done) -> None:
        self.done.setdefault(result.table, {})[result.number] = result
        self.rows += result.rows
        self.octets += result.octets
        self.progress(Step("rows", self.rows, self.total_rows, self.octets))

    def blocks(self, table: str) -> list[Done]:
        found = self.done.get(table, {})
        return [found[number] for number in sorted(found)]


class _Stopwatch:
    """Seconds by stage, in the order in which they end."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._begun = time.monotonic()

    def lap(self, stage: str) -> None:
        now = time.monotonic()
        self.seconds[stage], self._begun = now - self._begun, now


def _counted(stage: str, total: int, progress: Progress) -> Callable[[], None]:
    """A function that reports one more step of `stage` done at each call."""
    numbers = iter(range(1, total + 1))
    return lambda: progress(Step(stage, next(numbers), total))


def default_workers(profile: Profile) -> int:
    """One more than processors: one builds its next block while the server takes in those of the others."""
    return 1 if profile.messages.count < _SMALL else len(os.sched_getaffinity(0)) + 1


def _crew(workers: int | Cluster, job: Job) -> AbstractContextManager[Crew]:
    return cluster_runner(workers, job) if isinstance(workers, Cluster) else runner(workers, job)


def load(
    conninfo: str,
    profile: Profile,
    seed: int,
    *,
    schema: Path,
    vocabulary: Path,
    workers: int | Cluster | None = None,
    at: Layout = LAYOUTS["baseline"],
    slice_size: int = SLICE,
    fresh: bool = False,
    progress: Progress = silent,
) -> Loaded:
    """Create the schema of `schema` in an empty database and fill it; `fresh` leaves out the churn.

    Raises UsageError when the database holds tables already or the disk is too small, InboxbenchError when
    the load breaks. The database is then half-filled: its maker drops it (see dataset.py).
    """
    with connect(conninfo) as connection:
        check_empty(connection)
        check_disk(connection, profile)
        parts = bare_schema(connection, schema, at)
    watch = _Stopwatch()
    with tempfile.TemporaryDirectory(prefix="inboxbench_seed_") as name:
        by_file = not isinstance(workers, Cluster) and _reads_files(conninfo, Path(name))
        job = Job(Path(name), profile, seed, at, conninfo, slice_size, by_file=by_file)
        with _crew(workers or default_workers(profile), job) as crew:
            plan = outline(job, vocabulary)
            watch.lap("outline")
            tally = _Tally(total_rows(plan), progress)
            for result in crew.each(outline_tasks(plan)):
                tally.add(result)
            for result in crew.each(window_tasks(plan, tally.blocks("conversations"))):
                tally.add(result)
    watch.lap("rows")
    finish(conninfo, at, parts, progress)
    watch.lap("keys")
    if not fresh:
        age(conninfo, profile.churn, progress)
        watch.lap("churn")
    return _summary(tally, at, crew.workers, watch.seconds)


def _reads_files(conninfo: str, folder: Path) -> bool:
    with connect(conninfo) as connection:
        return reads_files(connection, folder)


def _largest_first(at: Layout) -> list[str]:
    return list(reversed(tuple(at.columns)))


def check_empty(connection: Connection) -> None:
    row = connection.execute(
        "SELECT count(*), min(relname) FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm') "
        "AND relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_|^information_schema$')"
    ).fetchone()
    if row and row[0]:
        raise UsageError(
            f"database {connection.info.dbname!r} is not empty: it holds {row[0]} tables or views "
            f"({row[1]} …); seed a new one"
        )


def needed_bytes(profile: Profile) -> int:
    return profile.messages.count * _BYTES_A_MESSAGE + (64 << 20)


def check_disk(connection: Connection, profile: Profile) -> None:
    """Where the server's data directory can be seen from here. Raises UsageError when it is too full."""
    try:
        row = connection.execute("SHOW data_directory").fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return
    local = (connection.info.host or "").startswith("/")
    if not row or not local or not Path(row[0]).is_dir():
        return
    free, needed = shutil.disk_usage(row[0]).free, needed_bytes(profile)
    if free < needed:
        raise UsageError(
            f"profile {profile.name!r} with {profile.messages.count} messages needs about "
            f"{units.size(needed)} under {row[0]}, and {units.size(free)} are free; use a smaller --scale"
        )


def bare_schema(connection: Connection, schema: Path, at: Layout) -> bare.Parts:
    """Create the tables without keys and indexes; returns what was left out."""
    connection.execute(schema.read_text(encoding="utf-8"))
    return bare.strip(connection, _largest_first(at))


def age(conninfo: str, past: Churn, progress: Progress) -> None:
    churn.run_churn(conninfo, past, _counted("churn", churn.steps(past), progress))


def finish(conninfo: str, at: Layout, parts: bare.Parts, progress: Progress) -> None:
    """Sequences, keys, indexes, statistics and foreign keys of filled tables."""
    tables = _largest_first(at)
    advance = _counted("keys", bare.steps(parts, tables), progress)
    with connect(conninfo) as connection:
        for table in tables:
            if "id" in at.columns[table]:
                _advance_sequence(connection, table)
    bare.restore(conninfo, parts, tables, advance)


def _advance_sequence(connection: Connection, table: str) -> None:
    connection.execute(
        sql.SQL("SELECT setval(pg_get_serial_sequence({}, 'id'), (SELECT coalesce(max(id), 1) FROM {}))").format(
            sql.Literal(table), sql.Identifier(table)
        )
    )


def _summary(tally: _Tally, at: Layout, workers: int, seconds: dict[str, float]) -> Loaded:
    blocks = {table: tally.blocks(table) for table in at.columns}
    everything = [block for done in blocks.values() for block in done]
    server_cpu = [block.server_cpu for block in everything if block.server_cpu is not None]
    return Loaded(
        rows={table: sum(b.rows for b in done) for table, done in blocks.items()},
        octets={table: sum(b.octets for b in done) for table, done in blocks.items()},
        checksums={table: table_checksum(b.checksum for b in done) for table, done in blocks.items()},
        seconds=seconds,
        client_cpu=sum(block.cpu for block in everything),
        server_cpu=sum(server_cpu) if server_cpu else None,
        client_peak_mb=round(max(block.peak_mb for block in everything)),
        workers=workers,
    )
