"""A whole run to show, parsed pages, and nothing shared between tests that one could change for another."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import pytest

from inboxbench.report import render_html

SAMPLE = Path(__file__).with_name("sample_run.json")  # made up: tests know its figures
RECORDED = Path(__file__).with_name("recorded_run.json")  # of a real demo: tests know its shape alone
ATLAS, BENCH = (SAMPLE.with_name(name) for name in ("atlas.json", "bench.json"))  # printed by real runs
Parse = Callable[[str], Element]


def raced_run() -> dict[str, Any]:
    """A run of races alone: what `race atlas` and `race bench` printed."""
    rows = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in (("atlas", ATLAS), ("races", BENCH))}
    return {"schema_version": 1, "tool": {"name": "inboxbench"}} | rows


@pytest.fixture
def run() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(SAMPLE.read_text(encoding="utf-8"))
    return document


@pytest.fixture(scope="session")
def parse() -> Parse:
    """Parses as the specification says, and raises at the first thing it does not allow."""

    def parse_page(page: str) -> Element:
        parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
        root: Element = parser.parse(page)
        for element in root.iter():
            if isinstance(element.tag, str):
                element.tag = element.tag.removeprefix("{http://www.w3.org/2000/svg}")
        return root

    return parse_page


@dataclass(frozen=True)
class Shown:
    """A run and its page; nobody changes either."""

    run: dict[str, Any]
    page: Element


@pytest.fixture(scope="session", params=[SAMPLE, RECORDED], ids=["sample", "recorded"])
def shown(request: pytest.FixtureRequest, parse: Parse) -> Shown:
    document: dict[str, Any] = json.loads(request.param.read_text(encoding="utf-8"))
    return Shown(document, parse(render_html(document)))


@pytest.fixture(scope="session")
def page(parse: Parse) -> Element:
    """The sample's page; parsed once, for nobody changes it."""
    return parse(render_html(json.loads(SAMPLE.read_text(encoding="utf-8"))))
