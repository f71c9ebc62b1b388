"""Fill a database: plan, blocks by worker processes, then keys and indexes, all or nothing."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from inboxbench import units
from inboxbench.database import Connection, connect
from inboxbench.errors import UsageError
from inboxbench.owner import temporary_folder
from inboxbench.seed.binary.copy_format import table_checksum
from inboxbench.seed.dask.option import Cluster, cluster_pool
from inboxbench.seed.load import deferred_indexes
from inboxbench.seed.load.created import listed, plan_indexes
from inboxbench.seed.load.deferred_indexes import in_parallel
from inboxbench.seed.load.process_pool import WorkerPool, local_pool
from inboxbench.seed.load.worker import reads_files
from inboxbench.seed.profile import BaseProfile
from inboxbench.seed.row_source import SLICE, Churn, Done, Job, Layout, RowSource, find_layout, row_source

# Below so many rows a second process costs more to start than it saves.
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
    """Finished blocks by table and number, whatever order they came in."""

    total_rows: int
    progress: Progress
    done: dict[str, dict[int, Done]] = field(default_factory=dict)
    rows: int = 0
    octets: int = 0

    def add(self, result: Done) -> None:
        self.done.setdefault(result.table, {})[result.number] = result
        self.rows += result.rows
        self.octets += result.octets
        self.progress(Step("rows", self.rows, max(self.rows, self.total_rows), self.octets))

    def blocks(self) -> dict[str, list[Done]]:
        return {table: [blocks[number] for number in sorted(blocks)] for table, blocks in self.done.items()}


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


def default_workers(rows: int) -> int:
    """One more than processors: one builds its next block while the server takes in those of the others.

    rows: of the table that the profile's size counts.
    """
    return 1 if rows < _SMALL else len(os.sched_getaffinity(0)) + 1


def _pool(workers: int | Cluster, job: Job) -> AbstractContextManager[WorkerPool]:
    return cluster_pool(workers, job) if isinstance(workers, Cluster) else local_pool(workers, job)


def load(
    conninfo: str,
    profile: BaseProfile,
    seed: int,
    *,
    source: str,
    schema: Path,
    seeds: Path,
    workers: int | Cluster | None = None,
    at: str = "baseline",
    slice_size: int = SLICE,
    fresh: bool = False,
    progress: Progress = silent,
    shared: bool = False,
) -> Loaded:
    """Create the schema in an empty database and fill it; `fresh` leaves out the churn.

    source: name of the row source; schema, seeds: folders of the project; shared: list what is made.
    Raises UsageError when the database holds
    tables already or the disk is too small, InboxbenchError when the load breaks. The database is then half-filled:
    its maker drops it (see dataset.py).
    """
    rows = row_source(source)
    layout, size = find_layout(rows, at), rows.size(profile)
    with connect(conninfo) as connection:
        check_empty(connection)
        check_disk(connection, rows, profile)
        with listed(connection, begin=True) if shared else nullcontext():
            parts = create_tables(connection, schema, layout)
            plan_indexes(connection, ((part.table, name) for part in parts.indexes for name in part.names))
    watch = _Stopwatch()
    with temporary_folder("seed") as folder:
        by_file = not isinstance(workers, Cluster) and _reads_files(conninfo, folder)
        job = Job(folder, source, profile, seed, layout, conninfo, slice_size, by_file=by_file)
        with _pool(workers or default_workers(size), job) as pool:
            plan = rows.plan(job, seeds)
            watch.lap("outline")
            tally = _Tally(plan.rows, progress)
            for phase in plan.phases:
                for result in pool.run(phase(tally.blocks())):
                    tally.add(result)
    watch.lap("rows")
    finish(conninfo, layout, parts, progress)
    watch.lap("keys")
    loaded = _summary(tally, layout, pool.workers, watch.seconds)
    if profile.past is not None and not fresh:
        age(conninfo, rows.churn(profile.past, loaded.rows), progress)
        watch.lap("churn")
    return loaded


def _reads_files(conninfo: str, folder: Path) -> bool:
    with connect(conninfo) as connection:
        return reads_files(connection, folder)


def _largest_first(layout: Layout) -> list[str]:
    return list(reversed(tuple(layout.columns)))


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


def needed_bytes(source: RowSource[Any], profile: BaseProfile) -> int:
    """Bytes on the server's disk that a load of `profile` may need at its peak."""
    return source.size(profile) * source.row_bytes + (64 << 20)


