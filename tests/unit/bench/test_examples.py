"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "inboxbench.sqlfile",
        "inboxbench.bench.workload.churn",
        "inboxbench.units",
        "inboxbench.bench.workload.mix",
        "inboxbench.bench.verdict.reasons",
        "inboxbench.bench.sets.template",
    ],
)
def test_examples(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried > 0
    assert failed == 0
