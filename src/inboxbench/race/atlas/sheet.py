"""A family of the atlas as a file of SQL, `bench/atlas/NAME.sql`: its tables, what may not be left, and its ways.

    -- name: claim
    -- title: two agents take one ticket
    -- ids: T1

    --- setup
    CREATE TABLE tickets (id int PRIMARY KEY, holder int, claims int NOT NULL DEFAULT 0);
    INSERT INTO tickets VALUES (1);
    --- reset
    UPDATE tickets SET holder = NULL, claims = 0;
    --- complaints
    SELECT 'claimed ' || claims || ' times' FROM tickets WHERE claims > 1;

    --- way naive
    -- meaning: read, branch, write
    -- safe: rr ser
    SELECT holder IS NULL AS free FROM tickets WHERE id = 1;
    -- if free
    UPDATE tickets SET holder = :session, claims = claims + 1 WHERE id = 1;

Each row of `complaints` says what is wrong after a schedule; it may use `:answers`, a JSON array of what the sessions
that committed answered, and `:deadlocks`, how many were ended by one. A key `serial` in place of that section names
the tables whose rows must be those of some order of the sessions. A way without `--- session N` has two sessions that
do the same (see `race.steps`). Its keys `mutant`, `preemptions` and `deaths` are those of `Entry`; with
`autocommit: yes` each statement is a transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from psycopg.types.json import Jsonb

from inboxbench.database import Connection
from inboxbench.errors import UsageError, unknown
from inboxbench.race.atlas.model import ALL, Entry, Family, committed
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Judge, Level, Oracle, Outcome, SessionFunction
from inboxbench.race.explore.oracle import SerialEquivalence
from inboxbench.race.steps import Step, parse_steps, run_steps
from inboxbench.sqlfile import as_psycopg, parameters
from inboxbench.sqlsheet import BODY, Form, Sheet, read_sheets

_FORM = Form(
    keys=("name", "title", "ids", "serial"),
    required=("name", "title"),
    sections=("setup", "reset", "complaints"),
    ways=Form(
        keys=("meaning", "safe", "mutant", "preemptions", "deaths", "autocommit"),
        required=("meaning",),
        sections=(BODY, "session 1", "session 2", "session 3"),
    ),
)


def read_families(folder: Path) -> tuple[Family, ...]:
    """Return the families of `*.sql` in a folder. Raises UsageError naming the file and what is wrong in it."""
    return tuple(_family(sheet) for sheet in read_sheets(folder, _FORM))


def _family(sheet: Sheet) -> Family:
    for section in ("setup", "reset"):
        if not sheet.sections.get(section):
            raise UsageError(f"{sheet.path}: section `--- {section}` is missing or empty")
    entries = tuple(_entry(way) for way in sheet.ways)
    ids = tuple(sheet.header.get("ids", "").split())
    header, sections = sheet.header, sheet.sections
    return Family(header["name"], header["title"], ids, sections["setup"], sections["reset"], _oracle(sheet), entries)


def _oracle(sheet: Sheet) -> Oracle:
    serial, complaints = sheet.header.get("serial"), sheet.sections.get("complaints")
    if bool(serial) == bool(complaints):
        raise UsageError(f"{sheet.path}: give either a section `--- complaints` or a key `serial`, which names tables")
    return SerialEquivalence(tuple(serial.split())) if serial else _judge(sheet, complaints or "")


def _judge(sheet: Sheet, complaints: str) -> Judge:
    query, names = as_psycopg(complaints).encode(), parameters(complaints)
    for name in names:
        if name not in ("answers", "deadlocks"):
            raise unknown("parameter", name, ("answers", "deadlocks"), where=f"{sheet.path} complaints")

    def judge(control: Connection, outcomes: Sequence[Outcome]) -> list[str]:
        deadlocks = sum(outcome.deadlocked for outcome in outcomes)
        values = {"answers": Jsonb(committed(outcomes)), "deadlocks": deadlocks}
        return [str(row[0]) for row in control.execute(query, {name: values[name] for name in names})]

    return judge


def _entry(way: Sheet) -> Entry:
    safe = tuple(way.header.get("safe", "").split())
    for level in safe:
        if level not in ALL:
            raise unknown("isolation level", level, ALL, where=f"{way.where} safe")
    preemptions, deaths = way.number("preemptions"), way.number("deaths", 0)
    return Entry(
        way.name,
        way.header["meaning"],
        _sessions(way),
        cast("tuple[Level, ...]", safe),
        way.header.get("mutant"),
        None if preemptions is None else int(preemptions),
        int(deaths or 0),
    )


def _sessions(way: Sheet) -> tuple[SessionFunction, ...]:
    sections = [parse_steps(text, way.where) for name, text in way.sections.items() if name != BODY]
    sections = sections or [parse_steps(way.sections.get(BODY, ""), way.where)] * 2
    if not all(sections):
        raise UsageError(f"{way.where}: a session does nothing; write its statements below the header")
    return tuple(_session(steps, autocommit=way.yes("autocommit")) for steps in sections)


def _session(steps: Sequence[Step], *, autocommit: bool) -> SessionFunction:
    def session(connection: GatedConnection, number: int) -> object:
        if autocommit:
            with connection.ungated():
                connection.autocommit = True
        return run_steps(connection, steps, {"session": number + 1})

    return session
