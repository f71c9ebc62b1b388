"""What one session's statements did, told by the server: every plan of a block, by auto_explain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from inboxbench.bench.execute.plan import Plan, parse_plan
from inboxbench.database import Connection

_SETTINGS = {
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
    "client_min_messages": "notice",
}


class Tracer:
    """Listens to one connection. `able`: the role may load auto_explain; else nothing is ever seen."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._plans: list[Plan] = []
        self.able = _loaded(connection)
        connection.add_notice_handler(self._note)

    def _note(self, notice: psycopg.errors.Diagnostic) -> None:
        duration, found, document = (notice.message_primary or "").partition(" ms  plan:")
        if found:
            milliseconds = float(duration.removeprefix("duration:"))
            self._plans.append(parse_plan({**json.loads(document), "Execution Time": milliseconds}))

    @contextmanager
    def traced(self) -> Iterator[list[Plan]]:
        """The plans of the statements that the connection executes within the block, in their order."""
        self._plans = plans = list[Plan]()
        self._above("0")
        try:
            yield plans
        finally:
            self._above("-1")

    def _above(self, milliseconds: str) -> None:
        if self.able:
            self._connection.execute("SELECT set_config('auto_explain.log_min_duration', %s, false)", (milliseconds,))


def _loaded(connection: Connection) -> bool:
    try:
        connection.execute("LOAD 'auto_explain'")
    except psycopg.Error:
        return False
    for name, value in _SETTINGS.items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    return True


class CountingCursor(psycopg.Cursor[Any]):
    """Counts what is sent through it; the connection's `cursor_factory`."""

    sent = 0

    def execute(self, *args: Any, **kwargs: Any) -> CountingCursor:
        CountingCursor.sent += 1
        super().execute(*args, **kwargs)
        return self
