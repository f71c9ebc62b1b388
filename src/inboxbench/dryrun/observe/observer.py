"""Everything that SQL does to a database while a block runs, seen from the server, whatever its driver."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import psycopg
from psycopg import sql

from inboxbench.credentials import named
from inboxbench.database import Connection, connect, with_names
from inboxbench.dryrun.model import Statement, Transaction
from inboxbench.dryrun.observe.assemble import assemble
from inboxbench.dryrun.observe.hang import Hang, read_hang
from inboxbench.dryrun.observe.log_statements import LONGEST_VALUE, Draft, read_drafts
from inboxbench.dryrun.observe.sampler import APPLICATION, Poll, Poller, bystander
from inboxbench.dryrun.observe.server_log import log_path, prepare_log, read_lines
from inboxbench.errors import UsageError
from inboxbench.server import Server

# On the database, so that they reach every driver: PGOPTIONS does not reach asyncpg.
_SETTINGS = {
    "log_statement": "all",
    "log_duration": "on",
    "log_min_duration_statement": "-1",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # the statement is known; its text need not be repeated
    "log_error_verbosity": "default",
    "log_lock_waits": "on",
    "deadlock_timeout": "50ms",  # how soon a wait is worth a line
    "log_temp_files": "0",
    "log_parameter_max_length": f"{LONGEST_VALUE}B",
}
# The plans of ordinary statements, with the rows that they read and the WAL that they wrote.
_EXPLAIN = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_wal": "on",
    "auto_explain.log_verbose": "on",  # for the schema's name
    "auto_explain.log_format": "json",
    "auto_explain.log_parameter_max_length": "0",
    "auto_explain.log_level": "log",
}
# What runs within statements, in functions and triggers, is counted by the server: to log each of its plans would take
# longer than a trigger or a foreign key's check itself.
_COUNT = {"pg_stat_statements.track": "all"}
_TRIGGERS = ("start", "end", "drop", "rewrite")


@dataclass
class Observer:
    """What happened so far. epoch: Unix seconds of the run's 0 ms, by the server's clock (this machine's).

    `observed` reads the log again at each call; after the block it is final. Reading takes processor time that live
    traffic would have to do without: after the block it waits until it is asked for.
    """

    server: Server
    database: str
    epoch: float
    _log: Path
    _offset: int
    _poller: Poller
    _end: int | None = None
    _oid: int = 0
    hang: Hang | None = None

    def drafts(self) -> list[Draft]:
        """Return the statements as the log shows them, transaction control included."""
        lines = read_lines(self._log, self._offset, self.database, self._end)
        return read_drafts(lines, self.hang.at_ms if self.hang else None)

    @property
    def poll(self) -> Poll:
        return self._poller.poll

    def observed(self) -> tuple[tuple[Statement, ...], tuple[Transaction, ...]]:
        """Return the statements (revision None) and the transactions."""
        return assemble(self.drafts(), self.poll, self.epoch * 1000)

    @property
    def logged(self) -> int:
        """Return the bytes of log that the block has made, those of other databases included."""
        return (self._log.stat().st_size if self._end is None else self._end) - self._offset

    def finish(self) -> None:
        """Stop looking."""
        self._poller.stop()
        self._end = self._end or self._log.stat().st_size

    def interrupt(self) -> None:
        """Look at who waits for whom, before a command is ended that does not end; what comes after is not read."""
        self._end = self._log.stat().st_size
        catalogues = self._poller.poll.catalogues
        names = {oid: relation.full_name for oid, relation in catalogues[-1].relations.items()} if catalogues else {}
        with bystander(self.server, "postgres", "hang") as connection:
            self.hang = read_hang(connection, self._oid, names)

    def end_sessions(self) -> None:
        """End what the command left running: a server goes on with a statement although its client is gone."""
        left = "FROM pg_stat_activity WHERE datid = %s AND application_name NOT LIKE %s"
        with bystander(self.server, "postgres", "end") as connection:
            connection.execute(f"SELECT pg_terminate_backend(pid) {left}", (self._oid, f"{APPLICATION}%"))


@contextmanager
def observed(server: Server, database: str) -> Iterator[Observer]:
    """Observe every session that connects to `database` inside the block; its own traces are removed at the end.

    Sessions that were connected before are not seen. Raises ServerError when the server is not one of ours.
    """
    log = log_path(server)
    oid = _install(server, database)
    try:
        poller = Poller(server, database, oid)
        observer = Observer(server, database, time.time(), log, log.stat().st_size, poller, _oid=oid)
        poller.start()
        try:
            yield observer
        finally:
            observer.finish()
    finally:
        _remove(server, database)


def _install(server: Server, database: str) -> int:
    """Return the OID of the database."""
    with connect(server.conninfo()) as connection:
        row = connection.execute("SELECT oid FROM pg_database WHERE datname = %s", (database,)).fetchone()
        if row is None:
            raise UsageError(f"database {named(database, '--database')} does not exist on {server.label}")
        prepare_log(connection)
        with suppress(psycopg.Error):  # another run made it at the same moment, or the server has no such library
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        connection.execute(_altered(database, _settings(connection)))
    with bystander(server, database, "setup") as connection, connection.transaction():
        connection.execute("SET LOCAL client_min_messages = warning")
        _drop_triggers(connection)  # of a run that was killed
        connection.execute(_triggers().encode())
    return int(row[0])


def _triggers() -> str:
    return files("inboxbench.dryrun.observe").joinpath("observer.sql").read_text(encoding="utf-8")


def _settings(connection: Connection) -> dict[str, str]:
    """With plans where the server has the library for them; without, DML is known by its locks alone."""
    try:
        connection.execute("LOAD 'auto_explain'")
    except psycopg.Error:
        return _SETTINGS | _COUNT
    rows = connection.execute("SELECT name FROM pg_settings WHERE name LIKE 'auto\\_explain.%'")
    known = {"session_preload_libraries", *(name for (name,) in rows)}  # 15 lacks one
    return _SETTINGS | _COUNT | {name: value for name, value in _EXPLAIN.items() if name in known}


def _altered(database: str, settings: dict[str, str]) -> sql.Composed:
    """One string of statements: one round trip, one commit."""
    statement = "ALTER DATABASE {} SET {} = {}"
    return sql.SQL(";").join(
        with_names(statement, database, _setting(key), sql.Literal(value)) for key, value in settings.items()
    )


def _setting(name: str) -> sql.Composed:
    return sql.SQL(".").join(map(sql.Identifier, name.split(".")))


def _drop_triggers(connection: Connection) -> None:
    triggers = (f"DROP EVENT TRIGGER IF EXISTS inboxbench_observe_{name}" for name in _TRIGGERS)
    connection.execute("; ".join([*triggers, "DROP FUNCTION IF EXISTS pg_catalog.inboxbench_observe()"]).encode())


def _remove(server: Server, database: str) -> None:
    """A database that a revision has dropped has nothing to remove."""
    with connect(server.conninfo()) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone():
            return
        resets = (with_names("ALTER DATABASE {} RESET {}", database, _setting(name)) for name in _settings(connection))
        connection.execute(sql.SQL(";").join(resets))
    with bystander(server, database, "setup") as connection:
        _drop_triggers(connection)
