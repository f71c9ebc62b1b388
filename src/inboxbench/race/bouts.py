"""A strategy of the catalogue as a scenario for the explorer, on the lab's own messenger."""

from __future__ import annotations

from psycopg import IsolationLevel

from inboxbench.messenger.invariants import Invariant
from inboxbench.race.gate import GatedConnection
from inboxbench.race.lab import Lab, put_back
from inboxbench.race.oracle import invariants_hold
from inboxbench.race.scenario import Scenario
from inboxbench.race.session import SessionFunction
from inboxbench.race.strategies import Strategy


def _taker(strategy: Strategy, inbox_id: int) -> SessionFunction:
    def take(connection: GatedConnection, session: int) -> int | None:
        attempt = strategy.take(connection, inbox_id, session + 1, lambda: None)
        return attempt.conversation_id if attempt.outcome == "won" else None

    return take


def bout(
    strategy: Strategy,
    lab: Lab,
    invariants: dict[str, Invariant],
    *,
    sessions: int = 2,
    queue: int = 1,
    level: IsolationLevel | None = None,
) -> Scenario:
    """`sessions` agents after `queue` conversations of an inbox of their own."""
    inbox_id = lab.open_inbox(sessions, queue)
    take = _taker(strategy, inbox_id)
    judges = [invariants[name] for name in ("no_double_assignment", "last_claim_holds")]
    return Scenario(
        functions=(take,) * sessions,
        reset=put_back,
        oracle=invariants_hold(judges),
        level=level or strategy.isolation,
    )
