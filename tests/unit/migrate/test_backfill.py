"""The batch size follows the time that a batch holds its locks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inboxbench.migrate.backfill import _LARGEST_BATCH, _SMALLEST_BATCH, _next_batch


@pytest.mark.parametrize(
    ("size", "held_ms", "following"),
    [
        pytest.param(500, 50, 500, id="on target"),
        pytest.param(500, 40, 625, id="a little faster"),
        pytest.param(500, 1, 1000, id="at most doubled"),
        pytest.param(500, 5000, 250, id="at most halved"),
        pytest.param(12, 5000, 10, id="never below ten"),
        pytest.param(9000, 1, 10_000, id="never above ten thousand"),
        pytest.param(500, 0, 1000, id="too fast to measure"),
    ],
)
def test_next_batch(size: int, held_ms: float, following: int) -> None:
    assert _next_batch(size, held_ms, 50) == following


@given(st.floats(0.001, 10), st.integers(_SMALLEST_BATCH, _LARGEST_BATCH))
def test_it_settles_where_a_batch_takes_the_target_time(ms_per_row: float, size: int) -> None:
    for _ in range(30):
        size = _next_batch(size, size * ms_per_row, 50)
    ideal = max(_SMALLEST_BATCH, min(_LARGEST_BATCH, 50 / ms_per_row))
    assert abs(size - ideal) <= 1
