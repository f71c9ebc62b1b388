"""One schedule as it happened: the values that a scheduler returns, and that everybody else reads.

A schedule is a string: `ABBA` lets session A take a step, then B two, then A one. A small letter means that the
session's backend is killed there instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from psycopg import errors

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

EndKind = Literal["committed", "refused", "died"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session ended: `value` is what its function returned, `sqlstate` the error that refused it."""

    kind: EndKind
    value: Any = None
    sqlstate: str | None = None

    @property
    def deadlocked(self) -> bool:
        return self.sqlstate == errors.DeadlockDetected.sqlstate


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the timeline. kind: a step that ended at once, began to wait, went on, or a death."""

    session: int
    kind: Literal["step", "waits", "resumes", "dies"]
    text: str
    status: str = ""
    blockers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """A point where the schedule could go several ways. `current`: the session that stepped last, if it still can."""

    ready: tuple[int, ...]
    current: int | None


@dataclass(frozen=True, slots=True)
class Play:
    """One schedule as it happened. diverged: a choice asked for was not possible, and another was taken instead."""

    schedule: str
    choices: tuple[Choice, ...]
    events: tuple[Event, ...]
    outcomes: tuple[Outcome, ...]
    steps: tuple[int, ...]
    diverged: bool

    @property
    def waited(self) -> bool:
        return any(event.kind == "waits" for event in self.events)

    @property
    def serial(self) -> bool:
        """Whether each session ran to its end before the next one began, and none died."""
        runs = sum(1 for before, now in zip(" " + self.schedule, self.schedule, strict=False) if before != now)
        return not any(letter.islower() for letter in self.schedule) and runs == len(set(self.schedule))

    @property
    def preemptions(self) -> int:
        """How often a session was left that could have gone on."""
        pairs = zip(self.schedule, self.choices, strict=True)
        return sum(choice.current is not None and LETTERS[choice.current] != letter for letter, choice in pairs)
