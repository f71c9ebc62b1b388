"""The latency of a class over a run: bounded, and nothing slow is lost in it."""

from __future__ import annotations

from inboxbench.traffic.latency import course


def test_the_course_of_a_class_is_bounded_and_keeps_its_slowest() -> None:
    """20 requests a second over 100 s, one of them slow: 200 intervals at most, half a second each."""
    answers = [(1000.0 + 50 * n, 700.0 if n == 1234 else 2.0) for n in range(2000)]
    found = list(course(answers, 1000.0))
    assert len(found) == 200
    assert sum(one.requests for one in found) == 2000
    (slowest,) = [one for one in found if one.max_ms > 2]
    assert (slowest.max_ms, slowest.p50_ms) == (700.0, 2.0)
    assert slowest.started_ms <= 50 * 1234 < slowest.started_ms + 503


def test_a_short_run_has_intervals_of_a_quarter_of_a_second() -> None:
    found = [(one.started_ms, one.requests) for one in course([(0, 1), (100, 1), (900, 1)])]
    assert found == [(0.0, 2), (750.0, 1)]
