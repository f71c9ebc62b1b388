"""Every schedule of two buyers: no seat is sold twice. The first test fails, and its message is the schedule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from booking import sell_locked, sell_seen_free

SOLD_TWICE = "SELECT seat_id FROM sales GROUP BY seat_id HAVING count(*) > 1"


@pytest.mark.parametrize("sell", [sell_seen_free, sell_locked])
def test_no_seat_is_sold_twice(assert_race_free: Callable[..., Any], sell: Callable[..., Any]) -> None:
    assert_race_free(sell, sessions=2, level="rc", invariant=SOLD_TWICE)
