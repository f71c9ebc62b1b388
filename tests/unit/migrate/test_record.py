"""Latencies from when a request was due, and the revision that the longest wait fell into."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.migrate.history import Revision
from inboxbench.migrate.record import MigrationRun, summarise
from inboxbench.migrate.runner import Applied, Run
from inboxbench.traffic.engine import Answer, RequestClass, Traffic


def _class(name: str) -> RequestClass:
    return RequestClass(name, "write", 10, (), lambda random: {"x": random.random()})


def _answer(name: str, due_s: float, finished_s: float, error: str | None = None) -> Answer:
    return Answer(name, due_s * 1000, due_s * 1000, finished_s * 1000, 1, error)


def _applied(revision: str, started_s: float, finished_s: float) -> Applied:
    described = Revision(revision, (), "x", Path("x.py"))
    return Applied(described, started_s * 1000, finished_s * 1000, None)


def test_the_longest_stall_falls_into_the_revision_that_filled_most_of_it() -> None:
    answers = [_answer("insert", 1.0, 1.01), _answer("insert", 2.0, 5.0, "canceled"), _answer("insert", 6.0, 6.02)]
    revisions = [_applied("0001", 0.0, 2.5), _applied("0002", 2.5, 4.9), _applied("0003", 4.9, 9.0)]
    (summary,) = summarise(Traffic((_class("insert"),), 10, answers=answers), revisions)
    assert (summary.requests, summary.errors, summary.first_error) == (3, 1, "canceled")
    assert summary.max_stall_ms == pytest.approx(3000)
    assert summary.p50_ms == pytest.approx(20)
    assert summary.worst_revision == "0002"
    assert [(one["started_ms"], one["requests"], round(one["max_ms"])) for one in summary.course] == [
        (1000.0, 1, 10),
        (2000.0, 1, 3000),
        (6000.0, 1, 20),
    ], "from the first revision on"


def test_a_standstill_of_the_machine_is_no_wait_for_a_revision() -> None:
    """Everybody waited for 1.2 s at one moment, because nobody had a processor; 0003 made a writer wait for 80 ms."""
    answers = [_answer("insert", 1.0, 2.25), _answer("insert", 5.0, 5.08)]
    traffic = Traffic((_class("insert"),), 10, answers=answers)
    traffic.standstills.loop.append((1000.0, 2200.0))
    traffic.standstills.machine.append((1000.0, 2200.0))
    run = Run("base", "0003", 9.0, (_applied("0001", 0.0, 4.9), _applied("0003", 4.9, 9.0)))
    (summary,) = summaries = summarise(traffic, run.revisions)
    assert summary.max_stall_ms == pytest.approx(1250)
    assert summary.still_ms == pytest.approx(1200)
    assert summary.max_wait_ms == pytest.approx(80)
    assert summary.worst_revision == "0003"
    (note,) = traffic.standstills.notes()
    assert "the machine gave a process of ours no time, 1 times" in note
    record = MigrationRun(run, tuple(summaries), (note,)).to_json()
    (felt,) = record["traffic"]
    assert (felt["max_stall_ms"], felt["still_ms"], felt["max_wait_ms"]) == (1250.0, 1200.0, 80.0)
    assert record["notes"] == [note]


def test_a_stall_outside_every_revision_belongs_to_none() -> None:
    traffic = Traffic((_class("insert"),), 10, answers=[_answer("insert", 0.0, 1.0)])
    (summary,) = summarise(traffic, [_applied("0001", 2, 3)])
    assert summary.worst_revision is None


def test_a_class_that_sent_nothing_is_left_out() -> None:
    traffic = Traffic((_class("insert"), _class("list")), 10, answers=[_answer("list", 0.0, 1.0)])
    assert [summary.name for summary in summarise(traffic)] == ["list"]
