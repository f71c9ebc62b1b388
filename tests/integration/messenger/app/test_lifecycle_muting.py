"""A4: mute resolves and blocks with one line (A3); unmute unblocks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.integration.messenger.conftest import BY_ANN, BY_BOB, IVAN, MARY, Office

from inboxbench.database import Connection
from inboxbench.messenger.app.lifecycle import mute, unmute
from inboxbench.messenger.app.message import Actor, NoSuchConversation

BLOCKED = "SELECT id FROM contacts WHERE blocked"


@pytest.mark.parametrize("status", ["open", "pending", "snoozed", "resolved"])
def test_mute_and_unmute(office: Office, db: Connection, status: str) -> None:
    talk, other = office.conversation(status=status), office.conversation(contact=MARY)
    assert mute(db, talk, BY_ANN)
    assert not mute(db, talk, BY_ANN)
    db.commit()
    assert office.rows(BLOCKED) == [(IVAN,)]
    assert office.state(talk, "status, waiting_since, snoozed_until") == ("resolved", None, None)
    assert unmute(db, talk, BY_BOB)
    assert not unmute(db, talk, BY_BOB)
    db.commit()
    assert office.rows(BLOCKED) == []
    assert office.state(talk, "status") == ("resolved",)
    assert office.lines(talk) == ["Ann muted the conversation", "Bob unmuted the conversation"]
    assert (office.state(other, "status"), office.lines(other)) == (("open",), [])
    facts = office.value("SELECT content_attributes -> 'activity' FROM messages ORDER BY id LIMIT 1")
    assert facts == {"kind": "muted", "from": status, "to": "resolved"}


def test_a_second_conversation_of_the_blocked_contact(office: Office, db: Connection) -> None:
    """Resolving it is a change, so it gets its line; the contact was blocked already."""
    first, second = office.conversation(), office.conversation()
    assert mute(db, first, BY_ANN)
    assert mute(db, second, BY_ANN)
    assert unmute(db, first, BY_ANN)
    assert not unmute(db, second, BY_ANN)
    db.commit()
    assert office.lines(second) == ["Ann muted the conversation"]
    assert office.rows(BLOCKED) == []


def test_two_conversations_of_one_contact_muted_at_once(office: Office, db: Connection) -> None:
    """They meet at the contact, each holding its own conversation: no deadlock, one line in each."""
    first, second = office.conversation(), office.conversation()
    other = office.session()
    assert mute(db, first, BY_ANN)
    waiting = office.start(lambda: mute(other, second, BY_BOB))
    office.wait_until_blocked(other, by=db)
    db.commit()
    assert waiting.result(30)
    other.commit()
    assert office.rows("SELECT DISTINCT status FROM conversations") == [("resolved",)]
    assert [office.lines(talk) for talk in (first, second)] == [
        ["Ann muted the conversation"],
        ["Bob muted the conversation"],
    ]


def test_unmute_after_mute_in_another_session(office: Office, db: Connection) -> None:
    """It waits for the mute and then reverses it: the outcome of running one after the other."""
    talk = office.conversation()
    other = office.session()
    assert mute(db, talk, BY_ANN)
    waiting = office.start(lambda: unmute(other, talk, BY_BOB))
    office.wait_until_blocked(other, by=db)
    db.commit()
    assert waiting.result(30)
    other.commit()
    assert office.rows(BLOCKED) == []
    assert len(office.lines(talk)) == 2


@pytest.mark.parametrize("change", [mute, unmute])
def test_nothing_there(office: Office, db: Connection, change: Callable[[Connection, int, Actor], bool]) -> None:
    with pytest.raises(NoSuchConversation, match="404"):
        change(db, 404, BY_ANN)
