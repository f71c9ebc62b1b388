"""How near a load comes to what the server can take: both rates in one run, on one machine, in one state."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from psycopg import sql

from inboxbench.database import Connection, connect, scratch_database
from inboxbench.errors import UsageError
from inboxbench.machine import ProcessorTime
from inboxbench.project import Project
from inboxbench.seed.datasets.dataset import fill, resolve
from inboxbench.seed.datasets.registry import Dataset
from inboxbench.seed.load.run import Progress
from inboxbench.seed.load.worker import backend_cpu
from inboxbench.server import Server

_ROUNDS = 3
_SAMPLE = 0.5  # seconds without work of ours
# A machine that is busier than this (shares of its processors' time) says nothing about the ratio.
_MOST_OTHERS, _MOST_STOLEN = 0.15, 0.05
_FILE = "inboxbench_benchmark.bin"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Rows of the table `counted` a second.

    raw: the server reads its own binary file by one connection into a table without keys; seeded: generated and
    loaded, the time for the rows of all other tables included. ratio is seeded to raw; ratio_with_outline counts from
    the beginning of the plan on, whose time does not grow with the rows.

    Shares are of the time of all the machine's processors: idle_share while nothing of the benchmark ran; others_share
    that of other processes then and during the raw copies; steal_share what the machine's host took. Generating needs
    a processor beside the server's, so busy neighbours lower the ratio: above some share it is not meaningful.
    """

    profile: str
    counted: str
    size: int
    raw_rows_per_s: float
    raw_rounds: tuple[float, ...]
    raw_cpu_us_per_row: float | None
    seeded_rows_per_s: float
    ratio: float
    ratio_with_outline: float
    total_s: float
    stages_s: dict[str, float]
    client_cpu_us_per_row: float
    server_cpu_us_per_row: float | None
    client_peak_mb: float
    workers: int
    idle_share: float
    others_share: float
    steal_share: float

    @property
    def meaningful(self) -> bool:
        return self.others_share <= _MOST_OTHERS and self.steal_share <= _MOST_STOLEN

    def to_json(self) -> dict[str, Any]:
        document = asdict(self)
        document[document.pop("counted")] = document.pop("size")
        return {**document, "meaningful": self.meaningful}


def benchmark(
    server: Server,
    profile: str,
    seed: int,
    *,
    scale: float = 1.0,
    size: int | None = None,
    workers: int | None = None,
    at: str = "baseline",
    progress: Progress | None = None,
    project: Project | None = None,
) -> Benchmark:
    """Load into a scratch database, write its counted table to a binary file, and read that back raw.

    Raises UsageError when the server's files cannot be reached, as on somebody else's server.
    """
    sized, found = resolve(profile, scale=scale, size=size, project=project)
    with scratch_database(server, "benchmark") as name:
        with connect(server.conninfo(name)) as connection:
            folder = _server_folder(connection, server)
        begun, quiet = ProcessorTime.now(), [_sample()]
        dataset = fill(
            server, name, sized, seed, project=found, workers=workers, fresh=True, at=at, progress=progress, kind=None
        )
        with connect(server.conninfo(name)) as connection, _prepared(connection, folder, dataset.counted) as path:
            rounds = tuple(_raw(connection, path, dataset.counted) for _ in range(_ROUNDS))
        quiet.append(_sample())
    return _compared(dataset, rounds, quiet, ProcessorTime.now().since(begun))


def _sample() -> ProcessorTime:
    """What the processors do while the benchmark does nothing."""
    begun = ProcessorTime.now()
    time.sleep(_SAMPLE)
    return ProcessorTime.now().since(begun)


def _server_folder(connection: Connection, server: Server) -> Path:
    try:
        row = connection.execute("SHOW data_directory").fetchone()
    except psycopg.errors.InsufficientPrivilege:
        row = None
    folder = Path(str(row[0])) if row else Path("/nonexistent")
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(
            f"--benchmark reads a file on the server's own disk, and that of {server.label} cannot be reached from "
            "here; use an embedded or bin: server"
        )
    return folder


@contextmanager
def _prepared(connection: Connection, folder: Path, table: str) -> Iterator[Path]:
    path = folder / _FILE
    try:
        statement = sql.SQL("COPY {} TO {} (FORMAT BINARY)").format(sql.Identifier(table), sql.Literal(str(path)))
        connection.execute(statement)
        yield path
    finally:
        path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Round:
    rows_per_s: float
    cpu_us_per_row: float | None
    others_share: float


def _raw(connection: Connection, path: Path, table: str) -> _Round:
    """One COPY from the file into a table without keys, indexes or checks."""
    connection.execute("DROP TABLE IF EXISTS raw_copy")
    connection.execute(sql.SQL("CREATE TABLE raw_copy (LIKE {})").format(sql.Identifier(table)))
    connection.execute("CHECKPOINT")
    begun, used, machine = time.monotonic(), backend_cpu(connection.info.backend_pid), ProcessorTime.now()
    done = connection.execute(sql.SQL("COPY raw_copy FROM {} (FORMAT BINARY)").format(sql.Literal(str(path))))
    rate = done.rowcount / (time.monotonic() - begun)
    now = backend_cpu(connection.info.backend_pid)
    own = 0.0 if now is None or used is None else now - used
    others = ProcessorTime.now().since(machine).others_share(own)
    return _Round(rate, own / done.rowcount * 1e6 if own else None, others)


def _compared(
    dataset: Dataset, rounds: tuple[_Round, ...], quiet: list[ProcessorTime], whole_run: ProcessorTime
) -> Benchmark:
    raw = median(copied.rows_per_s for copied in rounds)
    raw_cpu = [copied.cpu_us_per_row for copied in rounds if copied.cpu_us_per_row is not None]
    rows = sum(dataset.rows.values())
    server_cpu = dataset.server_cpu
    whole = dataset.size / (dataset.seconds["outline"] + dataset.seconds["rows"])
    return Benchmark(
        profile=dataset.profile,
        counted=dataset.counted,
        size=dataset.size,
        raw_rows_per_s=round(raw),
        raw_rounds=tuple(round(copied.rows_per_s) for copied in rounds),
        raw_cpu_us_per_row=round(median(raw_cpu), 3) if raw_cpu else None,
        seeded_rows_per_s=round(dataset.counted_per_s),
        ratio=round(dataset.counted_per_s / raw, 3),
        ratio_with_outline=round(whole / raw, 3),
        total_s=dataset.elapsed,
        stages_s=dataset.seconds,
        client_cpu_us_per_row=round(dataset.client_cpu / rows * 1e6, 3),
        server_cpu_us_per_row=None if server_cpu is None else round(server_cpu / rows * 1e6, 3),
        client_peak_mb=dataset.client_peak_mb,
        workers=dataset.workers,
        idle_share=round(median(sample.idle / max(sample.total, 1e-9) for sample in quiet), 3),
        others_share=round(
            median([*(sample.others_share() for sample in quiet), *(copied.others_share for copied in rounds)]), 3
        ),
        steal_share=round(whole_run.stolen / max(whole_run.total, 1e-9), 3),
    )
