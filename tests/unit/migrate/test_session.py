"""Limits of a migration: defaults, then the environment, then flags."""

from __future__ import annotations

import pytest

from inboxbench.errors import UsageError
from inboxbench.migrate.session import Settings, read_settings


def test_defaults() -> None:
    assert read_settings({}) == Settings(lock_timeout_ms=100, lock_budget_s=120, batch_ms=50, pause_share=0.2)


def test_a_flag_beats_the_environment_which_beats_the_default() -> None:
    environment = {"INBOXBENCH_LOCK_TIMEOUT_MS": "70", "INBOXBENCH_LOCK_BUDGET_S": "9.5"}
    settings = read_settings(environment, lock_timeout_ms=30, batch_ms=None)
    assert settings == Settings(lock_timeout_ms=30, lock_budget_s=9.5)


def test_a_variable_that_is_no_number_is_named() -> None:
    with pytest.raises(UsageError, match="INBOXBENCH_BATCH_MS='soon' is not a number"):
        read_settings({"INBOXBENCH_BATCH_MS": "soon"})


@pytest.mark.parametrize("flag", [{"lock_timeout_ms": 0.0}, {"batch_ms": 0.0}, {"pause_share": -1.0}])
def test_limits_that_make_no_sense_are_refused(flag: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="above zero"):
        read_settings({}, **flag)


@pytest.mark.parametrize("text", ["-1", "1.5", "2000"])
def test_a_number_of_processes_is_one(text: str) -> None:
    with pytest.raises(UsageError, match=f"INBOXBENCH_INDEX_WORKERS={text} is no number of processes from 0 to 1024"):
        read_settings({"INBOXBENCH_INDEX_WORKERS": text})
