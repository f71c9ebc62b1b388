"""A fit over three sizes: what noise may say, and what it may not."""

from __future__ import annotations

import pytest

from inboxbench.dryrun.scales import fit_curve

_NOISE = [(5_000, 5.0), (10_000, 9.0), (20_000, 22.0)]
_PRODUCTION = 20_000_000


def test_times_grow_only_with_the_work() -> None:
    curve = fit_curve("lock_hold_ms", _NOISE, _PRODUCTION, grows=False)
    assert (curve.constant, curve.origin) == (True, "extrapolated")
    assert curve.value == pytest.approx(12)


def test_far_beyond_the_sizes_the_error_is_that_of_the_prediction() -> None:
    near, far = (fit_curve("duration_ms", _NOISE, rows) for rows in (20_000, _PRODUCTION))
    assert near.origin == "measured"
    assert far.value == pytest.approx(far.start + far.slope * _PRODUCTION)
    assert far.error > 1_000 * near.error


def test_a_counter_that_is_a_line_is_read_off_exactly() -> None:
    curve = fit_curve("rows_read", [(n, n + 7) for n, _ in _NOISE], _PRODUCTION)
    assert curve.value == pytest.approx(_PRODUCTION + 7)
    assert curve.error == pytest.approx(0, abs=1)
    assert fit_curve("wal_bytes", [(n, 4_000 + n % 7) for n, _ in _NOISE], _PRODUCTION).constant
