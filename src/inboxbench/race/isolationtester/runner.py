"""A session of a spec: its connection, and what isolationtester prints of what the server sends."""

from __future__ import annotations

import re
import select
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from inboxbench.errors import ServerError
from inboxbench.race.isolationtester.parser import Launch

_LOOK_AGAIN_MS = 10
# What pg_isolation_regress sets for its sessions, and the time limits of a server, which no spec expects.
_SETTINGS = {
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "DateStyle": r"Postgres,\ MDY",
    "IntervalStyle": "postgres_verbose",
    "TimeZone": "America/Los_Angeles",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "timezone_abbreviations": "Default",
}
_SUPERUSER_SETTINGS = (b"SET lc_messages = 'C'", b"SET compute_query_id = 'regress'")
# The databases that specs are written for: PostgreSQL's own, and those of an extension.
_REGRESSION = re.compile(r"\b(?:isolation|contrib)_regression\b")


@dataclass(frozen=True, slots=True)
class DatabaseName:
    """The name of the database that a spec runs in, and the one that it is written for, which its output shows."""

    real: str
    expected: str

    @classmethod
    def of(cls, conninfo: str, source: str) -> DatabaseName:
        """Find the name that `source`, the text of a spec, is written for."""
        match = _REGRESSION.search(source)
        return cls(str(conninfo_to_dict(conninfo)["dbname"]), match[0] if match else "isolation_regression")

    def in_sql(self, text: str) -> bytes:
        return _REGRESSION.sub(self.real, text).encode()

    def in_output(self, text: bytes | None) -> str:
        return (text or b"").decode(errors="replace").replace(self.real, self.expected)


def open_session(conninfo: str, spec: str, session: str) -> pq.abc.PGconn:
    """Connect as pg_isolation_regress does: its settings, and an application name that says spec and session.

    Raises ServerError.
    """
    given = str(conninfo_to_dict(conninfo).get("options") or "")
    options = " ".join([given, *(f"-c {name}={value}" for name, value in _SETTINGS.items())])
    whole = make_conninfo(conninfo, options=options, application_name=f"isolation/{spec}/{session}")
    pgconn: pq.abc.PGconn = pq.PGconn.connect(whole.encode())
    if pgconn.status != pq.ConnStatus.OK:
        raise ServerError(f"cannot connect: {pgconn.get_error_message().strip()}")
    for setting in _SUPERUSER_SETTINGS:  # what others see is as their server is set
        pgconn.exec_(setting)
    return pgconn


@dataclass
class Runner:
    """A session. active: the step that it was last given, until its end has been reported."""

    name: str
    pgconn: pq.abc.PGconn
    database: DatabaseName
    active: Launch | None = None
    notices: int = 0
    targets: dict[str, int] = field(default_factory=dict)
    pid: int = field(init=False)

    def __post_init__(self) -> None:
        self.pid = self.pgconn.backend_pid

    def watch_notices(self, write: Callable[[str], None]) -> None:
        """Call `write` with each line that a notice prints."""

        def notice(result: pq.abc.PGresult) -> None:
            self.notices += 1
            text = self.database.in_output(result.error_message)
            for line in f"{self.name}: {text}".removesuffix("\n").split("\n"):
                write(line)

        self.pgconn.notice_handler = notice

    def readable(self) -> bool:
        """Return whether the server sends something within a moment."""
        poller = select.poll()
        poller.register(self.pgconn.socket, select.POLLIN)
        return bool(poller.poll(_LOOK_AGAIN_MS))

    def report(self, names: Mapping[int, str]) -> Iterator[str]:
        """Yield the lines of a step that has ended. names: backend → session, to name who notified."""
        while (result := self.pgconn.get_result()) is not None:
            if result.status == pq.ExecStatus.TUPLES_OK:
                yield from result_table(result, self.database)
            elif result.status == pq.ExecStatus.FATAL_ERROR:
                yield from primary_message(result, self.database)
            elif result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.EMPTY_QUERY):
                yield f"unexpected result status: PGRES_{pq.ExecStatus(result.status).name}"
                if result.status in _COPIES:
                    break
        self._consume()
        while (notify := self.pgconn.notifies()) is not None:
            sender = names.get(notify.be_pid, f"PID {notify.be_pid}")
            channel, payload = notify.relname.decode(), notify.extra.decode()
            yield f'{self.name}: NOTIFY "{channel}" with payload "{payload}" from {sender}'
            self._consume()

    def _consume(self) -> None:
        with suppress(psycopg.OperationalError):  # the session may have ended itself
            self.pgconn.consume_input()


_COPIES = (pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH)


def primary_message(result: pq.abc.PGresult, database: DatabaseName) -> Iterator[str]:
    """Yield the message alone: details may hold transaction ids, which differ from run to run.

    What libpq says by itself, for a session that was ended, has no such parts and is given whole.
    """
    severity = result.error_field(pq.DiagnosticField.SEVERITY)
    message = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY)
    if severity and message:
        yield from f"{severity.decode()}:  {database.in_output(message)}".split("\n")
    else:
        yield from database.in_output(result.error_message).split("\n")


_NUMERIC = frozenset("0123456789.Ee -")


def result_table(result: pq.abc.PGresult, database: DatabaseName) -> Iterator[str]:
    """Yield the lines of PQprint with a header and aligned columns; widths are in bytes, as there."""
    if not result.nfields:
        return
    names = [database.in_output(result.fname(column)) for column in range(result.nfields)]
    rows = [
        [database.in_output(result.get_value(row, column)) for column in range(result.nfields)]
        for row in range(result.ntuples)
    ]
    widths = [max(len(text.encode()) for text in texts) for texts in zip(names, *rows, strict=True)]
    left = [any(cell and not _numeric(cell) for cell in cells) for cells in zip(*rows, strict=True)] or [False] * len(
        names
    )
    yield "|".join(_pad(name, width, to_left) for name, width, to_left in zip(names, widths, left, strict=True))
    yield "+".join("-" * width for width in widths)
    for row in rows:
        yield "|".join(_pad(cell, width, to_left) for cell, width, to_left in zip(row, widths, left, strict=True))
    yield f"({len(rows)} row{'' if len(rows) == 1 else 's'})"
    yield ""


def _numeric(cell: str) -> bool:
    return set(cell) <= _NUMERIC and cell[0] not in "Ee" and cell[-1] in "0123456789"


def _pad(text: str, width: int, to_left: bool) -> str:
    filler = " " * (width - len(text.encode()))
    return text + filler if to_left else filler + text
