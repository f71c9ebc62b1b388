from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inboxbench.messenger.throughput.result import Verdict, check, doubles


def test_one_claim_each_is_clean() -> None:
    assert check([(1, 7), (2, 8)], {1: [7], 2: [8], 3: []}) == Verdict(2, 2, 0, 0, 0)


def test_a_second_holder_is_a_double_even_when_it_is_the_same_agent() -> None:
    assert check([(1, 7), (1, 9)], {1: [7, 9]}).doubles == 1
    assert doubles([7, 7]) == 1


def test_a_claim_after_a_release_is_not() -> None:
    assert doubles([7, None, 9, None]) == 0


def test_the_two_records_must_agree() -> None:
    """A win that the row does not remember (rolled back, overwritten elsewhere), and one that nobody reported."""
    verdict = check([(1, 7), (2, 8)], {1: [7], 2: [9]})
    assert (verdict.unwritten, verdict.unreported) == (1, 1)


@given(st.dictionaries(st.integers(1, 20), st.lists(st.integers(1, 5), max_size=4)))
def test_claims_are_assigned_plus_doubles_while_nobody_releases(rows: dict[int, list[int]]) -> None:
    wins = [(row, agent) for row, agents in rows.items() for agent in agents]
    verdict = check(wins, rows)
    assert verdict.claims == len(wins) == verdict.assigned + verdict.doubles
    assert (verdict.unwritten, verdict.unreported) == (0, 0)
