"""Refusals: how a session is turned away by the database or by its own application, and which of them count as bad.

A session that is refused has lost, and lost cleanly: it is as if it had not run. So a refusal breaks no rule by
itself. Deadlocks are bad unless somebody says otherwise, and so is a lock that outlives the function.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from psycopg import errors

from inboxbench.errors import UsageError
from inboxbench.race.explore.model import LETTERS, Outcome, ScheduleRun

# Classes of SQLSTATE that concurrency may bring: integrity, rollback, a lock not available, RAISE in a function.
REFUSALS = ("23", "40", "55", "P0", "IB")

_SQLSTATE = re.compile(r"[0-9A-Z]{5}")
_KINDS = ("deadlock", "refused", "session-lock")


@dataclass(frozen=True, slots=True)
class Refused:
    """What a function returns when its application turns a request away, as with 409. What it did is committed."""

    reason: str = ""


def sqlstate_of(error: BaseException) -> str | None:
    """Return the SQLSTATE of a database error, also of one that an ORM wrapped in its own (`orig`, `__cause__`)."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        state = getattr(current, "sqlstate", None) or getattr(current, "pgcode", None)
        if isinstance(state, str) and _SQLSTATE.fullmatch(state):
            return state
        wrapped = getattr(current, "orig", None)
        current = wrapped if isinstance(wrapped, BaseException) else current.__cause__
    return None


def refusal(error: BaseException, named: Sequence[str]) -> Outcome | None:
    """Return the outcome of a session that raised `error`, or None when that is no refusal but a failure.

    named: exceptions by which the application refuses, as NAME, MODULE.NAME or MODULE:NAME.
    """
    if isinstance(error, BaseExceptionGroup):
        outcomes = [refusal(member, named) for member in error.exceptions]
        return outcomes[0] if all(outcomes) else None
    if any(not set(_names(kind)).isdisjoint(named) for kind in type(error).__mro__):
        return Outcome("refused", sqlstate=sqlstate_of(error), reason=described(error))
    sqlstate = sqlstate_of(error)
    return Outcome("refused", sqlstate=sqlstate) if (sqlstate or "").startswith(REFUSALS) else None


def _names(kind: type) -> tuple[str, str, str]:
    return kind.__name__, f"{kind.__module__}.{kind.__qualname__}", f"{kind.__module__}:{kind.__qualname__}"


def described(error: BaseException) -> str:
    """Return the name of an exception and the first line of what it says."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def refusal_names(exceptions: Iterable[str | type[BaseException]]) -> tuple[str, ...]:
    """Return exceptions given as classes or names as names."""
    return tuple(given if isinstance(given, str) else _names(given)[1] for given in exceptions)


def parse_fail_on(given: Iterable[str]) -> tuple[str, ...]:
    """Read `--fail-on`: deadlock, refused, session-lock, five-letter SQLSTATEs or none, separated by commas.

    Raises UsageError for anything else.
    """
    words = [word.strip() for text in given for word in text.split(",") if word.strip()]
    for word in words:
        if word not in (*_KINDS, "none") and not _SQLSTATE.fullmatch(word):
            raise UsageError(f"fail-on {word!r}: use {', '.join(_KINDS)}, a SQLSTATE such as 23505, or none")
    return tuple(word for word in dict.fromkeys(words) if word != "none")


def failures(run: ScheduleRun, fail_on: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what is bad about a schedule whatever the oracle says: the word of `fail_on`, and a sentence."""
    for index, outcome in enumerate(run.outcomes):
        if outcome.kind == "refused" and (word := _failing(outcome, fail_on)):
            yield word, f"session {LETTERS[index]} was {refusal_text(outcome)}"
    if "session-lock" in fail_on:
        for kept in run.left:
            if kept.lock:
                yield "session-lock", str(kept)


def _failing(outcome: Outcome, fail_on: Sequence[str]) -> str | None:
    words = ("deadlock" if outcome.deadlocked else "", outcome.sqlstate or "", "refused")
    return next((word for word in words if word in fail_on), None)


def refusal_text(outcome: Outcome) -> str:
    """Return how a session was refused, such as "refused with 23505 (unique violation)"."""
    if outcome.deadlocked:
        return "ended by a deadlock (40P01)"
    with_what = f" with {outcome.sqlstate}{_condition(outcome.sqlstate)}" if outcome.sqlstate else ""
    return f"refused{with_what}" + (f": {outcome.reason}" if outcome.reason else "")


def _condition(sqlstate: str) -> str:
    try:
        name = errors.lookup(sqlstate).__name__
    except KeyError:
        return ""
    return f" ({re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', name).lower()})"
