"""Search over schedules, and what an exploration found: counts, and the simplest bad one."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import count
from typing import Any

from inboxbench.errors import SubjectFailed
from inboxbench.race.explore.model import LETTERS, Bounds, Choice, ScheduleRun


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A schedule that breaks something, with what is broken."""

    run: ScheduleRun
    complaints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exploration:
    """Counts over schedules. permutations: orders of the steps if nobody ever waited.

    aborted: a session was refused, by a deadlock or otherwise; waited: a session waited for another; overlapped: not
    one session after another. complete: no bound was met and nothing diverged, so there are no other schedules.
    left: what sessions kept after their end, a sentence each. failed_on: in how many of the bad ones something is bad
    whatever the oracle says, by the word of `fail_on`. played: how many schedules were really played; each stands for
    all those that differ from it in the order of steps that do not touch each other (see docs/explanation/races.md).
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
    left: tuple[str, ...] = ()
    failed_on: Mapping[str, int] = field(default_factory=dict)
    played: int = 0

    @property
    def vacuous(self) -> bool:
        """Return whether no two sessions were ever under way at once, so that nothing is proved."""
        return self.overlapped == 0

    @property
    def uncovered(self) -> int:
        """Return how many schedules may be there besides those that are known: fewer where sessions wait."""
        return 0 if self.complete else max(0, self.permutations - self.schedules)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers of the command line. The counterexample is its schedule string, which replays it."""
        return {
            "permutations": self.permutations,
            "schedules": self.schedules,
            "bad": self.bad,
            "aborted": self.aborted,
            "deadlocked": self.deadlocked,
            "diverged": self.diverged,
            "counterexample": self.counterexample.run.schedule if self.counterexample else None,
            "left_behind": list(self.left),
            "failed_on": dict(self.failed_on),
            "played": self.played,
            "uncovered": self.uncovered,
        }


@dataclass
class Tally:
    """Counts of an exploration that is under way."""

    schedules: int = 0
    bad: int = 0
    aborted: int = 0
    deadlocked: int = 0
    waited: int = 0
    overlapped: int = 0
    diverged: int = 0
    left: dict[str, None] = field(default_factory=dict)
    failed_on: Counter[str] = field(default_factory=Counter)
    played: int = 0

    def add(self, run: ScheduleRun, *, bad: bool, represents: int = 1, serial: int | None = None) -> None:
        """Count a schedule that stands for `represents` of them, of which `serial` are one session after another."""
        self.schedules += represents
        self.bad += bad * represents
        self.aborted += represents * any(outcome.kind == "refused" for outcome in run.outcomes)
        self.deadlocked += represents * any(outcome.deadlocked for outcome in run.outcomes)
        self.waited += run.waited * represents
        self.overlapped += represents - (run.serial if serial is None else serial)
        self.diverged += run.diverged
        self.left |= dict.fromkeys(map(str, run.left))
        for word in {word for word, _ in run.failures}:
            self.failed_on[word] += represents

    def exploration(self, steps: Sequence[int], *, complete: bool, example: Counterexample | None) -> Exploration:
        """Return the result. steps: the most that each session made in one schedule."""
        counts = asdict(self) | {"left": tuple(self.left), "failed_on": dict(self.failed_on)}
        return Exploration(permutations=permutations(steps), **counts, complete=complete, counterexample=example)


def permutations(steps: Sequence[int]) -> int:
    """Count the orders of all steps that keep each session's own order.

    >>> permutations([3, 3]), permutations([3, 3, 3])
    (20, 1680)
    """
    return math.factorial(sum(steps)) // math.prod(math.factorial(number) for number in steps)


# A schedule that was played, and the complaints about it.
Judged = tuple[ScheduleRun, tuple[str, ...]]
# Plays the schedule that begins with a prefix and goes on without preemption.
PlaySchedule = Callable[[str], Judged]

_REPLAYS = 6


def _branches(run: ScheduleRun, start: int, deaths_left: int) -> Iterator[tuple[int, str]]:
    """Yield the prefixes that leave `run` at or after step `start`, each with its number of preemptions."""
    preempted = 0
    for position, (choice, taken) in enumerate(zip(run.choices, run.schedule, strict=True)):
        deaths = sum(letter.islower() for letter in run.schedule[:position])
        for index in choice.ready if position >= start else ():
            switch = int(choice.current is not None and choice.current != index)
            options = LETTERS[index] + (LETTERS[index].lower() if deaths < deaths_left else "")
            for option in options:
                if option != taken:
                    yield preempted + switch, run.schedule[:position] + option
        preempted += int(choice.current is not None and LETTERS[choice.current] != taken.upper())


@dataclass(frozen=True, slots=True)
class Prefix:
    """The beginning of a schedule, and the choices that were open on the way when it was found."""

    letters: str
    choices: tuple[Choice, ...]

    def play(self, play: PlaySchedule) -> Judged:
        """Play the schedule that begins so.

        When two sessions wait for one row, the server now and then wakes the other one first: another schedule with
        the same beginning, so it is played again until it is this one.
        """
        for _ in range(_REPLAYS):
            played, complaints = play(self.letters)
            if not played.diverged and played.choices[: len(self.choices)] == self.choices:
                return played, complaints
        return replace(played, diverged=True), complaints


class _Queue:
    """Prefixes still to play: serial ones first, then those with one preemption, then with two."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._ticket = count()
        self._queue: list[tuple[int, int, Prefix]] = [(0, next(self._ticket), Prefix("", ()))]
        self.cut = False

    def prefixes(self) -> Iterator[Prefix]:
        while self._queue:
            yield heapq.heappop(self._queue)[2]

    def branch(self, run: ScheduleRun, prefix: Prefix) -> None:
        """Queue the schedules that leave `run` behind its `prefix`, as far as the bounds allow."""
        if run.diverged:
            self.cut = True
            return
        for preempted, branch in _branches(run, len(prefix.letters), self._bounds.deaths):
            if self._bounds.preemptions is None or preempted <= self._bounds.preemptions:
                expected = Prefix(branch, run.choices[: len(branch)])
                heapq.heappush(self._queue, (preempted, next(self._ticket), expected))
            else:
                self.cut = True

    @property
    def complete(self) -> bool:
        return not self.cut and not self._queue


def search(play: PlaySchedule, sessions: int, bounds: Bounds, serially_wrong: Callable[[str, str], str]) -> Exploration:
    """Play every schedule within `bounds`.

    Raises SubjectFailed, worded by `serially_wrong`, for a complaint about sessions that ran one after another.
    """
    tally, queue = Tally(), _Queue(bounds)
    first: Counterexample | None = None
    most = [0] * sessions
    for prefix in queue.prefixes():
        played, complaints = prefix.play(play)
        if complaints and played.serial:
            raise SubjectFailed(serially_wrong(played.schedule, complaints[0]))
        queue.branch(played, prefix)
        tally.played += 1
        bad = bool(complaints or played.failures)
        tally.add(played, bad=bad)
        most = [max(before, now) for before, now in zip(most, played.steps, strict=True)]
        if bad and first is None:
            first = Counterexample(played, complaints)
        if tally.schedules == bounds.schedules:
            break
    return tally.exploration(most, complete=queue.complete, example=first)
