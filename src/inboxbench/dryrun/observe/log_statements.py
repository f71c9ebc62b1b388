"""From the server's log to the statements and transactions of each session: begun, ended, failed, and what was logged
while they ran."""

from __future__ import annotations

import json
import re
import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from inboxbench.dryrun.more import Inner
from inboxbench.dryrun.observe.plan_work import Work, read_work
from inboxbench.dryrun.observe.sampler import APPLICATION, virtual_number
from inboxbench.dryrun.observe.samples import Samples
from inboxbench.dryrun.observe.server_log import Line
from inboxbench.sqltree import Parsed, parse

_EVENT = "inboxbench-observed "
_STATEMENT = re.compile(r"(?:statement|execute [^:]*): (.*)", re.DOTALL)
_FETCH = re.compile(r"execute fetch from ")
_DURATION = re.compile(r"duration: ([\d.]+) ms(?:  plan:\n(.*))?", re.DOTALL)
_TEMPORARY = re.compile(r'temporary file: path ".*", size (\d+)')
_ACQUIRED = re.compile(r"process \d+ acquired \w+ on relation (\d+) of database \d+ after ([\d.]+) ms")
_PARAMETER = re.compile(r"\$(\d+) = ('(?:[^']|'')*'|NULL)")
_ENDS = ("commit", "rollback", "prepare", "commit prepared", "rollback prepared")
UNENDED = "did not end before the command was ended"
LONGEST_VALUE = 100_000  # bytes that are logged of one


@dataclass(frozen=True, slots=True)
class TriggerEvent:
    """What an event trigger logged, at a moment (Unix ms) and a WAL position.

    locks: rows of (oid, schema, name, kind, file node, modes, bytes or None); counted: by oid, rows scanned and rows
    made dead by this session, rows scanned by all, rows there are; lock_timeout: ms, 0 for none, wherever it was set:
    by the session, its role, the database or the connection.
    """

    event: str
    tag: str
    at: float
    wal: int
    locks: tuple[tuple[Any, ...], ...]
    counted: dict[int, tuple[int, int, int, int]]
    concerned: Any
    lock_timeout: float


@dataclass(slots=True)
class Draft:
    """A statement as the log shows it. Times: Unix ms. waits: (oid, ms); plans: what each said; values: of its
    placeholders by number, as literals; inner: what its functions and triggers ran, and within: their work as far as
    no plan says it; committed: the dead rows of each of its transactions (virtual), by its plans.
    """

    pid: int
    transaction: str
    sql: str
    started: float
    finished: float
    events: list[TriggerEvent] = field(default_factory=list)
    plans: list[Work] = field(default_factory=list)
    waits: list[tuple[int, float]] = field(default_factory=list)
    temp_bytes: int = 0
    error: str | None = None
    sqlstate: str | None = None
    values: dict[str, str] = field(default_factory=dict)
    inner: list[Inner] = field(default_factory=list)
    within: list[Work] = field(default_factory=list)
    committed: dict[str, int] = field(default_factory=dict)

    @property
    def parsed(self) -> Parsed:
        return parse(self.sql)

    @property
    def controls(self) -> bool:
        """Return whether it is BEGIN, COMMIT, SAVEPOINT and the like alone, and no statement that does something."""
        commands = self.parsed.commands
        return bool(commands) and all(command.controls for command in commands)

    @property
    def last_kind(self) -> str | None:
        """Return what its last command is: `commit`, `rollback to` …"""
        return self.parsed.commands[-1].kind if self.parsed.commands else None


@dataclass(frozen=True, slots=True)
class Segment:
    """A transaction as a part of one session's statements. Times: Unix ms.

    drafts: all of it, transaction control included. numbers: its virtual transactions from the first up to the one
    that the session began after it; VACUUM and CONCURRENTLY take several.
    """

    pid: int
    drafts: tuple[Draft, ...]
    statements: tuple[Draft, ...]
    started: float
    finished: float
    outcome: Literal["commit", "rollback"]
    numbers: range = range(0)

    @property
    def alone(self) -> bool:
        """Return whether it is one statement outside of any transaction block."""
        return len(self.drafts) == 1

    def ends(self) -> list[float]:
        """Return when the session went on after each statement: what it had locked until then is that statement's
        doing.
        """
        starts = [draft.started for draft in self.drafts]
        return [
            max(self._next(bisect_left(starts, draft.finished), draft), draft.finished) for draft in self.statements
        ]

    def _next(self, place: int, draft: Draft) -> float:
        """Return the beginning of what came from `place` on, and is not the draft itself."""
        place += place < len(self.drafts) and self.drafts[place] is draft
        return self.drafts[place].started if place < len(self.drafts) else self.finished


def read_drafts(lines: Iterable[Line], until_ms: float | None = None) -> list[Draft]:
    """Return the project's statements by their beginning; those of other sessions of ours are left out.

    until_ms: the Unix ms at which the command was ended; what still ran did not come to an end.
    """
    sessions: dict[int, _Session] = {}
    for line in lines:
        if not line.application.startswith(APPLICATION):
            sessions.setdefault(line.pid, _Session()).take(line)
    for session in sessions.values():
        session.cut(until_ms)
    drafts = [draft for session in sessions.values() for draft in session.drafts]
    return sorted(drafts, key=lambda draft: draft.started)


