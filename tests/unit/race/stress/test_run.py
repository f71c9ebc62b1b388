from __future__ import annotations

import math
from dataclasses import replace

import pytest

from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.race.stress.run import Load, StressResult, fairness, refusals, require_kept
from inboxbench.race.stress.worker import Tally


def test_fairness_runs_from_one_winner_to_all_alike() -> None:
    assert fairness([9, 0, 0]) == pytest.approx(1 / 3)
    assert fairness([4, 4, 4]) == 1


def test_nothing_measured_is_not_a_number() -> None:
    assert math.isnan(fairness([0, 0]))


def test_refusals_of_all_workers_are_added() -> None:
    tallies = [Tally(1, refused={"40001": 2}), Tally(2, refused={"40001": 1, "23505": 4}), Tally(3)]
    assert refusals(tallies) == {"40001": 3, "23505": 4}


@pytest.mark.parametrize(
    ("load", "message"),
    [(Load([]), "at least one"), (Load([0]), "outside 1"), (Load([2, 151]), "outside 1"), (Load([2], 0), "no time")],
)
def test_a_load_that_cannot_be_is_said(load: Load, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load.check()


def test_a_broken_invariant_is_the_subjects_failure() -> None:
    result = StressResult("a server", "shop:sell", "rc", 2, 9, 0, 0, 0, 1.0, 9.0, 1.0, 1.0, 1.0, ())
    require_kept([result])
    with pytest.raises(SubjectFailed, match=r"shop:sell: the invariant does not hold after 9 calls by 2 workers: id=1"):
        require_kept([result, replace(result, broken=("id=1",))])
