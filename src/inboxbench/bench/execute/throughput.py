"""How many writes a second an index set takes: pgbench in a closed loop, for so long as to compare sets.

Speed on a shared machine wanders by tens of per cent, so it is shown beside the counters and decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo

from inboxbench.bench.execute.client import PGBENCH_FLAGS
from inboxbench.bench.execute.pgbench_scripts import Operation, Targets, stage_targets, write_operations
from inboxbench.database import connect
from inboxbench.errors import SubjectFailed
from inboxbench.server import Server
from inboxbench.server.pgbench import Load, Report, find_pgbench, run_scripts
from inboxbench.sqlfile import QueryFile

# The same draws in every run and under every set.
FLAGS = (*PGBENCH_FLAGS, "--random-seed=1")


@dataclass(frozen=True, slots=True)
class Speed:
    """What a matrix measures of speed beside its counters: the client's overhead and, for `seconds` whole seconds a
    family of writes and set (0: not at all), how many `clients` get through."""

    seconds: int = 2
    clients: int = 4


@dataclass(frozen=True, slots=True)
class Throughput:
    """Of one family of writes: transactions a second by so many clients, each beginning when its last one ended."""

    family: str
    per_s: float
    transactions: int
    clients: int
    seconds: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"per_s": round(self.per_s, 1)}


def bounded(conninfo: str, timeout_s: float) -> str:
    """A conninfo whose statements end by themselves."""
    return make_conninfo(conninfo, options=f"-c statement_timeout={max(1, round(timeout_s * 1000))}")


def run_operation(program: Path, conninfo: str, operation: Operation, load: Load) -> Report:
    """Raises SubjectFailed when a client fails, or none got to the end of one transaction."""
    try:
        report = run_scripts(program, conninfo, list(operation.scripts.values()), load, FLAGS)
    except SubjectFailed as error:
        names = list(operation.scripts)
        raise SubjectFailed(re.sub(r"\bscript (\d+)", lambda found: names[int(found[1])], str(error))) from None
    if not report.transactions:
        raise SubjectFailed(f"no transaction of {operation.name} ended within {load.seconds} s")
    return report


def measure_throughput(
    server: Server,
    database: str,
    writes: Sequence[QueryFile],
    targets: Targets,
    *,
    speed: Speed,
    timeout_s: float,
) -> tuple[tuple[Throughput, ...], tuple[str, ...]]:
    """Throughput of each family of writes on `database`, which is written to, and why some have none.

    Raises ServerError where there is no pgbench.
    """
    program = find_pgbench(server)
    load = Load(speed.clients, speed.seconds)
    with connect(server.conninfo(database)) as connection:
        stage_targets(connection, writes, targets)
        operations = write_operations(connection, writes, targets)
    found: list[Throughput] = []
    failed: list[str] = []
    for operation in operations:
        try:
            report = run_operation(program, bounded(server.conninfo(database), timeout_s), operation, load)
        except SubjectFailed as error:
            failed.append(f"throughput of {operation.name}: {error}")
        else:
            found.append(Throughput(operation.name, report.per_s, report.transactions, load.clients, load.seconds))
    return tuple(found), tuple(failed)
