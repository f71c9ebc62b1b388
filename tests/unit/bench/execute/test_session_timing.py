"""How many executions a cell gets, and what is said about them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inboxbench.bench.execute.session import FEWEST, Pace, summarise
from inboxbench.units import percentile

samples = st.lists(st.floats(0, 1e6), min_size=1, max_size=60)


def test_quick_cells_get_all_rounds_slow_ones_none() -> None:
    pace = Pace(rounds=15, cell_s=0.25, slow_s=0.5)
    assert pace.rounds_for(0.001) == 15
    assert pace.rounds_for(0.05) == 5
    assert pace.rounds_for(0.2) == FEWEST
    assert pace.rounds_for(0.4) == 1
    assert pace.rounds_for(0.6) == 0
    assert pace.rounds_for(0.0) == 15


def test_the_clients_side_is_timed_where_it_could_be_mistaken_for_the_servers() -> None:
    pace = Pace(rounds=15)
    assert pace.trips_for(0.001) == pace.rounds_for(0.001) == 15
    assert pace.trips_for(0.03) == 0 < pace.rounds_for(0.03)


def test_rounds_asked_for_are_a_ceiling() -> None:
    assert Pace(rounds=1).rounds_for(0.2) == 1


@given(samples, st.floats(0.01, 1))
def test_percentile_is_a_sample_that_the_share_does_not_exceed(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < share * len(values)


@given(samples)
def test_summary_is_ordered(values: list[float]) -> None:
    timing = summarise(values)
    assert min(values) <= timing.median_ms <= timing.p95_ms <= max(values)
    assert timing.rounds == len(values)
