"""A5: what posting a message stores, changes and refuses, alone and against a second session."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest
from tests.integration.messenger.conftest import ANN, BY_ANN, CHAT, ELSEWHERE, IVAN, MAIL, Office

from inboxbench.database import Connection
from inboxbench.messenger.app.lifecycle import mute
from inboxbench.messenger.app.message import (
    Actor,
    MessageTooLong,
    MessageType,
    NewMessage,
    NoSuchConversation,
    TooManyMessages,
    incoming,
    note,
    reply,
)
from inboxbench.messenger.app.posting import Posted, post

CLOCKS = "last_activity_at, waiting_since, first_reply_created_at"
COUNT = "SELECT count(*) FROM messages"
YESTERDAY = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(days=1)


def test_a_message_belongs_to_account_and_inbox_of_its_conversation(office: Office, db: Connection) -> None:
    there = office.conversation(inbox=ELSEWHERE, contact=3)
    posted = post(
        db, NewMessage(there, Actor("contact", 3), "Hallo", MessageType.INCOMING, content_attributes={"x": 1})
    )
    db.commit()
    assert posted.stored
    assert not posted.reopened
    stored = (
        "SELECT id, account_id, inbox_id, sender_type, sender_id, direction, content_attributes, body FROM messages"
    )
    assert office.rows(stored) == [(posted.id, 2, ELSEWHERE, "contact", 3, "incoming", {"x": 1}, "Hallo")]


def test_question_note_and_replies_move_the_clocks(office: Office, db: Connection) -> None:
    """C3, C5, C7: in the same transaction, so the poster itself sees them moved."""
    talk = office.conversation()
    asked = post(db, incoming(talk, IVAN, "Где заказ?")).created_at
    db.commit()
    assert office.state(talk, CLOCKS) == (asked, asked, None)
    noted = post(db, note(talk, ANN, "looks lost")).created_at
    db.commit()
    assert office.state(talk, CLOCKS) == (noted, asked, None)
    first = post(db, reply(talk, ANN, "On its way")).created_at
    db.commit()
    assert office.state(talk, CLOCKS) == (first, None, first)
    again = post(db, reply(talk, ANN, "Arrived?")).created_at
    assert db.execute(f"SELECT {CLOCKS} FROM conversations").fetchone() == (again, None, first)
    db.rollback()
    assert office.state(talk, CLOCKS) == (first, None, first)


def test_messages_are_dated_in_the_order_they_are_taken(office: Office, db: Connection) -> None:
    """C3: a question taken after a reply is later than it, although its transaction began before."""
    talk = office.conversation()
    early = office.session()
    early.execute("SELECT now()")
    replied = post(db, reply(talk, ANN, "Anything else?")).created_at
    db.commit()
    asked = post(early, incoming(talk, IVAN, "Yes"))
    early.commit()
    assert asked.created_at > replied
    assert office.state(talk, CLOCKS) == (asked.created_at, asked.created_at, replied)


def test_an_older_message_does_not_turn_the_activity_back(office: Office, db: Connection) -> None:
    """C7: imports come late."""
    talk = office.conversation()
    active = office.state(talk, "last_activity_at")
    posted = post(db, incoming(talk, IVAN, "old", created_at=YESTERDAY))
    db.commit()
    assert posted.created_at == YESTERDAY
    assert office.state(talk, "last_activity_at") == active


def test_a_repeated_echo_is_the_row_that_is_there(office: Office, db: Connection) -> None:
    """M1: whatever the retry says, the first send stands."""
    talk, other = office.conversation(), office.conversation()
    first = post(db, reply(talk, ANN, "one", echo_id="e1"))
    db.commit()
    clocks = office.state(talk, CLOCKS + ", updated_at")
    again = post(db, reply(talk, ANN, "two", echo_id="e1"))
    db.commit()
    assert again == replace(first, stored=False)
    assert office.state(talk, CLOCKS + ", updated_at") == clocks
    assert post(db, reply(other, ANN, "three", echo_id="e1")).stored  # the key is the conversation's own
    assert post(db, reply(talk, ANN, "four")).stored
    assert post(db, reply(talk, ANN, "four")).stored  # without a key nothing is a repetition
    db.commit()
    assert office.value(COUNT) == 4


def test_a_repeated_source_is_one_message_of_the_inbox(office: Office, db: Connection) -> None:
    """M6: also when the second delivery is sorted into another conversation."""
    talk, second, mail = office.conversation(), office.conversation(), office.conversation(inbox=MAIL)
    first = post(db, incoming(talk, IVAN, "one", source_id="s1"))
    again = post(db, incoming(second, IVAN, "one", source_id="s1"))
    assert again == replace(first, stored=False)
    assert again.conversation_id == talk
    assert post(db, incoming(mail, IVAN, "one", source_id="s1")).stored
    db.commit()
    assert office.rows("SELECT inbox_id, count(*) FROM messages GROUP BY 1 ORDER BY 1") == [(CHAT, 1), (MAIL, 1)]


def test_a_repetition_reopens_nothing(office: Office, db: Connection) -> None:
    talk = office.conversation()
    post(db, incoming(talk, IVAN, "one", source_id="s1"))
    db.execute("UPDATE conversations SET status = 'resolved'")
    again = post(db, incoming(talk, IVAN, "one", source_id="s1"))
    db.commit()
    assert not again.reopened
    assert office.state(talk, "status, waiting_since") == ("resolved", None)
    assert office.lines(talk) == []


@pytest.mark.parametrize("commits", [True, False])
@pytest.mark.parametrize("key", ["echo", "source"])
def test_two_sessions_send_the_same(office: Office, db: Connection, key: str, commits: bool) -> None:
    """M1, M6: the second waits for the first; it returns the first's row if that committed, else it stores its own."""
    talk = office.conversation()
    message = (
        incoming(talk, IVAN, "same", echo_id="k") if key == "echo" else incoming(talk, IVAN, "same", source_id="k")
    )
    second = office.session()
    first = post(db, message)
    waiting = office.start(lambda: post(second, message))
    office.wait_until_blocked(second, by=db)
    db.commit() if commits else db.rollback()
    result = waiting.result(30)
    second.commit()
    assert result.stored is not commits
    assert office.rows("SELECT id FROM messages") == [(first.id if commits else result.id,)]
    assert not commits or result == replace(first, stored=False)


