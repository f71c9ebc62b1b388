"""The fit of a power law: exact where the points are, with the textbook's errors where they are not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inboxbench.bench.growth.curve import Range, fit


@given(c=st.floats(1, 1e4), k=st.floats(0, 2), scale=st.integers(1000, 10_000_000))
def test_points_on_a_law_give_that_law_without_error(c: float, k: float, scale: int) -> None:
    """As far as whole buffers allow: they are made large, so that rounding is small."""
    points = [(n, round(1e6 * c * (n / scale) ** k)) for n in (scale, 2 * scale, 4 * scale)]
    law = fit(points)
    assert law.k == pytest.approx(k, abs=1e-5)
    assert law.k_error == pytest.approx(0, abs=1e-5)
    assert law.at(8 * scale).value == pytest.approx(1e6 * c * 8**k, rel=1e-4)


def test_errors_are_those_of_least_squares() -> None:
    """By hand: x = 0, 1, 2 and y = 0, 2, 2 give slope 1, residual sum 2/3, error sqrt(2/3 / 1 / 2)."""
    law = fit([(1, 1), (round(math.e * 1000), 1), (3, 1)])
    assert (law.k, law.k_error) == (0.0, 0.0)
    powers = [(10**x, 10**y) for x, y in ((0, 0), (1, 2), (2, 2))]
    law = fit(powers)
    assert law.k == pytest.approx(1)
    assert law.k_error == pytest.approx(math.sqrt(2 / 3 / 1 / 2))


def test_an_interval_widens_with_the_distance() -> None:
    law = fit([(100, 10), (200, 21), (400, 39)])
    near, far = law.at(800), law.at(1e9)
    assert near.low < near.value < near.high
    assert far.high / far.low > near.high / near.low
    assert not near.uncertain
    assert Range(10, 0.1, 1000).uncertain


def test_a_flat_read_stays_flat_however_far() -> None:
    """What an index gives: the exponent is 0 and so is its error."""
    far = fit([(100, 4), (200, 4), (400, 4)]).at(1e12)
    assert far.value == far.low == far.high == pytest.approx(4)


def test_no_end_is_no_overflow() -> None:
    assert fit([(100, 1), (200, 9_000_000), (400, 1)]).at(1e300).high == math.inf


@pytest.mark.parametrize("points", [[(1, 1), (2, 2)], [(1, 1), (1, 2), (2, 4)]])
def test_two_sizes_are_no_law(points: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match="through two any law fits"):
        fit(points)
