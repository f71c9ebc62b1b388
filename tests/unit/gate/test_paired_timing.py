"""Paired ratios and their verdicts, on noise that comes in waves."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from inboxbench.gate.paired_timing import FLOOR, LOOKS, Interval, Timed, answer, block, interval, times_in_words


class Machine:
    """Milliseconds of a statement on a machine whose speed wanders, with a spike now and then."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._wave = 0.0

    def statement(self, factor: float) -> Callable[[], float]:
        def run() -> float:
            self._wave = 0.98 * self._wave + self._random.gauss(0, 0.05)
            spike = 5.0 if self._random.random() < 0.02 else 0.0
            return factor * math.exp(self._wave + self._random.gauss(0, 0.03)) + spike

        return run


def series(machine: Machine, factor: float, pairs: int) -> list[float]:
    first, second = machine.statement(1.0), machine.statement(factor)
    return [ratio for _ in range(pairs // 2) for ratio in block(first, second, 1)]


def judged(seed: int, factor: float) -> str:
    return answer(interval(series(Machine(seed), factor, 120), len(LOOKS)), 0.1)


def test_nothing_changed_is_never_called_slower() -> None:
    """A hundred series of the same statement against itself."""
    said = [judged(seed, 1.0) for seed in range(100)]
    assert said.count("slower") == 0
    assert said.count("not slower") > 75


def test_a_fifth_slower_is_seen() -> None:
    said = [judged(seed, 1.2) for seed in range(30)]
    assert said.count("slower") >= 27
    assert said.count("not slower") == 0


def test_a_drift_cancels_in_a_block() -> None:
    """A machine that slows down by a tenth with every statement: A B B A sees the same on both sides."""
    times = iter([1.1**n for n in range(4)])
    first, second = block(lambda: next(times), lambda: next(times), 1)
    assert math.sqrt(first * second) == pytest.approx(1.0)


def test_the_interval_is_the_same_for_the_same_series() -> None:
    ratios = series(Machine(1), 1.0, 60)
    assert interval(ratios, 4) == interval(ratios, 4)
    assert interval(ratios, 4).low <= interval(ratios, 1).low


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (1.02, 1.5, "undetermined"),
        (1.04, 1.5, "slower"),
        (0.9, 1.09, "not slower"),
        (0.9, 1.11, "undetermined"),
        (1.04, 1.06, "slower"),
    ],
)
def test_three_answers(low: float, high: float, said: str) -> None:
    assert answer(Interval(low, (low + high) / 2, high, 60), 0.1) == said


def test_an_untrusted_control_judges_nothing() -> None:
    slow, fine = Interval(1.3, 1.4, 1.5, 60), Interval(0.98, 1.0, 1.02, 60)
    change = Timed("list_all/huge", slow, fine, "slower").as_change()
    assert change is not None
    assert (change.verdict, change.metric) == ("worse", "time")
    shaky = Timed("list_all/huge", slow, Interval(1.0, 1.07, 1.1, 60), "slower").as_change()
    assert shaky is not None
    assert shaky.verdict == "note"
    assert "1.07: not judged" in shaky.text


def test_the_machine_says_what_it_could_see() -> None:
    one = Timed("a", Interval(0.95, 1.0, 1.05, 60), Interval(0.98, 1.0, 1.02, 60), "not slower")
    assert one.found.detectable == pytest.approx(math.sqrt(1.05 / 0.95) * (1 + FLOOR) - 1)
    (words,) = times_in_words([one])
    assert words.startswith("times of 1 cases: 0 slower, 1 not slower, 0 undetermined; A/A came out 1.000 to 1.000")
