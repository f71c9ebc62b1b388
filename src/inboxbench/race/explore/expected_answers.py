"""How long to wait for the server's answers before it is asked who waits for whom.

To ask costs as much as a step, and to wait in vain costs time. So what the server did is remembered for each place of
a schedule; at the same place of a later one it will most likely do the same. This decides how long is waited and never
what is true: that a session waits for another one is always the server's word.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

# How many steps each session has made, and the one that makes the next.
Place = tuple[tuple[int, ...], int]

# Longer than most statements take that are not blocked, short enough not to slow a schedule.
POLL_S = 0.0005
# As long as a statement that is not blocked may take on a busy machine.
SURE_S = 0.002
# As long as a statement takes until it waits for its lock.
BLOCKED_S = 0.0001


@dataclass
class ExpectedAnswers:
    """Remembers which sessions were answered when a step was made, by the place of the schedule."""

    _answered: dict[Place, frozenset[int]] = field(default_factory=dict)

    def wait_s(self, place: Place | None, under_way: Collection[int]) -> float:
        """Return how long to wait for an answer, in seconds. under_way: the sessions that have none yet.

        place: None where no step has begun, so that all of them were waiting already.
        """
        if place is None:
            return 0.0
        answered = self._answered.get(place)
        if answered is None:
            return POLL_S
        return BLOCKED_S if answered.isdisjoint(under_way) else SURE_S

    def note(self, place: Place, answered: Collection[int]) -> None:
        """Remember the sessions that were answered after the step at `place`."""
        self._answered[place] = frozenset(answered)
