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
        "inboxbench.measure.sample",
        "inboxbench.measure.template",
        "inboxbench.measure.verdict",
    ],
)
def test_examples(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried > 0
    assert failed == 0
