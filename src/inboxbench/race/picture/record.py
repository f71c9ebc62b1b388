"""Looks closer at one schedule while it is played again: rows read and written, and reads that went out of date.

What is written comes from triggers on all tables, which say each row before and after to the session that wrote it: a
read of our own would take other snapshots and locks. A read is out of date once the same query, asked over another
connection after the step of another session, gives something else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import pq
from psycopg.abc import Params

from inboxbench.database import Connection, with_names
from inboxbench.race.explore.gated_connection import Step
from inboxbench.race.explore.model import Detail, Event, Stale
from inboxbench.race.explore.session import Session
from inboxbench.race.picture.rows import change_text, changed_columns, difference, rows_text, same_rows
from inboxbench.race.picture.statement import filled, plain_read

_SCHEMA = "inboxbench_watch"
_MARK = "inboxbench_watch "
_FUNCTION = f"""
    CREATE SCHEMA {_SCHEMA};
    GRANT USAGE ON SCHEMA {_SCHEMA} TO PUBLIC;
    CREATE FUNCTION {_SCHEMA}.say() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE INFO '{_MARK}%', jsonb_build_object('table', TG_TABLE_NAME,
            'before', CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END,
            'after', CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END);
        RETURN NULL;
    END $$"""
_TABLES = """
    SELECT nspname, relname FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'p') AND NOT relispartition AND relpersistence <> 't'
      AND nspname <> 'information_schema' AND nspname NOT LIKE 'pg\\_%'
