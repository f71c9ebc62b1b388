"""Traps set and sprung: each in a scratch database of its own, which is dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from inboxbench.bench.execute.session import Execution, execute, lab_session
from inboxbench.bench.sets.template import analyse, tables
from inboxbench.bench.traps.trap import Sprung, Trap, judge
from inboxbench.database import Connection, scratch_database
from inboxbench.errors import SubjectFailed, ThresholdExceeded
from inboxbench.server import Server, reason

SCHEMA_VERSION = 1
TIMEOUT_S = 60.0

Progress = Callable[[int, int, str], None]
_FAILED = ("wrong rows", "failed")
_HARMLESS = ("does not spring", "good plan is not good")
# Tables with an index of an expression that nobody has collected statistics of yet.
_UNKNOWN = """
    SELECT DISTINCT t.relname FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
    WHERE x.indexprs IS NOT NULL AND t.relnamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_statistic WHERE starelid = i.oid)
"""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a server did with each trap, the widest ratio first."""

    server: str
    sprung: tuple[Sprung, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "schema_version": SCHEMA_VERSION,
            "server": self.server,
            "traps": [one.to_json() for one in self.sprung],
        }

    def require(self) -> None:
        """Raises SubjectFailed when a trap could not be tried or answered wrongly, ThresholdExceeded when one is none
        on this server."""
        for kind, error in ((_FAILED, SubjectFailed), (_HARMLESS, ThresholdExceeded)):
            found = [one for one in self.sprung if one.outcome in kind]
            if found:
                first, more = found[0], f" (and {len(found) - 1} more)" if len(found) > 1 else ""
                raise error(f"trap {first.trap.name!r} {_verb(first)} on {self.server}: {first.remark}{more}")


def _verb(one: Sprung) -> str:
    return {"good plan is not good": "has a good plan that is not good", "wrong rows": "gives wrong rows"}.get(
        one.outcome, one.outcome
    )


def run_traps(server: Server, traps: Sequence[Trap], *, progress: Progress | None = None) -> Catalogue:
    """Never raises for what a trap does: an error is its named outcome."""
    found = []
    for done, trap in enumerate(traps):
        if progress:
            progress(done, len(traps), trap.title)
        found.append(spring(server, trap))
    return Catalogue(server.label, tuple(sorted(found, key=_rank)))


def _rank(one: Sprung) -> tuple[bool, float]:
    """What went wrong first, then the widest ratio; wrong rows are worse than any number of pages."""
    fine = one.outcome in ("springs", "mended")
    return fine, -(float("inf") if one.trap.differs else one.ratio or 0.0)


def spring(server: Server, trap: Trap) -> Sprung:
    """Set one trap and see."""
    try:
        with _set(server, trap, c_locale=trap.c_locale) as connection:
            bad = _try(connection, trap, "bad")
            if not trap.c_locale:
                good, truth = _try(connection, trap, "good"), _truth(connection, trap)
        if trap.c_locale:
            with _set(server, trap) as connection:
                good, truth = _try(connection, trap, "good"), _truth(connection, trap)
    except psycopg.Error as error:
        return Sprung(trap, "failed", remark=reason(error))
    return judge(trap, bad, good, truth, server.version // 10_000)


@contextmanager
def _set(server: Server, trap: Trap, *, c_locale: bool = False) -> Iterator[Connection]:
    with (
        scratch_database(server, "trap", c_locale=c_locale) as name,
        lab_session(server, name, timeout_s=TIMEOUT_S) as connection,
    ):
        connection.execute(trap.section("data").encode())
        for table in tables(connection):
            analyse(connection, table, freeze=True)
        yield connection


def _try(connection: Connection, trap: Trap, way: str) -> Execution:
    """Indexes and settings of the way, statistics of index expressions, then its query."""
    if setup := trap.section(f"{way} setup"):
        connection.execute(setup.encode())
        for (table,) in connection.execute(_UNKNOWN).fetchall():
            analyse(connection, table)
    return execute(connection, trap.section(f"{way} query"))


def _truth(connection: Connection, trap: Trap) -> tuple[tuple[Any, ...], ...] | None:
    """The rows that are right, computed without what is tried; None where the good way's are."""
    query = trap.section("truth")
    return tuple(connection.execute(query.encode()).fetchall()) if query else None
