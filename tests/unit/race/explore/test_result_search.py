"""A beginning that goes differently when it is played again."""

from __future__ import annotations

from collections.abc import Iterator

from inboxbench.race.explore.model import Bounds, Choice, Outcome, ScheduleRun
from inboxbench.race.explore.result import permutations, search

DONE = Outcome("committed")


def play_of(schedule: str, *ready: tuple[int, ...]) -> ScheduleRun:
    return ScheduleRun(schedule, tuple(Choice(now, None) for now in ready), (), (DONE, DONE), (1, 1), diverged=False)


FIRST = play_of("AB", (0, 1), (1,))
SECOND = play_of("BA", (0, 1), (0,))
STRANGE = play_of("BA", (1,), (0,))


def test_a_beginning_that_went_another_way_is_played_again() -> None:
    answers: Iterator[ScheduleRun] = iter([FIRST, STRANGE, STRANGE, SECOND])
    asked: list[str] = []

    def play(prefix: str) -> tuple[ScheduleRun, tuple[str, ...]]:
        asked.append(prefix)
        return next(answers), ()

    found = search(play, 2, Bounds(), str.__add__)
    assert asked == ["", "B", "B", "B"]
    assert (found.schedules, found.diverged, found.complete) == (2, 0, True)


def test_one_that_never_comes_back_is_counted_as_diverged() -> None:
    found = search(lambda prefix: (STRANGE if prefix else FIRST, ()), 2, Bounds(), str.__add__)
    assert (found.schedules, found.diverged, found.complete) == (2, 1, False)


def test_permutations_are_the_orders_that_keep_each_sessions_own() -> None:
    assert [permutations(steps) for steps in ([3, 3], [3, 3, 3], [2, 1], [4])] == [20, 1680, 3, 1]
