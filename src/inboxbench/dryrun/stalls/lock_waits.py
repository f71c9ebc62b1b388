"""Records who waits for whom every few milliseconds, and reads the deadlocks of the log: the evidence of causes."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from inboxbench.database import Connection, connect
from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.observe.lock_attribution import conflict, in_words, strongest
from inboxbench.sqlfile import read_sections
from inboxbench.traffic.engine import Answer, Traffic

APPLICATION = "inboxbench dryrun waits"
INTERVAL_S = 0.005
_QUERIES = read_sections(__file__)


@dataclass(slots=True)
class Wait:
    """pid wanted a lock that blocker had, or stood before it in the queue for (queued). Moments are Unix ms.

    relation is None for what no relation is at stake in; kind is pg_locks' locktype: "relation", "transactionid" for a
    row that an open transaction wrote, "virtualxid" for one that has to end first.
    """

    pid: int
    blocker: int
    kind: str
    relation: str | None
    wanted: str
    held: str | None
    queued: bool
    since_ms: float
    last_ms: float


@dataclass(frozen=True, slots=True)
class _Row:
    pid: int
    kind: str
    relation: int | None
    mode: str
    granted: bool
    object: str


@dataclass(slots=True)
class Waits:
    """The waits that were seen, once each, by session; names: of relations by OID, those that are gone included."""

    seen: dict[int, list[Wait]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    problem: str | None = None
    _open: dict[tuple[Any, ...], Wait] = field(default_factory=dict)
    _begun: set[tuple[Any, ...]] = field(default_factory=set)

    def of(self, pid: int, begin_ms: float, end_ms: float) -> list[Wait]:
        """Return what the session waited for between two moments."""
        return [wait for wait in self.seen.get(pid, ()) if wait.since_ms <= end_ms and wait.last_ms >= begin_ms]

    def note(self, wait: Wait) -> None:
        """The same wait, seen again, is still one; one whose blocker has changed begins when that was seen."""
        key = (wait.pid, wait.blocker, wait.kind, wait.relation, wait.wanted, wait.held, wait.queued, wait.since_ms)
        if key in self._open:
            self._open[key].last_ms = wait.last_ms
            return
        self._open[key] = wait
        if (start := (wait.pid, wait.since_ms)) in self._begun:
            wait.since_ms = wait.last_ms
        self._begun.add(start)
        self.seen.setdefault(wait.pid, []).append(wait)


@contextmanager
def watch_waits(conninfo: str) -> Iterator[Waits]:
    """Watch for the length of the block. A failure of the watch is kept in `problem`, and is never the history's."""
    waits, stop = Waits(), threading.Event()
    connection = connect(conninfo, application_name=APPLICATION, log_statement="none", log_duration="off")
    try:
        waits.names.update(connection.execute(_QUERIES["names"]).fetchall())
        thread = threading.Thread(target=_look, args=(connection, waits, stop), name="dryrun-waits", daemon=True)
        thread.start()
        try:
            yield waits
        finally:
            stop.set()
            thread.join()
    finally:
        connection.close()


def _look(connection: Connection, waits: Waits, stop: threading.Event) -> None:
    try:
        while not stop.wait(INTERVAL_S):
            if waiting := connection.execute(_QUERIES["waiting"], prepare=True).fetchall():
                _take(connection, waits, {pid: blockers for pid, blockers in waiting if blockers})
    except psycopg.Error as error:
        waits.problem = str(error).splitlines()[0]


def _take(connection: Connection, waits: Waits, blockers: dict[int, list[int]]) -> None:
    pids = sorted({*blockers, *(pid for those in blockers.values() for pid in those)})
    locks = connection.execute(_QUERIES["locks"], (pids,), prepare=True).fetchall()
    rows = [
        _Row(pid, kind, relation, in_words(mode), granted, thing)
        for pid, kind, relation, mode, granted, thing, *_ in locks
    ]
    if any(row.relation is not None and row.relation >= 16384 and row.relation not in waits.names for row in rows):
        waits.names.update(connection.execute(_QUERIES["names"], prepare=True).fetchall())
    for row, (*_, since, now) in zip(rows, locks, strict=True):
        if not row.granted:
            for blocker in blockers.get(row.pid, ()):
                waits.note(_wait(row, blocker, rows, waits.names, (float(since or now), float(now))))


def _wait(row: _Row, blocker: int, rows: list[_Row], names: dict[int, str], seen: tuple[float, float]) -> Wait:
    """The blocker's lock is the one on the same object that conflicts: one it has, else one it is queueing for.

    seen: since when it waits, and now.
    """
    theirs = [other for other in rows if other.pid == blocker and other.object == row.object]
    held = strongest(other.mode for other in theirs if other.granted and conflict(row.mode, other.mode))
    queued = strongest(other.mode for other in theirs if not other.granted and conflict(row.mode, other.mode))
    relation = names.get(_relation(row, rows) or 0)
    wanted = row.mode if row.kind == "relation" else row.kind
    if row.kind != "relation":
        held = next((other.mode for other in theirs if other.granted), None)
    return Wait(row.pid, blocker, row.kind, relation, wanted, held or queued, not held and bool(queued), *seen)


