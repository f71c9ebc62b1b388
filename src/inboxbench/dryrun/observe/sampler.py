"""A second session that looks every few milliseconds: locks, WAL, disk, and what the catalogue has committed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from inboxbench.database import Connection, connect
from inboxbench.server import Server
from inboxbench.sqlfile import read_sections

APPLICATION = "inboxbench dryrun"  # sessions whose name begins like this are ours
INTERVAL_S = 0.002
_SIZE_EVERY_S = 0.01
_CATALOGUE_EVERY_S = 0.025
_QUIET = (
    "-c log_statement=none -c log_duration=off -c auto_explain.log_min_duration=-1 -c pg_stat_statements.track=none "
    "-c lock_timeout=50ms"
)
_QUERIES = read_sections(__file__)


@dataclass(frozen=True, slots=True)
class LockRow:
    """One row of pg_locks. transaction: virtual, of the session's own numbering, as in the log; 0 between two of one
    command."""

    pid: int
    relation: int
    mode: str
    granted: bool
    transaction: int


@dataclass(frozen=True, slots=True)
class Sample:
    """The look began `at` and was over `by` (Unix ms): on a busy machine there is time between.

    wal: insert position in bytes; locks of every session but the observer's own.
    """

    at: float
    by: float
    wal: int
    locks: frozenset[LockRow]


@dataclass(frozen=True, slots=True)
class Relation:
    """A row of pg_class: kind is its letter; table: OID of what an index, TOAST table or owned sequence belongs to,
    0 for others; rows: as the server last counted or estimated them; size: bytes, where it was asked for."""

    oid: int
    schema: str
    name: str
    kind: str
    filenode: int
    invalid: bool = False
    table: int = 0
    rows: int = 0
    size: int = 0

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What was committed at `at`, by OID."""

    at: float
    relations: dict[int, Relation]

    @property
    def invalid(self) -> dict[int, Relation]:
        """Return the indexes that a failed CONCURRENTLY left behind."""
        return {oid: relation for oid, relation in self.relations.items() if relation.invalid}


@dataclass(frozen=True, slots=True)
class InnerLook:
    """What ended within statements, in functions and triggers, between two looks (Unix ms); added: (calls, rows) by
    query.
    """

    since: float
    by: float
    added: dict[int, tuple[int, int]]


@dataclass(slots=True)
class Poll:
    """What the second session saw. sizes: (Unix ms, bytes of the database); inner: work within statements; texts: of
    its queries; code: rows of (kind, name, what it leads to), as `code` in sampler.sql gives them.
    """

    samples: list[Sample] = field(default_factory=list)
    catalogues: list[Catalogue] = field(default_factory=list)
    sizes: list[tuple[float, int]] = field(default_factory=list)
    problem: str | None = None
    inner: list[InnerLook] = field(default_factory=list)
    texts: dict[int, str] = field(default_factory=dict)
    code: set[tuple[str, str, str]] = field(default_factory=set)


def parse_locks(text: str | None) -> frozenset[LockRow]:
    """`pid:oid:Mode:t:3/14,…` as rows."""
    if not text:
        return frozenset()
    rows = (row.split(":") for row in text.split(","))
    return frozenset(
        LockRow(int(pid), int(oid), mode, granted == "t", virtual_number(virtual))
        for pid, oid, mode, granted, virtual in rows
    )


def virtual_number(virtual: str) -> int:
    """14 for 3/14, the 14th transaction of a session; 0 outside of one."""
    number = virtual.rpartition("/")[2]
    return int(number) if number.isdigit() else 0


def _relations(text: str | None) -> dict[int, Relation]:
    return {row[0]: Relation(*row) for row in json.loads(text or "[]")}


def _shared(before: dict[int, Relation], after: dict[int, Relation]) -> dict[int, Relation]:
    """Return what is there after, with the values of before where nothing has changed: a long run has many moments."""
    return {oid: before[oid] if before.get(oid) == relation else relation for oid, relation in after.items()}


def _added(
    before: dict[int, tuple[int, int]], after: dict[int, tuple[int, int]]
) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield what came by query; one that the server had to forget meanwhile begins at nothing."""
    for query, (calls, rows) in after.items():
        was = before.get(query, (0, 0))
        calls_before, rows_before = was if calls >= was[0] else (0, 0)
        if calls > calls_before:
            yield query, (calls - calls_before, rows - rows_before)


def bystander(server: Server, database: str, purpose: str) -> Connection:
    """Return a session of ours: what it does is neither logged nor taken for the project's."""
    conninfo = server.conninfo(database)
    return connect(make_conninfo(conninfo, application_name=f"{APPLICATION} {purpose}", options=_QUIET))


