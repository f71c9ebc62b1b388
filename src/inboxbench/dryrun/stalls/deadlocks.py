"""Deadlocks in words: who waited for which lock that whom had, by class of traffic and statement of the chain."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.observe.lock_modes import in_words
from inboxbench.dryrun.stalls.lock_waits import Waits
from inboxbench.traffic.engine import Traffic
from inboxbench.traffic.request import Answer

DEADLOCK = "40P01"
_EDGE = re.compile(r"Process (\d+) waits for (\w+) on (.+?); blocked by process (\d+)\.")
_OBJECT = re.compile(r"(relation|tuple \(.*\) of relation) (\d+) of database \d+")
_SQL_SHOWN = 60


def edges(detail: str | None) -> list[tuple[int, str, str, int]]:
    """(who waits, lock as SQL spells it, on what, for whom) of a deadlock's DETAIL.

    >>> edges("Process 7 waits for AccessShareLock on relation 16384 of database 5; blocked by process 8.")
    [(7, 'ACCESS SHARE', 'relation 16384 of database 5', 8)]
    """
    return [(int(waits), in_words(lock), on, int(held)) for waits, lock, on, held in _EDGE.findall(detail or "")]


Who = Callable[[int, str], str]


def in_sentences(detail: str, names: Mapping[int, str], who: Who) -> str:
    """One clause an edge; names are those of relations by OID. `who` names a process by what it had to do with one."""

    def clause(one: int, lock: str, on: str, two: int) -> str:
        relation, thing = _thing(on, names)
        return f"{who(one, relation)} waits for {lock} on {thing}, which {who(two, relation)} has"

    return "; ".join(clause(*edge) for edge in edges(detail))


def _thing(text: str, names: Mapping[int, str]) -> tuple[str, str]:
    """(relation, in words) of what a DETAIL says somebody waits on; no relation for a transaction."""
    if match := _OBJECT.fullmatch(text):
        name = names.get(int(match[2]), f"relation {match[2]}")
        return name, name if match[1] == "relation" else f"a row of {name}"
    return "", "a row that is being written" if text.startswith("transaction") else text


class Cycles:
    """Deadlocks of a run, whoever was chosen to die: requests say so in their error, the chain in its statement's."""

    def __init__(self, traffic: Traffic, waits: Waits, statements: Sequence[Statement], origin_ms: float) -> None:
        self._classes, self._names, self._origin_ms = traffic.pids, waits.names, origin_ms
        self._statements = statements
        self._killed = [one for one in statements if one.error and "deadlock detected" in one.error]
        self._waits = waits

    def of(self, name: str, answers: Sequence[Answer]) -> tuple[int, str | None]:
        """How many a class was part of, and the first in words."""
        told = [one for one in answers if one.state == DEADLOCK]
        cycles = [
            in_sentences(one.detail or "", self._names, self._who(self._seen(one), one.finished_ms)) for one in told
        ]
        cycles += [cycle for one in self._killed if (cycle := self._against(name, one))]
        return len(cycles), next(filter(None, cycles), None)

    def _seen(self, told: Answer) -> float:
        """A moment at which the cycle was whole: the others go on as soon as one has died."""
        waits = self._waits.of(told.pid or 0, told.sent_ms, told.finished_ms)
        return waits[-1].last_ms if waits else told.sent_ms

    def _against(self, name: str, killed: Statement) -> str | None:
        """A statement of the chain that died waiting for a request of this class, as the watch saw it."""
        begin = killed.started_ms + self._origin_ms
        end = begin + killed.duration_ms
        for wait in self._waits.of(killed.pid, begin, end):
            for back in self._waits.of(wait.blocker, begin, end):
                if back.blocker == killed.pid and self._classes.get(wait.blocker) == name:
                    who = self._who(wait.last_ms, end)
                    return "; ".join(
                        f"{who(one.pid, one.relation or '')} waits for {one.wanted} on {one.relation or 'a row'}, "
                        f"which {who(one.blocker, one.relation or '')} has"
                        for one in (wait, back)
                    )
        return None

    def _who(self, moment_ms: float, end_ms: float) -> Who:
        """Names a process of the chain by its statement that locked the relation, or that ran at the moment."""

        def who(pid: int, relation: str) -> str:
            if pid in self._classes:
                return f"`{self._classes[pid]}`"
            own = self._begun(pid, end_ms)
            locking = [one for one in own if any(lock.relation == relation for lock in one.locks)]
            running = [one for one in own if one.started_ms <= moment_ms - self._origin_ms]
            return _quoted((locking or running)[-1]) if locking or running else f"process {pid}"

        return who

    def _begun(self, pid: int, end_ms: float) -> list[Statement]:
        return [one for one in self._statements if one.pid == pid and one.started_ms <= end_ms - self._origin_ms]


def _quoted(statement: Statement) -> str:
    sql = " ".join(statement.sql.split())
    return f"statement {statement.number} ({sql[:_SQL_SHOWN]}{'…' if len(sql) > _SQL_SHOWN else ''})"
