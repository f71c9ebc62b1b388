"""Latencies from when a request was due, and the revision that the longest of them fell into."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from inboxbench.migrate.history import Revision
from inboxbench.migrate.runner import Applied
from inboxbench.migrate.traffic import Sample, Traffic, TrafficClass, summarise


def _class(name: str) -> TrafficClass:
    return TrafficClass(name, "write", 10, (), lambda random: {"x": random.random()})


def _applied(revision: str, started: float, finished: float) -> Applied:
    described = Revision(revision, None, "expand_x", "x", "expand", 1, (), Path("x.py"))
    return Applied(described, started, finished, None)


def test_the_longest_stall_falls_into_the_revision_that_filled_most_of_it() -> None:
    samples = [Sample("insert", 1.0, 1.01), Sample("insert", 2.0, 5.0, "canceled"), Sample("insert", 6.0, 6.02)]
    revisions = [_applied("0001", 0.0, 2.5), _applied("0002", 2.5, 4.9), _applied("0003", 4.9, 9.0)]
    (summary,) = summarise(Traffic([_class("insert")], samples=samples), revisions)
    assert (summary.requests, summary.errors, summary.first_error) == (3, 1, "canceled")
    assert summary.max_stall_ms == pytest.approx(3000)
    assert summary.p50_ms == pytest.approx(20)
    assert summary.worst_revision == "0002"
    assert [(one.started_ms, one.requests, round(one.max_ms)) for one in summary.course] == [
        (1000.0, 1, 10),
        (2000.0, 1, 3000),
        (6000.0, 1, 20),
    ], "from the first revision on"


def test_a_stall_outside_every_revision_belongs_to_none() -> None:
    (summary,) = summarise(Traffic([_class("insert")], samples=[Sample("insert", 0.0, 1.0)]), [_applied("0001", 2, 3)])
    assert summary.worst_revision is None


def test_a_class_that_sent_nothing_is_left_out() -> None:
    traffic = Traffic([_class("insert"), _class("list")], samples=[Sample("list", 0.0, 1.0)])
    assert [summary.name for summary in summarise(traffic)] == ["list"]


def test_the_same_seed_draws_the_same_requests() -> None:
    draw = _class("insert").draw
    assert draw(Random("1 insert")) == draw(Random("1 insert"))
