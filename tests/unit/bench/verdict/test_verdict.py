"""The verdict: the rule that picks a set, and what is said for and against it."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from inboxbench.bench.execute.session import Timing
from inboxbench.bench.model import Cell, Matrix, SetResult, normal
from inboxbench.bench.sets.indexset import IndexSet
from inboxbench.bench.verdict.verdict import decide
from inboxbench.bench.workload.queries import Case, ParameterClass, Workload
from inboxbench.bench.workload.writes import WriteCost
from inboxbench.errors import SubjectFailed
from inboxbench.explain import Plan
from inboxbench.record import read
from inboxbench.report import print_summary, render_html, render_markdown
from inboxbench.report.verdict import Verdict
from inboxbench.sqlfile import Order, QueryFile


def verdict(*given: Any) -> dict[str, Any]:
    """The verdict as the record holds it; what is read back from there is the same."""
    found = decide(*given)
    document: dict[str, Any] = json.loads(json.dumps(found.to_json()))
    assert read(Verdict, document).to_json() == document
    return document


def query(name: str, family: str = "list", order: Order = "ordered") -> QueryFile:
    return QueryFile(Path(f"{name}.sql"), name, f"the {name}", family, ("C7",), {}, ("huge", "tiny"), order, "SELECT 1")


def case(name: str, parameter_class: str = "huge", family: str = "list") -> Case:
    return Case(query(name, family), ParameterClass(parameter_class, f"the {parameter_class} account", ("x",)), {})


def cell(of: Case, index_set: str, buffers: int | None, *, same_rows: bool | None = True) -> Cell:
    if buffers is None:
        return Cell(of, index_set, failure="stopped by statement_timeout", stopped=True)
    plan = Plan("Index Scan i → Limit", buffers, 25, 0, 1.0, False, ("i",), {})
    return Cell(of, index_set, plan, Timing(1.0, 2.0, 15), same_rows=same_rows)


def result(name: str, wal: float, size: int = 1 << 20, hot: float = 1.0, pages: float = 0.0) -> SetResult:
    write = WriteCost("insert_message", "a message", "insert", 1000, wal, 500.0, hot, pages)
    return SetResult(IndexSet(name, name.title(), "", ()), (), size, (write,))


def matrix(sets: list[SetResult], cells: list[Cell]) -> Matrix:
    cases = tuple({found.case.name: found.case for found in cells}.values())
    queries = tuple({found.query.name: found.query for found in cases}.values())
    return Matrix("tiny", Workload(queries, (), cases), tuple(sets), tuple(cells))


LIST, TINY, SEARCH = case("all"), case("all", "tiny"), case("word", "huge", "search")


def test_least_cost_of_reads_and_writes_together() -> None:
    """Reads 35 and 40 pages at the mean, writes 102 and 51: at four reads to a write lean costs 42 pages, fat 48."""
    found = verdict(
        matrix(
            [result("poor", 512), result("lean", 512, pages=50), result("fat", 1024, pages=100)],
            [
                *(cell(LIST, "poor", 400), cell(SEARCH, "poor", 90_000)),
                *(cell(LIST, "lean", 20), cell(SEARCH, "lean", 60)),
                *(cell(LIST, "fat", 20), cell(SEARCH, "fat", 50)),
            ],
        )
    )
    assert found["recommended"] == "lean"
    costs = {row["set"]: row["cost"] for row in found["pareto"]}
    assert (costs["lean"], costs["fat"]) == pytest.approx((0.8 * 40 + 0.2 * 51, 0.8 * 35 + 0.2 * 102))
    assert found["ratios"]["fat"]["insert_wal"] == 2.0
    assert found["ratios"]["fat"]["reads"] < 1 < found["ratios"]["poor"]["reads"]
    assert found["ratios"]["poor"]["worst"] == {
        "query": "word",
        "class": "huge",
        "buffers": 90_000,
        "against": 60,
        "ratio": 1500.0,
    }


def two_ways() -> Matrix:
    """A lean set that searches badly, and one that searches well at ten times the writes."""
    sets = [result("lean", 512, pages=9), result("rich", 5120, size=4 << 20, pages=90)]
    cells = [cell(LIST, "lean", 10), cell(LIST, "rich", 10), cell(SEARCH, "lean", 1010), cell(SEARCH, "rich", 110)]
    return matrix(sets, cells)


def test_recommendation_follows_the_mix() -> None:
    """R: 510 and 60 pages, W: 10 and 100; even at 90 / 450 = 0.2 reads for a write."""
    assert verdict(two_ways(), {"reads": 80, "writes": 20})["recommended"] == "rich"
    assert verdict(two_ways(), {"writes": 1})["recommended"] == "lean"
    assert verdict(two_ways(), {"list": 90, "writes": 10})["recommended"] == "lean"
    assert verdict(two_ways(), {"reads": 30, "writes": 100})["recommended"] == "rich"
    assert verdict(two_ways(), {"reads": 15, "writes": 100})["recommended"] == "lean"


def test_break_even_is_where_both_cost_the_same() -> None:
    found = verdict(two_ways(), {"reads": 80, "writes": 20})
    (even,) = found["break_even"]
    assert (even["leaner"], even["reader"], even["reads_per_write"]) == ("lean", "rich", 0.2)
    assert even["always"] is None
    assert "Reads for a write at which it pays: from 0.2 against Lean." in found["reasons"]
    assert "It costs least from 0 to 83 writes in 100 requests; above that Lean does." in found["reasons"]
    lean, rich = found["pareto"]
    assert lean["read_cost"] * 0.2 + lean["write_cost"] == rich["read_cost"] * 0.2 + rich["write_cost"]


def test_one_that_costs_no_more_on_either_side_has_no_break_even_and_dominates() -> None:
    sets = [result("good", 512), result("bad", 5120, size=2 << 20)]
    found = verdict(matrix(sets, [cell(LIST, "good", 10), cell(LIST, "bad", 20)]))
    (even,) = found["break_even"]
    assert (even["always"], even["reads_per_write"]) == ("good", None)
    assert {row["set"]: row["dominated_by"] for row in found["pareto"]} == {"good": None, "bad": "good"}
    assert "It costs least of all sets at any share of writes." in found["reasons"]


@pytest.mark.parametrize(
    ("wal", "size", "dominated"),
    [(150, 1500, None), (140, 1500, "other"), (160, 1500, None), (149.7, 1400, "other"), (140, 1600, None)],
)
def test_dominated_is_no_better_anywhere_and_worse_somewhere(wal: float, size: int, dominated: str | None) -> None:
    """Same reads throughout; WAL within half a percent is the same WAL."""
    sets = [result("one", 150, size=1500), result("other", wal, size=size)]
    found = verdict(matrix(sets, [cell(LIST, "one", 10), cell(LIST, "other", 10)]))
    assert found["pareto"][0]["dominated_by"] == dominated


def record(measured: Matrix, *given: Any) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "tool": {"name": "inboxbench"},
        "matrix": json.loads(json.dumps(measured.to_json())) | {"classes": []},
        "verdict": verdict(measured, *given),
    }


def written(document: dict[str, Any]) -> dict[str, str]:
    """A record as each writer shows it."""
    out = io.StringIO()
    print_summary(document, Console(file=out, width=100))
    page = re.sub(r"<[^>]+>", "", re.sub(r"<style>.*?</style>", "", render_html(document), flags=re.S))
    return {"terminal": out.getvalue(), "markdown": render_markdown(document).replace("*", ""), "page": page}


def test_every_writer_names_the_set_that_the_rule_chooses() -> None:
    """By the rule that the report had of its own (of the sets within twice the fewest reads the one with least WAL per
    insert) this is `rich` at any mix: its typical query reads 33 pages, and 100 under `lean`."""
    measured = two_ways()
    for weights, name, other in (({"writes": 1}, "lean", "rich"), ({"reads": 80, "writes": 20}, "rich", "lean")):
        document = record(measured, weights)
        assert document["verdict"]["recommended"] == name
        assert document["verdict"]["runner_up"] == other
        keeps = "Keep lean:" if name == "lean" else "Choose rich"
        for writer, text in written(document).items():
            assert keeps in text, writer
            assert f"Choose {other}" not in text, writer
            assert f"Keep {other}" not in text, writer


def test_nothing_is_said_about_writes_that_nobody_measured() -> None:
    sets = [replace(result(name, 512), writes=()) for name in ("lean", "rich")]
    cells = [cell(LIST, "lean", 10), cell(LIST, "rich", 10), cell(SEARCH, "lean", 1010), cell(SEARCH, "rich", 110)]
    document = record(matrix(sets, cells))
    assert document["verdict"]["not_measured"] == ["writes"]
    assert document["verdict"]["break_even"] == []
    for said in (*document["verdict"]["reasons"], document["verdict"]["headline"], document["verdict"]["currency"]):
        assert "write" not in said
        assert "WAL" not in said
    for writer, text in written(document).items():
        assert not re.search(r"\bwrites?\b|WAL|[Ii]nsert", text), writer


def test_a_set_that_cannot_be_chosen_is_named_with_the_reason() -> None:
    cells = [cell(LIST, "slow", 10), cell(SEARCH, "slow", None), cell(LIST, "able", 30), cell(SEARCH, "able", 30)]
    found = verdict(matrix([result("slow", 1), result("able", 1)], cells))
    assert found["left_out"] == [{"set": "slow", "why": "does not answer all of the mix in time"}]
    assert found["runner_up"] is None


def test_a_set_better_in_one_column_is_not_dominated() -> None:
    sets = [result("good", 512, hot=0.0), result("hot", 5120, size=2 << 20, hot=1.0)]
    found = verdict(matrix(sets, [cell(LIST, "good", 10), cell(LIST, "hot", 20)]))
    assert [row["dominated_by"] for row in found["pareto"]] == [None, None]


def test_equal_costs_are_decided_by_size() -> None:
    sets = [result("large", 512, size=9 << 20), result("small", 512, size=1 << 20)]
    found = verdict(matrix(sets, [cell(LIST, "large", 100), cell(LIST, "small", 104)]))
    assert found["recommended"] == "small"
    assert "Large costs 96 % of that, but its indexes are larger." in found["reasons"]


def test_a_set_that_gives_other_rows_is_never_chosen() -> None:
    cells = [cell(LIST, "right", 50), cell(LIST, "quick", 5, same_rows=False)]
    assert verdict(matrix([result("right", 1), result("quick", 1)], cells))["recommended"] == "right"


def test_what_the_mix_does_not_ask_for_may_be_stopped() -> None:
    cells = [cell(LIST, "slow", 10), cell(SEARCH, "slow", None), cell(LIST, "able", 30), cell(SEARCH, "able", 30)]
    assert verdict(matrix([result("slow", 1), result("able", 1)], cells), {"list": 1})["recommended"] == "slow"


def test_a_query_that_fails_everywhere_lets_no_set_be_chosen_that_gives_other_rows() -> None:
    broken = [Cell(SEARCH, name, failure="no such column") for name in ("wrong", "right")]
    cells = [cell(LIST, "right", 30), cell(LIST, "wrong", 10, same_rows=False), *broken]
    assert verdict(matrix([result("right", 2), result("wrong", 1)], cells))["recommended"] == "right"


def test_a_set_that_answers_less_dominates_none_that_answers_more() -> None:
    cells = [cell(LIST, "half", 10), Cell(SEARCH, "half", failure="no such function")]
    cells += [cell(LIST, "whole", 10), cell(SEARCH, "whole", 90)]
    found = verdict(matrix([result("half", 1), result("whole", 2)], cells))
    assert found["recommended"] == "whole"
    assert {row["set"]: row["dominated_by"] for row in found["pareto"]} == {"half": None, "whole": None}


def test_worst_class_counts_and_many_small_ones_do_not_hide_it() -> None:
    small = [case("all", f"small{number}") for number in range(20)]
    found = verdict(
        matrix(
            [result("hides", 100), result("serves", 200)],
            [
                *(cell(LIST, "hides", 5_000), cell(LIST, "serves", 30)),
                *(cell(one, "hides", 3) for one in small),
                *(cell(one, "serves", 4) for one in small),
            ],
        )
    )
    assert found["recommended"] == "serves"
    assert "5,000 under Hides (167×)" in " ".join(found["reasons"])


def test_what_it_is_worse_at_is_told() -> None:
    found = verdict(
        matrix(
            [result("lean", 300), result("fat", 900, pages=300)],
            [
                *(cell(LIST, "lean", 20), cell(LIST, "fat", 40)),
                *(cell(SEARCH, "lean", 100), cell(SEARCH, "fat", 40)),
            ],
        )
    )
    assert found["recommended"] == "lean"
    assert found["reasons"][-1] == (
        "It is not best at everything: the word (the huge account) reads 100 buffers, 40 under Fat, "
        "for 600 B more WAL an insert."
    )


def test_hot_loss_is_named_as_the_price() -> None:
    cells = [cell(LIST, "keeps", 900), cell(LIST, "loses", 20)]
    found = verdict(matrix([result("keeps", 100), result("loses", 200, hot=0.0)], cells))
    assert found["recommended"] == "loses"
    assert any("so 0 % of those row updates stay out of the indexes (HOT)" in reason for reason in found["reasons"])


def test_stopped_set_is_a_lower_bound_and_never_chosen() -> None:
    cells = [cell(LIST, "slow", 10), cell(SEARCH, "slow", None), cell(LIST, "able", 30), cell(SEARCH, "able", 30)]
    found = verdict(matrix([result("slow", 1), result("able", 100)], cells))
    assert found["recommended"] == "able"
    assert found["ratios"]["slow"]["lower_bound"] is True
    assert "at least" in found["headline"]
    assert "Slow is left out: it does not answer all of the mix in time." in found["reasons"]


def test_single_set_is_compared_with_nothing() -> None:
    found = verdict(matrix([result("only", 100)], [cell(LIST, "only", 10)]))
    assert found["recommended"] == "only"
    assert found["headline"] == "Only Only was measured; there is nothing to compare it with."
    assert found["ratios"] == {}


def test_no_answer_at_all() -> None:
    assert verdict(matrix([result("only", 100)], [cell(LIST, "only", None)]))["recommended"] is None


def test_other_rows_fail_after_everything_is_there() -> None:
    found = matrix([result("a", 1), result("b", 1)], [cell(LIST, "a", 9), cell(LIST, "b", 3, same_rows=False)])
    assert found.failures == ("all [huge] under b: other rows than under the first set that answered",)
    with pytest.raises(SubjectFailed, match=r"all \[huge\] under b: other rows"):
        found.require_sound()


def test_stopped_under_one_set_is_a_finding_and_under_all_a_failure() -> None:
    sets = [result("a", 1), result("b", 1)]
    assert matrix(sets, [cell(LIST, "a", None), cell(LIST, "b", 3)]).failures == ()
    never = matrix(sets, [cell(LIST, "a", None), cell(LIST, "b", None)])
    assert len(never.failures) == 2
    with pytest.raises(SubjectFailed, match="stopped by statement_timeout and 1 more"):
        never.require_sound()


def test_record_is_json_and_holds_what_a_report_needs() -> None:
    document = json.loads(json.dumps(matrix([result("a", 100.26)], [cell(LIST, "a", 9)]).to_json()))
    assert (
        document["cells"][0] | {"query": "all", "class": "huge", "set": "a", "buffers": 9, "rows": 25}
        == (document["cells"][0])
    )
    assert document["sets"][0]["insert_wal_bytes"] == 100.3
    assert document["sets"][0]["hot_share"] == 1.0
    assert document["queries"] == [{"name": "all", "family": "list", "title": "the all", "ids": ["C7"]}]


def test_rows_are_compared_as_the_header_says() -> None:
    rows = [(2, None), (1, "x")]
    assert normal(rows, "ordered") == ((2, None), (1, "x"))
    assert normal(rows, "unordered") == normal(reversed(rows), "unordered")
    assert TINY.name == "all [tiny]"
