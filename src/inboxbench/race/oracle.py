"""Who judges a finished schedule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from inboxbench.database import Connection
from inboxbench.messenger.invariants import Invariant, Violation, violations
from inboxbench.race.play import Outcome
from inboxbench.race.scenario import Oracle


def _complaint(broken: Violation) -> str:
    row = ", ".join(f"{column}={value}" for column, value in broken.examples[0].items())
    more = f" and {broken.rows - 1} more" if broken.rows > 1 else ""
    return f"{broken.invariant.name}: {row}{more}"


def invariants_hold(invariants: Iterable[Invariant]) -> Oracle:
    """Judge by queries that must return no rows."""
    known = tuple(invariants)

    def judge(referee: Connection, _outcomes: Sequence[Outcome]) -> list[str]:
        return [_complaint(broken) for broken in violations(referee, known)]

    return judge


def query_is_empty(query: str) -> Oracle:
    """Judge by one query of the user's own, which returns the offending rows."""
    return invariants_hold([Invariant("invariant", "the given query returns no rows", (), "head", query)])
