from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inboxbench.report.charts.scale import linear_scale, log_scale

FIGURES = st.lists(st.floats(min_value=0, max_value=1e12), min_size=1, max_size=20)


@given(FIGURES)
def test_every_figure_lies_on_its_linear_scale(figures: list[float]) -> None:
    scale = linear_scale(figures)
    assert scale.high >= max(figures) * (1 - 1e-9)
    places = [scale.at(figure) for figure in sorted(figures)]
    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)


@given(FIGURES)
def test_every_figure_lies_on_its_log_scale(figures: list[float]) -> None:
    scale = log_scale(figures)
    places = [scale.at(figure) for figure in sorted(figures)]
    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)
    assert scale.high >= max(figures) * (1 - 1e-6)


def test_a_decade_is_as_wide_as_the_next() -> None:
    scale = log_scale([1, 1000])
    assert [scale.at(value) for value in (1, 10, 100, 1000)] == pytest.approx([0, 33.333, 66.667, 100])


@pytest.mark.parametrize("top", [0.0003, 0.9, 7, 42.5, 240_118])
def test_ticks_are_round_few_and_reach_the_top(top: float) -> None:
    scale = linear_scale([top])
    assert 1 <= len(scale.marks) - 1 <= 6
    assert scale.marks[-1] >= top * (1 - 1e-9)
    step = scale.marks[1]
    digits = step / 10 ** math.floor(math.log10(step))
    assert min(abs(digits - round_step) for round_step in (1, 2, 2.5, 5, 10)) < 1e-9


@pytest.mark.parametrize("values", [[], [0], [None], [0.0, None]])
def test_nothing_to_draw_still_has_a_scale(values: list[float | None]) -> None:
    for scale in (linear_scale(values), log_scale(values)):
        assert scale.high > scale.low
        assert scale.at(None) == 0
        assert scale.at(0) == 0


def test_figures_outside_lie_on_the_edge() -> None:
    scale = linear_scale([10])
    assert (scale.at(-1), scale.at(11)) == (0, 100)
