"""Deadlocks in words: who waited for which lock that whom had, by class of traffic and statement of the chain."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from inboxbench.dryrun.modes import in_words
from inboxbench.dryrun.record import Statement
from inboxbench.dryrun.request import Answer
from inboxbench.dryrun.traffic import Traffic
from inboxbench.dryrun.waits import Waits

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


def in_sentences(detail: str, names: Mapping[int, str], who: Callable[[int], str]) -> str:
    """One clause an edge; names are those of relations by OID."""

    def thing(text: str) -> str:
        if match := _OBJECT.fullmatch(text):
            name = names.get(int(match[2]), f"relation {match[2]}")
            return name if match[1] == "relation" else f"a row of {name}"
        return "a row that is being written" if text.startswith("transaction") else text

    clauses = [
        f"{who(one)} waits for {lock} on {thing(on)}, which {who(two)} has" for one, lock, on, two in edges(detail)
    ]
    return "; ".join(clauses)


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
        cycles = [in_sentences(one.detail or "", self._names, self._who_at(self._seen(one))) for one in told]
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
                    who = self._who_at(wait.last_ms)
                    return "; ".join(
                        f"{who(one.pid)} waits for {one.wanted} on {one.relation or 'a row'}, "
                        f"which {who(one.blocker)} has"
                        for one in (wait, back)
                    )
        return None

    def _who_at(self, moment_ms: float) -> Callable[[int], str]:
        def who(pid: int) -> str:
            if pid in self._classes:
                return f"`{self._classes[pid]}`"
            at = moment_ms - self._origin_ms
            own = [one for one in self._statements if one.pid == pid and one.started_ms <= at]
            if not own:
                return f"process {pid}"
            sql = " ".join(own[-1].sql.split())
            return f"statement {own[-1].number} ({sql[:_SQL_SHOWN]}{'…' if len(sql) > _SQL_SHOWN else ''})"

        return who
