"""A rule of the messenger, and the ways it could be kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from inboxbench.database import Connection

# The caller commits. The number is that of the execution, from 0 and never the same twice.
Act = Callable[[Connection, int], object]

# The office that every alternative begins with, anew: `costs/office.sql`.
CONVERSATIONS = 300
AGENTS = 20
ACCOUNT, INBOX, CUSTOMER, AGENT = 1, 1, 1, 1


def conversation_of(number: int) -> int:
    """Executions go round the conversations, so that none grows much faster than the others."""
    return 1 + number % CONVERSATIONS


@dataclass(frozen=True, slots=True)
class Alternative:
    """atlas: the (family, entry) that explores this way; None where nothing races. ours: what the messenger does.

    setup: SQL that makes the office fit this way. units: what one execution does at once, to divide by.
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
    """ids: of the requirements it keeps; unit: what a cost is of."""

    name: str
    title: str
    unit: str
    ids: tuple[str, ...]
    alternatives: tuple[Alternative, ...]
