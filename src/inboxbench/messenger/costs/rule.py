"""A rule of the messenger, the alternatives by which it could be kept, and what each costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from inboxbench.messenger.costs.measure import Act


@dataclass(frozen=True, slots=True)
class Alternative:
    """One way to keep a rule. ours: what the messenger does. atlas: the (family, entry) that explores it, if any does.

    setup: SQL that makes the office fit this alternative. units: what one execution does at once, to divide by.
    """

    name: str
    meaning: str
    act: Act
    atlas: tuple[str, str] | None = None
    ours: bool = False
    setup: str = ""
    units: int = 1


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with its alternatives. ids: of the requirements it keeps; unit: what a cost is of."""

    name: str
    title: str
    unit: str
    ids: tuple[str, ...]
    alternatives: tuple[Alternative, ...]


@dataclass(frozen=True, slots=True)
class CostRow:
    """What one unit of a rule costs this way. atlas: where it is explored; safe: whether it holds at READ COMMITTED
    there, None where nothing races or nothing explores it."""

    rule: str
    alternative: str
    ours: bool
    atlas: str | None
    safe: bool | None
    statements: float
    buffers: float
    wal_bytes: float
    ms: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
