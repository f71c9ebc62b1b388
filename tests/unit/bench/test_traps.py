"""A trap's file is read strictly, and what a server did is judged: rows first, then what was declared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inboxbench.bench.execute.session import Execution, Rows
from inboxbench.bench.traps import FORM, Catalogue, Sprung, Trap, judge, read_traps, trap_of
from inboxbench.errors import SubjectFailed, ThresholdExceeded, UsageError
from inboxbench.explain import plan_lines, read_explained, read_node
from inboxbench.project import Project
from inboxbench.sqlsheet import parse_sheet

TEXT = """\
-- title: a scan
-- ids: C3
-- bad: Seq Scan
-- good: good_idx
-- floor: 10
-- most: 20
-- rows: same
-- why: Because
--   it is so.
-- A remark that is no key.

--- data
CREATE TABLE t (id int);
--- query
SELECT 1;
"""
ROWS: Rows = ((1,), (2,))


def read(text: str) -> Trap:
    return trap_of(parse_sheet(Path("bench/traps/scan.sql"), text, FORM))


def ran(buffers: int, *, rows: Rows = ROWS, index: str | None = None) -> Execution:
    scan = {"Node Type": "Index Scan", "Index Name": index} if index else {"Node Type": "Seq Scan"}
    root: dict[str, Any] = {"Shared Hit Blocks": buffers, **scan}
    return Execution(rows, read_explained({"Plan": root}).plan, tuple(plan_lines(read_node(root))))


GOOD = ran(5, index="good_idx")


def test_a_file_is_read_whole() -> None:
    trap = read(TEXT)
    assert (trap.name, trap.why, trap.ids, trap.floor) == ("scan", "Because it is so.", ("C3",), 10)
    assert trap.section("bad query") == trap.section("good query") == "SELECT 1"
    assert trap.section("bad setup") == ""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("-- title: a scan\n", "", "key 'title' is missing"),
        ("-- title:", "-- titel:", "unknown key 'titel'; did you mean 'title'"),
        ("--- query", "--- qery", "unknown section 'qery'; did you mean 'query'"),
        ("-- floor: 10", "-- floor: ten", "floor: 'ten' is no number"),
        ("-- floor: 10\n", "", "floor: missing"),
        ("rows: same", "rows: equal", "rows: 'equal' is neither"),
        ("rows: same", "rows: different", "`--- truth` must say"),
        ("-- most: 20", "-- locale: ru", "locale: 'ru' is not 'C'"),
        ("--- query\nSELECT 1;", "--- query\n", "needs `--- data`"),
        ("-- most: 20", "-- floor: 20", "key 'floor' is given twice"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(old: str, new: str, told: str) -> None:
    assert old in TEXT
    with pytest.raises(UsageError, match=r"^bench/traps/scan\.sql") as caught:
        read(TEXT.replace(old, new))
    assert told in str(caught.value)


def test_it_springs_when_the_bad_way_is_bad_and_the_good_way_good() -> None:
    assert judge(read(TEXT), ran(50), GOOD, None, 18).outcome == "springs"


@pytest.mark.parametrize(
    ("bad", "good", "outcome", "remark"),
    [
        (ran(49), GOOD, "does not spring", "9.8 times the pages, declared at least 10"),
        (GOOD, GOOD, "does not spring", "Seq Scan is not in the bad way's plan: Index Scan good_idx"),
        (ran(900), ran(5), "does not spring", "good_idx is not in the good way's plan: Seq Scan"),
        (ran(900), ran(21), "good plan is not good", "21 buffers, at most 20"),
        (ran(900, rows=ROWS[:1]), GOOD, "wrong rows", "the bad way's 1 rows are not the right ones"),
    ],
)
def test_what_is_not_as_declared_is_said(bad: Execution, good: Execution, outcome: str, remark: str) -> None:
    found = judge(read(TEXT), bad, good, None, 18)
    assert (found.outcome, found.remark) == (outcome, remark)


def test_a_trap_may_be_mended_from_a_version_on() -> None:
    trap = read(TEXT.replace("-- most: 20", "-- mended: 18"))
    assert [judge(trap, ran(6), GOOD, None, major).outcome for major in (17, 18, 19)] == [
        "does not spring",
        "mended",
        "mended",
    ]


def test_rows_that_are_to_differ_are_held_to_the_truth() -> None:
    trap = read(TEXT.replace("rows: same", "rows: different") + "--- truth\nSELECT 1")
    assert judge(trap, ran(900, rows=()), GOOD, ROWS, 18).outcome == "springs"
    assert judge(trap, ran(900), GOOD, ROWS, 18).remark == "both ways give the same rows"
    assert judge(trap, ran(900), GOOD, ROWS[:1], 18).outcome == "wrong rows"


def test_the_exit_code_says_what_happened() -> None:
    trap = read(TEXT)
    Catalogue("a server", (Sprung(trap, "springs"), Sprung(trap, "mended"))).require()
    with pytest.raises(ThresholdExceeded, match=r"^trap 'scan' does not spring on a server: why not \(and 1 more\)$"):
        Catalogue("a server", (Sprung(trap, "does not spring", remark="why not"),) * 2).require()
    both = (Sprung(trap, "does not spring"), Sprung(trap, "failed", remark="no such table"))
    with pytest.raises(SubjectFailed, match="trap 'scan' failed on a server: no such table"):
        Catalogue("a server", both).require()


def test_the_catalogue_holds_every_trap_that_is_asked_for(project: Project) -> None:
    traps = {trap.name: trap for trap in read_traps(project.bench / "traps")}
    assert len(traps) >= 13
    assert traps["leading_column_few"].mended == 18
    assert [trap.name for trap in read_traps(project.bench / "traps", ["two_letters"])] == ["two_letters"]
    with pytest.raises(UsageError, match="unknown trap 'two_leters'; did you mean 'two_letters'"):
        read_traps(project.bench / "traps", ["two_leters"])
