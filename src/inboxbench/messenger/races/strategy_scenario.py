"""A strategy of the catalogue as a scenario for the explorer, on the lab's own messenger."""

from __future__ import annotations

from psycopg import IsolationLevel

from inboxbench.invariants import Invariant
from inboxbench.messenger.races.assignment_database import Lab, put_back
from inboxbench.messenger.races.strategies import Strategy
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Judge, Oracle, Scenario, SessionFunction
from inboxbench.race.explore.oracle import invariants_hold


def _taker(strategy: Strategy, inbox_id: int) -> SessionFunction:
    def take(connection: GatedConnection, session: int) -> int | None:
        attempt = strategy.take(connection, inbox_id, session + 1, lambda: None)
        return attempt.conversation_id if attempt.outcome == "won" else None

    return take


def assignment_holds(invariants: dict[str, Invariant]) -> Judge:
    """Nobody is given what somebody else holds, and the last one to be given it has it."""
    return invariants_hold([invariants[name] for name in ("no_double_assignment", "last_claim_holds")])


def bout(
    strategy: Strategy,
    lab: Lab,
    invariants: dict[str, Invariant],
    *,
    sessions: int = 2,
    queue: int = 1,
    level: IsolationLevel | None = None,
    oracle: Oracle | None = None,
) -> Scenario:
    """`sessions` agents after `queue` conversations of an inbox of their own, judged by the rules of assignment."""
    inbox_id = lab.open_inbox(sessions, queue)
    take = _taker(strategy, inbox_id)
    return Scenario(
        functions=(take,) * sessions,
        reset=put_back,
        oracle=oracle or assignment_holds(invariants),
        level=level or strategy.isolation,
    )
