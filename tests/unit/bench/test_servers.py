"""Two servers beside each other: what counts as a change, in which order, and what does not compare."""

from __future__ import annotations

from pathlib import Path

from inboxbench.bench.model import Cell, Matrix
from inboxbench.bench.servers import Contrast, Side, contrast
from inboxbench.bench.workload.queries import Case, ParameterClass, Workload
from inboxbench.explain import Plan
from inboxbench.sqlfile import QueryFile

HUGE = ParameterClass("huge", "the largest", ("accounts",))


def _cell(name: str, buffers: int | None, *, line: str = "Index Scan i", answer: str = "a", account: int = 1) -> Cell:
    query = QueryFile(
        Path(f"{name}.sql"), name, name, "list", (), {"account": "bigint"}, ("huge",), "ordered", "SELECT 1"
    )
    plan = None if buffers is None else Plan(line, buffers, 1, 0, 1.0, False, ("i",), {}, 3)
    return Cell(Case(query, HUGE, {"account": account}), "own", plan, answer=answer, stopped=plan is None)


def _compared(before: list[Cell], now: list[Cell]) -> Contrast:
    sides = [
        Side(label, 0, Matrix("p", Workload((), ()), (), tuple(cells)))
        for label, cells in (("18", before), ("17", now))
    ]
    return contrast(*sides)


def test_what_got_dearer_comes_first_then_what_got_cheaper() -> None:
    names = ("same", "double", "half", "tenfold", "stopped")
    found = _compared(
        [_cell(name, 100) for name in names],
        [_cell(name, buffers) for name, buffers in zip(names, (101, 200, 50, 1000, None), strict=True)],
    )
    assert [one.before.case.query.name for one in found.ranked] == ["stopped", "tenfold", "double", "half"]
    assert found.headline == "18 → 17: 1 of 5 plans differ, 1 cells read less and 3 more by over 2 pages"


def test_the_typical_ratio_leaves_out_what_does_not_compare() -> None:
    found = _compared(
        [_cell("a", 100), _cell("b", 100), _cell("c", 100)],
        [_cell("a", 200), _cell("b", 50), _cell("c", 900, account=2)],
    )
    assert found.typical("own") == 1.0
    assert found.typical("other") is None
    assert [one.before.case.query.name for one in found.ranked if one.other_values] == ["c"]


def test_other_rows_from_the_same_values_are_news_at_the_same_cost() -> None:
    (change,) = _compared([_cell("a", 9)], [_cell("a", 9, answer="b")]).ranked
    assert change.other_rows
    assert change.to_json()["before"] == {"buffers": 9, "searches": 3, "plan": "Index Scan i"}


def test_a_case_of_one_server_alone_is_named() -> None:
    found = _compared([_cell("a", 9), _cell("b", 9)], [_cell("b", 9)])
    assert found.lacking == ("a [huge]",)
    assert len(found.changes) == 1
