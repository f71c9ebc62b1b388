"""Keeps transactions of other sessions out of what is counted of writes: waits, repeats, and at last names them.

PostgreSQL removes a dead row version from its page only when no transaction can need it, and a snapshot reckons with
every transaction that writes, in whatever database of the server it does. While one is open, an updated row finds no
room in its page: fewer updates are HOT, and the WAL of each grows several times over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

from inboxbench.database import Connection, connect, first_row
from inboxbench.server import Server

_T = TypeVar("_T")

# How long a run waits for a transaction to end, and how often it measures in all.
PATIENCE_S = 30.0
ATTEMPTS = 3
_POLL_S = 0.1
# Between two looks while writes are executed: a look takes about 0.1 ms.
_LOOK_S = 0.005

# The observer has no transaction number itself, and so whoever has one is somebody else.
_WRITING = "SELECT count(*) FROM pg_snapshot_xip(pg_current_snapshot())"
# A stream of shorter transactions changed WAL by less than 0.1 %.
_SHORT_S = 0.01
_HOLDERS = """
    SELECT format('session %%s of %%s in database %%s', pid, coalesce(usename, backend_type),
                  coalesce(datname, 'none')), coalesce(backend_xid, backend_xmin)::text,
           extract(epoch FROM clock_timestamp() - xact_start)::float8
    FROM pg_stat_activity
    WHERE pid <> ALL (%(own)s::int[]) AND (backend_xid IS NOT NULL
        OR (backend_xmin IS NOT NULL AND (datname = %(database)s OR backend_type = 'walsender')))
    UNION ALL
    SELECT format('prepared transaction %%s of %%s in database %%s', gid, owner, database),
           transaction::text, extract(epoch FROM clock_timestamp() - prepared)::float8
    FROM pg_prepared_xacts
    UNION ALL
    SELECT format('replication slot %%s', slot_name), NULL, NULL FROM pg_replication_slots WHERE xmin IS NOT NULL
"""
_OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE backend_type IN ('client backend', 'autovacuum worker', 'walsender') AND pid <> pg_backend_pid()
"""


@dataclass
class Watch:
    """Looks for transactions that keep dead row versions alive, over a connection to another database of the server.

    seen: those that were there since the last `begin`, in words. stay: those that were waited for in vain. announce:
    takes a line on whom it waits for.
    """

    observer: Connection
    announce: Callable[[str], None] = lambda _line: None
    stay: set[str] = field(default_factory=set)
    seen: dict[str, None] = field(default_factory=dict)
    _looked: float = 0.0

    def begin(self, patience_s: float) -> None:
        """Forget what was seen, and wait until nobody is in the way, or `patience_s` for those who stay; who stayed
        once is not waited for again."""
        self.seen.clear()
        begun, said = time.monotonic(), ""
        while waited_for := [who for who in self._holders() if who not in self.stay]:
            if time.monotonic() - begun > patience_s:
                self.stay |= set(waited_for)
                return
            line = f"waiting up to {patience_s:.0f} s for {_listed(waited_for)}"
            if line != said:
                self.announce(line)
                said = line
            time.sleep(_POLL_S)

    def look(self, worker: Connection, *, wholly: bool = False) -> float:
        """Note who is in the way now, and return the seconds that it took; `worker` measures, and is in no transaction.

        Between two executions a look is skipped where the last one is only just past, and is one at transactions that
        write; `wholly`: also at those that only read in the worker's database, or stand behind a replication slot.
        """
        begun = time.perf_counter()
        if not wholly and begun - self._looked < _LOOK_S:
            return 0.0
        if wholly or first_row(self.observer, _WRITING)[0]:
            self.seen |= dict.fromkeys(self._holders(worker))
        self._looked = time.perf_counter()
        return self._looked - begun

    @property
    def in_the_way(self) -> str | None:
        """Return who was in the way since the last `begin`, in words; None: nobody."""
        return _listed(list(self.seen)) if self.seen else None

    @property
    def repeatable(self) -> bool:
        """Whether measuring once more may be undisturbed: somebody was in the way, and none who stays for good."""
        return bool(self.seen) and not self.stay & self.seen.keys()

    def alone(self) -> bool:
        """Whether no other session is connected to the server."""
        return not first_row(self.observer, _OTHERS)[0]

    def _holders(self, worker: Connection | None = None) -> list[str]:
        own = [connection.info.backend_pid for connection in (self.observer, worker) if connection]
        database = worker.info.dbname if worker else None
        rows = self.observer.execute(_HOLDERS, {"own": own, "database": database}).fetchall()
        ageless = {(who, number) for who, number, age_s in rows if age_s is None}
        if ageless:  # of another user, who shows his times only to a member of pg_read_all_stats: look whether it lasts
            time.sleep(_SHORT_S)
            later = self.observer.execute(_HOLDERS, {"own": own, "database": database}).fetchall()
            ageless &= {(who, number) for who, number, _age_s in later}
        return [who for who, number, age_s in rows if (who, number) in ageless or (age_s or 0) >= _SHORT_S]


def disturbance(what: str, in_the_way: str | None) -> str | None:
    """Return the note on figures of `what`, or None where nobody was in the way."""
    if in_the_way is None:
        return None
    return (
        f"{what}: WAL and the share of HOT are disturbed by another session's transaction, which keeps dead rows "
        f"alive: {in_the_way}; end it and measure again"
    )


def _listed(holders: list[str]) -> str:
    more = f" and {len(holders) - 1} more" if len(holders) > 1 else ""
    return f"{holders[0]}{more}"


@cache
def _stayed(_server: str) -> set[str]:
    """Return those whom this process has waited for in vain, which the next reading on the same server need not do."""
    return set()


@contextmanager
def watching(server: Server, announce: Callable[[str], None] | None = None) -> Iterator[Watch]:
    """Yield a watch on the server's transactions. Raises ServerError when it cannot be connected to."""
    with connect(server.conninfo()) as observer:
        yield Watch(observer, announce or (lambda _line: None), _stayed(server.label))


def undisturbed(watch: Watch, measure: Callable[[], _T], *, once: bool = False, patience_s: float | None = None) -> _T:
    """Return what `measure` returns, which calls `watch.look`, and each time begins from the same rows.

    It is called when nobody is in the way any more, and again, at most `ATTEMPTS` times (`once`: it cannot be), while
    somebody came meanwhile. Whoever is in the way for longer than `patience_s` (None: PATIENCE_S) stays in
    `watch.seen`, for the caller to name.
    """
    for attempt in range(ATTEMPTS):
        watch.begin(PATIENCE_S if patience_s is None else patience_s)
        result = measure()
        if once or not watch.repeatable or attempt == ATTEMPTS - 1:
            break
    return result