def test_two_sessions_deliver_one_source_to_two_conversations(office: Office, db: Connection) -> None:
    """M6: no lock is shared here but the unique index."""
    talk, other = office.conversation(), office.conversation()
    second = office.session()
    first = post(db, incoming(talk, IVAN, "same", source_id="k"))
    waiting = office.start(lambda: post(second, incoming(other, IVAN, "same", source_id="k")))
    office.wait_until_blocked(second, by=db)
    db.commit()
    assert waiting.result(30) == replace(first, stored=False)
    second.commit()
    assert office.value(COUNT) == 1


def test_above_read_committed_the_loser_is_told_to_try_again(office: Office, db: Connection) -> None:
    """The snapshot is older than the lock: neither a lost clock nor a second row, but 40001."""
    talk = office.conversation()
    second = office.session()
    second.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    second.execute("SELECT count(*) FROM messages")
    post(db, incoming(talk, IVAN, "same", echo_id="k"))
    db.commit()
    with pytest.raises(psycopg.errors.SerializationFailure):
        post(second, incoming(talk, IVAN, "same", echo_id="k"))
    second.rollback()
    assert not post(second, incoming(talk, IVAN, "same", echo_id="k")).stored


def test_the_flood_limit_is_named(office: Office) -> None:
    """M8, P1.1: conversation, limit and window stand in the error; the transaction leaves nothing."""
    db = office.session(**{"inboxbench.flood_limit": "3", "inboxbench.flood_window": "10 seconds"})
    talk, other = office.conversation(), office.conversation()
    for number in range(3):
        post(db, incoming(talk, IVAN, str(number)))
    db.commit()
    post(db, incoming(other, IVAN, "elsewhere"))
    with pytest.raises(TooManyMessages) as refused:
        post(db, reply(talk, ANN, "fourth"))
    db.rollback()
    assert str(refused.value) == (
        f"conversation {talk} takes at most 3 messages per 00:00:10 and has had them; "
        "wait, or raise inboxbench.flood_limit for this role"
    )
    assert (refused.value.conversation_id, refused.value.limit, refused.value.window) == (talk, 3, "00:00:10")
    assert refused.value.exit_code == 3
    assert office.value(COUNT) == 3


def test_a_refusal_costs_no_more_than_a_savepoint(office: Office) -> None:
    db = office.session(**{"inboxbench.flood_limit": "1"})
    talk, other = office.conversation(), office.conversation()
    post(db, incoming(talk, IVAN, "first"))
    with pytest.raises(TooManyMessages), db.transaction():
        post(db, incoming(talk, IVAN, "second"))
    post(db, incoming(other, IVAN, "third"))
    db.commit()
    assert office.rows("SELECT body FROM messages ORDER BY id") == [("first",), ("third",)]


def test_a_retry_is_no_flood(office: Office) -> None:
    """M1 before M8: the message is stored, so its retry is answered however full the window is."""
    settings = {"inboxbench.flood_limit": "1"}
    first, second = office.session(**settings), office.session(**settings)
    talk = office.conversation()
    message = incoming(talk, IVAN, "only", echo_id="k")
    posted = post(first, message)
    waiting = office.start(lambda: post(second, message))
    office.wait_until_blocked(second, by=first)
    first.commit()
    assert waiting.result(30) == replace(posted, stored=False)
    second.commit()
    assert post(first, message) == replace(posted, stored=False)


def test_exactly_the_limit_gets_through_a_crowd(office: Office) -> None:
    """M8: eight sessions, ten tries each, one conversation."""
    talk = office.conversation()
    sessions = [office.session(**{"inboxbench.flood_limit": "20"}) for _ in range(8)]

    def flood(session: Connection) -> int:
        stored = 0
        for _ in range(10):
            try:
                stored += post(session, incoming(talk, IVAN, "again")).stored
                session.commit()
            except TooManyMessages:
                session.rollback()
        return stored

    with ThreadPoolExecutor(8) as crowd:
        assert sum(crowd.map(flood, sessions)) == 20
    assert office.value(COUNT) == 20


