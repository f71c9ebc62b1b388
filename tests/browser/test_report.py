"""The report as a reader meets it: on a phone, on a desk, in the dark, on paper, without a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from tests.browser.conftest import Browser

pytestmark = pytest.mark.browser

Show = Callable[[dict[str, Any]], Browser]
PARTS = ("machine", "server", "seed", "migration", "matrix", "races", "verdict")

# Texts of one chart that lie over each other by more than a hair.
OVERLAPS = """
const found = [];
for (const svg of document.querySelectorAll('svg[role=img]')) {
  const boxes = [...svg.querySelectorAll('text:not(.inside)')]
    .map(text => [text.textContent.trim(), text.getBoundingClientRect()])
    .filter(([text, box]) => text && box.width);
  boxes.forEach(([text, a], i) => boxes.slice(i + 1).forEach(([other, b]) => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 1 && high > 4) found.push(text + ' | ' + other);
  }));
}
return found;
"""
# Shapes and texts of a chart that are cut off by the frame around it.
OUTSIDE = """
const found = [];
for (const frame of document.querySelectorAll('.frame')) {
  const outer = frame.getBoundingClientRect();
  for (const shape of frame.querySelectorAll('svg[role=img] :is(text:not(.inside), rect, circle, use)')) {
    const box = shape.getBoundingClientRect();
    if (box.left < outer.left - 1 || box.right > outer.right + 1 || box.bottom > outer.bottom + 1)
      found.push(shape.outerHTML.slice(0, 120));
  }
}
return found;
"""
CHARTS = """
return [...document.querySelectorAll('svg[role=img]')].map(svg => {
  const box = svg.getBoundingClientRect();
  const shapes = [...svg.querySelectorAll('rect, circle, use')].filter(s => s.getBoundingClientRect().width > 0.5);
  const painted = shapes.filter(s => !['none', 'rgba(0, 0, 0, 0)'].includes(getComputedStyle(s).fill));
  return [svg.getAttribute('aria-label'), box.width, box.height, painted.length];
});
"""


def test_it_opens_in_silence_and_asks_for_nothing(show: Show, any_run: dict[str, Any]) -> None:
    page = show(any_run)
    page.ask("return document.fonts.ready.then(() => true)")
    asked = [url for url in page.requests() if not url.startswith("data:")]
    assert len(asked) == 1
    assert asked[0].startswith("file://")
    assert page.console() == []


def test_the_log_would_have_told(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The two logs that the test above finds empty do fill up when there is something to tell."""
    path = tmp_path_factory.mktemp("noisy") / "noisy.html"
    path.write_text("<!DOCTYPE html><title>x</title><img src='missing.png'><script>console.error('loud')</script>")
    browser.open(path)
    assert any("missing.png" in url for url in browser.requests())
    assert any("loud" in message for message in browser.console())


