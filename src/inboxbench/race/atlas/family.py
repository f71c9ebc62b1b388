"""What a page of the atlas is: one thing that can go wrong, and the ways to do it, good and bad."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from psycopg import IsolationLevel

from inboxbench.database import Connection
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.scenario import Oracle
from inboxbench.race.explore.schedule import Outcome
from inboxbench.race.explore.session import SessionFunction

Level = Literal["rc", "rr", "ser"]

LEVELS: dict[Level, IsolationLevel] = {
    "rc": IsolationLevel.READ_COMMITTED,
    "rr": IsolationLevel.REPEATABLE_READ,
    "ser": IsolationLevel.SERIALIZABLE,
}
ALL: tuple[Level, ...] = ("rc", "rr", "ser")


@dataclass(frozen=True, slots=True)
class Entry:
    """One way to do it. safe: the levels at which no schedule may break the rule.

    mutant: the entry that is this one without its guard, and has to fail where this one is safe by its guard.
    preemptions: a bound for entries of three sessions, whose schedules are too many to play all.
    deaths: how many sessions may die in one schedule, each at any step.
    """

    name: str
    meaning: str
    functions: tuple[SessionFunction, ...]
    safe: tuple[Level, ...] = ()
    mutant: str | None = None
    preemptions: int | None = None
    deaths: int = 0


@dataclass(frozen=True, slots=True)
class Family:
    """setup makes its tables once; reset puts their rows back; rule judges.

    setup: SQL, or for a long one a function that reads it.
    """

    name: str
    title: str
    ids: tuple[str, ...]
    setup: str | Callable[[], str]
    reset: str
    rule: Oracle
    entries: tuple[Entry, ...]

    @property
    def script(self) -> str:
        return self.setup if isinstance(self.setup, str) else self.setup()


def twice(function: SessionFunction) -> tuple[SessionFunction, SessionFunction]:
    """Two sessions doing the same."""
    return function, function


def value(connection: GatedConnection | Connection, query: str, *parameters: Any) -> Any:
    """The only value of a query; None when it has no row."""
    row = connection.execute(query.encode(), parameters or None).fetchone()
    return None if row is None else row[0]


def changed(connection: GatedConnection, statement: str, *parameters: Any) -> bool:
    """Whether a statement touched any row."""
    return connection.execute(statement.encode(), parameters or None).rowcount > 0


def committed(outcomes: Sequence[Outcome]) -> list[Any]:
    """What the sessions that committed returned."""
    return [outcome.value for outcome in outcomes if outcome.kind == "committed"]
