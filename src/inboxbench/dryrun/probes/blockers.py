"""Sessions that stand in a migration's way as real ones do: a report that reads for seconds, a snapshot kept open."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from inboxbench.database import Connection, connect, with_names
from inboxbench.traffic.tables import read_tables

READER, SNAPSHOT = "inboxbench dryrun long reader", "inboxbench dryrun old snapshot"
BLOCKER = "inboxbench dryrun blocker"
GAP_S = 1.0
_AGAIN_S = 0.05
_Take = Callable[[Connection], None]


@dataclass(slots=True)
class Holder:
    """begun: how often it has begun. pid: its backend."""

    pid: int
    begun: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    ready: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class Blocker:
    """A transaction that has one table (schema.name) locked in `mode` for a while, and then lets go for good."""

    relation: str
    mode: str
    seconds: float


@contextmanager
def in_the_way(conninfo: str, blocker: Blocker) -> Iterator[None]:
    """The block begins once it has its lock."""
    schema, _, table = blocker.relation.partition(".")
    lock = with_names("LOCK TABLE {} IN {} MODE", sql.Identifier(schema, table), _words(blocker.mode))
    with connect(conninfo, application_name=BLOCKER, log_statement="none") as connection:
        connection.execute("BEGIN")
        connection.execute(lock)
        timer = threading.Timer(blocker.seconds, _let_go, (connection,))
        timer.start()
        try:
            yield
        finally:
            timer.join()


def _let_go(connection: Connection) -> None:
    with suppress(psycopg.Error):  # of a server that died: whoever waits hears so itself
        connection.rollback()


def _words(mode: str) -> sql.SQL:
    return sql.SQL(mode)  # of MODES


@contextmanager
def long_reader(conninfo: str, seconds: float) -> Iterator[Holder]:
    """Reads every table in one transaction of `seconds`, rests a second, and again, for the length of the block."""
    with _holding(conninfo, READER, seconds, _read_everything) as holder:
        yield holder


@contextmanager
def old_snapshot(conninfo: str, seconds: float) -> Iterator[Holder]:
    """Keeps a snapshot for `seconds`, and again: it locks no table, and is what CREATE INDEX CONCURRENTLY waits for."""
    with _holding(conninfo, SNAPSHOT, seconds, _take_snapshot) as holder:
        yield holder


@contextmanager
def _holding(conninfo: str, name: str, seconds: float, take: _Take) -> Iterator[Holder]:
    # An impatient one of itself: a reader that queues behind DDL holds up nobody, and would come late itself.
    with connect(conninfo, application_name=name, lock_timeout="20ms", log_statement="none") as connection:
        holder = Holder(connection.info.backend_pid)
        thread = threading.Thread(target=_repeat, args=(connection, holder, seconds, take), name=name, daemon=True)
        thread.start()
        holder.ready.wait()
        try:
            yield holder
        finally:
            holder.stopping.set()
            thread.join()


def _repeat(connection: Connection, holder: Holder, seconds: float, take: _Take) -> None:
    try:
        while not holder.stopping.is_set():
            held = _transaction(connection, holder, seconds, take)
            holder.stopping.wait(GAP_S if held else _AGAIN_S)
    except psycopg.Error:
        return  # of a server that died: the migration says so itself
    finally:
        holder.ready.set()


def _transaction(connection: Connection, holder: Holder, seconds: float, take: _Take) -> bool:
    """Return False when somebody else was there first."""
    try:
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            take(connection)
            holder.begun += 1
            holder.ready.set()
            holder.stopping.wait(seconds)
    except (psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable):
        return False
    return True


def _read_everything(connection: Connection) -> None:
    for table in read_tables(connection, without=()):
        connection.execute(with_names("SELECT FROM {} LIMIT 1", table.identifier))


def _take_snapshot(connection: Connection) -> None:
    connection.execute("SELECT 1")
