"""Plans at the source: EXPLAIN of the same queries there, never executing one, beside the plans on its copy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from inboxbench.bench.execute.session import measuring, prepared
from inboxbench.bench.model import Cell, Matrix
from inboxbench.credentials import place
from inboxbench.database import Connection, connect
from inboxbench.database_settings import OWN_FIRST
from inboxbench.explain import explain
from inboxbench.server import reason
from inboxbench.server.environment import completed


@dataclass(frozen=True, slots=True)
class PlanThere:
    """A case's plan at the source and on the copy under the indexes that it has; problem: why there is none there."""

    case: str
    here: str
    there: str | None = None
    problem: str | None = None

    @property
    def differs(self) -> bool:
        return self.there is not None and self.there != self.here

    def to_json(self) -> dict[str, Any]:
        return {"case": self.case, "copy": self.here, "source": self.there, "differs": self.differs,
                "problem": self.problem}  # fmt: skip

    def __str__(self) -> str:
        if self.problem:
            return f"{self.case} cannot be explained at the source: {self.problem}"
        return f"{self.case} has another plan at the source: {self.there}; on this copy: {self.here}"


def plans_at_source(url: str, matrix: Matrix, index_set: str, *, timeout_s: float, role: str | None) -> list[PlanThere]:
    """Return the plan of each case that was answered under `index_set`, by the source's own statistics.

    The session there is read-only and has what a measurement forces. Raises ServerError when it cannot be reached.
    """
    cells = [cell for cell in matrix.cells if cell.index_set == index_set and cell.plan]
    settings = {name: value for name, value in measuring(timeout_s).items() if name not in OWN_FIRST}
    with connect(completed(url)) as source:
        for name, value in settings.items():
            source.execute("SELECT set_config(%s, %s, false)", (name, value))
        return [_plan_there(source, cell, role) for cell in cells]


def _plan_there(source: Connection, cell: Cell, role: str | None) -> PlanThere:
    query = cell.case.query
    here = cell.plan.line if cell.plan else ""
    acting = query.role or role
    wanted: Mapping[str, str] = {**query.settings, **({"role": acting} if acting else {})}
    try:
        with source.transaction(force_rollback=True):
            for name, value in wanted.items():
                source.execute("SELECT set_config(%s, %s, true)", (name, value))
            with prepared(source, cell.case) as execute:
                there = explain(source, execute, execute=False).plan.line
    except psycopg.Error as error:
        return PlanThere(cell.case.name, here, problem=reason(error))
    return PlanThere(cell.case.name, here, there)


def remarks(url: str, plans: list[PlanThere]) -> Iterator[str]:
    """Say which plans differ, or that none does."""
    said = [str(plan) for plan in plans if plan.differs or plan.problem]
    yield from said
    if not said and plans:
        yield f"all {len(plans)} plans are as EXPLAIN gives them at {place(url)}"
