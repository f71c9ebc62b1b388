"""Finds the cells and sets that an earlier run measured under the same conditions, before a run begins.

The same conditions are: the same data, schema, server, machine and measuring code. A cell then depends on its
statement, its values and all indexes of its set; what a set costs depends on its indexes in their order, its writes
and their targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from inboxbench.bench.cache.store import Store, code, contents, digest, surroundings
from inboxbench.bench.execute.cell import Measured
from inboxbench.bench.execute.pgbench import Speed
from inboxbench.bench.execute.session import SETTINGS
from inboxbench.bench.model import SetResult, plain
from inboxbench.bench.request import Request
from inboxbench.bench.sets.indexset import IndexSet
from inboxbench.bench.workload.queries import Case
from inboxbench.database import connect
from inboxbench.database_settings import forced
from inboxbench.record import restored
from inboxbench.server import Server

_DAMAGED = (KeyError, TypeError, ValueError)


@dataclass
class Cache:
    """Holds where outcomes are kept, and a name for the data that they are of (None: its rows say, each read once).

    reused, measured: cells of the runs with this cache."""

    store: Store
    data: str | None = None
    reused: int = 0
    measured: int = 0

    def __str__(self) -> str:
        return (
            f"{self.reused:,} of {self.reused + self.measured:,} cells were measured before with the same code, data "
            f"and server and come from {self.store.folder}; --fresh measures them again"
        )

    def to_json(self) -> dict[str, Any]:
        return {"folder": str(self.store.folder), "reused": self.reused, "measured": self.measured}


@dataclass
class Outcomes:
    """Holds what a cache has of one run. conditions: what all its outcomes have in common."""

    cache: Cache
    request: Request
    conditions: Mapping[str, Any]
    _cells: dict[tuple[str, str], tuple[Measured, str]] = field(default_factory=dict)
    _sets: dict[str, SetResult] = field(default_factory=dict)

    def complete(self, index_set: IndexSet) -> bool:
        """Nothing of the set is left to measure."""
        cases = self.request.workload.cases
        return index_set.name in self._sets and all((index_set.name, case.name) in self._cells for case in cases)

    def cell(self, case: Case, index_set: IndexSet) -> tuple[Measured, str] | None:
        """Return the outcome, and the set that it was executed under."""
        found = self._cells.get((index_set.name, case.name))
        self.cache.reused += found is not None
        self.cache.measured += found is None
        return found

    def cost(self, index_set: IndexSet) -> SetResult | None:
        return self._sets.get(index_set.name)

    def keep_cell(self, case: Case, index_set: IndexSet, outcome: Measured, under: str) -> None:
        """Errors are not kept: a full disk is over at some time. A statement that ran out of its time is."""
        if outcome.failure and not outcome.stopped:
            return
        about = {"query": case.query.name, "class": case.parameter_class.name, "set": index_set.name, **self.conditions}
        self._keep(self._cell_key(case, index_set), about, {"measured": asdict(outcome), "under": under})

    def keep_cost(self, index_set: IndexSet, found: SetResult, speed: Speed | None) -> None:
        """Without the throughput that was asked for it is not complete, and not kept."""
        if speed and speed.seconds and self.request.writes and not found.throughput:
            return
        self._keep(self._set_key(index_set, speed), {"set": index_set.name, **self.conditions}, asdict(found))

    def look_up(self, speed: Speed | None) -> None:
        for index_set in self.request.sets:
            key = self._set_key(index_set, speed)
            if found := self.cache.store.find(key):
                self._restore_set(key, index_set, found)
            for case in self.request.cases(index_set):
                key = self._cell_key(case, index_set)
                if found := self.cache.store.find(key):
                    self._restore_cell(key, (index_set.name, case.name), found)

    def _restore_cell(self, key: str, names: tuple[str, str], found: Mapping[str, Any]) -> None:
        try:
            self._cells[names] = restored(Measured, found["measured"]), str(found["under"])
        except _DAMAGED:
            self.cache.store.refuse(key)

    def _restore_set(self, key: str, index_set: IndexSet, found: Mapping[str, Any]) -> None:
        try:
            result = restored(SetResult, found)
            now = {index.name: index for index in index_set.indexes}
            built = tuple(replace(part, index=now[part.index.name]) for part in result.built)
            self._sets[index_set.name] = replace(result, index_set=index_set, built=built)
        except _DAMAGED:
            self.cache.store.refuse(key)

    def _keep(self, key: str, about: Mapping[str, Any], outcome: Mapping[str, Any]) -> None:
        self.cache.store.keep(key, about, outcome)

    def _cell_key(self, case: Case, index_set: IndexSet) -> str:
        query = case.query
        values = {name: plain(value) for name, value in case.values.items()}
        return digest(
            [
                *("cell", self.conditions, query.prepared, list(query.params.items()), query.order, values),
                *(query.role, dict(query.settings)),
                sorted((*index.key, index.needs) for index in index_set.indexes),
                asdict(index_set.members),
            ]
        )

    def _set_key(self, index_set: IndexSet, speed: Speed | None) -> str:
        writes = [(write.name, write.family, write.classes, write.prepared) for write in self.request.writes]
        targets = {
            name: [[plain(value) for value in row.values()] for row in rows]
            for name, rows in self.request.targets.items()
        }
        indexes = [[(*index.key, index.needs) for index in index_set.indexes], asdict(index_set.members)]
        return digest(["set", self.conditions, indexes, writes, targets, asdict(speed) if speed else None])


def conditions_of(cache: Cache, server: Server, request: Request, rounds: int) -> dict[str, Any]:
    """Return what all outcomes of a run have in common; the request's template is asked for its data, schema and
    settings."""
    with connect(server.conninfo(request.template)) as connection:
        return {
            "data": cache.data or contents(connection, as_is=request.as_is),
            "code": code(),
            "rounds": rounds,
            "timeout_s": request.timeout_s,
            "role": request.role,
            "session": forced(connection, SETTINGS),
            **surroundings(connection),
        }


def known_outcomes(cache: Cache, server: Server, request: Request, *, rounds: int, speed: Speed | None) -> Outcomes:
    """Return what `cache` has of `request`."""
    found = Outcomes(cache, request, conditions_of(cache, server, request, rounds))
    found.look_up(speed)
    return found
