"""What writes cost under each index set, and every page that they touch: that of a trigger which only reads, too.

Pages of each write are counted on a copy of its own, each execution rolled back, so that they repeat: what vacuum,
other sessions and other writes do to the rows that a write leaves behind shows in no figure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import ClientCursor, sql

from inboxbench.bench import TIMEOUT_S
from inboxbench.bench.execute.session import open_probe
from inboxbench.bench.sets.builder import Announce, SetBuilder
from inboxbench.bench.sets.indexset import Built, IndexSet
from inboxbench.bench.workload.writes import WriteCost, draw_targets, read_writes, try_writes
from inboxbench.database import Connection, connect, scratch_database
from inboxbench.errors import SubjectFailed
from inboxbench.explain import explain
from inboxbench.gate.snapshot import Writing, digest, digest_of_values
from inboxbench.project import Project
from inboxbench.server import Server
from inboxbench.sqlfile import QueryFile, as_psycopg

Rows = Sequence[Mapping[str, Any]]

# Executions whose pages are counted, each thrice: all do the same to rows of other sizes.
_EXECUTIONS = 25
# EXPLAIN counts no page of what fires after its statement, but all of what a function does.
_RUN = """
    CREATE FUNCTION pg_temp.inboxbench_run(statement text) RETURNS void LANGUAGE plpgsql
    AS 'BEGIN EXECUTE statement; END'
"""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Pages of one execution, and those of them touched by what fires after the statement (None: it cannot be
    explained); calls of each trigger and key, by name."""

    buffers: float
    after: float | None
    fired: Mapping[str, float]


@dataclass
class WatchedBuilder(SetBuilder):
    """Builds index sets as a SetBuilder does, and measures the project's writes under each in `writings`, by set."""

    project: Project = field(kw_only=True)
    role: str | None = field(kw_only=True)
    writings: dict[str, dict[str, Writing]] = field(kw_only=True)

    @contextmanager
    def built(self, chosen: IndexSet, announce: Announce) -> Iterator[tuple[str, Built]]:
        """Yield the database as a SetBuilder does; writes come when the block is done with it."""
        with super().built(chosen, announce) as (name, built):
            writes, targets, broken = self._drawn(name)
            footprints = _footprints(self.server, name, writes, targets, self.role)
            yield name, built
            options: dict[str, Any] = {"role": self.role, "timeout_s": TIMEOUT_S, "announce": announce}
            costs = try_writes(self.server, name, writes, targets, apart=True, **options)
            measured = {
                write.name: _writing(write, targets[write.classes[0]], costs[write.name], footprints.get(write.name))
                for write in writes
            }
            self.writings[chosen.name] = measured | broken

    def _drawn(self, name: str) -> tuple[list[QueryFile], dict[str, Rows], dict[str, Writing]]:
        """The writes, the rows that they are executed with by class, and those whose rows could not be had."""
        targets: dict[str, Rows] = {}
        broken: dict[str, Writing] = {}
        writes = read_writes(self.project)
        with connect(self.server.conninfo(name)) as connection:
            for write in writes:
                try:
                    targets[write.classes[0]] = draw_targets(connection, self.project.bench / "targets", write)
                except SubjectFailed as error:
                    broken[write.name] = _failed(write, error)
        return [write for write in writes if write.name not in broken], targets, broken


def _writing(write: QueryFile, rows: Rows, cost: WriteCost | SubjectFailed, footprint: Footprint | None) -> Writing:
    if isinstance(cost, SubjectFailed):
        return _failed(write, cost)
    return Writing(
        wal_bytes=round(cost.wal_bytes, 1),
        hot_share=None if cost.hot_share is None else round(cost.hot_share, 4),
        rows=None if cost.rows is None else round(cost.rows, 4),
        buffers=footprint.buffers if footprint else None,
        after=footprint.after if footprint else None,
        fired=footprint.fired if footprint else {},
        query=digest(write.text),
        parameters=digest([digest_of_values({name: row[name] for name in write.params}) for row in rows]),
        disturbed=cost.disturbed,
    )


def _failed(write: QueryFile, error: SubjectFailed) -> Writing:
    said = str(error).removeprefix(f"{write.path}: ")
    return Writing(None, None, query=digest(write.text), failure=said)


def _footprints(
    server: Server, database: str, writes: Sequence[QueryFile], targets: Mapping[str, Rows], role: str | None
) -> dict[str, Footprint]:
    """Of each write that can be executed in a transaction which is rolled back; no session may be connected to
    `database`."""
    found: dict[str, Footprint] = {}
    for write in writes:  # each on a copy of its own: what one leaves behind, taken back or not, is none of another's
        with (
            scratch_database(server, "writes", database) as name,
            open_probe(server, name, timeout_s=TIMEOUT_S, role=role) as probe,
        ):
            probe.connection.execute("SET default_transaction_read_only = off")
            probe.connection.execute(_RUN)
            try:
                found[write.name] = _footprint(probe.connection, write, targets[write.classes[0]][:_EXECUTIONS])
            except psycopg.Error:
                continue  # as it fails, its pages are not known; that it fails is said where it is executed for good
    return found


def _footprint(connection: Connection, write: QueryFile, rows: Rows) -> Footprint:
    statements = [ClientCursor(connection).mogrify(as_psycopg(write.text), row) for row in rows]
    runs = [sql.SQL("SELECT pg_temp.inboxbench_run({})").format(sql.Literal(text)) for text in statements]
    _pages(connection, runs)  # the first time fills what a session keeps
    buffers, _ = _pages(connection, runs)
    try:
        own, fired = _pages(connection, statements)
    except psycopg.errors.SyntaxError:  # a CALL can be executed, not explained
        return Footprint(_mean(buffers, rows), None, {})
    calls = {trigger: _mean(count, rows) for trigger, count in sorted(fired.items())}
    return Footprint(_mean(buffers, rows), _mean(max(0, buffers - own), rows), calls)


def _pages(connection: Connection, statements: Sequence[str] | Sequence[sql.Composed]) -> tuple[int, Counter[str]]:
    """Execute the statements, each taken back; the pages that they touched and the calls of what they fired."""
    pages, fired = 0, Counter[str]()
    for statement in statements:
        with connection.transaction(force_rollback=True):
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            explained = explain(connection, statement)
        pages += explained.root.buffers + explained.planning
        fired.update(explained.fired)
    return pages, fired


def _mean(total: float, rows: Rows) -> float:
    return round(total / len(rows), 2)
