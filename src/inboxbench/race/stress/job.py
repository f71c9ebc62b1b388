"""What a worker repeats: one attempt after another, each in a transaction that the worker ends."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, cast

from psycopg import IsolationLevel

from inboxbench.database import Connection
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import LEVELS, Level, SessionFunction
from inboxbench.race.explore.session import REFUSALS
from inboxbench.race.explore.user_code import load_function
from inboxbench.race.strategy import Attempt


class Job(Protocol):
    """One kind of attempt. refusals: beginnings of SQLSTATEs after which an attempt may be made again."""

    @property
    def isolation(self) -> IsolationLevel: ...

    @property
    def refusals(self) -> tuple[str, ...]: ...

    def warm_up(self, connection: Connection, session: int) -> None:
        """Execute what the server should know before the clock starts; it is rolled back."""
        ...

    def attempt(self, connection: Connection, session: int) -> Attempt:
        """Try once. What it won is committed, else the transaction is rolled back."""
        ...

    def exhausted(self, connection: Connection) -> bool:
        """Return whether nothing is left to win. Asked after an empty attempt, in a transaction of its own."""
        ...


@dataclass(frozen=True, slots=True)
class FunctionJob:
    """A user's function, called again and again: each call that returns is a transaction that is committed."""

    function: SessionFunction
    isolation: IsolationLevel
    refusals: tuple[str, ...] = REFUSALS

    def warm_up(self, connection: Connection, session: int) -> None:
        """Do nothing: a function of the user's has no row that it may change in vain."""

    def attempt(self, connection: Connection, session: int) -> Attempt:
        # Outside of the explorer the function gets a plain connection; what it is given there is one as well.
        self.function(cast(GatedConnection, connection), session)
        return Attempt("won")

    def exhausted(self, _connection: Connection) -> bool:
        return False


def function_job(target: str, level: Level) -> FunctionJob:
    """Return the job of MODULE:FUNCTION. Raises UsageError when it cannot be imported or does not take a connection."""
    return FunctionJob(load_function(target), LEVELS[level])


@dataclass(frozen=True, slots=True)
class Task:
    """One round of a worker process.

    name: of what is attempted, for messages. factory: "module:function" that makes the Job when it is called with
    `arguments`, which travel as JSON. sessions: a worker each. seconds: bounds the round; attempts: of each worker.
    """

    name: str
    conninfo: str
    factory: str
    arguments: Mapping[str, Any]
    sessions: list[int]
    seconds: float
    attempts: int | None = None

    def job(self) -> Job:
        module, _, name = self.factory.partition(":")
        make: Callable[..., Job] = getattr(importlib.import_module(module), name)
        return make(**self.arguments)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
