"""A3: one line for each change of assignment and status, in its transaction; none where nothing changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.integration.messenger.conftest import ANN, BOB, BY_ANN, BY_BOB, BY_IVAN, CHAT, IVAN, MARY, Office

from inboxbench.database import Connection
from inboxbench.messenger.app import handover
from inboxbench.messenger.app.lifecycle import Status, change_status, mute
from inboxbench.messenger.app.message import SYSTEM, Actor, TooManyMessages, incoming
from inboxbench.messenger.app.posting import post

FACTS = "SELECT content_attributes -> 'activity' FROM messages WHERE message_type = 2 ORDER BY id"
Change = Callable[[Connection, int], bool]

# Each as a session would do it to a conversation that Ann holds.
CHANGES: dict[str, Change] = {
    "reassign": lambda db, talk: handover.reassign(db, talk, ANN, BOB, BY_ANN),
    "unassign": lambda db, talk: handover.unassign(db, talk, ANN, BY_ANN),
    "resolve": lambda db, talk: change_status(db, talk, "resolved", BY_ANN),
    "pending": lambda db, talk: change_status(db, talk, "pending", BY_ANN, expected="open"),
    "mute": lambda db, talk: mute(db, talk, BY_ANN),
}


def held_by_ann(office: Office) -> int:
    talk = office.conversation()
    office.execute("UPDATE conversations SET assignee_id = 1, assignee_assigned_at = now() WHERE id = %s", talk)
    return talk


def test_the_words_of_a_handover(office: Office, db: Connection) -> None:
    """A1: from nobody to Bob, to Ann, back, and taken by her."""
    talk = office.conversation()
    assert handover.assign(db, talk, BOB, BY_ANN)
    assert handover.reassign(db, talk, BOB, ANN, SYSTEM)
    assert handover.unassign(db, talk, ANN, BY_BOB)
    assert handover.assign(db, talk, ANN, BY_ANN)
    assert handover.unassign(db, talk, ANN, BY_ANN)
    db.commit()
    assert office.lines(talk) == [
        "Ann assigned the conversation to Bob",
        "Automation assigned the conversation to Ann",
        "Bob took the conversation from Ann",
        "Ann took the conversation",
        "Ann gave the conversation back",
    ]
    assert [facts for (facts,) in office.rows(FACTS)][:3] == [
        {"kind": "assigned", "from": None, "to": BOB},
        {"kind": "assigned", "from": BOB, "to": ANN},
        {"kind": "unassigned", "from": ANN, "to": None},
    ]


def test_the_next_one_taken(office: Office, db: Connection) -> None:
    talk, other = office.conversation(), office.conversation()
    assert handover.take_next(db, CHAT, ANN) == talk
    assert handover.take_next(db, CHAT, BOB, BY_ANN) == other
    assert handover.take_next(db, CHAT, ANN) is None
    db.commit()
    assert office.lines(talk) == ["Ann took the conversation"]
    assert office.lines(other) == ["Ann assigned the conversation to Bob"]


def test_automatic_assignment_says_so(office: Office, db: Connection) -> None:
    """A2: in turn, to each member at most one here."""
    talks = [office.conversation() for _ in range(3)]
    made = [handover.assign_automatically(db, CHAT, limit=1) for _ in talks]
    db.commit()
    assert [each and (each.conversation_id, each.agent_id) for each in made] == [(talks[0], ANN), (talks[1], BOB), None]
    lines = [["Automation assigned the conversation to Ann"], ["Automation assigned the conversation to Bob"], []]
    assert [office.lines(talk) for talk in talks] == lines


@pytest.mark.parametrize(
    ("to", "actor", "line"),
    [
        ("resolved", BY_ANN, "Ann resolved the conversation"),
        ("pending", SYSTEM, "Automation marked the conversation as pending"),
        ("resolved", BY_IVAN, "Иван resolved the conversation"),
        ("resolved", Actor("contact", MARY), "mary@example.test resolved the conversation"),
        ("resolved", Actor("user", 404), "Somebody resolved the conversation"),
    ],
)
def test_the_words_of_a_status(office: Office, db: Connection, to: Status, actor: Actor, line: str) -> None:
    talk = office.conversation()
    assert change_status(db, talk, to, actor)
    assert not change_status(db, talk, to, actor)
    db.commit()
    assert office.state(talk, "status") == (to,)
    assert office.lines(talk) == [line]
    assert office.rows(FACTS) == [({"kind": "status", "from": "open", "to": to},)]


def test_a_name_is_no_template(office: Office, db: Connection) -> None:
    office.execute("UPDATE users SET name = %s WHERE id = 1", "100% %2$s")
    talk = office.conversation()
    handover.assign(db, talk, BOB, BY_ANN)
    db.commit()
    assert office.lines(talk) == ["100% %2$s assigned the conversation to Bob"]


def test_a_line_is_activity_and_moves_only_the_activity_clock(office: Office, db: Connection) -> None:
    """C3, C5, C7: nobody is answered by it."""
    talk = office.conversation()
    asked = post(db, incoming(talk, IVAN, "?")).created_at
    db.commit()
    handover.assign(db, talk, ANN, BY_ANN)
    db.commit()
    ((kind, sender, moment),) = office.rows(
        "SELECT message_type, sender_type, created_at FROM messages WHERE message_type = 2"
    )
    assert (kind, sender) == (2, "user")
    clocks = office.state(talk, "last_activity_at, waiting_since, first_reply_created_at")
    assert clocks == (moment, asked, None)


def test_nothing_changed_nothing_written(office: Office, db: Connection) -> None:
    """What others have done meanwhile is not undone, and not told twice."""
    talk = held_by_ann(office)
    assert not handover.assign(db, talk, BOB, BY_BOB)
    assert not handover.reassign(db, talk, BOB, ANN, BY_BOB)
    assert not handover.reassign(db, talk, ANN, ANN, BY_ANN)
    assert not handover.unassign(db, talk, BOB, BY_BOB)
    assert not change_status(db, talk, "open", BY_BOB)
    assert not change_status(db, talk, "resolved", BY_BOB, expected="pending")
    assert not change_status(db, 404, "resolved", BY_BOB)
    db.commit()
    assert office.value("SELECT count(*) FROM messages") == 0
    assert office.state(talk, "assignee_id, status, updated_at = created_at") == (ANN, "open", True)


@pytest.mark.parametrize("name", CHANGES)
def test_change_and_line_go_together(office: Office, db: Connection, name: str) -> None:
    talk = held_by_ann(office)
    assert CHANGES[name](db, talk)
    db.rollback()
    assert office.lines(talk) == []
    assert office.state(talk, "assignee_id, status") == (ANN, "open")


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("name", CHANGES)
def test_two_sessions_make_the_same_change(office: Office, db: Connection, name: str, commits: bool) -> None:
    """The second waits; one line in the end, whoever of the two made the change."""
    talk = held_by_ann(office)
    second = office.session()
    assert CHANGES[name](db, talk)
    waiting = office.start(lambda: CHANGES[name](second, talk))
    office.wait_until_blocked(second, by=db)
    db.commit() if commits else db.rollback()
    assert waiting.result(30) is not commits
    second.commit()
    assert len(office.lines(talk)) == 1


def test_two_sessions_assign_to_two_agents(office: Office, db: Connection) -> None:
    """P1.2: one holder, and the line names that one."""
    talk = office.conversation()
    second = office.session()
    assert handover.assign(db, talk, ANN, BY_ANN)
    waiting = office.start(lambda: handover.assign(second, talk, BOB, BY_BOB))
    office.wait_until_blocked(second, by=db)
    db.commit()
    assert not waiting.result(30)
    second.commit()
    assert office.state(talk, "assignee_id") == (ANN,)
    assert office.lines(talk) == ["Ann took the conversation"]


def test_before_is_what_was_replaced(office: Office, db: Connection) -> None:
    """The second read `open` before it waited, and replaced `pending`."""
    talk = office.conversation()
    second = office.session()
    change_status(db, talk, "pending", BY_ANN)
    waiting = office.start(lambda: change_status(second, talk, "resolved", BY_BOB))
    office.wait_until_blocked(second, by=db)
    db.commit()
    assert waiting.result(30)
    second.commit()
    assert [facts["from"] for (facts,) in office.rows(FACTS)] == ["open", "pending"]


def test_a_flooded_conversation_can_still_be_handled(office: Office) -> None:
    """M8: lines have as much room again; the limit for messages is the same afterwards."""
    db = office.session(**{"inboxbench.flood_limit": "3"})
    talk = held_by_ann(office)
    for _ in range(3):
        post(db, incoming(talk, IVAN, "!!!"))
    assert mute(db, talk, BY_ANN)
    assert db.execute("SHOW inboxbench.flood_limit").fetchone() == ("3",)
    with pytest.raises(TooManyMessages), db.transaction():
        post(db, incoming(talk, IVAN, "!!!!"))
    assert handover.unassign(db, talk, ANN, BY_ANN)
    assert handover.assign(db, talk, ANN, SYSTEM)
    with pytest.raises(TooManyMessages, match="at most 6 messages"), db.transaction():
        handover.unassign(db, talk, ANN, SYSTEM)  # a loop of automation ends here
    db.commit()
    assert office.state(talk, "assignee_id, status") == (ANN, "resolved")
    assert len(office.lines(talk)) == 3


def test_the_limit_was_not_set_and_is_not_set(office: Office, db: Connection) -> None:
    """M8: without the setting, 200 a minute before and after."""
    talk, other = held_by_ann(office), office.conversation()
    handover.unassign(db, talk, ANN, BY_ANN)
    for _ in range(200):
        post(db, incoming(other, IVAN, "."))
    with pytest.raises(TooManyMessages, match="at most 200 messages per 00:01:00"), db.transaction():
        post(db, incoming(other, IVAN, "."))
