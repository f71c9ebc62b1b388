from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inboxbench import units
from inboxbench.errors import UsageError


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
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1024, "1 kB"),
        (198_180_864, "189 MB"),
        ((1 << 20) - 1, "1.00 MB"),
        (1_048_576, "1 MB"),
        (54_525_952, "52 MB"),
        (5 << 40, "5 TB"),
    ],
)
def test_size_counts_in_powers_of_1024(value: int, text: str) -> None:
    assert units.size(value) == text


def test_size_rounds_to_three_digits_and_into_the_next_unit() -> None:
    assert (units.size(198_180_864), units.size((1 << 20) - 1)) == ("189 MB", "1.00 MB")


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


@given(st.integers(0, 1 << 52))
def test_a_size_reads_back_within_its_rounding(count: int) -> None:
    shown = units.size(count)
    assert abs(units.read_size(shown.replace(",", "")) - count) <= max(count * 0.005, 0.5)
    assert abs(float(shown.split()[0].replace(",", ""))) < 1024 or shown.endswith("TB")


def _rounding(value: float) -> float:
    """Half of the last digit: three significant ones, of which below 1 at most three are decimals."""
    return max(value * 0.0051, 0.0051 if value >= 0.0995 else 0.00051)


@given(st.floats(0.01, 3_600_000))
def test_a_time_reads_back_within_its_rounding(ms: float) -> None:
    shown = units.millis(ms)
    minutes, _, rest = shown.rpartition(" min ")
    back = (units.read_time(f"{minutes}min") if minutes else 0) + units.read_time(rest.replace(",", ""))
    assert abs(back - ms) <= (500 if minutes else _rounding(ms))


@given(st.floats(0.01, 1e9))
def test_a_factor_and_a_rate_read_back_within_their_rounding(value: float) -> None:
    for shown in (units.times(value).removesuffix("×"), units.rate(value).removesuffix("/s")):
        assert abs(float(shown.replace(",", "")) - value) <= _rounding(value)


@given(st.floats(0.01, 3_600_000))
def test_milliseconds_and_seconds_print_the_same_time_the_same(ms: float) -> None:
    assert units.millis(ms) == units.seconds(ms / 1000) or abs(ms - round(ms)) < 1e-6


@pytest.mark.parametrize("text", ["5", "MB", "5 XB", "-5MB", ""])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size like 100MB or 1GB"):
        units.read_size(text)
