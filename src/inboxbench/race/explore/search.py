"""Finds the feasible schedules by playing them: those with the fewest preemptions first."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count

from inboxbench.errors import SubjectFailed
from inboxbench.race.explore.model import LETTERS, Bounds, Choice, ScheduleRun
from inboxbench.race.explore.result import Counterexample, Exploration, Tally

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
class _Prefix:
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
        self._queue: list[tuple[int, int, _Prefix]] = [(0, next(self._ticket), _Prefix("", ()))]
        self.cut = False

    def prefixes(self) -> Iterator[_Prefix]:
        while self._queue:
            yield heapq.heappop(self._queue)[2]

    def branch(self, run: ScheduleRun, prefix: _Prefix) -> None:
        """Queue the schedules that leave `run` behind its `prefix`, as far as the bounds allow."""
        if run.diverged:
            self.cut = True
            return
        for preempted, branch in _branches(run, len(prefix.letters), self._bounds.deaths):
            if self._bounds.preemptions is None or preempted <= self._bounds.preemptions:
                expected = _Prefix(branch, run.choices[: len(branch)])
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
        tally.add(played, bad=bool(complaints))
        most = [max(before, now) for before, now in zip(most, played.steps, strict=True)]
        if complaints and first is None:
            first = Counterexample(played, complaints)
        if tally.schedules == bounds.schedules:
            break
    return tally.exploration(most, complete=queue.complete, example=first)