@pytest.mark.parametrize("width", [320, 390, 1280, 1920])
def test_it_never_scrolls_sideways(show: Show, any_run: dict[str, Any], width: int) -> None:
    page = show(any_run)
    page.emulate(width=width)
    page.ask("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert page.ask("return document.documentElement.scrollWidth") <= width


def test_long_names_do_not_make_it_scroll(show: Show, run: dict[str, Any]) -> None:
    long = "an_unusually_long_name_" * 6
    for race in run["races"]:
        race["strategy"] += long
    for index_set in run["matrix"]["sets"]:
        index_set["title"] += long
    run["server"]["label"] += long
    page = show(run)
    page.emulate(width=390)
    assert page.ask("return document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_chart_is_seen(show: Show, run: dict[str, Any], width: int, scheme: str) -> None:
    page = show(run)
    page.emulate(width=width, scheme=scheme)
    charts = page.ask(CHARTS)
    assert len(charts) == 9
    for label, wide, high, painted in charts:
        assert wide > 0.75 * min(width, 1120), label
        assert high > 40, label
        assert painted >= 4, label


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_in_a_chart_is_covered_or_cut_off(show: Show, any_run: dict[str, Any], width: int) -> None:
    page = show(any_run)
    page.emulate(width=width)
    assert page.ask(OVERLAPS) == []
    assert page.ask(OUTSIDE) == []


def test_what_was_joined_fits_a_phone_and_a_desk(show: Show, joined: dict[str, Any]) -> None:
    page = show(joined)
    assert page.console() == []
    page.ask("document.querySelectorAll('details').forEach(details => details.open = true)")
    for width, scheme in ((390, "dark"), (1280, "light")):
        page.emulate(width=width, scheme=scheme)
        assert page.ask("return document.documentElement.scrollWidth") <= width
        assert (page.ask(OVERLAPS), page.ask(OUTSIDE)) == ([], [])
        clocks = [chart for chart in page.ask(CHARTS) if "latency of each class" in chart[0]]
        assert [painted > 10 for *_, painted in clocks] == [True, True], clocks


CONTRASTS = """
const channel = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const light = colour => {
  const [r, g, b] = colour.match(/[0-9.]+/g).slice(0, 3).map(Number).map(channel);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
return [...document.querySelectorAll('.atlas td b')].map(text => {
  const lights = [light(getComputedStyle(text).color), light(getComputedStyle(text.parentElement).backgroundColor)];
  return (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05);
});
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_of_the_atlas_can_be_read_on_every_colour(show: Show, raced: dict[str, Any], scheme: str) -> None:
    """WCAG 2, level AA: 4.5 to 1."""
    page = show(raced)
    page.emulate(width=1280, scheme=scheme)
    contrasts = page.ask(CONTRASTS)
    assert len(contrasts) == len(raced["atlas"])
    assert min(contrasts) >= 4.5


def test_the_reader_chooses_light_or_dark(show: Show, run: dict[str, Any]) -> None:
    page = show(run)
    papers = []
    for scheme in ("light", "dark"):
        page.emulate(width=1280, scheme=scheme)
        papers.append(page.ask("return getComputedStyle(document.body).backgroundColor"))
    assert papers == ["rgb(255, 255, 255)", "rgb(13, 17, 23)"]


def test_a_figure_of_the_heat_map_leads_to_its_measurements(show: Show, run: dict[str, Any]) -> None:
    page = show(run)
    page.driver.find_element(By.LINK_TEXT, "list_unassigned").click()
    opened = page.ask(
        "return [...document.querySelectorAll('#queries details[open] summary strong')].map(e => e.innerText)"
    )
    assert opened == ["list_unassigned"]
    top = page.ask("return document.querySelector('#query-list_unassigned').getBoundingClientRect().top")
    assert 0 <= top < 300


def test_details_open_from_the_keyboard(show: Show, run: dict[str, Any]) -> None:
    page = show(run)
    summary = page.driver.find_element(By.CSS_SELECTOR, "#price details summary")
    assert not page.driver.find_element(By.CSS_SELECTOR, "#price details table").is_displayed()
    summary.send_keys(" ")
    assert page.driver.find_element(By.CSS_SELECTOR, "#price details table").is_displayed()


def test_paper_shows_the_details_too(show: Show, run: dict[str, Any]) -> None:
    page = show(run)
    heights = (
        "return [...document.querySelectorAll('details td')].map(e => e.checkVisibility({contentVisibilityAuto: true}))"
    )
    assert not any(page.ask(heights))
    page.emulate(width=1000, media="print")
    assert all(page.ask(heights))
    assert page.driver.print_page()


@pytest.mark.parametrize("absent", PARTS)
def test_a_run_without_a_part_opens_in_silence(show: Show, run: dict[str, Any], absent: str) -> None:
    del run[absent]
    page = show(run)
    page.emulate(width=390)
    assert page.ask("return document.documentElement.scrollWidth") <= 390
    assert page.console() == []


def test_hostile_names_run_nothing(show: Show, run: dict[str, Any]) -> None:
    hostile = (
        "</title></style></svg><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    )
    run["matrix"]["sets"][0]["title"] = run["races"][0]["server"] = run["seed"]["profile"] = hostile
    run["matrix"]["cells"][0]["plan"] = hostile
    page = show(run)
    assert "owned" not in page.driver.title.split("<", maxsplit=1)[0]
    assert page.ask("return document.images.length + document.scripts.length") == 0
    assert page.console() == []
