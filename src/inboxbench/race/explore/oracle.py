"""Who judges a finished schedule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import psycopg

from inboxbench.database import Connection
from inboxbench.errors import UsageError
from inboxbench.invariants import Invariant, Violation, violation
from inboxbench.race.explore.scenario import Judge
from inboxbench.race.explore.schedule import Outcome
from inboxbench.server import reason


def _complaint(broken: Violation) -> str:
    row = ", ".join(f"{column}={value}" for column, value in broken.examples[0].items())
    more = f" and {broken.rows - 1} more" if broken.rows > 1 else ""
    return f"{broken.invariant.name}: {row}{more}"


def invariants_hold(invariants: Iterable[Invariant]) -> Judge:
    """Judge by queries that must return no rows. One that cannot be asked is a UsageError of the judge."""
    known = tuple(invariants)

    def judge(referee: Connection, _outcomes: Sequence[Outcome]) -> list[str]:
        return [_complaint(broken) for invariant in known if (broken := _asked(referee, invariant))]

    return judge


def _asked(referee: Connection, invariant: Invariant) -> Violation | None:
    try:
        return violation(referee, invariant)
    except psycopg.Error as error:
        raise UsageError(
            f"invariant {invariant.query.strip()[:60]!r} cannot be asked: {reason(error)}; it must be one query that "
            "returns the offending rows"
        ) from None


# What the clocks of a conversation have to be, whatever the order of its messages: serial equivalence cannot see it.
CLOCKS = ("waiting_since_is_a_question", "first_reply_is_a_reply", "last_activity_not_behind")


def clocks_hold(known: Mapping[str, Invariant]) -> Judge:
    """Judge by the invariants of a conversation's clocks (C3, C5, C7)."""
    return invariants_hold([known[name] for name in CLOCKS])


def query_is_empty(query: str) -> Judge:
    """Judge by one query of the user's own, which returns the offending rows."""
    return invariants_hold([Invariant("invariant", "the given query returns no rows", (), "head", query)])
