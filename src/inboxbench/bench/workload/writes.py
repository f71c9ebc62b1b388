"""What an index set costs writers: WAL, speed, the share of updates that are HOT."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from inboxbench.bench.workload.queries import given_values
from inboxbench.counting import wal_written
from inboxbench.database import Connection, connect, scratch_database
from inboxbench.disturbance import Watch, undisturbed, watching
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.files import read_text
from inboxbench.project import Project
from inboxbench.server import Server, reason
from inboxbench.sqlfile import QueryFile, as_psycopg, read_queries
from inboxbench.sqltree import parse

Targets = Mapping[str, Sequence[Mapping[str, Any]]]
Announce = Callable[[str], None]

_FEW = 20
_LONGEST_S = 20.0
_PASSES = 2

_GIN = """
    SELECT i.oid::regclass::text
    FROM pg_class i JOIN pg_am a ON a.oid = i.relam JOIN pg_namespace n ON n.oid = i.relnamespace
    WHERE a.amname = 'gin' AND i.relkind = 'i' AND n.nspname !~ '^pg_' ORDER BY 1
"""
_BLOCKS = "SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()"
_UPDATES = "SELECT coalesce(sum(n_tup_upd), 0), coalesce(sum(n_tup_hot_upd), 0) FROM pg_stat_user_tables"


@dataclass(frozen=True, slots=True)
class WriteCost:
    """Of one kind of write: bytes of WAL each (search indexes' pending entries merged, and that counted too),
    executions a second on one connection, share of row updates that were HOT (None: nothing was updated), buffers
    each: those of the statement, of every rule that it fires and of the indexes it maintains; rows changed each;
    disturbed: whose transactions kept dead rows alive at that time, so that WAL and HOT are not its own."""

    name: str
    title: str
    family: str
    executions: int
    wal_bytes: float
    per_s: float
    hot_share: float | None
    buffers: float | None = None
    rows: float | None = None
    disturbed: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "family": self.family,
            "executions": self.executions,
            "wal_bytes": round(self.wal_bytes, 1),
            "per_s": round(self.per_s, 1),
            "hot_share": None if self.hot_share is None else round(self.hot_share, 4),
            "buffers": None if self.buffers is None else round(self.buffers, 1),
        } | ({"disturbed": self.disturbed} if self.disturbed else {})


@dataclass(frozen=True, slots=True)
class Updates:
    """Rows updated so far in a database, and how many of them HOT: without an entry in any index."""

    rows: int
    hot: int

    def __sub__(self, before: Updates) -> Updates:
        return Updates(self.rows - before.rows, self.hot - before.hot)

    @property
    def hot_share(self) -> float | None:
        """None: nothing was updated."""
        return self.hot / self.rows if self.rows else None


def updates(connection: Connection) -> Updates:
    """What the session's own and all earlier work comes to."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    row = connection.execute(_UPDATES).fetchone()
    assert row is not None
    return Updates(int(row[0]), int(row[1]))


def read_writes(project: Project) -> tuple[QueryFile, ...]:
    """`bench/writes/*.sql`; `classes` names the file of bench/targets whose rows they are executed with.

    A write of one's own may say its values itself, and its family is then what it does.
    """
    folder = project.bench / "writes"
    if not folder.is_dir():
        return ()
    writes = read_queries(folder, strict=project.headers_required)
    if not project.headers_required:
        writes = tuple(_loose(write) for write in writes)
    for write in writes:
        if len(write.classes) != 1:
            raise UsageError(f"{write.path} classes: a write names one file of targets/, found {len(write.classes)}")
    return writes


def _loose(write: QueryFile) -> QueryFile:
    command = parse(write.prepared).only
    kind = command.kind if command and command.kind in ("insert", "update", "delete") else "update"
    family = kind if write.family == "queries" else write.family
    return replace(write, family=family, classes=write.classes or (write.name,))


def draw_targets(connection: Connection, folder: Path, write: QueryFile) -> list[dict[str, Any]]:
    """Parameter rows of a write. Raises UsageError when a parameter is missing from them."""
    path = folder / f"{write.classes[0]}.sql"
    if write.classes[0] == write.name and not path.is_file() and len(write.defaults) == len(write.params):
        return [given_values(connection, write)]
    text = read_text(path).strip().rstrip(";")
    try:
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(as_psycopg(text).encode(), {}).fetchall()
    except psycopg.Error as error:
        raise SubjectFailed(f"{path}: {reason(error)}") from None
    if not rows:
        raise UsageError(f"{path}: gives no rows on this data, so {write.name} cannot be measured")
    if missing := [name for name in write.params if name not in rows[0]]:
        raise UsageError(f"{path}: gives no column {missing[0]!r}, which {write.path} needs")
    return rows


def measure_writes(
    server: Server, database: str, writes: Sequence[QueryFile], targets: Targets, announce: Announce | None = None
) -> tuple[WriteCost, ...]:
    """Return what each write costs. Raises SubjectFailed when one fails, once the others are measured."""
    outcomes = try_writes(server, database, writes, targets, announce=announce)
    for outcome in outcomes.values():
        if isinstance(outcome, SubjectFailed):
            raise outcome
    return tuple(outcome for outcome in outcomes.values() if isinstance(outcome, WriteCost))


@dataclass(frozen=True, slots=True)
class _Run:
    """Holds what is executed, as whom, under which settings of the session, and the watch that is kept meanwhile."""

    ranked: Sequence[QueryFile]
    targets: Targets
    role: str | None
    settings: Mapping[str, str]
    watch: Watch


def try_writes(
    server: Server,
    database: str,
    writes: Sequence[QueryFile],
    targets: Targets,
    *,
    role: str | None = None,
    timeout_s: float | None = None,
    apart: bool = False,
    announce: Announce | None = None,
) -> dict[str, WriteCost | SubjectFailed]:
    """Run each write over its targets on one connection, each execution a transaction of its own; by name, what it
    costs or why it failed.

    Updates come first: rows that a fresh load packed full have no room for HOT, so a pass that is not measured
    moves the targets to where updated rows live. All is repeated while another session was in the way (see
    `inboxbench.disturbance`), on a copy that is kept where other sessions are connected to the server; none may be to
    `database`. apart: each write has a copy of its own, so that no other write of the project is in its figures, and
    `database` stays as it is. role: whom they are executed as (None: the server's own user); timeout_s: a write that
    takes longer is stopped, and has failed; announce: takes a line on whom it waits for.
    """
    ranked = sorted(writes, key=lambda write: (write.family != "update", write.name))
    settings = {"statement_timeout": f"{round(timeout_s * 1000)}ms"} if timeout_s else {}
    outcomes: dict[str, WriteCost | SubjectFailed] = {}
    with watching(server, announce) as watch:
        for group in [[write] for write in ranked] if apart else [ranked]:
            outcomes |= _repeated(server, database, _Run(group, targets, role, settings, watch), apart=apart)
    return outcomes


def _repeated(server: Server, database: str, run: _Run, *, apart: bool) -> dict[str, WriteCost | SubjectFailed]:
    with ExitStack() as stack:
        spare = database if apart else None
        if not apart and not run.watch.alone():
            spare = stack.enter_context(scratch_database(server, "spare", database))
        names = _fresh(server, database, spare, stack)
        return undisturbed(run.watch, lambda: _outcomes(server, next(names), run), once=spare is None)


def _fresh(server: Server, database: str, spare: str | None, stack: ExitStack) -> Iterator[str]:
    """Yield the database, unless it shall be spared itself, and then copies as it was."""
    if database != spare:
        yield database
    while spare:
        yield stack.enter_context(scratch_database(server, "again", spare))


def _outcomes(server: Server, database: str, run: _Run) -> dict[str, WriteCost | SubjectFailed]:
    outcomes: dict[str, WriteCost | SubjectFailed] = {}
    with connect(server.conninfo(database), autocommit=True, **run.settings) as connection:
        for measured in (_loosen, _cost):
            for write in run.ranked:
                if isinstance(outcomes.get(write.name), SubjectFailed):
                    continue
                try:
                    cost = measured(connection, write, run)
                except SubjectFailed as error:
                    outcomes[write.name] = error
                else:
                    outcomes |= {write.name: cost} if cost else {}
    return {write.name: outcomes[write.name] for write in run.ranked}


def _loosen(connection: Connection, write: QueryFile, run: _Run) -> None:
    if write.family == "update":
        for _ in range(_PASSES):
            _execute(connection, write, run)


def _cost(connection: Connection, write: QueryFile, run: _Run) -> WriteCost:
    """What an earlier write left behind is part of what this one finds: who was in its way was in this one's."""
    merge_pending(connection)
    run.watch.look(connection, wholly=True)
    before, logged, touched = updates(connection), wal_written(connection), blocks_touched(connection)
    executions, changed, seconds = _execute(connection, write, run)
    merge_pending(connection)
    done, wal = updates(connection) - before, wal_written(connection) - logged
    blocks = blocks_touched(connection) - touched
    run.watch.look(connection, wholly=True)
    return WriteCost(
        name=write.name,
        title=write.title,
        family=write.family,
        executions=executions,
        wal_bytes=wal / executions,
        per_s=executions / seconds,
        hot_share=done.hot_share,
        buffers=blocks / executions,
        rows=changed / executions,
        disturbed=run.watch.in_the_way,
    )


def _execute(connection: Connection, write: QueryFile, run: _Run) -> tuple[int, int, float]:
    """Executions done, the rows that they changed and the seconds that they took.

    All of them, or only the first few where those show that all would take too long (without an index a rule's
    own query scans the table). Nothing in between: merging a search index is shared by the writes before it, so
    costs compare only over equal numbers of them.
    """
    statement, rows = as_psycopg(write.text).encode(), run.targets[write.classes[0]]
    with _acting_as(connection, run.role):
        begun = time.perf_counter()
        done = changed = 0
        for row in rows:
            begun += run.watch.look(connection)
            try:
                changed += max(0, connection.execute(statement, row, prepare=True).rowcount)
            except psycopg.Error as error:
                raise SubjectFailed(f"{write.path}: {reason(error)}") from None
            done += 1
            if done == _FEW and (time.perf_counter() - begun) / done * len(rows) > _LONGEST_S:
                break
        return done, changed, time.perf_counter() - begun


@contextmanager
def _acting_as(connection: Connection, role: str | None) -> Iterator[None]:
    """Act as another role for the block; counting and vacuuming is for the server's own user."""
    if role is None:
        yield
        return
    connection.execute("SELECT set_config('role', %s, false)", (role,))
    try:
        yield
    finally:
        connection.execute("RESET ROLE")


def merge_pending(connection: Connection) -> None:
    """An inverted index parks new entries in a list; merging them is part of what a message costs."""
    for (index,) in connection.execute(_GIN).fetchall():
        connection.execute("SELECT gin_clean_pending_list(%s::regclass)", (index,))


def blocks_touched(connection: Connection) -> int:
    """Pages that sessions of this database have looked at, as far as they have reported it."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    row = connection.execute(_BLOCKS).fetchone()
    assert row is not None
    return int(row[0])
