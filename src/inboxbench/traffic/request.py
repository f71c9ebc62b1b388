"""What traffic is made of: classes of requests, fixed before the chain begins, as code that is already deployed is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Literal, LiteralString

from psycopg import sql

Query = LiteralString | sql.SQL | sql.Composed
Kind = Literal["read", "write"]
Draw = Callable[[Random], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class RequestClass:
    """One kind of request: its statements, run as one transaction, and how to draw their parameters.

    A percent sign is doubled in the statements, as psycopg wants it beside parameters. weight: its share of the rate
    beside the others'. undo: the transaction ends with ROLLBACK; it takes the same locks as long, and leaves the rows
    as they were. pause_s: thinking time between two statements, with the locks held.
    """

    name: str
    kind: Kind
    weight: float
    statements: tuple[Query, ...]
    draw: Draw
    undo: bool = False
    pause_s: float = 0.0
    tables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """One request. Moments are Unix time in ms; pid is the backend that served it, None when it was never sent.

    error is the server's first line, state its SQLSTATE, detail what it said about a deadlock.
    """

    name: str
    due_ms: float
    sent_ms: float
    finished_ms: float
    pid: int | None
    error: str | None = None
    state: str | None = None
    detail: str | None = None

    @property
    def latency_ms(self) -> float:
        """From the moment it was due, not from when a connection was free for it."""
        return self.finished_ms - self.due_ms


def rates(classes: Sequence[RequestClass], total: float) -> dict[str, float]:
    """Requests a second of each class, by weight."""
    weight = sum(item.weight for item in classes)
    return {item.name: total * item.weight / weight for item in classes}


def reweighted(item: RequestClass, weight: float) -> RequestClass:
    return replace(item, weight=weight)
