"""A strategy of the catalogue as a scenario for the explorer, on the lab's own messenger."""

from __future__ import annotations

from psycopg import IsolationLevel

from inboxbench.messenger.invariants import Invariant
from inboxbench.race.gate import GatedConnection
from inboxbench.race.lab import Lab, put_back
from inboxbench.race.oracle import invariants_hold
from inboxbench.race.scenario import Judge, Oracle, Scenario
from inboxbench.race.session import SessionFunction
from inboxbench.race.strategies import Strategy


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
