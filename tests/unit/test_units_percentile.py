"""The nearest rank: a value of the sample, whatever its order."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inboxbench.units import percentile

samples = st.lists(st.floats(0, 1e6), min_size=1, max_size=60)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.25, 1), (0.26, 2), (0.5, 2), (0.99, 4), (1.0, 4)])
def test_percentile_is_the_nearest_rank(share: float, expected: float) -> None:
    assert percentile([3, 1, 4, 2], share) == expected


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_percentile_of_a_hundred_values(share: float, value: int) -> None:
    assert percentile(list(range(1, 101)), share) == value


def test_percentile_of_one_value() -> None:
    assert percentile([7.0], 0.99) == 7.0


def test_nothing_measured_is_not_a_number() -> None:
    assert math.isnan(percentile([], 0.5))


@given(samples, st.floats(0.01, 1))
def test_percentile_is_a_sample_that_the_share_does_not_exceed(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < share * len(values)
