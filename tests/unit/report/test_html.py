"""The page is parsed as a browser would, strictly; what it must hold is counted, what it must not is looked for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from tests.unit.report.conftest import Parse, Shown

from inboxbench.errors import UsageError
from inboxbench.report import render_html

PARTS = ("machine", "server", "seed", "migration", "matrix", "races", "verdict")
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> & {{ 7*7 }} [x](javascript:alert(1))"


_INLINE = {"a", "b", "strong", "span", "wbr", "code", "tspan"}


def _text(element: Element) -> str:
    """What a reader sees: text of blocks apart, of inline elements together."""
    return " ".join(_pieces(element).split())


def _pieces(element: Element) -> str:
    inner = (element.text or "") + "".join(_pieces(child) + (child.tail or "") for child in element)
    return inner if element.tag in _INLINE else f" {inner} "


def _by_id(page: Element, identity: str) -> Element:
    (found,) = [element for element in page.iter() if element.get("id") == identity]
    return found


def _rows(element: Element) -> list[str]:
    """The row headings of its tables."""
    return [_text(th) for th in element.iter("th") if th.get("scope") == "row"]


def _first_words(rows: list[str]) -> Counter[str]:
    return Counter(row.split()[0] for row in rows)


def _attributes(page: Element) -> Iterator[tuple[str, str, str]]:
    for element in page.iter():
        if isinstance(element.tag, str):
            for name, value in element.attrib.items():
                yield element.tag, str(name), value


def test_every_query_stands_once_in_the_heat_map_and_once_in_the_details(shown: Shown) -> None:
    page, run = shown.page, shown.run
    queries = {query["name"]: 1 for query in run["matrix"]["queries"]}
    assert _first_words(_rows(_by_id(page, "reads"))) == queries
    regions = [e.get("id", "") for details in _by_id(page, "queries").iter("details") for e in details.iter("div")]
    assert Counter(identity.removeprefix("query-") for identity in regions) == queries


def test_every_set_stands_once_among_the_prices(shown: Shown) -> None:
    page, run = shown.page, shown.run
    price = _by_id(page, "price")
    table = next(price.iter("table"))
    assert _first_words(_rows(table)) == {s["name"]: 1 for s in run["matrix"]["sets"]}


def test_every_index_of_every_set_is_listed_with_its_definition(shown: Shown) -> None:
    page, run = shown.page, shown.run
    indexes = [index for s in run["matrix"]["sets"] for index in s["indexes"]]
    rows = Counter(row for row in _rows(_by_id(page, "price")))
    for index in indexes:
        row = f"{index['name']} {index['definition']}"
        assert rows[row] == sum(i["name"] == index["name"] for i in indexes)


def test_every_revision_stands_once(shown: Shown) -> None:
    page, run = shown.page, shown.run
    rows = _first_words(_rows(_by_id(page, "migration")))
    for revision in run["migration"]["revisions"]:
        assert rows[revision["revision"]] == 1


def test_every_traffic_class_stands_once(shown: Shown) -> None:
    page, run = shown.page, shown.run
    rows = Counter(_rows(_by_id(page, "migration")))
    for traffic in run["migration"]["traffic"]:
        assert rows[traffic["class"]] == 1


def test_every_strategy_stands_once_for_each_number_of_workers(shown: Shown) -> None:
    page, run = shown.page, shown.run
    rows = _first_words(_rows(_by_id(page, "races")))
    assert rows == Counter(race["strategy"] for race in run["races"])


def test_every_cell_is_in_the_details_with_its_figures(shown: Shown) -> None:
    page, run = shown.page, shown.run
    text = _text(_by_id(page, "queries"))
    rows = [e for e in _by_id(page, "queries").iter("tr") if e.find("td") is not None]
    assert len(rows) == len(run["matrix"]["cells"])
    for cell in run["matrix"]["cells"]:
        assert cell["plan"] in text
        for name, value in cell["params"].items():
            assert f"{name} = {value}" in text


def test_conditions_name_machine_server_settings_seed_and_commit(page: Element, run: dict[str, Any]) -> None:
    text = _text(_by_id(page, "conditions"))
    for fact in (
        "AMD EPYC 7B13",
        "2 cores",
        "24 GB",
        "Linux 6.1",
        "Python 3.11.7",
        "embedded PostgreSQL 18.6",
        "0123abc",
    ):
        assert fact in text
    for setting, value in run["server"]["settings"].items():
        assert f"{setting} {value}" in text
    assert "2026-11-22 14:02 UTC" in text
    assert "small, seed 1" in _text(_by_id(page, "data"))


def test_what_could_not_be_measured_is_said(page: Element, run: dict[str, Any]) -> None:
    assert run["matrix"]["notes"][0] in _text(_by_id(page, "conditions"))


def test_the_verdict_comes_first_and_opens_with_the_choice(page: Element) -> None:
    sections = [e.get("id") for e in page.iter("section")]
    assert sections[0] == "verdict"
    assert sections == ["verdict", "reads", "price", "migration", "races", "data", "queries", "conditions"]
    text = _text(_by_id(page, "verdict"))
    assert "Choose recommended" in text
    assert "9,800/s" in text


def test_nothing_is_fetched_from_anywhere(shown: Shown) -> None:
    page = shown.page
    for tag, name, value in _attributes(page):
        if name in {"src", "srcset", "poster", "data", "action"} or (tag == "link" and name == "href"):
            assert value == "data:,", f"<{tag} {name}={value!r}>"
        elif name.endswith("href"):
            assert value.startswith("#"), f"<{tag} {name}={value!r}>"
        if name == "style":
            assert "url(" not in value
    style = "".join(_text(e) for e in page.iter("style"))
    assert set(re.findall(r"url\(([^)]*)\)", style)) == {"#hatch"}
    assert "@import" not in style
    assert "@font-face" not in style


def test_there_is_no_script_and_the_policy_forbids_one(shown: Shown) -> None:
    page = shown.page
    assert not list(page.iter("script"))
    assert not [name for _, name, _ in _attributes(page) if name.startswith("on")]
    (policy,) = [e for e in page.iter("meta") if e.get("http-equiv") == "Content-Security-Policy"]
    assert (policy.get("content") or "").startswith("default-src 'none';")


def test_links_lead_somewhere_and_ids_are_unique(shown: Shown) -> None:
    page = shown.page
    ids = Counter(value for _, name, value in _attributes(page) if name == "id")
    assert set(ids.values()) == {1}
    targets = {value.removeprefix("#") for _, name, value in _attributes(page) if name.endswith("href")} - {"data:,"}
    assert targets <= set(ids)


def test_headings_descend_one_level_at_a_time(shown: Shown) -> None:
    page = shown.page
    levels = [int(e.tag[1]) for e in page.iter() if isinstance(e.tag, str) and re.fullmatch("h[1-6]", e.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_tables_have_captions_and_headings_with_scope(shown: Shown) -> None:
    page = shown.page
    tables = list(page.iter("table"))
    assert tables
    for table in tables:
        assert len(_text(next(table.iter("caption")))) > 10
    assert {th.get("scope") for th in page.iter("th")} == {"col", "row", "rowgroup"}


def test_charts_are_drawn_and_have_text_alternatives(page: Element) -> None:
    charts = [svg for svg in page.iter("svg") if svg.get("role") == "img"]
    # dot plot, scatter, sizes, build times, traffic, revisions, two races, rows
    assert len(charts) == 9
    for chart in charts:
        assert len(chart.get("aria-label") or "") > 20
        shapes = [e for e in chart.iter() if e.tag in {"rect", "circle", "use"}]
        assert len(shapes) >= 4
    others = [svg for svg in page.iter("svg") if svg.get("role") != "img"]
    hidden = [svg for svg in others if svg.get("aria-hidden") == "true"]
    assert len(hidden) == len(others)


def test_positions_in_charts_are_numbers_inside(shown: Shown) -> None:
    page = shown.page
    seen = 0
    for svg in page.iter("svg"):
        for shape in svg.iter():
            for name in ("x", "x1", "x2", "cx", "width"):
                value = shape.get(name)
                if value and value.endswith("%"):
                    seen += 1
                    assert 0 <= float(value[:-1]) <= 100.001, (shape.tag, name, value)
    assert seen > 500


def test_no_figure_is_nan_or_none(run: dict[str, Any]) -> None:
    page = render_html(run)
    assert not re.search(r"\b(nan|inf|None|undefined)\b", re.sub(r"<style>.*?</style>", "", page, flags=re.S))


def test_the_page_says_its_language_and_scales_on_a_phone(page: Element) -> None:
    assert page.get("lang") == "en"
    names = {e.get("name"): e.get("content") for e in page.iter("meta")}
    assert names["viewport"] == "width=device-width, initial-scale=1"
    assert names["color-scheme"] == "light dark"


@pytest.mark.parametrize("kept", [set(), *({part} for part in PARTS), *(set(pair) for pair in combinations(PARTS, 2))])
def test_any_parts_may_be_absent(run: dict[str, Any], parse: Parse, kept: set[str]) -> None:
    page = parse(render_html({key: value for key, value in run.items() if key not in PARTS or key in kept}))
    sections = {e.get("id") for e in page.iter("section")}
    assert {"verdict", "conditions"} <= sections
    assert ("races" in sections) == ("races" in kept)
    assert ("migration" in sections) == ("migration" in kept)
    assert ("reads" in sections) == ("price" in sections) == ("queries" in sections) == ("matrix" in kept)


def _null(value: Any, path: tuple[str, ...] = ()) -> Any:
    """The document with every figure, text and list that may be unknown made null."""
    needed = {"schema_version", "name", "label", "profile", "revision", "query", "class", "set", "kind", "strategy"}
    if path in {("server", "settings"), ("seed", "rows"), ("seed", "checksums")}:
        return {}
    if isinstance(value, dict):
        return {key: item if key in needed else _null(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list) and path[-1] in {"queries", "sets", "cells", "revisions", "traffic", "races", "classes"}:
        return [_null(item, path) for item in value]
    return "" if path[-1] == "version" else None


def test_every_figure_may_be_unknown(run: dict[str, Any], parse: Parse) -> None:
    document = _null(run)
    document["tool"] = run["tool"]
    page = parse(render_html(document))
    assert not re.search(r"\b(nan|None)\b", _text(_by_id(page, "reads")))


def _hostile(value: Any, path: str = "") -> Any:
    """Every free text of the document replaced, names alike wherever they refer to each other."""
    if isinstance(value, dict):
        return {key: item if key in {"tool", "kind"} else _hostile(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_hostile(item, path) for item in value]
    return f"{value} {HOSTILE}" if isinstance(value, str) else value


def test_hostile_names_stay_text(run: dict[str, Any], parse: Parse) -> None:
    markup = render_html(_hostile(run))
    page = parse(markup)
    assert "<script" not in markup
    assert "<img" not in markup
    assert not [name for _, name, _ in _attributes(page) if name.startswith("on")]
    assert "{{ 7*7 }}" in _text(page)
    assert HOSTILE.split("&", maxsplit=1)[0].strip() in _text(_by_id(page, "verdict"))


def test_a_password_never_reaches_the_page(run: dict[str, Any]) -> None:
    run["server"]["label"] = "postgresql://bench:s3cret@db/app"
    run["server"]["settings"]["password"] = "s3cret"
    run["matrix"]["cells"][0]["params"]["dsn"] = "host=db password=s3cret"
    page = render_html(run)
    assert "s3cret" not in page
    assert "postgresql://bench:***@db/app" in page


def test_a_foreign_document_makes_no_page() -> None:
    with pytest.raises(UsageError, match="schema_version"):
        render_html({"benchmarks": []})


def test_a_wrong_answer_turns_the_verdict_red(run: dict[str, Any], parse: Parse) -> None:
    run["matrix"]["cells"][0]["same_rows"] = False
    page = parse(render_html(run))
    assert "bad" in (_by_id(page, "verdict").get("class") or "").split()
    assert "wrong rows" in _text(_by_id(page, "reads"))


def test_a_cell_that_was_stopped_shows_why(run: dict[str, Any], parse: Parse) -> None:
    run["matrix"]["cells"][0] |= {"failure": "stopped by statement_timeout", "buffers": None, "plan": None}
    page = parse(render_html(run))
    assert "no answer" in _text(_by_id(page, "reads"))
    assert "stopped by statement_timeout" in _text(_by_id(page, "queries"))


def test_the_same_run_gives_the_same_page(run: dict[str, Any]) -> None:
    assert render_html(run) == render_html(run)
