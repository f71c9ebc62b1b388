from __future__ import annotations

import math

import pytest

from inboxbench import units


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0421, "0.042"),
        (0.5, "0.50"),
        (3.14159, "3.14"),
        (31.4159, "31.4"),
        (99.6, "100"),
        (41200, "41,200"),
    ],
)
def test_number_keeps_three_digits(value: float, text: str) -> None:
    assert units.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (1023, "1,023 B"), (1024, "1 kB"), (1_048_576, "1 MB"), (54_525_952, "52 MB"), (5 << 40, "5 TB")],
)
def test_size_counts_in_powers_of_1024(value: int, text: str) -> None:
    assert units.size(value) == text


def test_the_largest_unit_of_size_is_not_left() -> None:
    assert units.size(5000 * (1 << 40)) == "5,000 TB"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0123, "12.3 ms"), (0, "0 s"), (1, "1 s"), (59.94, "59.9 s"), (60, "1 min 0 s"), (119.6, "2 min 0 s")],
)
def test_seconds_change_their_unit(value: float, text: str) -> None:
    assert units.seconds(value) == text


def test_milliseconds_become_seconds() -> None:
    assert [units.millis(value) for value in (0.042, 999, 1000, 61_000)] == ["0.042 ms", "999 ms", "1 s", "1 min 1 s"]


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_is_not_a_figure_is_a_dash(value: float | None) -> None:
    printers = (units.number, units.pages, units.size, units.wal, units.millis, units.seconds, units.rate)
    assert {printer(value) for printer in (*printers, units.share, units.times, units.compact)} == {units.DASH}


def test_one_page_is_singular() -> None:
    assert (units.pages(1), units.pages(2)) == ("1 page", "2 pages")


@pytest.mark.parametrize(
    ("value", "base", "text"),
    [(200, 100, "+100 %"), (50, 100, "-50 %"), (100.2, 100, "±0 %"), (1, 0, ""), (None, 1, "")],
)
def test_change_has_a_sign(value: float | None, base: float, text: str) -> None:
    assert units.change(value, base) == text


def test_axis_figures_are_short() -> None:
    assert [units.compact(value) for value in (0.1, 250, 2500, 10_000, 2.5e6, 1e9)] == [
        "0.1",
        "250",
        "2.5k",
        "10k",
        "2.5M",
        "1G",
    ]
