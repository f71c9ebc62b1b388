"""Comparing, settling and exporting snapshots: no server needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from inboxbench.errors import UsageError
from inboxbench.gate import Budgets, Comparison, Environment, Snapshot, compare, read_budgets, read_snapshot
from inboxbench.gate.budgets import Budget
from inboxbench.gate.environment import check_environment
from inboxbench.gate.export import as_markdown, bencher, junit, smaller_is_better, workflow_commands
from inboxbench.gate.snapshot import Cost, Reading, Writing, write_snapshot
from inboxbench.gate.update import settled
from inboxbench.project import find_project

ENVIRONMENT = Environment(
    "0.1.0",
    "18.6",
    "tiny",
    20_000,
    1,
    {"table orders": "abc", "table users": "def"},
    {"jit": "off"},
    writing={"wal_level": "replica"},
)
READING = Reading(100, 25, 40, "Index Scan a → Limit", "rows", "text", "values")
WRITING = Writing(1000.0, 0.5, 1.0, 30.0, 4.0, {"audit on orders": 1.0}, "text", "values")
KEY, WRITE = "list_all/huge/migrated", "assign/migrated"


def written(wal_bytes: float, hot_share: float = 0.5) -> Writing:
    return replace(WRITING, wal_bytes=wal_bytes, hot_share=hot_share)


def snapshot(reading: Reading = READING, writing: Writing = WRITING, size: int = 1_000_000) -> Snapshot:
    return Snapshot(ENVIRONMENT, "0040", {KEY: reading}, {"migrated": Cost(size, {"a": size}, {"assign": writing})}, {})


def changes(now: Snapshot, budgets: Budgets | None = None) -> list[tuple[str, str, str]]:
    found = compare(snapshot(), now, budgets or Budgets()).changes
    return [(change.verdict, change.where, change.metric) for change in found]


def test_nothing_changed() -> None:
    found = compare(snapshot(), snapshot(), Budgets())
    assert found.changes == ()
    assert not found.closed
    assert found.compared == 7


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (snapshot(replace(READING, buffers=101)), [("worse", KEY, "buffers")]),
        (snapshot(replace(READING, buffers=99)), [("better", KEY, "buffers")]),
        (snapshot(replace(READING, removed=41)), [("worse", KEY, "removed")]),
        (snapshot(replace(READING, plan="Seq Scan a")), [("note", KEY, "plan")]),
        (snapshot(replace(READING, plan="Seq Scan a", buffers=200)), [("worse", KEY, "buffers")]),
        (snapshot(replace(READING, answer="others")), [("broken", KEY, "answer")]),
        (snapshot(replace(READING, answer="others", query="new text")), [("note", KEY, "answer")]),
        (snapshot(replace(READING, buffers=900, parameters="others")), [("uncompared", KEY, "cell")]),
        (snapshot(replace(READING, buffers=None, failure="no such column")), [("broken", KEY, "cell")]),
        (snapshot(writing=written(1009.0)), []),
        (snapshot(writing=written(1011.0)), [("worse", WRITE, "wal")]),
        (snapshot(writing=written(900.0)), [("better", WRITE, "wal")]),
        (snapshot(writing=written(1000.0, 0.3)), [("worse", WRITE, "hot")]),
        (snapshot(writing=written(1000.0, 0.495)), []),
        (snapshot(writing=replace(WRITING, buffers=31.5)), []),
        (snapshot(writing=replace(WRITING, buffers=32)), [("worse", WRITE, "buffers")]),
        (snapshot(writing=replace(WRITING, buffers=20)), [("better", WRITE, "buffers")]),
        (snapshot(writing=replace(WRITING, rows=0.0)), [("broken", WRITE, "answer")]),
        (snapshot(writing=replace(WRITING, rows=2.0, query="new text")), [("note", WRITE, "answer")]),
        (snapshot(writing=replace(WRITING, parameters="others")), [("uncompared", WRITE, "cell")]),
        (snapshot(writing=replace(WRITING, hot_share=None)), [("uncompared", WRITE, "hot")]),
        (
            snapshot(writing=replace(WRITING, fired={"audit on orders": 2.0})),
            [("worse", f"{WRITE}/audit on orders", "calls")],
        ),
        (snapshot(writing=replace(WRITING, fired={})), [("note", f"{WRITE}/audit on orders", "calls")]),
        (snapshot(writing=Writing(None, None, failure="no such table")), [("broken", WRITE, "cell")]),
        (snapshot(size=1_009_000), []),
        (snapshot(size=1_011_000), [("worse", "migrated", "size")]),
        (replace(snapshot(), readings={}), [("uncompared", KEY, "cell")]),
        (replace(snapshot(), costs={}), [("uncompared", WRITE, "set"), ("uncompared", "migrated", "set")]),
    ],
)
def test_each_change_is_what_it_is(now: Snapshot, expected: list[tuple[str, str, str]]) -> None:
    assert changes(now) == expected


def test_a_new_cell_is_not_compared() -> None:
    more = replace(snapshot(), readings={KEY: READING, "list_mine/huge/migrated": READING})
    assert changes(more) == [("uncompared", "list_mine/huge/migrated", "cell")]


def test_worst_first() -> None:
    readings = {f"q{n}/huge/migrated": replace(READING, buffers=100 * n) for n in (2, 9, 5)}
    before = replace(snapshot(), readings=dict.fromkeys(readings, READING))
    found = compare(before, replace(before, readings=readings), Budgets())
    assert [change.factor for change in found.changes] == [9, 5, 2]


def test_a_declared_budget_allows_that_much() -> None:
    budgets = Budgets(named={"list_all": Budget(buffers=1.1)})
    assert changes(snapshot(replace(READING, buffers=110)), budgets) == []
    assert changes(snapshot(replace(READING, buffers=111)), budgets) == [("worse", KEY, "buffers")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[budget.list_all]\nbufers = 1.1", "unknown key 'bufers'; did you mean 'buffers'?"),
        ("[budget.list_all]\nbuffers = 0.9", "[budget.list_all] buffers: 0.9 is not a factor of at least 1"),
        ("[default]\nhot = 1.5", "[default] hot: 1.5 is not a share of at least 0 and below 1"),
        ("[defaults]\n", "unknown table 'defaults'; did you mean 'default'?"),
        ("[default", "not TOML"),
    ],
)
def test_wrong_budgets_name_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "gate.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_budgets(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_budgets_build_on_the_default(tmp_path: Path) -> None:
    path = tmp_path / "gate.toml"
    path.write_text("[default]\nwal = 1.05\n[budget.assign]\nbuffers = 2\n", encoding="utf-8")
    assert read_budgets(path).of("assign") == Budget(buffers=2.0, wal=1.05)
    assert read_budgets(path).of("other") == Budget(wal=1.05)
    assert read_budgets(tmp_path / "absent.toml") == Budgets()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (replace(ENVIRONMENT, server="17.2"), "measured with PostgreSQL 17, this is 18"),
        (replace(ENVIRONMENT, profile="small"), "measured with profile small, this is tiny"),
        (
            replace(ENVIRONMENT, data={**ENVIRONMENT.data, "table orders": "xyz"}),
            "measured with other rows (table orders), table orders with checksum xyz, this is abc",
        ),
        (replace(ENVIRONMENT, data={}, made_of="xyz"), "schema/baseline.sql), digest xyz, this is unknown"),
        (replace(ENVIRONMENT, role="clerk"), "measured with role clerk, this is the server's own user"),
        (replace(ENVIRONMENT, seed=2), "measured with seed 2, this is 1"),
        (replace(ENVIRONMENT, tool="9.9"), "measured with inboxbench 9.9, this is 0.1.0"),
        (replace(ENVIRONMENT, settings={}), "measured with setting jit at its default, this is off"),
        (replace(ENVIRONMENT, writing={"wal_level": "logical"}), "with setting wal_level logical, this is replica"),
    ],
)
def test_another_environment_is_refused(other: Environment, message: str) -> None:
    with pytest.raises(UsageError, match="its counters do not compare") as caught:
        check_environment(other, ENVIRONMENT, "tiny.json")
    assert message in str(caught.value)


def test_another_minor_version_is_a_remark() -> None:
    remarks = check_environment(replace(ENVIRONMENT, server="18.5"), ENVIRONMENT, "tiny.json")
    assert remarks == ["baseline measured on PostgreSQL 18.5, head on 18.6"]


def test_a_baseline_of_before_says_nothing_of_how_the_server_writes(tmp_path: Path) -> None:
    before = replace(snapshot(), environment=replace(ENVIRONMENT, writing=None))
    write_snapshot(tmp_path / "one.json", before)
    assert read_snapshot(tmp_path / "one.json") == before
    assert check_environment(before.environment, ENVIRONMENT, "tiny.json") == []


def test_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    path, again = tmp_path / "one.json", tmp_path / "two.json"
    write_snapshot(path, snapshot())
    assert read_snapshot(path) == snapshot()
    write_snapshot(again, read_snapshot(path))
    assert again.read_bytes() == path.read_bytes()


def _drop(document: dict[str, object], *path: str) -> None:
    for step in path[:-1]:
        document = document[step]  # type: ignore[assignment]
    del document[path[-1]]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "not whole JSON"),
        (lambda text: text.replace('"buffers": 100', '"buffers": "a hundred"'), f"readings.{KEY}.buffers"),
        (lambda text: text.replace('"buffers": 100', '"buffers": -1'), f"readings.{KEY}.buffers"),
        (lambda text: text.replace('"server"', '"sever"'), "environment"),
        (lambda text: text.replace('"format": 2', '"format": 7'), "format: 7, this inboxbench writes 2"),
        (lambda _text: "[]", "the document must be object, not []"),
        (lambda _text: "{}", "is missing; restore it"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, damage: Callable[[str], str], message: str) -> None:
    path = tmp_path / "tiny.json"
    write_snapshot(path, snapshot())
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read_snapshot(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_repeats_within_its_budget_is_kept_to_the_byte() -> None:
    now = snapshot(writing=written(1004.2, 0.499), size=1_001_000)
    assert settled(snapshot(), now, Budgets(), accept=False) == snapshot()


def test_better_is_written_back_and_worse_only_when_accepted() -> None:
    better = snapshot(replace(READING, buffers=90), written(900.0, 0.7), 900_000)
    assert settled(snapshot(), better, Budgets(), accept=False) == better
    worse = snapshot(replace(READING, buffers=190), written(1900.0, 0.2), 1_900_000)
    assert settled(snapshot(), worse, Budgets(), accept=False) == snapshot()
    assert settled(snapshot(), worse, Budgets(), accept=True) == worse


def test_a_run_of_some_queries_leaves_the_rest_of_the_baseline() -> None:
    some = replace(snapshot(), readings={"list_new/huge/migrated": READING})
    assert settled(snapshot(), some, Budgets(), accept=True).readings == some.readings
    kept = settled(snapshot(), some, Budgets(), accept=False, partial=True)
    assert kept.readings == {**snapshot().readings, **some.readings}


def _worse() -> Comparison:
    return compare(snapshot(), snapshot(replace(READING, buffers=250, plan="Seq Scan a | b")), Budgets())


def test_annotations_point_at_the_statement() -> None:
    project = find_project()
    (line,) = workflow_commands(_worse(), project, project.root)
    assert line.startswith("::error file=bench/queries/list_all.sql,line=12,title=list_all/huge/migrated%3A buffers::")
    assert line.endswith("100 → 250 pages")


def test_junit_fails_the_cell() -> None:
    suite = ET.fromstring(junit(_worse(), snapshot()))  # noqa: S314 - our own text
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    failure = suite.find("testcase[@name='list_all/huge/migrated']/failure")
    assert failure is not None
    assert failure.get("message") == "100 → 250 pages"
    assert "after:  Seq Scan a | b" in str(failure.text)


def test_other_forms_hold_every_figure() -> None:
    assert {"name": "list_all/huge/migrated buffers", "unit": "pages", "value": 100} in smaller_is_better(snapshot())
    assert bencher(snapshot())["assign/migrated"] == {"wal": {"value": 1000.0}, "buffers": {"value": 30.0}}
    json.dumps(smaller_is_better(snapshot()))


def test_markdown_shows_worse_and_plans() -> None:
    text = as_markdown(_worse(), "1 worse.", ["head has 1 uncommitted file"])
    assert "### inboxbench gate: closed" in text
    assert "| **▲ worse** | `list_all/huge/migrated` | 100 → 250 pages | 2.50× |" in text
    assert "after   Seq Scan a \\| b" in text
    assert "- head has 1 uncommitted file" in text
