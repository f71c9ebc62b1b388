"""Oracles, which judge a finished schedule: invariants, or serial equivalence.

Serial equivalence needs no invariant: what a schedule comes to must be what some order of its sessions, one after
another, comes to. It does not see the time, only whether a time is set, and it takes a session for one
whole, however many transactions it makes.
Sessions that were refused or died have to have left nothing: only those that committed are compared.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import permutations
from typing import Any, Literal

import psycopg
from psycopg import sql

from inboxbench.database import Connection
from inboxbench.errors import SubjectFailed, UsageError, unknown
from inboxbench.invariants import Invariant, Violation, violation
from inboxbench.race.explore.model import LETTERS, Judge, Outcome, RunSerially
from inboxbench.race.explore.skipped import Taken, hiding
from inboxbench.server import reason

Kind = Literal["plain", "clock", "generated"]
Row = tuple[str, ...]
Rows = Sequence[Sequence[str | None]]
# Table → its rows as text, in an order that does not depend on how they came there.
State = Mapping[str, tuple[Row, ...]]

A_TIME, NEW, NULL = "<a time>", "<new>", "NULL"


@dataclass(frozen=True, slots=True)
class Column:
    """source: the table and column whose sequence or random value this is."""

    name: str
    kind: Kind
    source: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table to look at, and the query that reads it as text."""

    name: str
    columns: tuple[Column, ...]
    query: sql.Composed


@dataclass
class Observer:
    """Reads the state. Clocks count as set or not; ids that were not there after a reset count as new, whichever.

    So two schedules that differ in nothing but the time and in numbers from a sequence leave the same behind.
    """

    tables: tuple[Table, ...]
    _known: dict[str, set[str]] = field(default_factory=dict)

    def remember(self, control: Connection) -> None:
        """Take the ids that are there now, after a reset, for old ones."""
        self._known = {}
        for table in self.tables:
            for row in _rows(control, table):
                for column, cell in zip(table.columns, row, strict=True):
                    if column.kind == "generated" and cell is not None:
                        self._known.setdefault(column.source, set()).add(cell)

    def rows(self, control: Connection) -> dict[str, Rows]:
        """Read the rows as they stand, to be made comparable later."""
        return {table.name: _rows(control, table) for table in self.tables}

    def comparable(self, rows: Mapping[str, Rows]) -> State:
        return {table.name: tuple(sorted(self._row(table, row) for row in rows[table.name])) for table in self.tables}

    def state(self, control: Connection) -> State:
        return self.comparable(self.rows(control))

    def _row(self, table: Table, row: Sequence[str | None]) -> Row:
        return tuple(self._cell(column, cell) for column, cell in zip(table.columns, row, strict=True))

    def _cell(self, column: Column, cell: str | None) -> str:
        if cell is None:
            return NULL
        if column.kind == "clock":
            return A_TIME
        if column.kind == "generated" and cell not in self._known.get(column.source, ()):
            return NEW
        return cell


def _rows(control: Connection, table: Table) -> Rows:
    return control.execute(table.query).fetchall()


def observe(control: Connection, names: Sequence[str] = ()) -> Observer:
    """Watch the named tables, or all of them. Raises UsageError for a table that is not there."""
    found: dict[tuple[str, str], list[Column]] = {}
    query = (files("inboxbench.race.explore") / "observed.sql").read_text(encoding="utf-8")
    for schema, table, column, kind, source in control.execute(query.encode()):
        found.setdefault((schema, table), []).append(Column(column, kind, source))
    tables = {table if schema == "public" else f"{schema}.{table}": (schema, table) for schema, table in found}
    for name in names:
        if name not in tables:
            raise unknown("table", name, tables)
    return Observer(tuple(_table(name, tables[name], found[tables[name]]) for name in names or tables))


def _table(name: str, place: tuple[str, str], columns: Sequence[Column]) -> Table:
    cells = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(column.name)) for column in columns)
    return Table(name, tuple(columns), sql.SQL("SELECT {} FROM {}").format(cells, sql.Identifier(*place)))


def _complaint(broken: Violation) -> str:
    row = ", ".join(f"{column}={value}" for column, value in broken.examples[0].items())
    more = f" and {broken.rows - 1} more" if broken.rows > 1 else ""
    return f"{broken.invariant.name}: {row}{more}"


def invariants_hold(invariants: Iterable[Invariant]) -> Judge:
    """Judge by queries that must return no rows. One that cannot be asked is a UsageError of the judge."""
    known = tuple(invariants)

    def judge(control: Connection, _outcomes: Sequence[Outcome]) -> list[str]:
        return [_complaint(broken) for invariant in known if (broken := _asked(control, invariant))]

    return judge


def _asked(control: Connection, invariant: Invariant) -> Violation | None:
    try:
        return violation(control, invariant)
    except psycopg.Error as error:
        raise UsageError(
            f"invariant {invariant.query.strip()[:60]!r} cannot be asked: {reason(error)}; it must be one query that "
            "returns the offending rows"
        ) from None


def query_is_empty(query: str) -> Judge:
    """Judge by one query of the user's own, which returns the offending rows."""
    return invariants_hold([Invariant("invariant", "the given query returns no rows", (), "head", query)])


_SHOWN = 4


