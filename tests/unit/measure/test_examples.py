"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "inboxbench.sqlfile",
        "inboxbench.measure.churn",
        "inboxbench.measure.figures",
        "inboxbench.measure.mix",
        "inboxbench.measure.reasons",
        "inboxbench.measure.sample",
        "inboxbench.measure.template",
    ],
)
def test_examples(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried > 0
    assert failed == 0
