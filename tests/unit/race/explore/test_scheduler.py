"""The alarm clock of a schedule, and those of others."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import greenlet
import pytest

from inboxbench.race.explore.scheduler import OutOfTimeError, time_limit


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_greenlet_is_interrupted_even_if_it_eats_exceptions() -> None:
    def stubborn() -> str:
        while True:
            try:
                while True:
                    pass
            except Exception:  # noqa: S112 - what a function of somebody else's may do
                continue
            except OutOfTimeError:
                return "interrupted"

    with time_limit(0.05):
        assert greenlet.greenlet(stubborn).switch() == "interrupted"


def test_the_scheduler_itself_is_not_interrupted() -> None:
    with time_limit(0.01):
        signal.sigtimedwait([], 0.05)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_somebody_elses_alarm_goes_on() -> None:
    """pytest-timeout sets one around a test."""
    signal.setitimer(signal.ITIMER_REAL, 1000)
    with time_limit(5):
        assert signal.getitimer(signal.ITIMER_REAL)[0] <= 5
    left, again = signal.getitimer(signal.ITIMER_REAL)
    assert 900 < left <= 1000
    assert again == 0
