"""What a query does on the server, as assertions: the plan it gets, the pages it reads, how many statements it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from inboxbench.bench.execute.plan import Plan, nodes_of, parse_plan
from inboxbench.database import Connection
from inboxbench.errors import UsageError

Parameters = Mapping[str, Any] | Sequence[Any] | None

_EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY ON, SETTINGS ON, FORMAT JSON) "
_ROWS = "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass(%s)"
# A scan of a smaller table is what a good planner chooses.
LARGE = 1_000


class PlanError(AssertionError):
    """The plan is not as asked; it stands in the message."""


@dataclass(frozen=True, slots=True)
class Executed:
    """One execution of a query: its plan and counters, the tables that it read from end to end, whether it writes."""

    plan: Plan
    scanned: tuple[str, ...]
    writes: bool = False


def explain(connection: object, query: str, parameters: Parameters = None) -> Executed:
    """Execute `query` under EXPLAIN ANALYZE; what it wrote is rolled back. `parameters` as psycopg takes them.

    connection: psycopg's, or SQLAlchemy's Connection or Session on psycopg 3. Raises UsageError for another.
    """
    raw = driver(connection)
    with raw.transaction(force_rollback=True):
        row = raw.execute((_EXPLAIN + query).encode(), parameters).fetchone()
    assert row is not None
    document = row[0][0]
    nodes = list(nodes_of(document["Plan"]))
    scans = (node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan")
    writes = any(node["Node Type"] == "ModifyTable" for node in nodes)
    return Executed(parse_plan(document), tuple(dict.fromkeys(map(str, scans))), writes)


def assert_plan(
    connection: object,
    query: str,
    parameters: Parameters = None,
    *,
    uses: str | Sequence[str] = (),
    sorts: bool | None = None,
    scans_over: int | None = LARGE,
) -> Executed:
    """The query reads by the index or indexes named, sorts or does not (None: may), and scans no table whole that
    has more than `scans_over` rows (None: may).

    Raises PlanError with the plan.
    """
    __tracebackhide__ = True
    found = explain(connection, query, parameters)
    missing = set([uses] if isinstance(uses, str) else uses) - set(found.plan.indexes)
    if missing:
        raise PlanError(_told(found, f"does not use {', '.join(sorted(missing))}"))
    if sorts is not None and found.plan.sorts is not sorts:
        raise PlanError(_told(found, "sorts" if found.plan.sorts else "does not sort"))
    if scans_over is not None:
        _check_scans(driver(connection), found, scans_over)
    return found


def assert_buffers(connection: object, query: str, parameters: Parameters = None, *, at_most: int) -> Executed:
    """The query touches at most so many pages of 8 kB, hit or read. Raises PlanError with the plan.

    Executed twice, the second one counts: the first may write hint bits.
    """
    __tracebackhide__ = True
    explain(connection, query, parameters)
    found = explain(connection, query, parameters)
    if found.plan.buffers > at_most:
        raise PlanError(_told(found, f"touches {found.plan.buffers:,} pages, {at_most:,} are allowed"))
    return found


def _check_scans(raw: Connection, found: Executed, most: int) -> None:
    __tracebackhide__ = True
    for table in found.scanned:
        row = raw.execute(_ROWS, (table,)).fetchone()
        if row and row[0] > most:
            raise PlanError(_told(found, f"scans all of {table}, about {row[0]:,} rows"))


def _told(found: Executed, what: str) -> str:
    plan = found.plan
    counters = f"pages  {plan.buffers:,}, rows {plan.rows:,}, thrown away {plan.removed:,}"
    return f"the query {what}\n  plan   {plan.line}\n  {counters}"


def driver(connection: Any) -> Connection:
    """psycopg's own connection, out of SQLAlchemy's where need be. Raises UsageError for another driver's."""
    if isinstance(connection, psycopg.Connection):
        return connection
    made = connection.connection() if callable(getattr(connection, "connection", None)) else connection
    raw = getattr(getattr(made, "connection", None), "driver_connection", None)
    if not isinstance(raw, psycopg.Connection):
        raise UsageError(f"{type(connection).__name__} is no connection of psycopg 3, nor SQLAlchemy's over one")
    return raw


@dataclass
class Statements:
    """The statements that were sent, in order."""

    sent: list[str] = field(default_factory=list)


@contextmanager
def assert_statements(connection: object, *, at_most: int) -> Iterator[Statements]:
    """In the block the connection sends at most so many statements: a loop that asks for each row (N+1) does not.

    connection: psycopg's, or an Engine, Connection or Session of SQLAlchemy. Raises PlanError listing them.
    """
    __tracebackhide__ = True
    counted = Statements()
    with _psycopg(connection, counted) if isinstance(connection, psycopg.Connection) else _alchemy(connection, counted):
        yield counted
    if len(counted.sent) > at_most:
        raise PlanError(f"{len(counted.sent)} statements were sent, {at_most} are allowed\n{_listed(counted.sent)}")


def _listed(sent: Sequence[str]) -> str:
    """Each statement once, with how often it was sent, the most frequent first."""
    times: dict[str, int] = {}
    for text in sent:
        times[" ".join(text.split())] = times.get(" ".join(text.split()), 0) + 1
    ranked = sorted(times.items(), key=lambda item: -item[1])
    return "\n".join(f"  {count:>4} × {text[:160]}" for text, count in ranked[:12])


@contextmanager
def _psycopg(connection: psycopg.Connection[Any], counted: Statements) -> Iterator[None]:
    factory = connection.cursor_factory

    class Counting(factory):  # type: ignore[misc,valid-type]
        def execute(self, query: Any, *args: Any, **options: Any) -> Any:
            counted.sent.append(query if isinstance(query, str) else _text(query, connection))
            return super().execute(query, *args, **options)

    connection.cursor_factory = Counting
    try:
        yield
    finally:
        connection.cursor_factory = factory


def _text(query: Any, connection: psycopg.Connection[Any]) -> str:
    return query.as_string(connection) if isinstance(query, sql.Composable) else bytes(query).decode()


@contextmanager
def _alchemy(connection: object, counted: Statements) -> Iterator[None]:
    from sqlalchemy import event  # noqa: PLC0415 - not everybody's suite uses it

    bind = getattr(connection, "get_bind", lambda: connection)()

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        counted.sent.append(statement)

    event.listen(bind, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(bind, "before_cursor_execute", note)
