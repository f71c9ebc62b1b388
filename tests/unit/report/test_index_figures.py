from __future__ import annotations

from typing import Any

import pytest

from inboxbench.report.index_figures import compare, most_saved, worst_cell
from inboxbench.report.model import read_run


def _matrix(reads: dict[str, dict[str, list[float | None]]], costs: dict[str, tuple[float, float]]) -> dict[str, Any]:
    """reads[set][query] = one figure per parameter class; costs[set] = (insert WAL, bytes)."""
    queries = list(next(iter(reads.values())))
    cells = [
        {"query": query, "class": f"c{number}", "set": name, "buffers": buffers, "same_rows": True}
        for name, by_query in reads.items()
        for query, figures in by_query.items()
        for number, buffers in enumerate(figures)
    ]
    return {
        "schema_version": 1,
        "tool": {"name": "inboxbench"},
        "matrix": {
            "queries": [{"name": query} for query in queries],
            "sets": [{"name": n, "insert_wal_bytes": costs[n][0], "bytes": costs[n][1]} for n in reads],
            "cells": cells,
        },
    }


THREE = _matrix(
    {
        "baseline": {"a": [10, 100], "b": [1000, 10]},
        "wide": {"a": [5, 20], "b": [4, 2]},
        "lean": {"a": [6, 30], "b": [4, 2]},
    },
    {"baseline": (100, 1000), "wide": (300, 3000), "lean": (150, 1500)},
)


def test_reads_are_the_geometric_mean_of_the_worst_classes() -> None:
    base = compare(read_run(THREE)).of("baseline")
    assert base is not None
    assert base.typical_reads == pytest.approx((100 * 1000) ** 0.5)
    assert base.median_reads == 55
    assert base.worst is not None
    assert (base.worst.query, base.worst_reads) == ("b", 1000)


def test_the_verdict_of_the_run_is_followed() -> None:
    comparison = compare(read_run(THREE | {"verdict": {"recommended": "wide", "baseline": "lean"}}))
    assert comparison.chosen is not None
    assert comparison.baseline is not None
    assert (comparison.chosen.name, comparison.baseline.name) == ("wide", "lean")


def test_who_is_dominated_is_the_verdicts_to_say() -> None:
    rows = [{"set": "wide", "dominated_by": "lean"}, {"set": "lean"}]
    comparison = compare(read_run(THREE | {"verdict": {"recommended": "lean", "pareto": rows}}))
    assert [result.dominated_by for result in comparison.results] == [None, "lean", None]


@pytest.mark.parametrize("fault", [{"same_rows": False}, {"failure": "stopped by statement_timeout"}])
def test_a_cell_that_answers_wrong_or_not_is_kept_apart(fault: dict[str, Any]) -> None:
    run = _matrix({"one": {"a": [10]}, "broken": {"a": [1]}}, {"one": (150, 1500), "broken": (10, 10)})
    run["matrix"]["cells"][1] |= fault
    comparison = compare(read_run(run))
    assert comparison.chosen is None
    broken = comparison.of("broken")
    assert broken is not None
    assert len(broken.wrong) + len(broken.failed) == 1


def test_a_set_without_figures_has_none() -> None:
    run = _matrix({"one": {"a": [10]}, "empty": {"a": [None]}}, {"one": (1, 1), "empty": (1, 1)})
    empty = compare(read_run(run)).of("empty")
    assert empty is not None
    assert (empty.typical_reads, empty.median_reads, empty.worst, empty.dominated_by) == (None, None, None, None)


def test_a_run_without_a_matrix_compares_nothing() -> None:
    comparison = compare(read_run({"schema_version": 1, "tool": {"name": "inboxbench"}}))
    assert (comparison.results, comparison.chosen, comparison.baseline) == ((), None, None)


def test_the_largest_gain_is_seen_in_the_worst_class_of_the_baseline() -> None:
    run = read_run(THREE | {"verdict": {"recommended": "lean"}})
    comparison = compare(run)
    assert run.matrix is not None
    assert comparison.baseline is not None
    assert comparison.chosen is not None
    gained = most_saved(run.matrix, comparison.baseline, comparison.chosen)
    assert gained is not None
    query, before, after = gained
    assert (query.name, before.buffers, after.buffers) == ("b", 1000, 4)


def test_the_worst_cell_may_be_any_set() -> None:
    matrix = read_run(THREE).matrix
    assert matrix is not None
    worst = worst_cell(matrix.cells, "a")
    assert worst is not None
    assert (worst.index_set, worst.buffers) == ("baseline", 100)
    assert worst_cell(matrix.cells, "nothing") is None
