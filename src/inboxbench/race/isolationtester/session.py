"""A session of a spec as isolationtester runs it, and its results in the format of libpq's PQprint."""

from __future__ import annotations

import select
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from psycopg import pq

from inboxbench.database import Connection
from inboxbench.race.isolationtester.model import Launch

_LOOK_AGAIN_MS = 10


@dataclass
class Runner:
    """A session's connection. active: the step that it was last given, until its end has been reported."""

    name: str
    connection: Connection
    active: Launch | None = None
    notices: int = 0
    targets: dict[str, int] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        return self.connection.info.backend_pid

    @property
    def pgconn(self) -> pq.abc.PGconn:
        return self.connection.pgconn

    def readable(self) -> bool:
        """Return whether the server sends something within a moment."""
        poller = select.poll()
        poller.register(self.pgconn.socket, select.POLLIN)
        return bool(poller.poll(_LOOK_AGAIN_MS))

    def report(self, names: Mapping[int, str]) -> Iterator[str]:
        """Yield the lines of a step that has ended. names: backend → session, to name who notified."""
        while (result := self.pgconn.get_result()) is not None:
            if result.status == pq.ExecStatus.TUPLES_OK:
                yield from result_table(result)
            elif result.status == pq.ExecStatus.FATAL_ERROR:
                yield primary_message(result)
        self.pgconn.consume_input()
        while (notify := self.pgconn.notifies()) is not None:
            sender = names.get(notify.be_pid, "<unknown>")
            channel, payload = notify.relname.decode(), notify.extra.decode()
            yield f'{self.name}: NOTIFY "{channel}" with payload "{payload}" from {sender}'


def primary_message(result: pq.abc.PGresult) -> str:
    """Return the message alone: details may hold transaction ids, which differ from run to run."""
    severity = result.error_field(pq.DiagnosticField.SEVERITY) or b"ERROR"
    message = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b""
    return f"{severity.decode()}:  {message.decode()}"


_NUMERIC = frozenset("0123456789.Ee -")


def result_table(result: pq.abc.PGresult) -> Iterator[str]:
    """Yield the lines of PQprint with a header and aligned columns; widths are in bytes, as there."""
    if not result.nfields:
        return
    names = [(result.fname(column) or b"").decode() for column in range(result.nfields)]
    rows = [
        [(result.get_value(row, column) or b"").decode() for column in range(result.nfields)]
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
