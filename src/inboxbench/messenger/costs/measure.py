"""How an alternative is measured, in the office that all of them are tried in.

One execution is counted (statements, pages, WAL), then many clients at once (what they do to each other).
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

from inboxbench.bench.sets.template import analyse_all
from inboxbench.bench.workload.writes import updates
from inboxbench.counting import CountingConnection, totals
from inboxbench.database import Connection, connect, scratch_database
from inboxbench.disturbance import Watch
from inboxbench.project import Project
from inboxbench.server import Server
from inboxbench.server.pgbench import Load, find_pgbench, run_scripts

# What is measured; the caller commits. The number is that of the execution, from 0 and never the same twice.
Act = Callable[[Connection, int], object]

# psycopg prepares a statement when it has seen it five times; the first updates of a row that a fresh load packed
# full move it to where updated rows live.
_WARM_UPS = 20

_FLAGS = ("--no-vacuum", "--protocol=prepared")
_SAMPLE_S = 0.02
_WAITS = """
    SELECT count(*) FILTER (WHERE wait_event_type = 'Lock'), count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'pgbench' AND state = 'active'
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Holds what one unit of an operation costs.

    statements: that the client sends, BEGIN and COMMIT aside. buffers: 8 kB pages of tables and indexes touched, also
    by triggers and keys. ms: median, commit included. updates: rows updated by an execution, by triggers too; hot:
    their share that was HOT (needed no index entry), None for no updates. disturbed: whose transactions kept dead rows
    alive at that time, so that WAL and HOT are not its own.
    """

    statements: float
    buffers: float
    wal_bytes: float
    ms: float
    updates: float
    hot: float | None
    disturbed: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "disturbed"}


@dataclass(frozen=True, slots=True)
class Contention:
    """Holds what `clients` in a closed loop do: transactions a second, and the share of samples in which they waited
    for a lock."""

    clients: int
    per_s: float
    waiting: float


def measure(conninfo: str, act: Act, executions: int, units: int = 1, *, watch: Watch) -> Cost:
    """Execute `act` once it is warm, each time in a transaction of its own; return what one of `units` costs."""
    with CountingConnection.connect(conninfo) as worker, connect(conninfo) as observer:
        updated = updates(observer)
        warm = min(_WARM_UPS, executions)
        watch.look(worker, wholly=True)
        _execute(worker, act, range(warm), watch)
        before, trips = totals(worker, observer), worker.trips
        taken = _execute(worker, act, range(warm, warm + executions), watch)
        trips = worker.trips - trips - executions  # a COMMIT each
        after = totals(worker, observer)
        updated = updates(observer) - updated
        watch.look(worker, wholly=True)
    each = executions * units
    return Cost(
        statements=round(trips / each, 2),
        buffers=round((after.buffers - before.buffers) / each, 1),
        wal_bytes=round((after.wal_bytes - before.wal_bytes) / each, 1),
        ms=round(statistics.median(taken) * 1000 / units, 3),
        updates=round(updated.rows / (warm + executions), 2),
        hot=None if updated.hot_share is None else round(updated.hot_share, 3),
        disturbed=watch.in_the_way,
    )


def _execute(worker: CountingConnection, act: Act, numbers: range, watch: Watch) -> list[float]:
    """Return the seconds of each execution."""
    taken = []
    for number in numbers:
        watch.look(worker)
        begun = time.perf_counter()
        act(worker, number)
        worker.commit()
        taken.append(time.perf_counter() - begun)
    return taken


def contend(server: Server, conninfo: str, scripts: list[str], load: Load) -> Contention:
    """Execute `scripts`, drawn with equal chances, by pgbench."""
    with _waits(conninfo) as waiting:
        report = run_scripts(find_pgbench(server), conninfo, scripts, load, _FLAGS)
    return Contention(load.clients, round(report.per_s, 1), round(waiting(), 3))


def count_transactions(server: Server, conninfo: str, scripts: list[str], load: Load) -> int:
    """Execute `scripts` by pgbench without a look at the clients; return how many transactions there were."""
    return run_scripts(find_pgbench(server), conninfo, scripts, load, _FLAGS).transactions


@contextmanager
def _waits(conninfo: str) -> Iterator[Callable[[], float]]:
    """Sample what the clients are doing; yield a function that returns the share that waited for a lock."""
    ended, counts = threading.Event(), [0, 0]

    def sample() -> None:
        with connect(conninfo) as connection:
            while not ended.wait(_SAMPLE_S):
                row = connection.execute(_WAITS).fetchone()
                assert row is not None
                counts[0] += row[0]
                counts[1] += row[1]

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield lambda: counts[0] / max(counts[1], 1)
    finally:
        ended.set()
        sampler.join()


# In both.
ACCOUNT, INBOX, CUSTOMER, AGENT = 1, 1, 1, 1
CONVERSATIONS = 300
# In `office.sql`.
UNREAD = 10  # messages of each of the CONVERSATIONS
NEGLECTED = range(301, 326)  # with BACKLOG messages each
BACKLOG = 200


def conversation_of(number: int) -> int:
    """Return the conversation of an execution: they take turns, so that none grows much faster than the others."""
    return 1 + number % CONVERSATIONS


@contextmanager
def open_office(server: Server, project: Project) -> Iterator[str]:
    """Build a database with the rows of `office.sql`, to be cloned; yield its name, and drop it afterwards."""
    with scratch_database(server, "office") as name:
        _build(server.conninfo(name), project, "office.sql")
        with connect(server.conninfo(name)) as connection:
            analyse_all(connection)
        yield name


@contextmanager
def open_rules_office(server: Server, project: Project) -> Iterator[str]:
    """Do the same with the rows of `rules_office.sql`."""
    with scratch_database(server, "costs") as name:
        _build(server.conninfo(name), project, "rules_office.sql")
        with connect(server.conninfo(name)) as connection:
            connection.execute("VACUUM (ANALYZE)")
        yield name


def _build(conninfo: str, project: Project, rows: str) -> None:
    with connect(conninfo) as connection:
        connection.execute((project.schema / "head.sql").read_bytes())
        connection.execute(files("inboxbench.messenger.costs").joinpath(rows).read_bytes())
