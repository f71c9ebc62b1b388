"""A churn as it is declared on the command line."""

from __future__ import annotations

from collections import Counter

import pytest

from inboxbench.bench.workload.churn import EXECUTIONS, Churn, read_churn
from inboxbench.errors import UsageError
from inboxbench.project import Project


def test_nothing_declared_is_the_same_number_of_every_write(project: Project) -> None:
    churn = read_churn(project, None)
    writes = ("assign", "insert_message", "mark_read", "open_conversation", "resolve")
    assert churn.counts == dict.fromkeys(writes, EXECUTIONS)
    assert churn.executions == 5 * EXECUTIONS


def test_counts_by_name(project: Project) -> None:
    churn = read_churn(project, " insert_message = 1_000, mark_read=20 ")
    assert churn.counts == {"insert_message": 1000, "mark_read": 20}
    assert str(churn) == "1,000 × insert_message, 20 × mark_read"


def test_turns_are_all_there_in_order_and_evenly_mixed() -> None:
    order = list(Churn({"a": 10, "b": 40}).mixed_order())
    assert Counter(name for name, _turn in order) == {"a": 10, "b": 40}
    assert [turn for name, turn in order if name == "b"] == list(range(40))
    half = Counter(name for name, _turn in order[:25])
    assert half == {"a": 5, "b": 20}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "insert_mesage=5",
            "--churn: unknown write 'insert_mesage'; did you mean 'insert_message'? "
            "Known: assign, insert_message, mark_read, open_conversation, resolve",
        ),
        ("insert_message", "--churn 'insert_message' is not WRITE=COUNT, such as assign=1000"),
        ("mark_read=-1", "--churn 'mark_read=-1' is not WRITE=COUNT, such as assign=1000"),
        ("mark_read=0", "--churn 'mark_read=0' changes nothing; give assign=1000 or the like"),
        (",", "--churn ',' changes nothing; give assign=1000 or the like"),
    ],
)
def test_wrong_declarations_say_what_to_write(project: Project, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_churn(project, text)
    assert str(caught.value) == message
