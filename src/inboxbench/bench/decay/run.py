"""Freshness decay: every read again after a declared churn without VACUUM, and again after VACUUM.

A set is judged fresh: frozen rows, every page all-visible, not one dead index entry. Writes take that away: index-only
scans go to the table again, entries of dead rows are stepped over, a search index parks new entries in a list. What
VACUUM gives back and what it does not is the difference between the second figure and the third.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from inboxbench.bench.decay.result import Aging, Decay, SetAging
from inboxbench.bench.execute.cell import Reading, read_case
from inboxbench.bench.execute.session import open_probe
from inboxbench.bench.request import (
    TIMEOUT_S,
    Progress,
    Request,
    Sets,
    Steps,
    index_bytes,
    prepared_request,
    settle,
    titled,
)
from inboxbench.bench.sets.builder import Announce, SetBuilder
from inboxbench.bench.sets.indexset import IndexSet
from inboxbench.bench.sets.template import tables
from inboxbench.bench.workload.writes import Churn, Updates, inflict
from inboxbench.database import Connection, connect
from inboxbench.project import Project
from inboxbench.server import Server

_STAGES = 3


def run_decay(
    server: Server,
    source: str,
    project: Project,
    churn: Churn,
    *,
    sets: Sets | None = None,
    queries: Sequence[str] | None = None,
    timeout_s: float = TIMEOUT_S,
    progress: Progress | None = None,
) -> Decay:
    """Read fresh, after `churn` and after VACUUM, each set on its own clone of `source`, which is never written.

    Raises as run_matrix does; SubjectFailed when a write of the churn fails.
    """
    with prepared_request(
        server, source, project, sets=sets, queries=queries, timeout_s=timeout_s, progress=progress
    ) as request:
        ager = _Ager(server, request, churn, Steps(_steps(request), progress))
        with SetBuilder(server, request.template, request.sets) as builder:
            found = [ager.age(builder, one) for one in request.sets]
    cells = tuple(cell for _set, cells in found for cell in cells)
    return Decay(request.profile, churn, tuple(one for one, _cells in found), cells, request.notes)


def _steps(request: Request) -> int:
    return _STAGES * request.cells + sum(len(one.indexes) + 2 for one in request.sets)


@dataclass(frozen=True, slots=True)
class _Ager:
    """Takes one set after the other through the three states."""

    server: Server
    request: Request
    churn: Churn
    tell: Steps

    def age(self, builder: SetBuilder, one: IndexSet) -> tuple[SetAging, list[Aging]]:
        with builder.built(one, titled(self.tell, one, "building ")) as (name, _built):
            fresh_bytes = settle(self.server, name)
            fresh = self._read(name, titled(self.tell, one, "fresh: "))
            self.tell(f"{one.title}: {self.churn}")
            done, churned_bytes = self._churn(name)
            churned = self._read(name, titled(self.tell, one, "after churn: "))
            self.tell(f"{one.title}: VACUUM")
            self._vacuum(name)
            vacuumed = self._read(name, titled(self.tell, one, "after VACUUM: "))
        states = zip(self.request.workload.cases, fresh, churned, vacuumed, strict=True)
        cells = [Aging(case, one.name, *three) for case, *three in states]
        return SetAging(one, done, fresh_bytes, churned_bytes), cells

    def _churn(self, name: str) -> tuple[Updates, int]:
        """What was updated, and the bytes of all indexes afterwards."""
        with connect(self.server.conninfo(name)) as connection:
            hold_still(connection)
            done = inflict(connection, self.churn, self.request.writes, self.request.targets)
            return done, index_bytes(connection)

    def _vacuum(self, name: str) -> None:
        with connect(self.server.conninfo(name)) as connection:
            vacuum(connection)

    def _read(self, name: str, tell: Announce) -> list[Reading]:
        """Every case in the order of the workload, which is part of the protocol: a read tidies up for the next one."""
        readings = []
        with open_probe(self.server, name, timeout_s=self.request.timeout_s) as probe:
            for case in self.request.workload.cases:
                tell(case.name)
                readings.append(read_case(probe, case))
        return readings


def hold_still(connection: Connection) -> None:
    """No autovacuum on these tables: on a server of somebody else's it would come in at a moment of its own."""
    for table in tables(connection):
        connection.execute(sql.SQL("ALTER TABLE {} SET (autovacuum_enabled = off)").format(sql.Identifier(table)))


def vacuum(connection: Connection) -> None:
    """VACUUM as a DBA types it, table by table: it may leave few dead entries where they are, as it does there."""
    for table in tables(connection):
        connection.execute(sql.SQL("VACUUM {}").format(sql.Identifier(table)))
