"""From the server's log to the statements of each session: begun, ended, failed, and what they told while they ran."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from inboxbench.dryrun.observe.sampler import APPLICATION
from inboxbench.dryrun.observe.server_log import Line

_SAID = "inboxbench-observed "
_STATEMENT = re.compile(r"(?:statement|execute [^:]*): (.*)", re.DOTALL)
_FETCH = re.compile(r"execute fetch from ")
_DURATION = re.compile(r"duration: ([\d.]+) ms(?:  plan:\n(.*))?", re.DOTALL)
_TEMPORARY = re.compile(r'temporary file: path ".*", size (\d+)')
_ACQUIRED = re.compile(r"process \d+ acquired \w+ on relation (\d+) of database \d+ after ([\d.]+) ms")
_NOISE = re.compile(r"\s+|--[^\n]*(?:\n|$)|/\*.*?\*/", re.DOTALL)
_CONTROL = re.compile(
    r"(BEGIN|START\s+TRANSACTION|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|PREPARE\s+TRANSACTION)\b", re.IGNORECASE
)
# Of a match without a group: a literal or the body of a function, whose $1 is another's.
_PLACEHOLDER = re.compile(r"\$([A-Za-z_]\w*|)\$.*?\$\1\$|'(?:[^']|'')*'|\$(?P<number>\d+)", re.DOTALL)
_PARAMETER = re.compile(r"\$(\d+) = ('(?:[^']|'')*'|NULL)")
_VERSION = re.compile(
    r'INSERT INTO \S+ \("?version_num"?\)|UPDATE \S+ SET "?version_num"? ?=|'
    r'DELETE FROM \S+ WHERE \S*version_num"? ?=',
    re.IGNORECASE,
)
LONGEST_VALUE = 100_000  # bytes that are logged of one


@dataclass(frozen=True, slots=True)
class Told:
    """What an event trigger said. held: rows of (oid, schema, name, kind, file node, modes, bytes or None);
    counted: rows of (oid, rows scanned and rows made dead by this session, rows scanned by all); lock_timeout: ms, 0
    for none, wherever it was set: by the session, its role, the database or the connection."""

    event: str
    tag: str
    at: float
    wal: int
    held: tuple[tuple[Any, ...], ...]
    counted: dict[int, tuple[int, int, int]]
    concerned: Any
    lock_timeout: float


@dataclass(slots=True)
class Draft:
    """A statement as the log shows it. Times: Unix ms. waits: (oid, ms); plans: of EXPLAIN, as JSON; values: of its
    placeholders by number, as literals."""

    pid: int
    transaction: str
    sql: str
    started: float
    finished: float
    told: list[Told] = field(default_factory=list)
    plans: list[dict[str, Any]] = field(default_factory=list)
    waits: list[tuple[int, float]] = field(default_factory=list)
    temp_bytes: int = 0
    error: str | None = None
    state: str = "00000"
    values: dict[str, str] = field(default_factory=dict)

    @property
    def control(self) -> str | None:
        """BEGIN, COMMIT …, in upper case; None for a statement that does something."""
        found = _CONTROL.match(bare(self.sql))
        return " ".join(found[1].upper().split()) if found else None


def bare(sql: str) -> str:
    """`sql` from its first word on, without the white space and comments before it."""
    place = 0
    while found := _NOISE.match(sql, place):
        place = found.end()
    return sql[place:].rstrip().rstrip(";")


def read_drafts(lines: Iterable[Line]) -> list[Draft]:
    """The chain's statements by their beginning; those of other sessions of ours are left out."""
    sessions: dict[int, _Session] = {}
    for line in lines:
        if not line.application.startswith(APPLICATION):
            sessions.setdefault(line.pid, _Session()).take(line)
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

    def _take_log(self, line: Line) -> None:
        if found := _DURATION.match(line.text):
            self._take_duration(float(found[1]), found[2])
        elif line.text.startswith(_SAID):
            if self._open is not None:
                self._open.told.append(_told(line.text))
        elif _FETCH.match(line.text):
            return
        elif found := _STATEMENT.fullmatch(line.text):
            self._begin(line, found[1])
        elif self._open is not None:
            self._take_remark(line.text, self._open)

    def _begin(self, line: Line, sql: str) -> None:
        started = max(line.at, self.drafts[-1].finished) if self.drafts else line.at
        self._open = Draft(line.pid, line.transaction, sql, started, started)
        self.drafts.append(self._open)

    def _take_duration(self, duration: float, plan: str | None) -> None:
        if self._open is None:
            return
        if plan is not None:
            self._open.plans.append(json.loads(plan))
            return
        self._open.finished = self._open.started + duration
        self._open = None

    @staticmethod
    def _take_remark(text: str, draft: Draft) -> None:
        if found := _TEMPORARY.match(text):
            draft.temp_bytes += int(found[1])
        elif found := _ACQUIRED.match(text):
            draft.waits.append((int(found[1]), float(found[2])))

    def _take_detail(self, line: Line) -> None:
        if self._latest == "LOG" and self._open is not None and line.text.lower().startswith("parameters:"):
            self._open.values = _values(line.text)
            # They tell revisions apart; nobody else's values are shown.
            if _VERSION.match(" ".join(bare(self._open.sql).split())):
                self._open.sql = inlined(self._open.sql, self._open.values)

    def _fail(self, line: Line) -> None:
        """An error without an open statement came while one was parsed, or while none ran: the session's end."""
        draft = self._open
        if draft is None:
            draft = Draft(line.pid, line.transaction, "", line.at, line.at)
            self.drafts.append(draft)
        draft.error, draft.state = masked(line.text, draft.values), line.state
        draft.finished = max(line.at, draft.started)
        self._open = None


