"""An upgrade: what counts as another plan, as dearer, as chance, as an index that idles."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.bench.model import Cell, Matrix
from inboxbench.bench.servers import Side, contrast
from inboxbench.bench.upgrade import Upgrade, upgrade, upgrade_lab
from inboxbench.bench.workload.queries import GIVEN, Case, Workload
from inboxbench.explain import Plan
from inboxbench.sqlfile import QueryFile


def _plan(line: str, buffers: int = 100) -> Plan:
    return Plan(line, buffers, 1, 0, 1.0, False, tuple(line.split()[1:2]), {}, planning=buffers)


def _cell(
    name: str, plan: Plan | None, *, stopped: bool = False, answer: str = "a", index_set: str = "current"
) -> Cell:
    query = QueryFile(Path(f"{name}.sql"), name, name, "", (), {}, (), "ordered", "SELECT 1")
    failure = None if plan else "stopped" if stopped else "column x does not exist"
    return Cell(Case(query, GIVEN, {}), index_set, plan, answer=answer, failure=failure, stopped=stopped)


def _side(label: str, cells: list[Cell], sampled: dict[str, tuple[str, ...]] | None = None) -> Side:
    plans = {f"{name} [given]": tuple(map(_plan, lines)) for name, lines in (sampled or {}).items()}
    return Side(label, 0, Matrix("p", Workload((), ()), (), tuple(cells)), plans)


def _upgraded(first: Side, second: Side) -> Upgrade:
    made = upgrade(contrast(first, second))
    assert made is not None
    return made


def test_the_same_twice_raises_nothing() -> None:
    cells = [_cell("a", _plan("Index i"))]
    made = _upgraded(_side("15", cells), _side("18", cells))
    assert not made.raises
    assert made.verdict == "15 → 18: no plan of 1 changes, and no query gets dearer"


def test_a_plan_has_changed_where_no_sample_gives_one_that_both_have() -> None:
    first = _side("15", [_cell("a", _plan("Index i"))], {"a": ("Index i", "Index i")})
    second = _side("18", [_cell("a", _plan("Seq t", 900))], {"a": ("Seq t", "Seq t")})
    made = _upgraded(first, second)
    (moved,) = made.moved
    assert (moved.other_plan, moved.dearer, moved.by_chance) == (True, True, False)
    assert made.idle == ("i",)
    assert made.verdict == ("15 → 18: 1 of 1 get dearer, most a [given] (9×); 1 plan changes; no plan reads i any more")


def test_what_another_sample_changes_on_one_server_is_chance() -> None:
    first = _side("15", [_cell("a", _plan("Index i"))], {"a": ("Index i", "Seq t")})
    second = _side("18", [_cell("a", _plan("Seq t", 900))], {"a": ("Seq t",)})
    made = _upgraded(first, second)
    (moved,) = made.moved
    assert (moved.other_plan, moved.dearer, moved.by_chance) == (False, False, True)
    document = {"contrast": [contrast(first, second).to_json() | {"upgrade": made.to_json()}]}
    assert "by chance of the statistics" in " ".join(upgrade_lab(document).remarks)


@pytest.mark.parametrize(
    ("before", "now", "ratio", "dearer", "cheaper"),
    [
        (100, 101, 1.01, False, False),
        (100, 120, 1.2, True, False),
        (2, 6, 3.0, False, False),  # four pages are no news
        (120, 100, 0.833, False, True),
        (1000, 1000, 1.0, False, False),
    ],
)
def test_dearer_is_by_ratio_and_by_pages(before: int, now: int, ratio: float, dearer: bool, cheaper: bool) -> None:
    made = _upgraded(
        _side("15", [_cell("a", _plan("Index i", before))]), _side("18", [_cell("a", _plan("Index i", now))])
    )
    (moved,) = made.moved
    assert moved.ratio == pytest.approx(ratio, abs=0.001)  # planning is no part of it
    assert (moved.dearer, moved.cheaper) == (dearer, cheaper)
    assert made.raises == dearer


def test_what_is_stopped_there_is_dearest_and_what_fails_is_broken() -> None:
    names = ("stopped", "fails", "dearer")
    first = _side("15", [_cell(name, _plan("Index i")) for name in names])
    cells = [_cell("stopped", None, stopped=True), _cell("fails", None), _cell("dearer", _plan("Index i", 300))]
    made = _upgraded(first, _side("18", cells))
    assert [moved.change.before.case.query.name for moved in made.chosen(lambda moved: moved.dearer)] == [
        "stopped", "dearer",
    ]  # fmt: skip
    assert [moved.broken for moved in made.moved if moved.broken] == ["column x does not exist"]
    assert "1 of 3 cases fail there; 2 of 3 get dearer, most stopped [given] (stopped there)" in made.verdict


def test_sets_other_than_what_the_database_has_are_no_upgrade() -> None:
    side = _side("15", [_cell("a", _plan("Index i"), index_set="best")])
    assert upgrade(contrast(side, side)) is None
