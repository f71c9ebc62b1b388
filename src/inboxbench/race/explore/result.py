"""What an exploration found: counts over schedules, and the simplest one that breaks something."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from inboxbench.race.explore.schedule import Play


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A schedule that breaks something, with what is broken."""

    play: Play
    complaints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exploration:
    """Counts over schedules. permutations: orders of the steps if nobody ever waited.

    aborted: a session was refused, by a deadlock or otherwise; waited: a session waited for another; overlapped: not
    one session after another. complete: no bound was met and nothing diverged, so there are no other schedules.
    """

    permutations: int
    schedules: int
    bad: int
    aborted: int
    deadlocked: int
    waited: int
    overlapped: int
    diverged: int
    complete: bool
    counterexample: Counterexample | None

    @property
    def vacuous(self) -> bool:
        """Whether no two sessions were ever under way at once, so that nothing is proved."""
        return self.overlapped == 0

    def to_json(self) -> dict[str, Any]:
        """The numbers of the command line. The counterexample is its schedule string, which replays it."""
        return {
            "permutations": self.permutations,
            "schedules": self.schedules,
            "bad": self.bad,
            "aborted": self.aborted,
            "deadlocked": self.deadlocked,
            "diverged": self.diverged,
            "counterexample": self.counterexample.play.schedule if self.counterexample else None,
        }


@dataclass
class Tally:
    """Counts on the way."""

    schedules: int = 0
    bad: int = 0
    aborted: int = 0
    deadlocked: int = 0
    waited: int = 0
    overlapped: int = 0
    diverged: int = 0

    def add(self, play: Play, *, bad: bool) -> None:
        self.schedules += 1
        self.bad += bad
        self.aborted += any(outcome.kind == "refused" for outcome in play.outcomes)
        self.deadlocked += any(outcome.deadlocked for outcome in play.outcomes)
        self.waited += play.waited
        self.overlapped += not play.serial
        self.diverged += play.diverged

    def exploration(self, steps: Sequence[int], *, complete: bool, example: Counterexample | None) -> Exploration:
        """steps: the most that each session made in one schedule."""
        return Exploration(permutations=permutations(steps), **asdict(self), complete=complete, counterexample=example)


def permutations(steps: Sequence[int]) -> int:
    """Orders of all steps that keep each session's own order.

    >>> permutations([3, 3]), permutations([3, 3, 3])
    (20, 1680)
    """
    return math.factorial(sum(steps)) // math.prod(math.factorial(number) for number in steps)
