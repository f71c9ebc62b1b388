"""A spec as a scenario of the explorer: every feasible order of its steps, not only the permutations that it lists."""

from __future__ import annotations

import psycopg

from inboxbench.database import Connection
from inboxbench.database_marks import EMPTY
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Oracle, Reset, Scenario, SessionFunction
from inboxbench.race.isolationtester.parser import Spec, SpecSession

# What `BEGIN … COMMIT` in the steps means is the spec's own affair, so the connection adds no transaction to it.
_REFUSED = psycopg.errors.OperationalError  # 40001, 40P01, 55P03: concurrency; others are the steps' own errors


def _session_function(session: SpecSession) -> SessionFunction:
    def run_steps(connection: GatedConnection, _number: int) -> list[str]:
        """Return the SQLSTATEs of steps that failed. Raises the first error that concurrency brought."""
        failed: list[str] = []
        refused: psycopg.Error | None = None
        with connection.ungated():
            connection.autocommit = True
            if session.setup is not None:
                connection.execute(session.setup.encode())
        for sql in session.steps.values():
            try:
                connection.execute(sql.encode())
            except psycopg.Error as error:
                failed.append(error.sqlstate or "")
                refused = refused or (error if isinstance(error, _REFUSED) else None)
        with connection.ungated():
            connection.rollback()
            if session.teardown is not None:
                connection.execute(session.teardown.encode())
        if refused is not None:
            raise refused
        return failed

    return run_steps


def _rebuild(spec: Spec) -> Reset:
    def reset(control: Connection) -> None:
        control.execute(EMPTY)
        for setup in spec.setups:
            control.execute(setup.encode())

    return reset


def spec_scenario(spec: Spec, oracle: Oracle) -> Scenario:
    """Return the scenario of every feasible order of the spec's steps, each on tables built again."""
    return Scenario(tuple(_session_function(session) for session in spec.sessions), _rebuild(spec), oracle)