class _Session:
    """One backend's lines, in order. A statement is open from its line to its duration or its error."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self._open: Draft | None = None
        self._latest = ""  # the level of the line before a DETAIL decides what the detail is of

    def take(self, line: Line) -> None:
        match line.level:
            case "LOG":
                self._take_log(line)
            case "ERROR" | "FATAL" | "PANIC":
                self._fail(line)
            case "DETAIL":
                self._take_detail(line)
        if line.level not in ("DETAIL", "CONTEXT", "HINT", "STATEMENT", "QUERY"):
            self._latest = line.level

    def cut(self, at_ms: float | None) -> None:
        """Note of a statement without an end that the command was ended under it; None: the command ended itself."""
        if self._open is not None and at_ms is not None:
            self._open.finished = max(at_ms, self._open.started)
            self._open.error = UNENDED

    def _take_log(self, line: Line) -> None:
        if duration := _DURATION.match(line.text):
            self._take_duration(line, float(duration[1]), duration[2])
        elif line.text.startswith(_EVENT):
            if self._open is not None:
                self._open.events.append(_event(line.text))
        elif _FETCH.match(line.text):
            return
        elif statement := _STATEMENT.fullmatch(line.text):
            self._begin(line, statement[1])
        elif self._open is not None:
            self._take_remark(line.text, self._open)

    def _begin(self, line: Line, sql: str) -> None:
        started = max(line.at, self.drafts[-1].finished) if self.drafts else line.at
        self._open = Draft(line.pid, line.transaction, sql, started, started)
        self.drafts.append(self._open)

    def _take_duration(self, line: Line, duration: float, plan: str | None) -> None:
        if self._open is None:
            return
        if plan is not None:
            work = read_work(plan)
            self._open.plans.append(work)
            self._open.committed[line.transaction] = self._open.committed.get(line.transaction, 0) + work.dead
            return
        self._open.finished = self._open.started + duration
        self._open = None

    @staticmethod
    def _take_remark(text: str, draft: Draft) -> None:
        if temporary := _TEMPORARY.match(text):
            draft.temp_bytes += int(temporary[1])
        elif acquired := _ACQUIRED.match(text):
            draft.waits.append((int(acquired[1]), float(acquired[2])))

    def _take_detail(self, line: Line) -> None:
        if self._latest == "LOG" and self._open is not None and line.text.lower().startswith("parameters:"):
            self._open.values = _values(line.text)

    def _fail(self, line: Line) -> None:
        """An error without an open statement came while one was parsed, or while none ran: the session's end."""
        draft = self._open
        if draft is None:
            draft = Draft(line.pid, line.transaction, "", line.at, line.at)
            self.drafts.append(draft)
        draft.error, draft.sqlstate = masked(line.text, draft.values), line.state
        draft.finished = max(line.at, draft.started)
        self._open = None


def _values(detail: str) -> dict[str, str]:
    """Without those that the server cut short."""
    return {number: value for number, value in _PARAMETER.findall(detail) if len(value.encode()) < LONGEST_VALUE}


def masked(message: str, values: Mapping[str, str]) -> str:
    """Return a message of the server without the values that it quotes.

    >>> masked('invalid input syntax for type integer: "4711x"', {"2": "'4711x'"})
    'invalid input syntax for type integer: "$2"'
    """
    for number, literal in values.items():
        if literal.startswith("'") and len(literal) > 2:
            value = literal[1:-1].replace("''", "'")
            message = message.replace(f'"{value}"', f'"${number}"')
    return message


def _event(text: str) -> TriggerEvent:
    logged = json.loads(text.removeprefix(_EVENT))
    counted = {row[0]: (row[1], row[2], row[3], max(row[4], 0)) for row in logged["counted"] or ()}
    locks = tuple(tuple(row) for row in logged["held"] or ())
    return TriggerEvent(
        logged["event"],
        logged["tag"],
        float(logged["at"]),
        int(logged["wal"]),
        locks,
        counted,
        logged["concerned"],
        float(logged["lock_timeout"]),
    )


def segments(drafts: list[Draft], samples: Samples) -> list[Segment]:
    """Return the transactions by their beginning."""
    by_pid: dict[int, list[Draft]] = {}
    for draft in drafts:
        by_pid.setdefault(draft.pid, []).append(draft)
    parts = [segment for mine in by_pid.values() for segment in _of_session(mine, samples)]
    return sorted(parts, key=lambda segment: segment.started)


def _of_session(drafts: list[Draft], samples: Samples) -> Iterator[Segment]:
    groups = [list(group) for _, group in groupby(drafts, key=lambda draft: draft.transaction)]
    begun = [virtual_number(group[0].transaction) for group in groups]
    for mine, first, after in zip(groups, begun, [*begun[1:], sys.maxsize], strict=True):
        # Without BEGIN, COMMIT and the like, and without a failure that had no statement.
        statements = tuple(draft for draft in mine if not draft.controls and draft.parsed.bare)
        started = statements[0].started if statements else mine[0].started
        finished, numbers = _finish(mine, samples), range(first, after) if first else range(0)
        yield Segment(mine[0].pid, tuple(mine), statements, started, finished, _outcome(mine), numbers)


def _begins(drafts: list[Draft]) -> bool:
    return any(command.controls for command in drafts[0].parsed.commands)


def _finish(drafts: list[Draft], samples: Samples) -> float:
    """Return the end of its COMMIT; a session that went away let go when the poll no longer saw its locks."""
    last = drafts[-1]
    if last.last_kind in _ENDS or (len(drafts) == 1 and not _begins(drafts)):
        return last.finished
    seen = [span.last for span in samples.of(last.pid) if span.first <= last.finished + 1 and span.last > last.finished]
    return max(seen, default=last.finished)


def _outcome(drafts: list[Draft]) -> Literal["commit", "rollback"]:
    """ROLLBACK TO a savepoint ends nothing, and takes a failure back."""
    failed = False
    for draft in drafts:
        failed = (failed or draft.error is not None) and draft.last_kind != "rollback to"
    if drafts[-1].last_kind in _ENDS:
        return "commit" if drafts[-1].last_kind == "commit" and not failed else "rollback"
    return "rollback" if failed or _begins(drafts) else "commit"
