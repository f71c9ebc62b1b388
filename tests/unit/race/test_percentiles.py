from __future__ import annotations

import math

import pytest

from inboxbench.race.percentiles import fairness, percentile


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.25, 1), (0.26, 2), (0.5, 2), (0.99, 4), (1.0, 4)])
def test_percentile_is_the_nearest_rank(share: float, expected: float) -> None:
    assert percentile([3, 1, 4, 2], share) == expected


def test_fairness_runs_from_one_winner_to_all_alike() -> None:
    assert fairness([9, 0, 0]) == pytest.approx(1 / 3)
    assert fairness([4, 4, 4]) == 1


def test_nothing_measured_is_not_a_number() -> None:
    assert math.isnan(percentile([], 0.5))
    assert math.isnan(fairness([0, 0]))