def check_disk(connection: Connection, source: RowSource[Any], profile: BaseProfile) -> None:
    """Raise UsageError when the server's data directory is too full, where it can be seen from here."""
    try:
        row = connection.execute("SHOW data_directory").fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return
    local = (connection.info.host or "").startswith("/")
    if not row or not local or not Path(row[0]).is_dir():
        return
    free, needed = shutil.disk_usage(row[0]).free, needed_bytes(source, profile)
    if free < needed:
        raise UsageError(
            f"profile {profile.name!r} with {source.size(profile)} {source.counted} needs about "
            f"{units.size(needed)} under {row[0]}, and {units.size(free)} are free; use a smaller --scale"
        )


def create_tables(connection: Connection, schema: Path, layout: Layout) -> deferred_indexes.Parts:
    """Create the tables without keys and indexes; returns what was left out. schema: folder of the layout's file."""
    connection.execute((schema / layout.schema).read_text(encoding="utf-8"))
    return deferred_indexes.strip(connection, _largest_first(layout))


def age(conninfo: str, past: Churn, progress: Progress) -> None:
    """Run the churn, and report each statement."""
    run_churn(conninfo, past, _counted("churn", churn_steps(past), progress))


def finish(conninfo: str, layout: Layout, parts: deferred_indexes.Parts, progress: Progress) -> None:
    """Set sequences, and make keys, indexes, statistics and foreign keys of filled tables."""
    tables = _largest_first(layout)
    advance = _counted("keys", deferred_indexes.steps(parts, tables), progress)
    with connect(conninfo) as connection:
        for table in tables:
            if "id" in layout.columns[table]:
                _advance_sequence(connection, table)
    deferred_indexes.restore(conninfo, parts, tables, advance)


def _advance_sequence(connection: Connection, table: str) -> None:
    connection.execute(
        sql.SQL("SELECT setval(pg_get_serial_sequence({}, 'id'), (SELECT coalesce(max(id), 1) FROM {}))").format(
            sql.Literal(table), sql.Identifier(table)
        )
    )


def _summary(tally: _Tally, layout: Layout, workers: int, seconds: dict[str, float]) -> Loaded:
    finished = tally.blocks()
    blocks = {table: finished.get(table, []) for table in layout.columns}
    every = [block for table in blocks.values() for block in table]
    server_cpu = [block.server_cpu for block in every if block.server_cpu is not None]
    return Loaded(
        rows={table: sum(block.rows for block in done) for table, done in blocks.items()},
        octets={table: sum(block.octets for block in done) for table, done in blocks.items()},
        checksums={table: table_checksum(block.checksum for block in done) for table, done in blocks.items()},
        seconds=seconds,
        client_cpu=sum(block.cpu for block in every),
        server_cpu=sum(server_cpu) if server_cpu else None,
        client_peak_mb=round(max(block.peak_mb for block in every)),
        workers=workers,
    )


def churn_steps(churn: Churn) -> int:
    """How often `run_churn` reports that something is done."""
    return 2 + (len(churn.tables) if churn.rounds else 0) + sum(len(statements) for statements in churn.rounds)


def run_churn(conninfo: str, churn: Churn, done: Callable[[], None]) -> None:
    """Age the database; calls `done` after each step. Ends with fresh statistics and without a vacuum.

    A vacuum comes before the last round, so that pages which that round leaves alone are all-visible. Statements of a
    round run in parallel: nothing that one leaves behind is old enough for another to see, so the files come out the
    same each time.
    """
    tables = [sql.Identifier(table) for table in churn.tables]
    with connect(conninfo, synchronous_commit="off") as connection:
        # Repeated values are no news: the schema's own triggers must not take them for traffic.
        _switch_triggers(connection, tables, "DISABLE")
        for statement in churn.first:
            connection.execute(statement)
        done()
        for number, statements in enumerate(churn.rounds, 1):
            if number == len(churn.rounds):
                in_parallel(conninfo, [sql.SQL("VACUUM {}").format(table) for table in tables], done)
            in_parallel(conninfo, statements, done)
        _switch_triggers(connection, tables, "ENABLE")
        connection.execute(sql.SQL("ANALYZE {}").format(sql.SQL(", ").join(tables)))
        done()


def _switch_triggers(connection: Connection, tables: list[sql.Identifier], how: LiteralString) -> None:
    for table in tables:
        connection.execute(sql.SQL("ALTER TABLE {} {} TRIGGER USER").format(table, sql.SQL(how)))