def _relation(row: _Row, rows: list[_Row]) -> int | None:
    """Who waits for the writer of a row has first taken that row's place in line, which names its table."""
    if row.relation is not None:
        return row.relation
    own = (other for other in rows if other.pid == row.pid)
    return next((other.relation for other in own if other.kind == "tuple" and other.granted), None)


DEADLOCK = "40P01"
_EDGE = re.compile(r"Process (\d+) waits for (\w+) on (.+?); blocked by process (\d+)\.")
_OBJECT = re.compile(r"(relation|tuple \(.*\) of relation) (\d+) of database \d+")
_SQL_SHOWN = 60


def edges(detail: str | None) -> list[tuple[int, str, str, int]]:
    """(who waits, lock as SQL spells it, on what, for whom) of a deadlock's DETAIL.

    >>> edges("Process 7 waits for AccessShareLock on relation 16384 of database 5; blocked by process 8.")
    [(7, 'ACCESS SHARE', 'relation 16384 of database 5', 8)]
    """
    return [
        (int(waiting), in_words(lock), on, int(holder)) for waiting, lock, on, holder in _EDGE.findall(detail or "")
    ]


Who = Callable[[int, str], str]


def in_sentences(detail: str, names: Mapping[int, str], who: Who) -> str:
    """Write one clause for each edge of a deadlock's DETAIL. names: relations by OID.

    `who` names a process by what it had to do with a relation.
    """

    def clause(waiting: int, lock: str, on: str, holder: int) -> str:
        relation, thing = _thing(on, names)
        return f"{who(waiting, relation)} waits for {lock} on {thing}, which {who(holder, relation)} has"

    return "; ".join(clause(*edge) for edge in edges(detail))


def _thing(text: str, names: Mapping[int, str]) -> tuple[str, str]:
    """(relation, in words) of what a DETAIL says somebody waits on; no relation for a transaction."""
    if match := _OBJECT.fullmatch(text):
        name = names.get(int(match[2]), f"relation {match[2]}")
        return name, name if match[1] == "relation" else f"a row of {name}"
    return "", "a row that is being written" if text.startswith("transaction") else text


class Cycles:
    """Deadlocks of a run, whoever was chosen to die: requests say so in their error, the history in its statement's."""

    def __init__(self, traffic: Traffic, waits: Waits, statements: Sequence[Statement], origin_ms: float) -> None:
        self._classes, self._names, self._origin_ms = traffic.pids, waits.names, origin_ms
        self._statements = statements
        self._killed = [s for s in statements if s.error and "deadlock detected" in s.error]
        self._waits = waits

    def of(self, name: str, answers: Sequence[Answer]) -> tuple[int, str | None]:
        """Return how many a class was part of, and the first in words."""
        victims = [answer for answer in answers if answer.state == DEADLOCK]
        cycles = [
            in_sentences(victim.detail or "", self._names, self._who(self._seen(victim), victim.finished_ms))
            for victim in victims
        ]
        cycles += [cycle for statement in self._killed if (cycle := self._against(name, statement))]
        return len(cycles), next(filter(None, cycles), None)

    def _seen(self, victim: Answer) -> float:
        """Return a moment at which the cycle was whole: the others go on as soon as one has died."""
        waits = self._waits.of(victim.pid or 0, victim.sent_ms, victim.finished_ms)
        return waits[-1].last_ms if waits else victim.sent_ms

    def _against(self, name: str, killed: Statement) -> str | None:
        """Return a statement of the history that died waiting for a request of this class, as the watch saw it."""
        begin = killed.started_ms + self._origin_ms
        end = begin + killed.duration_ms
        for wait in self._waits.of(killed.pid, begin, end):
            for back in self._waits.of(wait.blocker, begin, end):
                if back.blocker == killed.pid and self._classes.get(wait.blocker) == name:
                    who = self._who(wait.last_ms, end)
                    return "; ".join(
                        f"{who(edge.pid, edge.relation or '')} waits for {edge.wanted} on {edge.relation or 'a row'}, "
                        f"which {who(edge.blocker, edge.relation or '')} has"
                        for edge in (wait, back)
                    )
        return None

    def _who(self, moment_ms: float, end_ms: float) -> Who:
        """Names a process of the history by its statement that locked the relation, or that ran at the moment."""

        def who(pid: int, relation: str) -> str:
            if pid in self._classes:
                return f"`{self._classes[pid]}`"
            latest_ms = end_ms - self._origin_ms
            own = [item for item in self._statements if item.pid == pid and item.started_ms <= latest_ms]
            locking = [statement for statement in own if any(lock.relation == relation for lock in statement.locks)]
            running = [statement for statement in own if statement.started_ms <= moment_ms - self._origin_ms]
            return _quoted((locking or running)[-1]) if locking or running else f"process {pid}"

        return who


def _quoted(statement: Statement) -> str:
    sql = " ".join(statement.sql.split())
    return f"statement {statement.number} ({sql[:_SQL_SHOWN]}{'…' if len(sql) > _SQL_SHOWN else ''})"