def _values(detail: str) -> dict[str, str]:
    """Without those that the server cut short."""
    found = _PARAMETER.findall(detail)
    return {number: value for number, value in found if len(value.encode()) < LONGEST_VALUE}


def inlined(sql: str, values: Mapping[str, str]) -> str:
    """With its values in place of the placeholders, beside literals and bodies of functions.

    >>> inlined("SELECT '$1', $1::INTEGER, $2", {"1": "'7'"})
    "SELECT '$1', '7'::INTEGER, $2"
    """
    return _PLACEHOLDER.sub(lambda found: values.get(found["number"] or "", found[0]), sql)


def masked(message: str, values: Mapping[str, str]) -> str:
    """A message of the server without the values that it quotes.

    >>> masked('invalid input syntax for type integer: "4711x"', {"2": "'4711x'"})
    'invalid input syntax for type integer: "$2"'
    """
    for number, literal in values.items():
        if literal.startswith("'") and len(literal) > 2:
            value = literal[1:-1].replace("''", "'")
            message = message.replace(f'"{value}"', f'"${number}"')
    return message


def has_values(sql: str) -> bool:
    return bool(placeholders(sql))


def placeholders(sql: str) -> list[str]:
    """Their numbers, each once, in the order in which they come.

    >>> placeholders("UPDATE t SET a = $2, b = $1 + $2"), placeholders("CREATE FUNCTION f(int) … AS 'SELECT $1'")
    (['2', '1'], [])
    """
    return list(dict.fromkeys(found["number"] for found in _PLACEHOLDER.finditer(sql) if found["number"]))


def _told(text: str) -> Told:
    said = json.loads(text.removeprefix(_SAID))
    counted = {row[0]: (row[1], row[2], row[3]) for row in said["counted"] or ()}
    held = tuple(tuple(row) for row in said["held"] or ())
    return Told(
        said["event"],
        said["tag"],
        float(said["at"]),
        int(said["wal"]),
        held,
        counted,
        said["concerned"],
        float(said["lock_timeout"]),
    )


def statements_of(drafts: Iterable[Draft]) -> Iterator[Draft]:
    """Without BEGIN, COMMIT and the like, and without a failure that had no statement."""
    return (draft for draft in drafts if draft.control is None and bare(draft.sql))