@pytest.mark.parametrize("letter", ["a", "ж", "🙂"])
def test_characters_are_counted_and_not_bytes(office: Office, db: Connection, letter: str) -> None:
    """M7, P1.3: the last length that fits and the first that does not."""
    talk = office.conversation()
    post(db, incoming(talk, IVAN, letter * 150_000))
    db.commit()
    with pytest.raises(MessageTooLong) as refused:
        post(db, incoming(talk, IVAN, letter * 150_001))
    db.rollback()
    assert str(refused.value) == (
        f"a message for conversation {talk} has 150,001 characters, and at most 150,000 are taken; "
        "split it or send it as a file"
    )
    assert (refused.value.length, refused.value.limit) == (150_001, 150_000)
    assert office.value(COUNT) == 1


def test_other_violations_are_not_renamed(office: Office, db: Connection) -> None:
    talk = office.conversation()
    with pytest.raises(psycopg.errors.CheckViolation, match="messages_sender_type_check"):
        post(db, NewMessage(talk, Actor("ghost"), "boo", MessageType.INCOMING))  # type: ignore[arg-type]


def test_a_conversation_that_is_not_there(office: Office, db: Connection) -> None:
    with pytest.raises(NoSuchConversation, match="no conversation with id 404"):
        post(db, incoming(404, IVAN, "hello?"))


@pytest.mark.parametrize("status", ["resolved", "snoozed"])
def test_the_customer_brings_it_back(office: Office, db: Connection, status: str) -> None:
    """A5, A3, C4: open again, waiting since now, with one line in the customer's name."""
    talk = office.conversation(status=status)
    office.execute("UPDATE conversations SET snoozed_until = now() + interval '1 day'")
    posted = post(db, incoming(talk, IVAN, "Я ещё тут"))
    db.commit()
    assert posted.reopened
    assert office.state(talk, "status, snoozed_until, waiting_since") == ("open", None, posted.created_at)
    assert office.lines(talk) == ["Иван opened the conversation"]
    assert not post(db, incoming(talk, IVAN, "и тут")).reopened


@pytest.mark.parametrize("status", ["resolved", "snoozed", "pending"])
def test_colleagues_and_robots_do_not(office: Office, db: Connection, status: str) -> None:
    talk = office.conversation(status=status)
    template = NewMessage(talk, Actor("bot"), "How did we do?", MessageType.TEMPLATE)
    for message in (reply(talk, ANN, "Bye"), note(talk, ANN, "done"), template):
        assert not post(db, message).reopened
    db.commit()
    assert office.state(talk, "status") == (status,)
    assert office.lines(talk) == []


def test_pending_stays_pending(office: Office, db: Connection) -> None:
    """A bot has it in hand."""
    talk = office.conversation(status="pending")
    assert not post(db, incoming(talk, IVAN, "hello")).reopened
    db.commit()
    assert office.state(talk, "status") == ("pending",)


@pytest.mark.parametrize("status", ["resolved", "snoozed"])
def test_the_blocked_customer_is_stored_and_reopens_nothing(office: Office, db: Connection, status: str) -> None:
    """A4, C3: and in a resolved conversation nobody waits."""
    talk = office.conversation(status=status)
    office.execute("UPDATE contacts SET blocked = true")
    posted = post(db, incoming(talk, IVAN, "Ответьте!"))
    db.commit()
    assert (posted.stored, posted.reopened) == (True, False)
    waiting = None if status == "resolved" else posted.created_at
    assert office.state(talk, "status, waiting_since, last_activity_at") == (status, waiting, posted.created_at)
    assert office.lines(talk) == []


def test_a_message_that_waited_for_the_mute_does_not_undo_it(office: Office, db: Connection) -> None:
    """A4: who is blocked is read after the lock, not from a snapshot older than it."""
    talk = office.conversation()
    second = office.session()
    mute(db, talk, BY_ANN)
    waiting = office.start(lambda: post(second, incoming(talk, IVAN, "wait!")))
    office.wait_until_blocked(second, by=db)
    db.commit()
    posted: Posted = waiting.result(30)
    second.commit()
    assert (posted.stored, posted.reopened) == (True, False)
    assert office.state(talk, "status, waiting_since") == ("resolved", None)


def test_two_customers_messages_reopen_once(office: Office, db: Connection) -> None:
    """A3: the second finds it open and writes no line."""
    talk = office.conversation(status="resolved")
    second = office.session()
    assert post(db, incoming(talk, IVAN, "one")).reopened
    waiting = office.start(lambda: post(second, incoming(talk, IVAN, "two")))
    office.wait_until_blocked(second, by=db)
    db.commit()
    assert not waiting.result(30).reopened
    second.commit()
    assert office.lines(talk) == ["Иван opened the conversation"]
