"""A reading: the counters of one case in one state of the data. No times: those would need many more executions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import psycopg

from inboxbench.bench.execute.cell import STOPPED, Probe, prepared, quiet
from inboxbench.bench.model import normal
from inboxbench.bench.workload.queries import Case
from inboxbench.server import reason

# Seconds; what takes longer is not executed again: its counters are those of its first execution.
_SLOW_S = 2.0


@dataclass(frozen=True, slots=True)
class Reading:
    """buffers: of an execution that was not the first; first: of the first one, which also sets hint bits and marks
    dead index entries (None: the role may not load auto_explain, so it was not seen). answer: a digest of the rows.

    `failure` says why there are no figures; `plan` is one line.
    """

    buffers: int | None = None
    first: int | None = None
    plan: str | None = None
    answer: str | None = None
    failure: str | None = None

    @property
    def stopped(self) -> bool:
        """It ran into statement_timeout."""
        return self.failure == STOPPED

    def to_json(self) -> dict[str, Any]:
        return {"buffers": self.buffers, "first": self.first, "plan": self.plan, "failure": self.failure}


def read_case(probe: Probe, case: Case) -> Reading:
    """Never raises for what the query does: an error or a timeout is the reading's named outcome."""
    try:
        with prepared(probe.connection, case) as execute:
            rows, first, seconds = probe.fetch(execute)
            later = first
            if later is None or seconds <= _SLOW_S:
                with quiet(probe):
                    later = probe.explain(execute)
    except psycopg.errors.QueryCanceled:
        return Reading(failure=STOPPED)
    except psycopg.Error as error:
        return Reading(failure=reason(error))
    answer = hashlib.sha256(repr(normal(rows, case.query.order)).encode()).hexdigest()[:16]
    return Reading(later.buffers, first.buffers if first else None, later.line, answer)