class Poller:
    """Looks until it is stopped, from a thread of its own. Its failure is noted, and fails nothing else."""

    def __init__(self, server: Server, database: str, oid: int) -> None:
        self.poll = Poll()
        self._server, self._database, self._oid = server, database, oid
        self._stopping = threading.Event()
        self._known_locks: str | None = ""
        self._known_wal = -1
        self._known_catalogue = ""
        self._known_inner: str | None = None
        self._counted: dict[int, tuple[int, int]] = {}
        self._counted_at = 0.0
        self._counts = True
        self._thread = threading.Thread(target=self._look, name="dryrun-poll", daemon=True)

    def start(self) -> None:
        """Returns once the first look is done."""
        self._outside = bystander(self._server, "postgres", "poll")
        self._inside = bystander(self._server, self._database, "catalogue")
        self._own = [self._outside.info.backend_pid, self._inside.info.backend_pid]
        self._take_catalogue()
        self._take_size()
        self._take_inner()
        self.poll.inner.clear()  # of those before
        self._take_code()
        self._take_locks()
        self._thread.start()

    def stop(self) -> None:
        """A last look at everything, then the end."""
        self._stopping.set()
        self._thread.join()
        try:
            self._take_locks()
            self._take_size()
            self._take_catalogue()
            self._take_inner()
            self._take_names()
        except psycopg.Error as error:
            self.poll.problem = str(error).splitlines()[0]
        self._outside.close()
        self._inside.close()

    def _look(self) -> None:
        sized = listed = time.monotonic()
        size_every = _SIZE_EVERY_S
        try:
            while not self._stopping.wait(INTERVAL_S):
                released = self._take_locks()
                now = time.monotonic()
                if now - sized >= size_every:
                    self._take_size()
                    sized = time.monotonic()
                    size_every = max(_SIZE_EVERY_S, 10 * (sized - now))  # a tenth of our time at most
                if released or now - listed >= _CATALOGUE_EVERY_S:
                    self._take_catalogue()
                    self._take_inner()
                    listed = time.monotonic()
        except psycopg.Error as error:
            self.poll.problem = str(error).splitlines()[0]

    def _take_locks(self) -> bool:
        """Return True when a session let go of something since the last look."""
        row = self._outside.execute(
            _QUERIES["locks"], {"database": self._oid, "own": self._own}, prepare=True
        ).fetchone()
        assert row is not None
        at, wal, text, by = float(row[0]), int(row[1]), row[2], float(row[3])
        if text == self._known_locks and wal == self._known_wal:
            return False
        before = self.poll.samples[-1].locks if self.poll.samples else frozenset()
        locks = before if text == self._known_locks else parse_locks(text)
        self.poll.samples.append(Sample(at, by, wal, locks))
        self._known_locks, self._known_wal = text, wal
        return bool(before - locks)

    def _take_size(self) -> None:
        query = "SELECT extract(epoch FROM clock_timestamp()) * 1000, pg_database_size(%s::oid)"
        row = self._outside.execute(query, (self._oid,), prepare=True).fetchone()
        assert row is not None
        if not self.poll.sizes or self.poll.sizes[-1][1] != row[1]:
            self.poll.sizes.append((float(row[0]), int(row[1])))

    def _take_catalogue(self) -> None:
        row: tuple[Any, ...] | None = self._inside.execute(_QUERIES["catalogue"], prepare=True).fetchone()
        assert row is not None
        if row[1] != self._known_catalogue or not self.poll.catalogues:
            self._known_catalogue = str(row[1])
            before = self.poll.catalogues[-1].relations if self.poll.catalogues else {}
            relations = _shared(before, _relations(row[1]))
            self.poll.catalogues.append(Catalogue(float(row[0]), relations | self._sized(before, relations)))

    def _take_inner(self) -> None:
        """Look at what ran within statements, where the server counts it."""
        if not self._counts:
            return
        try:
            row = self._outside.execute(_QUERIES["inner"], {"database": self._oid}, prepare=True).fetchone()
        except (psycopg.errors.UndefinedFunction, psycopg.errors.ObjectNotInPrerequisiteState):
            self._counts = False
            return
        assert row is not None
        if row[1] != self._known_inner:
            counts = {int(query): (calls, rows) for query, (calls, rows) in json.loads(row[1] or "{}").items()}
            added = dict(_added(self._counted, counts))
            if added:
                self.poll.inner.append(InnerLook(self._counted_at, float(row[2]), added))
            self._known_inner, self._counted = row[1], counts
        self._counted_at = float(row[0])

    def _take_names(self) -> None:
        """Ask once for the texts of what ran within statements."""
        if self.poll.inner:
            texts = self._outside.execute(_QUERIES["texts"], {"database": self._oid}).fetchall()
            self.poll.texts = {int(query): str(text) for query, text in texts}
            self._take_code()

    def _take_code(self) -> None:
        """Add the functions, triggers and foreign keys that there are; those that are dropped later stay known."""
        self.poll.code.update((kind, name, to or "") for kind, name, to in self._inside.execute(_QUERIES["code"]))

    def _sized(self, before: dict[int, Relation], after: dict[int, Relation]) -> dict[int, Relation]:
        """Relations with another file than they had at first, with its bytes; 0 where somebody holds it closed."""
        both = [oid for oid in before if oid in after]
        same = [oid for oid in both if before[oid].size and after[oid].filenode == before[oid].filenode]
        kept = {oid: replace(after[oid], size=before[oid].size) for oid in same}
        written = [oid for oid in both if after[oid].filenode != before[oid].filenode]
        if not written:
            return kept
        query = "SELECT oid::bigint, pg_relation_size(oid) FROM unnest(%s::oid[]) AS oid"
        try:
            sizes: dict[int, int | None] = dict(self._inside.execute(query, (written,)).fetchall())
        except psycopg.errors.LockNotAvailable:
            return kept
        return kept | {oid: replace(after[oid], size=sizes.get(oid) or 0) for oid in written}
