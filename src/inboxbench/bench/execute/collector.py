"""The cells as they come: each judged against the rows of the first set, slow ones remembered for the next sets."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from inboxbench.bench.execute.cell import Measured, Probe, Shape, measure
from inboxbench.bench.execute.sample import Pace
from inboxbench.bench.model import Cell
from inboxbench.bench.sets.indexset import IndexSet
from inboxbench.bench.workload.queries import Case


@dataclass
class Ledger:
    """Cells in the order they were measured; `settings` are those that EXPLAIN called changed."""

    pace: Pace
    settings: dict[str, str] = field(default_factory=dict)
    _cells: list[Cell] = field(default_factory=list)
    _reference: dict[str, str] = field(default_factory=dict)
    _slow: dict[str, dict[Shape, tuple[str, Measured]]] = field(default_factory=lambda: defaultdict(dict))

    @property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(self._cells)

    def measure(self, probe: Probe, case: Case, one: IndexSet) -> tuple[Measured, str]:
        """Measure a case under a set and keep the cell. Returns the outcome and the set that it was executed under."""
        slow = self._slow[case.name]
        definitions = {index.name: index.definition for index in one.indexes}
        known = {shape: outcome for shape, (_name, outcome) in slow.items()}
        outcome = measure(probe, case, self.pace, known, definitions)
        under = one.name
        if outcome.shape is not None and outcome.shape in slow:
            under = slow[outcome.shape][0]
        self.take(case, one, outcome, under)
        return outcome, under

    def take(self, case: Case, one: IndexSet, outcome: Measured, under: str) -> None:
        """Keep the cell of an outcome, also one that an earlier run has left."""
        if outcome.shape is not None and outcome.slow:
            self._slow[case.name].setdefault(outcome.shape, (under, outcome))
        self.settings |= outcome.plan.settings if outcome.plan else {}
        self._cells.append(self._cell(case, one, outcome, under))

    def _cell(self, case: Case, one: IndexSet, outcome: Measured, under: str) -> Cell:
        same: bool | None = None
        if outcome.answer is not None:
            same = self._reference.setdefault(case.name, outcome.answer) == outcome.answer
        return Cell(
            case=case,
            index_set=one.name,
            plan=outcome.plan,
            timing=outcome.timing,
            failure=outcome.failure,
            same_rows=same,
            steady=outcome.steady,
            measured_under=under,
            stopped=outcome.stopped,
            answer=outcome.answer,
        )