"""
_READ_LIMIT = "2s"


@contextmanager
def watched_tables(control: Connection) -> Iterator[None]:
    """For the block, let the rows written to any table be said to the session that writes. Raises psycopg.Error."""
    control.execute(_FUNCTION.encode())
    try:
        for schema, table in control.execute(_TABLES.encode()).fetchall():
            trigger = (
                "CREATE TRIGGER zz_inboxbench_watch AFTER INSERT OR UPDATE OR DELETE ON {}.{} "
                "FOR EACH ROW EXECUTE FUNCTION {}.say()"
            )
            control.execute(with_names(trigger, schema, table, _SCHEMA))
        yield
    finally:
        control.execute(f"DROP SCHEMA IF EXISTS {_SCHEMA} CASCADE".encode())


@dataclass
class _Read:
    """A read whose session has not ended. place: of its event; values: rows as the server sent them."""

    session: Session
    place: int
    sql: str
    parameters: Params | None
    columns: tuple[str, ...]
    values: list[tuple[str | None, ...]]
    ordered: bool
    stale: Stale | None = None
    used: bool = False


@dataclass
class _Look:
    """What is known of a step that has ended."""

    session: int
    statement: str
    changes: list[Mapping[str, Any]] = field(default_factory=list)
    read: _Read | None = None


class ScheduleRecorder:
    """Records what the steps of one schedule do. control: a connection that no session uses."""

    def __init__(self, control: Connection) -> None:
        self._control = control
        self._looks: dict[int, _Look] = {}
        self._reads: list[_Read] = []
        self._said: dict[int, list[Mapping[str, Any]]] = {}
        self._wrote: set[int] = set()
        self._numbers = 0

    def begin(self, sessions: Sequence[Session]) -> None:
        for session in sessions:
            said = self._said.setdefault(session.index, [])

            def hear(diagnostic: psycopg.errors.Diagnostic, said: list[Mapping[str, Any]] = said) -> None:
                text = diagnostic.message_primary or ""
                if text.startswith(_MARK):
                    said.append(json.loads(text.removeprefix(_MARK)))

            session.connection.add_notice_handler(hear)

    def end(self, session: Session, step: Step, number: int) -> None:
        """Look at a step that has ended: what it wrote and read, and which reads of others it made out of date."""
        said = self._said[session.index]
        look = self._looks[number] = _Look(session.index, filled(self._control, step.text, step.parameters), list(said))
        said.clear()
        if look.changes:
            self._wrote.add(session.index)
            for read in self._reads:
                read.used = read.used or read.session is session
        self._check(session, number)
        look.read = self._read(session, step, number)
        if look.read is not None:
            self._reads.append(look.read)
            self._check(None, number)

    def _read(self, session: Session, step: Step, place: int) -> _Read | None:
        result = step.cursor.pgresult if step.cursor is not None else None
        if result is None or result.status != pq.ExecStatus.TUPLES_OK or not result.nfields:
            return None
        sql = plain_read(step.text) if session.index not in self._wrote else None
        columns = tuple((result.fname(column) or b"").decode() for column in range(result.nfields))
        ordered = "order by" in step.text.lower()
        read = _Read(session, place, sql or "", step.parameters, columns, _values(result), ordered)
        if sql is None or any(result.fformat(column) for column in range(result.nfields)):
            read.sql = ""
        return read

    def _check(self, writer: Session | None, place: int) -> None:
        """Ask open reads again. writer: whose step it was; None looks only at the newest, whose snapshot may be old."""
        for read in self._reads if writer is not None else self._reads[-1:]:
            if read.stale or not read.sql or read.session is writer or read.session.outcome is not None:
                continue
            now = self._ask(read)
            if now is not None and not same_rows(now, read.values, ordered=read.ordered):
                at = place if writer is not None else self._last_end(read.session.index)
                seen, text = difference(read.columns, read.values, now)
                read.stale = Stale(self._looks[at].session, at, seen, text)

    def _last_end(self, reader: int) -> int:
        """Return the newest step of another session: what an old snapshot does not show was committed by then."""
        return max((at for at, look in self._looks.items() if look.session != reader), default=max(self._looks))

    def _ask(self, read: _Read) -> list[tuple[str | None, ...]] | None:
        """Ask a read again over the control connection; None when that cannot be."""
        with suppress(psycopg.Error), self._control.transaction(force_rollback=True):
            self._control.execute("SET TRANSACTION READ ONLY")
            self._control.execute(f"SET LOCAL statement_timeout = '{_READ_LIMIT}'")
            cursor = self._control.execute(read.sql.encode(), read.parameters)
            assert cursor.pgresult is not None
            return _values(cursor.pgresult)
        return None

    def illustrated(self, events: Sequence[Event]) -> tuple[Event, ...]:
        """Return the events of the schedule with what was seen of each step."""
        numbers = _numbers(events)
        changed = changed_columns([change for look in self._looks.values() for change in look.changes])
        return tuple(self._event(place, event, numbers, changed) for place, event in enumerate(events))

    def _event(self, place: int, event: Event, numbers: Sequence[int], changed: frozenset[str]) -> Event:
        look = self._looks.get(place)
        if look is None:  # it waits, and is known from when it went on, or it died
            after = (later for at, later in sorted(self._looks.items()) if at > place)
            statement = next((later.statement for later in after if later.session == event.session), event.text)
            return replace(event, detail=Detail(event.text if event.kind == "dies" else statement))
        stale = None
        rows: tuple[str, ...] = ()
        if (read := look.read) is not None:
            rows = rows_text(read.columns, read.values, changed)
            if read.stale is not None:
                stale = replace(read.stale, number=numbers[read.stale.number], used=read.used)
        changes = tuple(change_text(change) for change in look.changes)
        return replace(event, detail=Detail(look.statement, rows, changes, stale))


def _numbers(events: Sequence[Event]) -> list[int]:
    """Return the number of the step that each event belongs to: what goes on after a wait has that of its beginning."""
    numbers: list[int] = []
    count = 0
    waiting: dict[int, int] = {}
    for event in events:
        if event.kind == "resumes":
            numbers.append(waiting.get(event.session, count))
            continue
        count += 1
        numbers.append(count)
        if event.kind == "waits":
            waiting[event.session] = count
    return numbers


def _values(result: pq.abc.PGresult) -> list[tuple[str | None, ...]]:
    def text(row: int, column: int) -> str | None:
        value = result.get_value(row, column)
        return None if value is None else bytes(value).decode(errors="replace")

    return [tuple(text(row, column) for column in range(result.nfields)) for row in range(result.ntuples)]
