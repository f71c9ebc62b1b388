"""A session of a spec that is run as isolationtester runs it: its connection, and what its answers read like."""

from __future__ import annotations

import select
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from psycopg import pq

from inboxbench.database import Connection
from inboxbench.race.isolationtester.model import Launch
from inboxbench.race.isolationtester.pqprint import result_table

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
        """Whether the server says something within a moment."""
        poller = select.poll()
        poller.register(self.pgconn.socket, select.POLLIN)
        return bool(poller.poll(_LOOK_AGAIN_MS))

    def report(self, names: Mapping[int, str]) -> Iterator[str]:
        """The lines of a step that has ended. names: backend → session, for who notified."""
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
    """Only the message itself: details may hold transaction ids, which differ from run to run."""
    severity = result.error_field(pq.DiagnosticField.SEVERITY) or b"ERROR"
    message = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b""
    return f"{severity.decode()}:  {message.decode()}"
