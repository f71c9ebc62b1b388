"""Why a command does not end: who waits for whom at that moment, the sessions of the command itself included.

It is read before the command is ended, for what its end does (errors of sessions that go on for a moment) is no cause.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg

from inboxbench.database import Connection
from inboxbench.dryrun.observe.lock_attribution import in_words, strongest
from inboxbench.dryrun.observe.sampler import APPLICATION
from inboxbench.sqlfile import read_sections
from inboxbench.units import millis

_QUERIES = read_sections(__file__)
_SHOWN = 72
_HOPS = 8


@dataclass(frozen=True, slots=True)
class Session:
    """A session of the database at that moment. blockers: pids that it waits for; wanted, thing: the lock that it waits
    for, and on what; state: of pg_stat_activity; in_transaction_ms and running_ms: since when.
    """

    pid: int
    application: str
    state: str
    sql: str
    wait: str
    blockers: tuple[int, ...]
    wanted: str | None
    kind: str | None
    relation: int | None
    in_transaction_ms: float
    running_ms: float

    @property
    def ours(self) -> bool:
        return self.application.startswith(APPLICATION)


@dataclass(frozen=True, slots=True)
class Hang:
    """at_ms: Unix ms. pid: of the session that the command stood at, None where none ran anything; what: why, in words;
    own: it waited for another session of the same command, which no time helps; relation: that the wait was about.
    """

    at_ms: float
    pid: int | None
    what: str
    own: bool = False
    relation: str | None = None


def read_hang(connection: Connection, database: int, names: Mapping[int, str]) -> Hang | None:
    """Read it from a session in another database. database: the OID of the one that is observed; names: of relations.

    None where the server does not answer.
    """
    try:
        rows = connection.execute(_QUERIES["sessions"], {"database": database}).fetchall()
        sessions = [Session(*[*row[:5], tuple(row[5]), *row[6:]]) for row in rows]
        held = connection.execute(_QUERIES["held"], {"pids": [session.pid for session in sessions]}).fetchall()
        at_ms = float(connection.execute(_QUERIES["now"]).fetchall()[0][0])
    except psycopg.Error:
        return None
    return _explained(at_ms, sessions, {(pid, oid): modes for pid, oid, modes in held}, names)


def _explained(
    at_ms: float, sessions: Sequence[Session], held: Mapping[tuple[int, int], Sequence[str]], names: Mapping[int, str]
) -> Hang:
    mine = [session for session in sessions if not session.ours]
    if not mine:
        return Hang(at_ms, None, "it has no session: it waits for something else than the database")
    by_pid = {session.pid: session for session in sessions}
    waiting = [session for session in mine if session.blockers]
    for session in sorted(waiting, key=lambda session: not _of_the_same(session, by_pid)):
        return _wait(at_ms, session, by_pid, held, names)
    running = max((session for session in mine if session.state == "active"), key=_running, default=None)
    if running is not None:
        on = f", which waits for {running.wait}" if running.wait else ""
        return Hang(at_ms, running.pid, f"{_quoted(running)} was still running after {millis(running.running_ms)}{on}")
    latest = min(mine, key=_running)
    what = f"no session of it ran anything for {millis(latest.running_ms)}: the command itself stood still after "
    return Hang(at_ms, None, what + _quoted(latest))


def _wait(
    at_ms: float,
    session: Session,
    by_pid: Mapping[int, Session],
    held: Mapping[tuple[int, int], Sequence[str]],
    names: Mapping[int, str],
) -> Hang:
    blocker = _last(session, by_pid)
    thing = names.get(session.relation or 0, _THINGS.get(session.kind or "", f"a lock ({session.kind})"))
    mode = strongest(map(in_words, held.get((blocker.pid, session.relation or 0), ()))) if blocker else None
    own = blocker is not None and not blocker.ours
    wanted = f"{in_words(session.wanted)} on {thing}" if session.wanted and session.relation else thing
    what = f"{_quoted(session)} waited for {wanted}"
    if blocker is not None:
        what += f", {f'on which {_who(blocker)} has {mode}' if mode else f'which {_who(blocker)} has to end first'}"
    elif 0 in session.blockers:
        what += ", which a prepared transaction has (COMMIT PREPARED or ROLLBACK PREPARED ends it)"
    if blocker is not None and own:
        what += f"; both are sessions of the command itself, and {_doing(blocker)}, so neither goes on"
    return Hang(at_ms, session.pid, what, own, names.get(session.relation or 0))


# What a session waits for where no relation is at stake, by pg_locks' locktype.
_THINGS = {
    "transactionid": "a row that another transaction wrote",
    "virtualxid": "a transaction that may still need what it changes",
    "advisory": "an advisory lock",
    "tuple": "a row",
}


def _of_the_same(session: Session, by_pid: Mapping[int, Session]) -> bool:
    last = _last(session, by_pid)
    return last is not None and not last.ours


def _last(session: Session, by_pid: Mapping[int, Session]) -> Session | None:
    """Return whom it waits for in the end, past those that wait themselves: a session of the command, where one is."""
    seen = {session.pid}
    waiting = [session]
    ends: list[Session] = []
    for _ in range(_HOPS):
        blockers = [by_pid[pid] for item in waiting for pid in item.blockers if pid in by_pid and pid not in seen]
        seen |= {blocker.pid for blocker in blockers}
        ends += [blocker for blocker in blockers if not blocker.blockers]
        waiting = [blocker for blocker in blockers if blocker.blockers]
    return min(ends, key=lambda end: end.ours, default=None)


def _running(session: Session) -> float:
    return session.running_ms


def _doing(session: Session) -> str:
    if session.state.startswith("idle in transaction"):
        return f"the other is idle in its transaction (for {millis(session.running_ms)})"
    return "the other does not end"


def _who(session: Session) -> str:
    return f"`{session.application.partition(': ')[2] or session.application}`" if session.ours else _quoted(session)


def _quoted(session: Session) -> str:
    sql = " ".join(session.sql.split())
    return f"session {session.pid} ({sql[: _SHOWN - 1].rstrip()}{'…' if len(sql) >= _SHOWN else ''})"
