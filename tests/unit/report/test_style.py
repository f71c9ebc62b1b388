"""Contrast of every pair of colours that text or marks are shown in, in both colour schemes (WCAG 2.2 AA)."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

STYLE = files("inboxbench.report").joinpath("templates/style.css").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", STYLE, re.S)[:2]
)
SCHEMES = pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])


def _luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_formula_agrees_with_the_known_extremes() -> None:
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)
    assert _contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@SCHEMES
@pytest.mark.parametrize("ink", ["fg", "muted", "link", "good", "bad"])
@pytest.mark.parametrize("paper", ["bg", "raised", "good-bg"])
def test_text_can_be_read(colours: dict[str, str], ink: str, paper: str) -> None:
    assert _contrast(colours[ink], colours[paper]) >= 4.5


@SCHEMES
@pytest.mark.parametrize("level", range(6))
def test_figures_of_the_heat_map_can_be_read(colours: dict[str, str], level: int) -> None:
    assert _contrast(colours[f"h{level}-fg"], colours[f"h{level}"]) >= 4.5


@SCHEMES
@pytest.mark.parametrize("number", range(8))
def test_names_inside_bars_can_be_read(colours: dict[str, str], number: int) -> None:
    assert _contrast(colours["piece-fg"], colours[f"p{number}"]) >= 4.5


@SCHEMES
@pytest.mark.parametrize("mark", [*(f"s{number}" for number in range(8)), "expand", "backfill", "index", "contract"])
def test_marks_stand_out(colours: dict[str, str], mark: str) -> None:
    assert _contrast(colours[mark], colours["bg"]) >= 3


def test_both_schemes_name_the_same_colours() -> None:
    assert set(LIGHT) == set(DARK)
    used = set(re.findall(r"var\(--([\w-]+)\)", STYLE))
    assert used <= set(LIGHT)
