"""Outcomes read back from JSON: the same values, and an error that can be told for anything that was tampered with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from inboxbench.bench.execute.cell import Measured
from inboxbench.bench.execute.session import Timing
from inboxbench.explain import Plan
from inboxbench.record import restored


@pytest.fixture
def outcome() -> Measured:
    plan = Plan("Index Scan", 3, 2, 0, 0.1, sorts=False, indexes=("by_key",), settings={"work_mem": "32MB"}, searches=1)
    return Measured(plan, Timing(1.0, 2.0, 3), "a digest")


def _places(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _places(one, (*path, key))


def _with(value: Any, path: tuple[str, ...], other: object) -> Any:
    return {**value, path[0]: _with(value[path[0]], path[1:], other)} if path else other


def test_what_was_written_comes_back(outcome: Measured) -> None:
    assert restored(Measured, json.loads(json.dumps(asdict(outcome)))) == outcome


@pytest.mark.parametrize("other", [7, "x", [1], {}, None])
def test_whatever_stands_at_any_place_is_read_or_refused_in_one_of_three_ways(outcome: Measured, other: object) -> None:
    """The store measures again what raises these; any other error would end the run."""
    written = json.loads(json.dumps(asdict(outcome)))
    refused = 0
    for path in _places(written):
        try:
            restored(Measured, _with(written, path, other))
        except (KeyError, TypeError, ValueError):
            refused += 1
    assert refused > 1
