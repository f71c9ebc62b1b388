"""The copy that candidates are built on: it brings its indexes to those of a set, plans every case that this may
concern, and executes those alone whose plan it has not seen yet.

What came out is remembered by query, class and plan within a run, and by set in the folder of the index lab's cells
between runs, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from inboxbench.advise.model import Candidate, Outcome, Trial
from inboxbench.advise.tables import Facts
from inboxbench.bench.cache.store import Store, digest
from inboxbench.bench.execute.cell import obstacle, shape_of
from inboxbench.bench.execute.session import Probe, Probes, prepared
from inboxbench.bench.request import Request
from inboxbench.bench.sets.builder import refresh_statistics
from inboxbench.bench.sets.indexset import build, install_extensions, located
from inboxbench.bench.verdict.cost import statement_cost
from inboxbench.bench.verdict.pareto import WAL_PER_PAGE
from inboxbench.bench.workload.queries import Case
from inboxbench.bench.workload.writes import blocks_touched, merge_pending
from inboxbench.counting import wal_written
from inboxbench.database import Connection
from inboxbench.errors import ServerError, UsageError
from inboxbench.explain import Node, explain
from inboxbench.server import reason
from inboxbench.sqltree import parse
from inboxbench.workload.columns import spelled

# Of the server's processor: what a statement that was stopped has cost at least. See bench/verdict/cost.py.
_PAGES_PER_S = 500_000.0
_QUICK_S = 0.05  # what is so quick is executed again: its first execution also fills the session's caches
_SLOWER = 3.0  # a plan that takes so many times longer than the first one seen is not waited for
_PATIENCE_S = 1.0

Announce = Callable[[str], None]


@dataclass(slots=True)
class WorkCopy:
    """A database without secondary indexes at first, on which sets are tried. wal_page: bytes of WAL that cost as much
    as a page; conditions: what outcomes of earlier runs must have in common with these."""

    request: Request
    connection: Connection
    probes: Probes
    facts: Facts
    cases: Sequence[Case]
    store: Store | None = None
    conditions: Mapping[str, Any] = field(default_factory=dict)
    wal_page: float = WAL_PER_PAGE
    announce: Announce = lambda _text: None
    built: int = 0
    executed: int = 0
    reused: int = 0
    _present: dict[str, Candidate] = field(default_factory=dict)
    _sizes: dict[str, int] = field(default_factory=dict)
    _known: dict[str, dict[str, Outcome]] = field(default_factory=dict)
    _touched: dict[str, frozenset[str]] = field(default_factory=dict)
    _first_s: dict[str, float] = field(default_factory=dict)
    _trials: dict[frozenset[str], Trial] = field(default_factory=dict)

    @property
    def sets(self) -> int:
        """Return how many sets were tried, those of earlier runs among them."""
        return len(self._trials)

    def tried(self, candidates: Sequence[Candidate], parent: Trial | None = None) -> Trial:
        """Return how all cases come out under these indexes. parent: a set already tried, as like to it as can be."""
        chosen = tuple(dict.fromkeys(candidates))
        key = frozenset(candidate.name for candidate in chosen)
        if key not in self._trials:
            self._trials[key] = self._remembered(chosen) or self._tried(chosen, parent)
        return self._trials[key]

    def roots(self, wanted: Callable[[Case], bool] = lambda _case: True) -> Iterator[tuple[Case, Node]]:
        """Yield each case with its plan as the copy stands; those that cannot be planned are left out."""
        for case in filter(wanted, self.cases):
            probe = self.probes.of(case.query)
            try:
                with prepared(probe.connection, case) as execute:
                    yield case, explain(probe.connection, execute, execute=False).root
            except psycopg.Error:
                continue

    def planned(self, candidates: Sequence[Candidate], beside: Trial) -> frozenset[str]:
        """Return the names of those candidates that some plan uses when all of them are there; nothing is executed.

        What is refused is no plan's.
        """
        chosen = tuple(dict.fromkeys((*beside.candidates, *candidates)))
        key = f"{self._key(chosen)}-plans"
        known = self.store.find(digest(key)) if self.store else None
        if known and isinstance(known.get("used"), list):
            return frozenset(map(str, known["used"]))
        self._ensure(chosen)
        changed = {candidate.table for candidate in candidates}
        used = {
            node.index
            for case, root in self.roots(lambda case: self._concerns(case, changed))
            for node in root.walk()
            if node.index
        }
        names = {candidate.index.own_name: candidate.name for candidate in candidates}
        found = frozenset(names[name] for name in used & names.keys())
        if self.store:
            self.store.keep(digest(key), {"indexes": sorted(names.values())}, {"used": sorted(found)})
        return found

    def _tried(self, chosen: tuple[Candidate, ...], parent: Trial | None) -> Trial:
        refused = self._ensure(chosen)
        standing = tuple(candidate for candidate in chosen if candidate.name not in refused)
        changed = self._changed(standing, parent)
        outcomes = {
            case.name: self._outcome(case) if parent is None or self._concerns(case, changed)
            else parent.outcomes[case.name]
            for case in self.cases
        }  # fmt: skip
        self._tidy(changed)
        sizes = {candidate.name: self._sizes[candidate.name] for candidate in standing}
        trial = Trial(standing, outcomes, sizes, refused)
        if self.store:
            about = {"indexes": sorted(candidate.definition for candidate in chosen), **self.conditions}
            outcome = {"outcomes": {name: asdict(found) for name, found in outcomes.items()}}
            self.store.keep(self._key(chosen), about, outcome | {"sizes": sizes, "refused": refused})
        return trial

    def _remembered(self, chosen: tuple[Candidate, ...]) -> Trial | None:
        found = self.store.find(self._key(chosen)) if self.store else None
        if not found:
            return None
        try:
            outcomes = {
                case.name: Outcome(**{**found["outcomes"][case.name],
                                      "indexes": tuple(found["outcomes"][case.name]["indexes"])})
                for case in self.cases
            }  # fmt: skip
            refused, sizes = dict(found["refused"]), {name: int(size) for name, size in found["sizes"].items()}
        except (KeyError, TypeError, ValueError):
            return None
        self.reused += 1
        standing = tuple(candidate for candidate in chosen if candidate.name not in refused)
        for name, outcome in outcomes.items():
            self._known.setdefault(name, {}).setdefault(outcome.shape, outcome)
        return Trial(standing, outcomes, sizes, refused)

    def _key(self, chosen: Sequence[Candidate]) -> str:
        cases = [(case.name, case.query.prepared, dict(case.values)) for case in self.cases]
        indexes = sorted((candidate.name, candidate.definition) for candidate in chosen)
        return digest(["advise", dict(self.conditions), cases, indexes, self.wal_page])

    def _ensure(self, wanted: Sequence[Candidate]) -> dict[str, str]:
        """Bring the indexes of the copy to those that are wanted. Returns why some could not be built, by name."""
        names = {candidate.name for candidate in wanted}
        for name, candidate in list(self._present.items()):
            if name not in names:
                _number, *place = located(self.connection, candidate.index)
                self.connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(*place)))
                del self._present[name]
        refused: dict[str, str] = {}
        for candidate in wanted:
            if candidate.name not in self._present and (problem := self._build(candidate)):
                refused[candidate.name] = problem
        return refused

    def _build(self, candidate: Candidate) -> str | None:
        """Build an index; return why that could not be done."""
        try:
            install_extensions(self.connection, [candidate.index])
        except UsageError as error:
            return str(error)
        try:
            made = build(self.connection, [candidate.index], self.announce)
        except ServerError as error:  # a full disk refuses this one; a smaller one may still find room
            if self.connection.closed:
                raise
            return str(error)
        for problem in made.problems.values():
            return problem.partition("definition: ")[2] or problem
        refresh_statistics(self.connection, made)
        self.built += 1
        self._present[candidate.name] = candidate
        self._sizes[candidate.name] = made.indexes[0].bytes
        return None

    @staticmethod
    def _changed(chosen: Sequence[Candidate], parent: Trial | None) -> set[str]:
        before = {candidate.name: candidate for candidate in parent.candidates} if parent else {}
        now = {candidate.name: candidate for candidate in chosen}
        return {(before | now)[name].table for name in before.keys() ^ now.keys()}

    def _concerns(self, case: Case, changed: Collection[str]) -> bool:
        touched = self._touched.get(case.name)
        if touched is None or case.query.changes_rows:
            return True
        tables = (self.facts.table(name) for name in changed)
        return any(table is None or table.names & touched for table in tables)

    def _outcome(self, case: Case) -> Outcome:
        """Return what a case costs now; never raises for what the statement does."""
        probe = self.probes.of(case.query)
        if problem := obstacle(case.query):
            return Outcome("", 1.0, failure=problem)
        limit = self._limit(case)
        try:
            probe.connection.execute("SELECT set_config('statement_timeout', %s, false)", (f"{round(limit * 1000)}ms",))
            return self._written(probe, case) if case.query.changes_rows else self._read(probe, case)
        except psycopg.errors.QueryCanceled:
            words = f"stopped after {limit:g} s"
            self.executed += 1
            return Outcome("", limit * _PAGES_PER_S, words, seconds=limit, stopped=True)
        except psycopg.Error as error:
            return Outcome("", 1.0, failure=reason(error))

    def _limit(self, case: Case) -> float:
        first = self._first_s.get(case.name)
        timeout = self.request.timeout_s
        return timeout if first is None else min(timeout, _SLOWER * first + _PATIENCE_S)

    def _read(self, probe: Probe, case: Case) -> Outcome:
        known = self._known.setdefault(case.name, {})
        with prepared(probe.connection, case) as execute:
            shape = shape_of(probe, execute, case, self.request.current)
            if shape in known:
                return known[shape]
            self.executed += 1
            _rows, plan, seconds = probe.fetch(execute, case.query)
            if plan is None or seconds < _QUICK_S:
                plan = probe.explain(execute, case.query)
            if case.name not in self._touched:
                self._touched[case.name] = _relations(explain(probe.connection, execute, execute=False).root, case)
        self._first_s.setdefault(case.name, seconds)
        known[shape] = Outcome(shape, statement_cost(plan), plan.line, plan.indexes, seconds=seconds)
        return known[shape]

    def _written(self, probe: Probe, case: Case) -> Outcome:
        """Measure a statement that changes rows, and undo it: pages of the statement, of all that it fires and of the
        indexes that it maintains, and its WAL. An UPDATE is executed twice, for HOT wants room beside the row."""
        connection = probe.connection
        with prepared(connection, case) as execute:
            root = explain(connection, execute, execute=False).root
            before = blocks_touched(connection)
            rounds = 2 if any(command.kind == "update" for command in parse(case.query.prepared).commands) else 1
            with probe.undone(case.query):
                for _ in range(rounds):
                    logged = wal_written(connection)
                    connection.execute(execute)
                merge_pending(connection)
                wal = wal_written(connection) - logged
            pages = (blocks_touched(connection) - before) / rounds
        self.executed += 1
        indexes = tuple(dict.fromkeys(node.index for node in root.walk() if node.index))
        plan = " → ".join(node.label() for node in reversed(list(root.walk())))
        return Outcome("", max(1.0, pages + wal / self.wal_page), plan, indexes, float(wal))

    def _tidy(self, changed: Collection[str]) -> None:
        """Vacuum the tables that the statements wrote to: rows that were undone would be read by the next ones."""
        if not changed and self._trials:
            return
        targets: set[str] = set()
        for case in self.cases:
            if case.query.changes_rows:
                commands = parse(case.query.prepared).commands
                targets |= {spelled(relation) for command in commands for relation in command.relations[:1]}
        for target in sorted(targets):
            if (table := self.facts.table(target)) is not None:
                self.connection.execute(sql.SQL("VACUUM {}").format(sql.SQL(table.name)))


def _relations(root: Node, case: Case) -> frozenset[str]:
    """Return the bare names of the tables that a case reads, as its text and its plan name them."""
    named = {relation.name for relation in parse(case.query.prepared).references.relations}
    return frozenset(named | {node.relation for node in root.walk() if node.relation})
