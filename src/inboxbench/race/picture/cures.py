"""Tries what the lab knows against a race: each cure is put into the statements of the function and really explored.

A cure changes the text of a statement on its way to the server, the isolation level, or the tables; the function stays
as it is. What it cannot be put into (a lock on a query that groups rows) is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import psycopg
from psycopg import IsolationLevel, sql
from psycopg.abc import Params, Query

from inboxbench.database import Connection
from inboxbench.errors import InboxbenchError
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.gated_cursor import StatementCure
from inboxbench.race.explore.model import Bounds, Scenario, ScheduleRun, SessionFunction
from inboxbench.race.explore.result import Exploration
from inboxbench.race.explore.run import Explorer
from inboxbench.race.picture.sentence import stale_reads
from inboxbench.race.picture.statement import locks_rows, plain_read
from inboxbench.sqltree import parse

_MOST = 300  # schedules of a cure that are played
_ANSWERS = ("refused", "23505", "40001")  # how a cure ends the session that comes too late
_INDEX = "inboxbench_cure"
_NO_INDEX = f"DROP INDEX IF EXISTS {_INDEX}"
_LEVELS = (IsolationLevel.READ_COMMITTED, IsolationLevel.REPEATABLE_READ)


@dataclass(frozen=True, slots=True)
class Tried:
    """A cure explored at a level."""

    level: IsolationLevel
    exploration: Exploration

    def __str__(self) -> str:
        found = self.exploration
        level = self.level.name.replace("_", " ")
        whole = "" if found.complete else "the first "
        refused = f" ({found.aborted} with a refusal, to be tried again)" if found.aborted else ""
        return f"{found.bad} of {whole}{found.schedules} at {level}{refused}"


@dataclass(frozen=True, slots=True)
class Cure:
    """What was tried, in words, and what came of it."""

    what: str
    tried: tuple[Tried, ...]

    @property
    def works(self) -> bool:
        return any(not result.exploration.bad for result in self.tried)

    def __str__(self) -> str:
        return f"{self.what}: {', '.join(map(str, self.tried))}"


def _text(query: Query) -> str:
    if isinstance(query, sql.Composable):
        return query.as_string(None)
    return query.decode() if isinstance(query, bytes) else str(query)


@dataclass(frozen=True, slots=True)
class _Lock:
    """Puts FOR UPDATE behind one query."""

    target: str

    def before(self, query: Query, _parameters: Params | None) -> Query:
        text = _text(query)
        return f"{text.rstrip().rstrip(';')} FOR UPDATE".encode() if text == self.target else query

    def after(self, query: Query, cursor: psycopg.Cursor[Any]) -> None:
        pass


class _CompareAndSet:
    """Lets an UPDATE change the row only while what an earlier query read is still so, and refuses the session else."""

    def __init__(self, read: str, write: str, expressions: tuple[str, ...]) -> None:
        self._read, self._write, self._expressions = read, write, expressions
        self._seen: tuple[Any, ...] | None = None

    def before(self, query: Query, _parameters: Params | None) -> Query:
        text = _text(query)
        if text != self._write or self._seen is None:
            return query
        tests = " AND ".join(
            f"({expression}) IS NOT DISTINCT FROM {sql.Literal(value).as_string(None)}"
            for expression, value in zip(self._expressions, self._seen, strict=True)
        )
        return f"{text.rstrip().rstrip(';')} AND {tests.replace('%', '%%')}".encode()

    def after(self, query: Query, cursor: psycopg.Cursor[Any]) -> None:
        text = _text(query)
        if text == self._read and cursor.pgresult is not None and cursor.pgresult.ntuples == 1:
            row = cursor.fetchone()
            cursor.scroll(-1)
            self._seen = tuple(row.values()) if isinstance(row, dict) else tuple(row or ())
        elif text == self._write and cursor.rowcount == 0:
            raise psycopg.errors.SerializationFailure("compare-and-set: the row is no longer as it was read")


@dataclass(frozen=True, slots=True)
class _LookAtCount:
    """Refuses a session that an INSERT … ON CONFLICT has given no row."""

    target: str

    def before(self, query: Query, _parameters: Params | None) -> Query:
        return query

    def after(self, query: Query, cursor: psycopg.Cursor[Any]) -> None:
        if _text(query) == self.target and cursor.rowcount == 0:
            raise psycopg.errors.UniqueViolation("the row is there already: another session was first")


def _cured(function: SessionFunction, make: Callable[[], StatementCure]) -> SessionFunction:
    def session(connection: GatedConnection, number: int) -> Any:
        connection.cure = make()
        return function(connection, number)

    return session


def _with(scenario: Scenario, make: Callable[[], StatementCure]) -> Scenario:
    return replace(scenario, functions=tuple(_cured(function, make) for function in scenario.functions))


_WHERE = re.compile(
    r"^\s*SELECT\s+(?P<list>.+?)\s+FROM\s+(?P<table>[\w\".]+)\s+WHERE\s+(?P<where>.+?)\s*;?\s*$",
    re.IGNORECASE | re.DOTALL,
)
_UPDATE = re.compile(r"^\s*UPDATE\s+(?P<table>[\w\".]+)\s+SET\s+.+\s+WHERE\s+[^()]+$", re.IGNORECASE | re.DOTALL)
_EQUAL = re.compile(
    r"^\(?\s*(?:[\w\"]+\.)?(?P<column>[\w\"]+)\s*=\s*(?:%s|%\(\w+\)s|\$\d+|'[^']*'|\d+)\s*\)?$", re.IGNORECASE
)
_AGGREGATE = re.compile(
    r"\b(count|sum|min|max|avg|bool_or|bool_and|array_agg|exists|distinct|group|union|limit|over)\b", re.IGNORECASE
)


def _candidates(scenario: Scenario, run: ScheduleRun) -> Iterator[tuple[str, list[Scenario]]]:
    """Yield each cure in words, with its scenarios."""
    for number, event in stale_reads(run)[:1]:
        read = event.text
        some = event.detail is not None and event.detail.rows != ("no row",)
        if some and not locks_rows(read) and plain_read(read) and not _AGGREGATE.search(read):
            locked = _with(scenario, partial(_Lock, read))
            yield f"with FOR UPDATE on step {number}", [replace(locked, level=level) for level in _LEVELS]
        yield from _compare_and_set(scenario, run, number, read)
        yield from _unique(scenario, run, number, read)
    if scenario.level != IsolationLevel.SERIALIZABLE:
        yield "at SERIALIZABLE, trying again after 40001", [replace(scenario, level=IsolationLevel.SERIALIZABLE)]


def _compare_and_set(
    scenario: Scenario, run: ScheduleRun, number: int, read: str
) -> Iterator[tuple[str, list[Scenario]]]:
    selected = _WHERE.match(read)
    if selected is None or _AGGREGATE.search(read) or locks_rows(read):
        return
    listed = selected["list"].strip()
    expressions = tuple(re.sub(r"\s+AS\s+[\w\"]+$", "", part.strip(), flags=re.IGNORECASE) for part in _split(listed))
    for event in run.events:
        written = _UPDATE.match(event.text)
        if written and written["table"] == selected["table"] and "*" not in listed and "." not in listed:
            make = partial(_CompareAndSet, read, event.text, expressions)
            steps = (
                f"with compare-and-set (the UPDATE asks again for what step {number} read, and 0 rows are a refusal)"
            )
            yield steps, [replace(_with(scenario, make), level=level) for level in _LEVELS[:1]]
            return


def _split(text: str) -> list[str]:
    """Split a select list at its commas, but not within parentheses."""
    parts, depth, start = [], 0, 0
    for place, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and not depth:
            parts.append(text[start:place])
            start = place + 1
    return [*parts, text[start:]]


def _unique(scenario: Scenario, run: ScheduleRun, number: int, read: str) -> Iterator[tuple[str, list[Scenario]]]:
    """Where a query decides whether the table that it reads gets a row: let the table decide."""
    selected = _WHERE.match(read)
    inserts = [event.text for event in run.events if selected and _inserts_into(event.text, selected["table"])]
    if selected is None or not inserts:
        return
    if any("conflict" in parse(text).words for text in inserts):
        cured = _with(scenario, partial(_LookAtCount, inserts[0]))
        yield (
            f"looking at the row count of the INSERT … ON CONFLICT instead of step {number} (0 rows: refused)",
            [cured],
        )
        return
    where = re.split(r"\s+(?:ORDER|LIMIT|FOR|GROUP)\b", selected["where"], flags=re.IGNORECASE)[0]
    tests = [_EQUAL.match(part.strip()) for part in re.split(r"\s+AND\s+", where, flags=re.IGNORECASE)]
    if all(tests):
        columns = ", ".join(dict.fromkeys(test["column"] for test in tests if test))
        yield (
            f"with a unique index on {selected['table']} ({columns})",
            [_indexed(scenario, selected["table"], columns)],
        )


def _inserts_into(text: str, table: str) -> bool:
    commands = parse(text.replace("%s", "NULL")).commands
    name = table.replace('"', "")
    return any(command.kind == "insert" and command.target and command.target.name == name for command in commands)


def _indexed(scenario: Scenario, table: str, columns: str) -> Scenario:
    """Return the scenario on tables with a unique index."""
    script = f"CREATE UNIQUE INDEX IF NOT EXISTS {_INDEX} ON {table} ({columns})"

    def reset(control: Connection) -> None:
        control.execute(_NO_INDEX.encode())
        scenario.reset(control)
        control.execute(script.encode())

    return replace(scenario, reset=reset)


def explore_cures(explorer: Explorer, scenario: Scenario, run: ScheduleRun, bounds: Bounds) -> tuple[Cure, ...]:
    """Explore every cure that fits the stale read of a bad schedule, `bounds` and at most 300 schedules each."""
    cures = []
    within = replace(bounds, schedules=min(bounds.schedules or _MOST, _MOST), deaths=0)
    judged = replace(scenario, fail_on=tuple(word for word in scenario.fail_on if word not in _ANSWERS))
    for what, scenarios in _candidates(judged, run):
        tried = []
        for cured in scenarios:
            with suppress(InboxbenchError, psycopg.Error):  # it does not fit these statements
                tried.append(Tried(cured.level, explorer.explore(cured, within)))
        if tried:
            cures.append(Cure(what, tuple(tried)))
        explorer.execute(_NO_INDEX)
    return tuple(cures)
