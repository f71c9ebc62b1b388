"""What the cost of a request is made of, which weights of the mix decide, and what was not tried."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.bench.verdict.test_verdict import LIST, SEARCH, cell, matrix, record, result, verdict, written

from inboxbench.bench.model import Cell
from inboxbench.bench.verdict.cost import PLANNING, ROW, TEMP, statement_cost


def dearer(of: Cell, **parts: Any) -> Cell:
    assert of.plan
    return replace(of, plan=replace(of.plan, **parts))


@pytest.mark.parametrize(("part", "weight"), [("visited", ROW), ("temp", TEMP), ("planning", PLANNING)])
def test_work_besides_pages_costs(part: str, weight: float) -> None:
    """Of two sets that look at as many pages, the one whose rows, files or plans cost less is chosen."""
    cells = [dearer(cell(LIST, "busy", 100), **{part: 1000}), cell(LIST, "calm", 100)]
    found = verdict(matrix([result("busy", 512), result("calm", 512)], cells), {"list": 1})
    assert found["recommended"] == "calm"
    costs = {row["set"]: row["read_cost"] for row in found["pareto"]}
    assert costs == {"busy": 100 + weight * 1000, "calm": 100}
    assert f"{ROW:g} for each row" in found["currency"]


def test_a_cost_is_never_nothing() -> None:
    plan = cell(LIST, "x", 0).plan
    assert plan
    assert statement_cost(plan) == 1


def test_the_first_sentence_is_the_rule_and_the_next_set() -> None:
    sets = [result("poor", 0), result("good", 0), result("fair", 0)]
    found = verdict(
        matrix(sets, [cell(LIST, "poor", 900), cell(LIST, "good", 100), cell(LIST, "fair", 200)]), {"list": 1}
    )
    assert found["headline"] == (
        "Choose Good: a request of the mix (list 100%) costs 100 pages against 200 under Fair, the next (2×); "
        "9× as many under Poor."
    )


def test_a_smaller_set_within_five_percent_says_so() -> None:
    sets = [result("large", 0, size=9 << 20), result("small", 0, size=1 << 20)]
    found = verdict(matrix(sets, [cell(LIST, "large", 100), cell(LIST, "small", 104)]), {"list": 1})
    assert found["headline"] == (
        "Choose Small: a request of the mix (list 100%) costs 104 pages against 100 under Large, which is less by "
        "under 5 %, with smaller indexes (1 MB against 9 MB)."
    )


def rare() -> dict[str, Any]:
    """lists: 10 against 20 pages; a search, two of 100 requests: 10,000 against 1,000. Searches decide."""
    cells = [
        cell(LIST, "lists", 10),
        cell(LIST, "words", 20),
        cell(SEARCH, "lists", 10_000),
        cell(SEARCH, "words", 1_000),
    ]
    return verdict(matrix([result("lists", 0), result("words", 0)], cells), {"list": 98, "search": 2})


def test_a_query_of_small_weight_that_decides_is_named_with_the_weight_at_which_it_does_not() -> None:
    """0.98 · 10 + 0.02 · 10,000 against 0.98 · 20 + 0.02 · 1,000: even at s / (1 - s) = 10 / 9,000."""
    found = rare()
    assert found["recommended"] == "words"
    (turn,) = found["turns"]
    assert (turn["name"], turn["to"], turn["class"], turn["cost"]) == ("word", "lists", "huge", 1000)
    assert turn["turns_at"] == pytest.approx(10 / 9010, abs=1e-6)
    reasons = found["reasons"]
    assert "the word decides: at fewer than 0.11 of 100 requests instead of 2, Lists would win." in reasons
    assert "Of its cost, 51 % are word [huge]: 1,000 pages, in 2 of 100 requests." in reasons


def test_a_weight_that_would_have_to_change_much_decides_nothing() -> None:
    assert verdict(matrix([result("a", 0), result("b", 0)], [
        cell(LIST, "a", 10), cell(LIST, "b", 20), cell(SEARCH, "a", 9), cell(SEARCH, "b", 8),
    ]), {"list": 98, "search": 2})["turns"] == []  # fmt: skip


def test_sets_that_were_not_tried_are_named_by_every_writer() -> None:
    measured = matrix([result("lean", 512), result("rich", 512)], [cell(LIST, "lean", 10), cell(LIST, "rich", 30)])
    document = record(replace(measured, untried=(("wide", "--sets does not name them"),)))
    assert document["verdict"]["not_tried"] == [{"set": "wide", "why": "--sets does not name them"}]
    assert document["verdict"]["reasons"][-1] == "Not tried: wide; --sets does not name them."
    for writer, text in written(document).items():
        assert "Not tried" in text, writer
        assert "wide" in text, writer


def test_times_that_were_not_taken_have_no_figure() -> None:
    cells = [replace(cell(LIST, name, 10), timing=None) for name in ("lean", "rich")]
    found = verdict(matrix([result("lean", 512), result("rich", 1024)], cells))
    assert {row["ms_mean"] for row in found["pareto"]} | {row["ms_worst"] for row in found["pareto"]} == {None}
