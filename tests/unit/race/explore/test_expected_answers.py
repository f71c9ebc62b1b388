"""How long the server's answers are waited for: by what it did at the same place before."""

from __future__ import annotations

from inboxbench.race.explore.expected_answers import BLOCKED_S, POLL_S, SURE_S, ExpectedAnswers

PLACE = ((1, 2), 0)


def test_nothing_is_expected_of_a_new_place() -> None:
    assert ExpectedAnswers().wait_s(PLACE, [0, 1]) == POLL_S


def test_an_answer_that_came_before_is_waited_for_until_it_is_there() -> None:
    expected = ExpectedAnswers()
    expected.note(PLACE, {0})
    assert expected.wait_s(PLACE, [0, 1]) == SURE_S
    assert expected.wait_s(PLACE, [1]) == BLOCKED_S
    assert expected.wait_s(((1, 2), 1), [0, 1]) == POLL_S


def test_the_last_word_counts() -> None:
    expected = ExpectedAnswers()
    expected.note(PLACE, {0})
    expected.note(PLACE, set())
    assert expected.wait_s(PLACE, [0]) == BLOCKED_S


def test_where_no_step_has_begun_the_server_is_asked_at_once() -> None:
    assert ExpectedAnswers().wait_s(None, [0]) == 0.0
