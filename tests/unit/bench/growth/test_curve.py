"""Curves: when a prediction holds, what a flip says, what a missing or a stopped size does to the law."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.bench.growth.curve import Curve, Point, curve
from inboxbench.bench.model import Cell
from inboxbench.bench.workload.queries import Case, ParameterClass
from inboxbench.explain import Plan
from inboxbench.sqlfile import QueryFile

QUERY = QueryFile(Path("all.sql"), "all", "the list", "list", (), {}, ("huge",), "ordered", "SELECT 1")
CASE = Case(QUERY, ParameterClass("huge", "the largest account", ("accounts",)), {})


def point(messages: int, buffers: int | None, line: str = "Index Scan i → Limit") -> Point:
    plan = None if buffers is None else Plan(line, buffers, 25, 0, 1.0, False, ("i",), {})
    failure = None if plan else "stopped by statement_timeout"
    return Point(messages / 100, messages, Cell(CASE, "baseline", plan, failure=failure, stopped=plan is None))


def drawn(*points: Point, check: Point | None = None) -> Curve:
    return curve(points, check, ("all", "huge", "baseline"), "messages")


LINEAR = (point(100, 100), point(200, 200), point(400, 400))


@pytest.mark.parametrize(("buffers", "held"), [(800, True), (900, True), (700, True), (950, False), (600, False)])
def test_a_prediction_holds_within_15_percent(buffers: int, held: bool) -> None:
    found = drawn(*LINEAR, check=point(800, buffers))
    assert found.holds is held
    assert found.error == pytest.approx(buffers / 800 - 1)


def test_a_prediction_of_few_buffers_may_be_two_off() -> None:
    flat = (point(100, 3), point(200, 3), point(400, 3))
    assert drawn(*flat, check=point(800, 5)).holds
    assert drawn(*flat, check=point(800, 6)).holds is False


def test_a_flip_names_sizes_buffers_and_both_plans() -> None:
    found = drawn(*LINEAR[:2], point(400, 8000, "Seq Scan messages → Limit"))
    (flip,) = found.flips
    assert str(flip) == (
        "all [huge] under baseline, 200 → 400 messages, 200 → 8,000 buffers: "
        "Seq Scan messages → Limit instead of Index Scan i → Limit"
    )
    assert flip.jump == pytest.approx(20)
    assert not found.one_plan
    assert drawn(*LINEAR).one_plan


def test_a_flip_at_the_size_that_was_predicted_is_one_too() -> None:
    found = drawn(*LINEAR, check=point(800, 9, "Index Scan j → Limit"))
    assert [flip.large.size for flip in found.flips] == [800]
    assert found.holds is False


@pytest.mark.parametrize("gone", [point(400, None), Point(4, 400, None)], ids=["stopped", "no parameters"])
def test_two_figures_are_no_law(gone: Point) -> None:
    found = drawn(*LINEAR[:2], gone, check=point(800, 800))
    assert found.law is None
    assert found.predicted is None
    assert found.holds is None
    assert found.at(1e9) is None
    document = found.to_json((1e9,))
    assert document["k"] is None
    assert document["extrapolated"] == []
    assert document["points"][2]["buffers"] is None
    assert document["points"][2]["failure"]


def test_what_is_extrapolated_is_told_from_what_is_measured() -> None:
    (far,) = drawn(*LINEAR, check=point(800, 800)).to_json((8000.0,))["extrapolated"]
    assert far["beyond"] == 10
    assert far["value"] == pytest.approx(8000)
    assert far["one_plan"]
    assert not far["uncertain"]
