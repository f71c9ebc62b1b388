"""A5: who hears of a message, and when: told by a second connection that listens."""

from __future__ import annotations

import json

from tests.integration.messenger.conftest import ACCOUNT, CHAT, ELSEWHERE, IVAN, Office

from inboxbench.database import Connection
from inboxbench.messenger.app.lifecycle import reopen_due
from inboxbench.messenger.app.message import MessageType, Notice, channel, incoming, listen, read_notice
from inboxbench.messenger.app.posting import post

END = "end of test"


def heard(office: Office, listener: Connection) -> list[str]:
    """The payloads that came before one that is sent now: notifications arrive in the order of commits."""
    office.execute("SELECT pg_notify(%s, %s)", channel(ACCOUNT), END)
    payloads: list[str] = []
    for notice in listener.notifies(timeout=30):
        if notice.payload == END:
            return payloads
        assert notice.channel == channel(ACCOUNT)
        payloads.append(notice.payload)
    raise AssertionError("the last notification never came")


def listening(office: Office, account: int = ACCOUNT) -> Connection:
    listener = office.session()
    listener.autocommit = True
    listen(listener, account)
    return listener


def test_a_commit_announces_the_message(office: Office, db: Connection) -> None:
    """Nothing is heard while the transaction is open."""
    talk = office.conversation()
    listener = listening(office)
    posted = post(db, incoming(talk, IVAN, "hello"))
    assert heard(office, listener) == []
    db.commit()
    (payload,) = heard(office, listener)
    assert json.loads(payload) == {"conversation": talk, "message": posted.id, "inbox": CHAT, "type": 0}
    assert read_notice(payload) == Notice(talk, posted.id, CHAT, MessageType.INCOMING)


def test_a_rollback_tells_nobody(office: Office, db: Connection) -> None:
    talk = office.conversation()
    listener = listening(office)
    post(db, incoming(talk, IVAN, "never mind"))
    db.rollback()
    assert heard(office, listener) == []


def test_a_repetition_is_no_news(office: Office, db: Connection) -> None:
    """M1: nor does it wake anybody."""
    talk = office.conversation()
    post(db, incoming(talk, IVAN, "once", echo_id="k"))
    db.commit()
    listener = listening(office)
    post(db, incoming(talk, IVAN, "once", echo_id="k"))
    db.commit()
    assert heard(office, listener) == []


def test_an_account_hears_only_its_own(office: Office, db: Connection) -> None:
    there = office.conversation(inbox=ELSEWHERE, contact=3)
    listener = listening(office)
    post(db, incoming(there, 3, "not for you"))
    db.commit()
    assert heard(office, listener) == []


def test_activity_lines_are_announced_each(office: Office, db: Connection) -> None:
    """A3: the message and the line of its reopening; then a batch of lines from one statement."""
    talk, other = office.conversation(status="resolved"), office.conversation()
    listener = listening(office)
    post(db, incoming(talk, IVAN, "again"))
    db.commit()
    assert [read_notice(payload).type for payload in heard(office, listener)] == [0, 2]
    office.execute("UPDATE conversations SET status = 'snoozed', snoozed_until = now() - interval '1 minute'")
    reopen_due(db)
    db.commit()
    notices = [read_notice(payload) for payload in heard(office, listener)]
    assert {(notice.conversation, notice.type) for notice in notices} == {(talk, 2), (other, 2)}
