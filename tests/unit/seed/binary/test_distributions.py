"""Own inverse tables and raw streams: exact shares, and the same numbers everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inboxbench.messenger.data.working_hours import HOUR, WEEK, Clock, Hours
from inboxbench.seed.binary.distributions import (
    Stream,
    apportion,
    growth_table,
    inverse_table,
    long_tailed,
    rank_tables,
    scramble,
    with_largest,
    zipf_weights,
)


@given(
    total=st.integers(0, 10_000),
    weights=st.lists(st.floats(0.001, 1000), min_size=1, max_size=40),
    minimum=st.integers(0, 3),
)
def test_apportion_adds_up(total: int, weights: list[float], minimum: int) -> None:
    parts = apportion(total, np.array(weights), minimum=minimum)
    assert parts.min() >= minimum
    assert parts.sum() == max(total, minimum * len(weights))


def test_apportion_is_proportional() -> None:
    assert apportion(10, np.array([3.0, 1.0, 1.0])).tolist() == [6, 2, 2]


def test_inverse_table_shares() -> None:
    counts = np.bincount(inverse_table(np.array([1.0, 3.0]), bits=8))
    assert counts.tolist() == [64, 192]


def test_with_largest_sets_the_share() -> None:
    weights = with_largest(zipf_weights(50, 1.0), 0.57)
    assert weights[0] / weights.sum() == pytest.approx(0.57)
    assert weights[1] / weights[2] == pytest.approx(1.5)


def test_rank_tables_stay_inside_their_size() -> None:
    tables = rank_tables(5, 1.0)
    assert [int(row.max()) for row in tables[1:]] == [0, 1, 2, 3, 4]


def test_long_tail_is_long() -> None:
    sizes = long_tailed(median=7, sigma=0.9, tail_share=0.01, tail_exponent=1.3, largest=2500)
    assert np.median(sizes) == 7
    assert sizes.max() == 2500
    assert sizes.min() == 1
    assert (np.diff(sizes) >= 0).all()


def test_growth_ends_at_one() -> None:
    table = growth_table(1.6)
    assert table[0] == 0
    assert table[-1] == 1 << 26


def test_stream_is_the_same_everywhere() -> None:
    """Raw PCG64 output is NumPy's promise between versions; these are its numbers for this key."""
    assert Stream(1, "messages", 7).words(2).tolist() == [5074847802938692397, 2761077091824350071]


def test_streams_differ_by_seed_table_and_block() -> None:
    keys = [(1, "messages", 0), (2, "messages", 0), (1, "contacts", 0), (1, "messages", 1)]
    assert len({tuple(Stream(*key).words(2).tolist()) for key in keys}) == len(keys)


def test_below_stays_below() -> None:
    draws = Stream(1, "x").below(7, 10_000)
    assert set(draws.tolist()) == set(range(7))


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (1.0, 10_000, 10_000), (0.25, 2_300, 2_700)])
def test_chance(share: float, low: int, high: int) -> None:
    assert low <= Stream(1, "x").chance(share, 10_000).sum() <= high


OFFICE = Hours(opens=9, closes=18, night=0.05, weekdays=(1.2, 1, 1, 1, 1, 0.4, 0.3))


def test_clock_keeps_order_and_weeks() -> None:
    clock = Clock(OFFICE, [0, 3], first_minute=900)
    activity = np.arange(0, 2 * WEEK, 777_777)
    for pattern in (0, 1):
        wall = clock.wall(activity, np.full(len(activity), pattern))
        assert (np.diff(wall) > 0).all()
        assert (wall // WEEK == activity // WEEK).all()


def test_clock_puts_traffic_into_opening_hours() -> None:
    clock = Clock(OFFICE, [3], first_minute=0)
    activity = np.arange(0, WEEK, 10_000)
    wall = clock.wall(activity, np.zeros(len(activity), dtype=np.int64))
    hour = (wall // HOUR + 3) % 24
    weekday = (wall // HOUR + 3) // 24 % 7
    inside = ((hour >= 9) & (hour < 18)).mean()
    assert inside == pytest.approx(9 / (9 + 15 * 0.05), abs=0.01)
    by_day = np.bincount(weekday, minlength=7)
    assert by_day[0] / by_day[6] == pytest.approx(1.2 / 0.3, rel=0.05)


def test_a_scramble_depends_on_nothing_but_its_value() -> None:
    values = np.arange(100_000)
    all_of_them = scramble(7, "names", values)
    assert (scramble(7, "names", values[::-1]) == all_of_them[::-1]).all()
    assert len(np.unique(all_of_them)) == len(values)
    for shift in (0, 16, 32, 48):
        share = (all_of_them >> np.uint64(shift) & np.uint64(0xFFFF)).mean() / 65536
        assert share == pytest.approx(0.5, abs=0.01)
    assert not (scramble(8, "names", values) == all_of_them).any()
    assert not (scramble(7, "others", values) == all_of_them).any()
