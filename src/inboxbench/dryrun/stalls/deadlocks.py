"""Deadlocks in words: who waited for which lock and who had it, by class of traffic and statement of the chain."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.observe.lock_attribution import in_words
from inboxbench.dryrun.stalls.lock_waits import Waits
from inboxbench.traffic.engine import Answer, Traffic

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
    """Deadlocks of a run, whoever was chosen to die: requests say so in their error, the chain in its statement's."""

    def __init__(self, traffic: Traffic, waits: Waits, statements: Sequence[Statement], origin_ms: float) -> None:
        self._classes, self._names, self._origin_ms = traffic.pids, waits.names, origin_ms
        self._statements = statements
        self._killed = [s for s in statements if s.error and "deadlock detected" in s.error]
        self._waits = waits

    def of(self, name: str, answers: Sequence[Answer]) -> tuple[int, str | None]:
        """How many a class was part of, and the first in words."""
        victims = [answer for answer in answers if answer.state == DEADLOCK]
        cycles = [
            in_sentences(victim.detail or "", self._names, self._who(self._seen(victim), victim.finished_ms))
            for victim in victims
        ]
        cycles += [cycle for statement in self._killed if (cycle := self._against(name, statement))]
        return len(cycles), next(filter(None, cycles), None)

    def _seen(self, victim: Answer) -> float:
        """A moment at which the cycle was whole: the others go on as soon as one has died."""
        waits = self._waits.of(victim.pid or 0, victim.sent_ms, victim.finished_ms)
        return waits[-1].last_ms if waits else victim.sent_ms

    def _against(self, name: str, killed: Statement) -> str | None:
        """A statement of the chain that died waiting for a request of this class, as the watch saw it."""
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
        """Names a process of the chain by its statement that locked the relation, or that ran at the moment."""

        def who(pid: int, relation: str) -> str:
            if pid in self._classes:
                return f"`{self._classes[pid]}`"
            own = self._begun(pid, end_ms)
            locking = [statement for statement in own if any(lock.relation == relation for lock in statement.locks)]
            running = [statement for statement in own if statement.started_ms <= moment_ms - self._origin_ms]
            return _quoted((locking or running)[-1]) if locking or running else f"process {pid}"

        return who

    def _begun(self, pid: int, end_ms: float) -> list[Statement]:
        latest_ms = end_ms - self._origin_ms
        return [
            statement for statement in self._statements if statement.pid == pid and statement.started_ms <= latest_ms
        ]


def _quoted(statement: Statement) -> str:
    sql = " ".join(statement.sql.split())
    return f"statement {statement.number} ({sql[:_SQL_SHOWN]}{'…' if len(sql) > _SQL_SHOWN else ''})"
