"""A strategy of the catalogue as a scenario for the explorer, on the lab's own messenger."""

from __future__ import annotations

from psycopg import IsolationLevel

from inboxbench.database import Connection
from inboxbench.messenger.invariants import Invariant
from inboxbench.race.explore import Scenario
from inboxbench.race.gate import GatedConnection
from inboxbench.race.lab import Lab
from inboxbench.race.oracle import invariants_hold
from inboxbench.race.scheduler import SessionFunction
from inboxbench.race.strategies import Strategy


def _taker(strategy: Strategy, inbox_id: int) -> SessionFunction:
    def take(connection: GatedConnection, session: int) -> int | None:
        attempt = strategy.take(connection, inbox_id, session + 1, lambda: None)
        return attempt.conversation_id if attempt.outcome == "won" else None

    return take


# One round trip. The second statement: the first one's trigger has appended "nobody" to the row's memory.
_PUT_BACK = """
    UPDATE conversations SET assignee_id = NULL, assignee_assigned_at = NULL WHERE claims <> '{}';
    UPDATE conversations SET claims = '{}' WHERE claims <> '{}'
"""


def put_back(referee: Connection) -> None:
    """Nobody holds anything in the lab, and no row remembers. A millisecond, against ten for TRUNCATE."""
    referee.execute(_PUT_BACK)


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
