"""Race specifications in the format of PostgreSQL's isolationtester (src/test/isolation/README).

setup    { CREATE TABLE … }                     # any number of these; comments run to the end of the line
teardown { DROP TABLE … }
session s1
setup    { BEGIN; }
step r1  { SELECT … }
step c1  { COMMIT; }
teardown { … }
permutation r1 r2 c1(*) c2(r1, r2 notices 1)    # none: every order is run
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Marker:
    """When a step that could report its end has to wait with it. once: `*`, it counts as waiting when launched."""

    kind: Literal["once", "step", "notices"]
    step: str = ""
    notices: int = 0


@dataclass(frozen=True, slots=True)
class Launch:
    """A step of a permutation."""

    step: str
    markers: tuple[Marker, ...] = ()


@dataclass(frozen=True, slots=True)
class SpecSession:
    """steps: name → SQL, in order."""

    name: str
    setup: str | None
    steps: dict[str, str]
    teardown: str | None


@dataclass(frozen=True, slots=True)
class Spec:
    """A parsed file. permutations: those that it lists."""

    path: Path
    setups: tuple[str, ...]
    teardown: str | None
    sessions: tuple[SpecSession, ...]
    permutations: tuple[tuple[Launch, ...], ...]

    def session_of(self, step: str) -> int:
        return next(index for index, session in enumerate(self.sessions) if step in session.steps)

    def sql_of(self, step: str) -> str:
        return self.sessions[self.session_of(step)].steps[step]

    def orders(self) -> Iterator[tuple[Launch, ...]]:
        """The listed permutations, else every order that keeps each session's own."""
        if self.permutations:
            yield from self.permutations
            return
        yield from _interleavings(tuple(tuple(Launch(step) for step in session.steps) for session in self.sessions))


def _interleavings(piles: tuple[tuple[Launch, ...], ...]) -> Iterator[tuple[Launch, ...]]:
    if not any(piles):
        yield ()
        return
    for index, pile in enumerate(piles):
        if pile:
            rest = (*piles[:index], pile[1:], *piles[index + 1 :])
            yield from ((pile[0], *order) for order in _interleavings(rest))
