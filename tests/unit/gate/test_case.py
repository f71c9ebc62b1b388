"""What closes the gate and what may pass: missing evidence is no success."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from inboxbench.errors import InboxbenchError, SubjectFailed, ThresholdExceeded, UsageError
from inboxbench.gate import Budgets, Environment, Snapshot, read_snapshot
from inboxbench.gate.case import Case, close, comparable, headline, judge, leave_out, update_baseline
from inboxbench.gate.snapshot import Cost, Reading, Writing

ENVIRONMENT = Environment("0.1.0", "18.6", "tiny", 20_000, 1, {"table orders": "abc"}, {"jit": "off"})
READING = Reading(100, 25, 40, "Index Scan a → Limit", "rows", "text", "values")
WRITING = Writing(1000.0, 0.5, 1.0, 30.0, 4.0, {}, "text", "values")
KEYS = [f"q{number}/huge/migrated" for number in range(4)]
WHOLE = Snapshot(
    ENVIRONMENT,
    "0040",
    dict.fromkeys(KEYS, READING),
    {"migrated": Cost(1_000, {}, {"assign": WRITING})},
    {"public.orders": {"not null id": "NOT NULL"}},
)
FAILED = replace(READING, buffers=None, rows=None, removed=None, plan=None, answer=None, failure="syntax error")
OTHER = replace(READING, parameters="x")
EMPTY = replace(WHOLE, readings={}, costs={}, rules={})


def with_reading(key: str, reading: Reading | None) -> Snapshot:
    readings = {name: kept for name, kept in WHOLE.readings.items() if name != key}
    return replace(WHOLE, readings=readings if reading is None else {**readings, key: reading})


def all_readings(reading: Reading) -> Snapshot:
    return replace(WHOLE, readings=dict.fromkeys(KEYS, reading))


def decide(
    before: Snapshot | None, now: Snapshot, *, uncompared: bool = False, new: bool = False, measured: bool = False
) -> None:
    case = Case(before, now, "tiny.json", measured=measured)
    close(case, judge(case, Budgets(), new=new, uncompared=uncompared))


@pytest.mark.parametrize(
    ("before", "now", "error", "text"),
    [
        (WHOLE, all_readings(FAILED), SubjectFailed, "q0/huge/migrated: fails now: syntax error, and 3 more"),
        (WHOLE, with_reading(KEYS[1], FAILED), SubjectFailed, "q1/huge/migrated: fails now: syntax error"),
        (with_reading(KEYS[1], None), with_reading(KEYS[1], FAILED), SubjectFailed, "is new and fails: syntax error"),
        (all_readings(OTHER), all_readings(FAILED), SubjectFailed, "fails now: syntax error"),
        (None, with_reading(KEYS[1], FAILED), SubjectFailed, "is new and fails: syntax error"),
        (all_readings(FAILED), all_readings(FAILED), UsageError, "it failed at the baseline and fails now"),
        (WHOLE, all_readings(OTHER), UsageError, "it is drawn with other parameters"),
        (EMPTY, WHOLE, UsageError, "the baseline does not know it; --update adds it"),
        (WHOLE, replace(EMPTY, rules=WHOLE.rules), UsageError, "index set migrated was not measured now"),
        (WHOLE, with_reading(KEYS[2], None), UsageError, "it is in the baseline and was not measured now"),
        (with_reading(KEYS[2], None), WHOLE, UsageError, "q2/huge/migrated: not compared: the baseline does not know"),
        (replace(WHOLE, costs={}), WHOLE, UsageError, "migrated: not compared: the baseline does not know it"),
        (replace(WHOLE, rules=None), WHOLE, UsageError, "rules: not compared: the baseline was made by an earlier"),
        (WHOLE, replace(WHOLE, rules={}), ThresholdExceeded, "public.orders: rule gone"),
        (WHOLE, replace(WHOLE, costs={"migrated": Cost(1_000, {}, {})}), UsageError, "is the write gone?"),
    ],
)  # fmt: skip
def test_missing_evidence_is_no_success(
    before: Snapshot | None, now: Snapshot, error: type[InboxbenchError], text: str
) -> None:
    with pytest.raises(error) as caught:
        decide(before, now)
    assert text in str(caught.value)
    if error is UsageError:
        assert "figures were compared with tiny.json; --allow-uncompared lets it pass" in str(caught.value)
        decide(before, now, uncompared=True)
    else:
        with pytest.raises(error):
            decide(before, now, uncompared=True)


def test_each_reading_that_was_not_compared_is_named_with_its_reason() -> None:
    now = replace(with_reading(KEYS[0], None), skipped={"q0/huge": "this data has no account for huge"})
    comparison = judge(Case(WHOLE, now, ""), Budgets(), new=False, uncompared=False)
    assert [(change.where, change.text) for change in comparison.of("uncompared")] == [
        (KEYS[0], "not compared: this data has no account for huge")
    ]
    comparison = judge(Case(EMPTY, WHOLE, "b.json"), Budgets(), new=False, uncompared=False)
    assert {change.where for change in comparison.of("uncompared")} == {*KEYS, "migrated", "assign/migrated"}
    assert comparison.compared == 0
    assert headline(Case(EMPTY, WHOLE, "b.json"), comparison) == (
        "0 worse, 0 better, 0 figures compared with b.json, 6 not compared."
    )


def test_what_only_head_has_passes_where_it_is_written_or_the_other_side_was_measured() -> None:
    decide(with_reading(KEYS[2], None), WHOLE, new=True)
    decide(with_reading(KEYS[2], None), WHOLE, measured=True)
    with pytest.raises(UsageError):
        decide(WHOLE, with_reading(KEYS[2], None), new=True, measured=True)


def test_queries_left_out_on_purpose_are_not_missed() -> None:
    left_out = frozenset({KEYS[0].partition("/")[0]})
    case = leave_out(Case(WHOLE, with_reading(KEYS[0], None), ""), left_out)
    assert not judge(case, Budgets(), new=False, uncompared=False).closed
    assert case.remarks == ["readings of queries that --queries does not name, left out on purpose: 1"]


def test_a_query_that_is_gone_is_missed_whatever_else_is_left_out() -> None:
    gone, left_out = KEYS[:2]
    now = replace(WHOLE, readings={key: reading for key, reading in WHOLE.readings.items() if key in KEYS[2:]})
    case = leave_out(Case(WHOLE, now, ""), frozenset({left_out.partition("/")[0]}))
    (change,) = judge(case, Budgets(), new=False, uncompared=False).of("uncompared")
    assert change.where == gone


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tiny.json"


def updated(before: Snapshot | None, now: Snapshot, path: Path, *, accept: bool) -> tuple[Case, Snapshot | None]:
    case = comparable(Case(before, now, str(path)), update=True, accept=accept)
    comparison = judge(case, Budgets(), new=True, uncompared=False)
    case = update_baseline(case, comparison, path, Budgets(), accept=accept, partial=False)
    return case, read_snapshot(path) if path.exists() else None


@pytest.mark.parametrize("change", [{"settings": {}}, {"seed": 2}, {"data": {"table orders": "x"}}, {"role": "clerk"}])
def test_a_baseline_that_does_not_compare_is_replaced_only_when_accepted(path: Path, change: dict[str, object]) -> None:
    other = replace(with_reading(KEYS[0], None), environment=replace(ENVIRONMENT, **change))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="replaces nothing: all 4 readings would go, for 3 of head; add --accept"):
        updated(WHOLE, other, path, accept=False)
    assert not path.exists()
    case, kept = updated(WHOLE, other, path, accept=True)
    assert kept == other
    assert str(case.remarks[0]).startswith("replaced: 4 readings are gone, 3 of head are there instead (")


def _without_write(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, costs={"migrated": Cost(1_000, {}, {})})


@pytest.mark.parametrize(
    ("now", "gone"),
    [
        (with_reading(KEYS[0], None), 1),
        (replace(WHOLE, readings={}), 4),
        (_without_write(WHOLE), 1),
        (replace(WHOLE, costs={}), 2),
        (all_readings(FAILED), 0),
        (all_readings(OTHER), 0),
        (replace(WHOLE, rules={}), 0),
    ],
)
def test_update_drops_nothing_that_nobody_accepted(path: Path, now: Snapshot, gone: int) -> None:
    case, kept = updated(WHOLE, now, path, accept=False)
    assert kept == WHOLE
    assert [remark for remark in case.remarks if "are gone" in remark] == []
    case, kept = updated(WHOLE, now, path, accept=True)
    assert kept == now
    said = [f"{gone} readings, sets and writes of the baseline were not measured now and are gone"] if gone else []
    assert [remark for remark in case.remarks if "are gone" in remark] == said


def test_update_adds_what_is_new(path: Path) -> None:
    assert updated(with_reading(KEYS[0], None), WHOLE, path, accept=False)[1] == WHOLE
    assert updated(replace(WHOLE, rules=None), WHOLE, path, accept=False)[1] == WHOLE
    assert updated(with_reading(KEYS[0], None), all_readings(FAILED), path, accept=False)[1] == with_reading(
        KEYS[0], None
    )


def test_a_first_baseline_of_what_fails_is_not_written(path: Path) -> None:
    case, kept = updated(None, all_readings(FAILED), path, accept=False)
    assert kept is None
    assert "is not written: what fails is no baseline" in case.remarks[-1]
    assert updated(None, all_readings(FAILED), path, accept=True)[1] == all_readings(FAILED)


def test_another_release_of_a_library_refuses_no_baseline() -> None:
    """Rows are known by what they are, not by a digest of what they were made of."""
    now = replace(WHOLE, environment=replace(ENVIRONMENT, made_of="digest of another release"))
    assert comparable(Case(WHOLE, now, ""), update=False, accept=False).remarks == []


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (
            {"table orders": "x", "table users": "def"},
            "other rows (table orders), table orders with checksum abc, this is x",
        ),
        ({"table orders": "x", "table users": "y"}, "other rows (table orders, table users), table orders with"),
        ({"table orders": "abc"}, "other rows (table users), table users with checksum def, this is none"),
        ({"table orders": "abc", "table users": "def", "past": "1"}, "other rows (past), past with checksum none"),
    ],
)
def test_the_refusal_names_the_tables_that_differ(data: dict[str, str], text: str) -> None:
    before = replace(WHOLE, environment=replace(ENVIRONMENT, data={"table orders": "abc", "table users": "def"}))
    now = replace(WHOLE, environment=replace(ENVIRONMENT, data=data))
    with pytest.raises(UsageError) as caught:
        comparable(Case(before, now, "tiny.json"), update=False, accept=False)
    assert text in str(caught.value)


def test_a_column_that_one_side_alone_has_is_no_other_row() -> None:
    sides = ({"column orders.id": "1", "column orders.note": "2"}, {"column orders.id": "1", "column orders.memo": "3"})
    before, now = (replace(WHOLE, environment=replace(ENVIRONMENT, data=data)) for data in sides)
    comparable(Case(before, now, ""), update=False, accept=False)
    other = replace(WHOLE, environment=replace(ENVIRONMENT, data={"column users.id": "1"}))
    with pytest.raises(UsageError, match="other rows"):
        comparable(Case(before, other, ""), update=False, accept=False)
