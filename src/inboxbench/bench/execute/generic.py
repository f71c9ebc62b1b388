"""The generic plan of a statement, which drivers that keep statements prepared come to, and its custom one.

PostgreSQL plans a prepared statement for its values the first five times, and may keep one plan for all values from
then on. That plan cannot use a partial index whose condition needs a value, nor see that a value is rare or frequent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from psycopg import sql

from inboxbench import units
from inboxbench.bench.execute.session import Probe
from inboxbench.bench.workload.queries import Case
from inboxbench.database import Connection
from inboxbench.explain import Plan, explain, one_line
from inboxbench.server import reason

# By fewer pages, or a smaller share, a generic plan is not called dearer.
_FEW = 3
_DEARER = 1.1

_MODE = "plan_cache_mode"
_PARTIAL = """
    SELECT c.relname FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
    WHERE c.relname = ANY (%s) AND i.indpred IS NOT NULL ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Generic:
    """A generic plan that does other steps than the custom one.

    line: its steps; buffers: of an execution with the case's values (None: not executed, and `failure` says why where
    the server refused). missed: indexes that the custom plan alone uses; partial: those of them with a condition.
    """

    line: str
    buffers: int | None = None
    failure: str | None = None
    missed: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()

    def dearer_than(self, custom: int) -> bool:
        """Return whether it matters to somebody who runs the generic plan. custom: buffers of the custom one."""
        more = self.buffers is not None and self.buffers > custom * _DEARER and self.buffers - custom >= _FEW
        return more or self.failure is not None or bool(self.partial and self.buffers is None)

    def remark(self, custom: int) -> str:
        """Return what it costs beside the custom plan, to be put behind the cell's name."""
        if self.failure:
            said = f"the generic plan fails: {self.failure}"
        elif self.buffers is None:
            said = "the generic plan was not executed"
        else:
            said = f"the generic plan reads {units.pages(self.buffers)}"
        lacking = f" and does not use the partial index {' or '.join(self.partial)}" if self.partial else ""
        return f"{said}, the custom one {units.pages(custom)}{lacking} ({self.line})"

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"missed": list(self.missed), "partial": list(self.partial)}


def generic_of(probe: Probe, case: Case, execute: sql.Composed, custom: Plan, *, run: bool) -> Generic | None:
    """Return the generic plan of the prepared case; None where it does the steps of the custom one, where there are no
    parameters, or where the session plans generically anyway. run: execute it."""
    connection = probe.connection
    if not case.query.params:
        return None
    with _generic_plans(connection) as other:
        if not other:
            return None
        root = explain(connection, execute, execute=False).root
        line = one_line(root)
        if line == custom.line:
            return None
        used = {node.index for node in root.walk()}
        missed = tuple(index for index in custom.indexes if index not in used)
        buffers, failure = _executed(probe, case, execute) if run else (None, None)
    partial = tuple(name for (name,) in connection.execute(_PARTIAL, (list(missed),))) if missed else ()
    return Generic(line, buffers, failure, missed, partial)


def _executed(probe: Probe, case: Case, execute: sql.Composed) -> tuple[int | None, str | None]:
    try:
        return probe.explain(execute, case.query).buffers, None
    except psycopg.Error as error:
        return None, reason(error)


@contextmanager
def _generic_plans(connection: Connection) -> Iterator[bool]:
    """Let the session plan generically within the block; yields whether it planned otherwise before."""
    row = connection.execute("SELECT current_setting(%s)", (_MODE,)).fetchone()
    before = str(row[0]) if row else ""
    setting = "SELECT set_config(%s, %s, false)"
    connection.execute(setting, (_MODE, "force_generic_plan"))
    try:
        yield before != "force_generic_plan"
    finally:
        connection.execute(setting, (_MODE, before))


def generic_remarks(cells: Iterable[tuple[str, str, int, Generic]]) -> tuple[str, ...]:
    """Return a remark for each query whose generic plan is dearer, on the cell where it is dearest.

    cells: for each its query, its name, the buffers of its custom plan, and its generic plan.
    """
    dearest: dict[str, tuple[float, str]] = {}
    counts: dict[str, int] = {}
    for query, name, custom, generic in cells:
        if not generic.dearer_than(custom):
            continue
        counts[query] = counts.get(query, 0) + 1
        ratio = float("inf") if generic.buffers is None else generic.buffers / max(custom, 1)
        if query not in dearest or ratio > dearest[query][0]:
            dearest[query] = ratio, f"{name}: {generic.remark(custom)}"
    return tuple(
        f"{said}; it is dearer in {counts[query] - 1:,} more of its cells" if counts[query] > 1 else said
        for query, (_ratio, said) in dearest.items()
    )