@dataclass(frozen=True, slots=True)
class _Result:
    """Holds what sessions returned, and what they left behind. order: that of a serial run."""

    order: tuple[int, ...]
    returned: Mapping[int, Any]
    state: State

    def same_as(self, other: _Result) -> bool:
        return self.returned == other.returned and self.state == other.state


@dataclass(frozen=True, slots=True)
class SerialEquivalence:
    """Judges by serial equivalence. tables: whose rows are compared (all for none); also: a judge beside it."""

    tables: tuple[str, ...] = ()
    also: Judge | None = None

    def judge(self, run_serially: RunSerially) -> Judge:
        comparison = _Comparison(run_serially, self.tables)
        also = self.also or (lambda _control, _outcomes: [])
        return lambda control, outcomes: comparison.complaints(control, outcomes) + also(control, outcomes)


class _Comparison:
    """Compares schedules with serial runs of the same sessions, made when they are first asked for."""

    def __init__(self, run_serially: RunSerially, tables: Sequence[str]) -> None:
        self._run_serially = run_serially
        self._tables = tables
        self._observer: Observer | None = None
        self._serial: dict[tuple[int, ...], list[_Result]] = {}

    def complaints(self, control: Connection, outcomes: Sequence[Outcome]) -> list[str]:
        survivors = tuple(index for index, outcome in enumerate(outcomes) if outcome.kind == "committed")
        if self._observer is None:
            self._observer, state = self._observe_first(control)
        else:
            state = self._observer.state(control)
        here = _Result((), {index: _comparable(outcomes[index].value) for index in survivors}, state)
        complaints = self._against(here, control, self._observer, survivors)
        taken = {index: outcomes[index].taken for index in survivors}
        if complaints and any(taken.values()) and self._fits_a_queue(here, control, self._observer, taken):
            return []
        return complaints

    def _fits_a_queue(
        self, here: _Result, control: Connection, observer: Observer, taken: Mapping[int, Sequence[Taken]]
    ) -> bool:
        """Return whether some order comes to this when each session finds the items that it took, and no others."""
        names = [table.name for table in observer.tables]
        for order in permutations(taken):
            hidden = {index: hiding(control, names, takes) for index, takes in taken.items()}
            try:
                outcomes = self._run_serially(order, hidden)
            except SubjectFailed:  # it waits for an item that is hidden from it
                return False
            returned = {index: _comparable(outcome.value) for index, outcome in zip(order, outcomes, strict=True)}
            committed = all(outcome.kind == "committed" for outcome in outcomes)
            if committed and here.same_as(_Result(order, returned, observer.state(control))):
                return True
        return False

    def _observe_first(self, control: Connection) -> tuple[Observer, State]:
        """Read the rows of this schedule, and those that a reset leaves behind."""
        observer = observe(control, self._tables)
        left = observer.rows(control)
        self._run_serially(())
        observer.remember(control)
        return observer, observer.comparable(left)

    def _against(self, here: _Result, control: Connection, observer: Observer, survivors: tuple[int, ...]) -> list[str]:
        if survivors not in self._serial:
            self._serial[survivors] = list(self._serial_results(control, observer, survivors))
        serial = self._serial[survivors]
        if any(here.same_as(result) for result in serial):
            return []
        names = " and ".join(LETTERS[index] for index in survivors)
        if not serial:
            return [f"{names} committed, but one after another, in any order, one of them is refused"]
        nearest = min(serial, key=lambda result: sum(1 for _ in _differences(here, result)))
        differences = list(_differences(here, nearest))
        more = f", and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
        order = ", then ".join(LETTERS[index] for index in nearest.order) or "nobody"
        return [f"no order of {names or 'nobody'} gives this; {order} would: {'; '.join(differences[:_SHOWN])}{more}"]

    def _serial_results(self, control: Connection, observer: Observer, survivors: tuple[int, ...]) -> Iterator[_Result]:
        for order in permutations(survivors):
            outcomes = self._run_serially(order)
            if all(outcome.kind == "committed" for outcome in outcomes):
                returned = {index: _comparable(outcome.value) for index, outcome in zip(order, outcomes, strict=True)}
                yield _Result(order, returned, observer.state(control))


def _differences(here: _Result, there: _Result) -> Iterator[str]:
    for index, value in there.returned.items():
        if here.returned[index] != value:
            yield f"return {value!r} from {LETTERS[index]}, not {here.returned[index]!r}"
    for table, rows in there.state.items():
        missing, extra = Counter(rows), Counter(here.state[table])
        wanted, found = list((missing - extra).elements()), list((extra - missing).elements())
        for number in range(max(len(wanted), len(found))):
            yield f"leave {_shown(wanted, number)} in {table}, not {_shown(found, number)}"


def _shown(rows: Sequence[Row], number: int) -> str:
    return f"({', '.join(rows[number])})" if number < len(rows) else "no such row"


def _comparable(value: Any) -> Any:
    """Return a returned value without its times, and without the identity of objects that have nothing else."""
    if isinstance(value, dt.date | dt.time | dt.timedelta):
        return A_TIME
    if isinstance(value, Mapping):
        return {key: _comparable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_comparable(item) for item in value]
    return value if _compares(value) else f"a {type(value).__name__}"


def _compares(value: Any) -> bool:
    """Return whether `==` looks at what the value is, and not only at which object it is."""
    return value is None or any("__eq__" in vars(kind) for kind in type(value).__mro__[:-1])
