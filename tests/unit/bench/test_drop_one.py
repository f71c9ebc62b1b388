"""Words for an index that was removed: needed, harmful, redundant, unused, and what counts as a change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.bench.growth.test_curve import CASE, point

from inboxbench.bench.drop_one import Removal, WriteChange, removal
from inboxbench.bench.model import Cell, Matrix, SetResult
from inboxbench.bench.sets.indexset import BuiltIndex, Index, IndexSet
from inboxbench.bench.workload.queries import Workload
from inboxbench.bench.workload.writes import WriteCost

INDEX = Index("i", "conversations (account_id)")


def write(wal: float, buffers: float | None = 20.0) -> WriteCost:
    return WriteCost("insert_message", "a message", "insert", 1000, wal, 500.0, 1.0, buffers)


def removed(
    before: int | None, after: int | None, *, uses: str = "i", writes: tuple[float, float] = (20, 20)
) -> Removal:
    """Index `i` taken away; `uses` is the index that the plan with the whole set names."""
    index_set = IndexSet("whole", "whole", "", (INDEX,))
    whole = SetResult(index_set, (BuiltIndex(INDEX, 8192, 0.1),), 8192, (write(700, writes[0]),))
    part = SetResult(IndexSet("part", "part", "", ()), (), 0, (write(640, writes[1]),))
    cells = [_cell("whole", before, uses), _cell("part", after, "other")]
    return removal(Matrix("tiny", Workload((), (), (CASE,)), (whole, part), tuple(cells)), whole, part)


def _cell(name: str, buffers: int | None, uses: str) -> Cell:
    cell = point(100, buffers).cell
    assert cell is not None
    plan = replace(cell.plan, indexes=(uses,)) if cell.plan else None
    return replace(cell, index_set=name, plan=plan)


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (removed(20, 400), "needed"),
        (removed(20, 22), "needed"),
        (removed(20, 21), "redundant"),
        (removed(20, 20), "redundant"),
        (removed(20, 20, uses="other"), "unused"),
        (removed(400, 20), "harmful"),
        (removed(5, 3), "redundant"),
        (removed(20, None), "needed"),
        (removed(None, 20), "harmful"),
        (removed(None, None), "unused"),
        (removed(20, 20, uses="other", writes=(20, 400)), "needed"),
        (removed(20, 20, uses="other", writes=(20, 22)), "unused"),
    ],
)
def test_a_word_for_each(found: Removal, word: str) -> None:
    assert found.word == word


def test_what_it_saves() -> None:
    found = removed(20, 20)
    assert (found.saved, found.insert_wal, found.update_wal) == (8192, 60.0, None)
    assert found.used_by == ("all [huge]",)
    document = found.to_json()
    assert document["writes"][0]["wal_bytes_before"] == 700
    assert document["writes"][0]["wal_bytes_after"] == 640


def test_writes_without_counters_lose_nothing() -> None:
    assert not WriteChange(write(700, None), write(700, None)).loses
