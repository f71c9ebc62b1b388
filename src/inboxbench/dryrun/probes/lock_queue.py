"""What happens when DDL queues behind a transaction, with and without lock_timeout: `--long-reader`, `--old-snapshot`.

The timeout is set on the database, as somebody would who cannot change the revisions; one that sets its own keeps
it. A run that the timeout ends is started again, as a deployment would, until it is through or its budget is spent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from random import Random
from typing import Any

from psycopg import sql

from inboxbench.database import connect, with_names
from inboxbench.database_copy import cloned
from inboxbench.dryrun.more import Queueing, Shuffle
from inboxbench.dryrun.probes.blockers import Holder
from inboxbench.dryrun.run import own_tables, run_segment
from inboxbench.dryrun.tools.base import Tool
from inboxbench.dryrun.tools.process import Ended, run_tool
from inboxbench.dryrun.under_traffic import Load, watched_traffic
from inboxbench.server import Server
from inboxbench.traffic.clock import wall_clock
from inboxbench.traffic.engine import RequestClass
from inboxbench.traffic.tables import Table, read_tables

LOCK_TIMEOUTS_MS = (None, 100.0, 1000.0)
_PAUSE_S = 0.5
_BUDGET_S = 120.0
Holding = Callable[[str], AbstractContextManager[Holder]]


def probe_queue(
    server: Server,
    template: str,
    tool: Tool,
    load: Load,
    holding: Holding,
    *,
    target: str = "head",
    lock_timeouts_ms: Sequence[float | None] = LOCK_TIMEOUTS_MS,
) -> tuple[Queueing, ...]:
    """Once for each timeout, every time on a copy of `template`, to which no session may be connected."""
    runs = []
    for timeout in lock_timeouts_ms:
        with cloned(server, template) as copy:
            _set_timeout(server, copy, timeout)
            runs.append(_through(server, copy, tool, load, holding, target=target, timeout=timeout))
    return tuple(runs)


def _set_timeout(server: Server, database: str, timeout_ms: float | None) -> None:
    if timeout_ms is None:
        return
    timeout = sql.Literal(f"{timeout_ms:g}ms")
    with connect(server.conninfo()) as connection:
        connection.execute(with_names("ALTER DATABASE {} SET lock_timeout = {}", database, timeout))


def _through(
    server: Server,
    copy: str,
    tool: Tool,
    load: Load,
    holding: Holding,
    *,
    target: str,
    timeout: float | None,
) -> Queueing:
    conninfo, begun = server.conninfo(copy), time.monotonic()
    with watched_traffic(conninfo, load) as traffic, holding(conninfo) as holder:
        origin = wall_clock()()
        attempts, ended = _attempts(server, copy, tool, target)
        elapsed = time.monotonic() - begun
    error = None if ended.status == 0 else ended.complaint
    summaries = traffic.summaries((), origin)
    worst = max(summaries, key=lambda requests: requests.max_stall_ms, default=None)
    worst_ms, worst_class = (worst.max_stall_ms, worst.name) if worst else (0.0, None)
    return Queueing(timeout, attempts, elapsed, holder.begun, error, summaries, worst_ms, worst_class)


def _attempts(server: Server, copy: str, tool: Tool, target: str) -> tuple[int, Ended]:
    deadline = time.monotonic() + _BUDGET_S
    attempts = 0
    while True:
        ended = run_tool(tool, server.url(copy), target)
        attempts += 1
        if ended.status == 0 or not timed_out(ended) or time.monotonic() > deadline:
            return attempts, ended
        time.sleep(_PAUSE_S)


def timed_out(ended: Ended) -> bool:
    """Return whether lock_timeout ended it; every driver passes the server's words on, or the name of its SQLSTATE."""
    return any(word in ended.said for word in ("lock timeout", "LockNotAvailable", "55P03"))


WALKS = 6
_LENGTH = 3
_SEARCH_PAUSE_S = 0.02  # between two tables of a walk, as of an application that thinks: so long it holds the first
_MOST_TABLES = 40


def walks(tables: Sequence[Table], seed: int) -> tuple[RequestClass, ...]:
    """Readers of three tables each, in an order of their own, and of the same three the other way round."""
    random, made = Random(seed), []
    for _ in range(WALKS // 2):
        order = random.sample(list(tables), min(_LENGTH, len(tables)))
        made += [_walk(order), _walk(order[::-1])]
    return tuple({item.name: item for item in made}.values())


def _walk(order: Sequence[Table]) -> RequestClass:
    name = "read " + ", ".join(table.title for table in order)
    statements = tuple(
        with_names(
            "SELECT FROM {} LIMIT 1", sql.Identifier(table.schema.replace("%", "%%"), table.name.replace("%", "%%"))
        )
        for table in order
    )
    return RequestClass(
        name, "read", 1, statements, _nothing, pause_s=_SEARCH_PAUSE_S, tables=tuple(table.full_name for table in order)
    )


def _nothing(_random: Random) -> Mapping[str, Any]:
    return {}


def search_deadlocks(
    server: Server, template: str, tool: Tool, rounds: int, *, rate: float, target: str = "head"
) -> tuple[Shuffle, ...]:
    """`rounds` runs, each on a copy of `template`, to which no session may be connected."""
    own = own_tables(server, template, tool)
    with connect(server.conninfo(template)) as connection:
        tables = read_tables(connection, own)[:_MOST_TABLES]
    if len(tables) < 2:
        return ()
    return tuple(
        _round(server, template, tool, tables, seed=seed, rate=rate, target=target) for seed in range(1, rounds + 1)
    )


def _round(
    server: Server, template: str, tool: Tool, tables: Sequence[Table], *, seed: int, rate: float, target: str
) -> Shuffle:
    classes = walks(tables, seed)
    with cloned(server, template) as copy:
        segment = run_segment(server, copy, tool, target, Load(classes, rate, seed=seed))
    cycles = dict.fromkeys(summary.deadlock_cycle for summary in segment.traffic if summary.deadlock_cycle)
    deadlocks = sum(summary.deadlocks for summary in segment.traffic)
    return Shuffle(seed, tuple(item.tables for item in classes), deadlocks, tuple(cycles), segment.error)
