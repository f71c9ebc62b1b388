"""P2.3, C6: unread counts on demand, for a page and for an agent's inboxes."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from tests.integration.messenger.conftest import ANN, BOB, CHAT, CHIEF, ELSEWHERE, IVAN, MAIL, Office

from inboxbench.database import Connection
from inboxbench.messenger.app.activity import Activity, record
from inboxbench.messenger.app.message import SYSTEM, Actor, MessageType, NewMessage, incoming, note, reply
from inboxbench.messenger.app.page import InboxUnread, unread_of_agent, unread_of_page
from inboxbench.messenger.app.posting import post

LISTED = Path(__file__).with_name("listed.sql")
SEEN = "UPDATE conversations SET agent_last_seen_at = %s WHERE id = %s"
HOUR = dt.timedelta(hours=1)


def test_only_what_customers_wrote_since_an_agent_looked(office: Office, db: Connection) -> None:
    talk, never, silent = (office.conversation() for _ in range(3))
    noon = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)
    for hours in (-1, 0, 1, 2):
        post(db, incoming(talk, IVAN, "?", created_at=noon + hours * HOUR))
    post(db, reply(talk, ANN, "!"))
    post(db, note(talk, ANN, "hm"))
    post(db, NewMessage(talk, Actor("bot"), "Rate us", MessageType.TEMPLATE))
    record(db, [talk], Activity("test", SYSTEM, "Something was done"))
    post(db, incoming(never, IVAN, "?"))
    db.commit()
    office.execute(SEEN, noon, talk)
    assert unread_of_page(db, [talk, never, silent, 404]) == {talk: 2, never: 1, silent: 0}
    assert unread_of_page(db, []) == {}


def test_an_agent_counts_the_inboxes_they_work_in(office: Office, db: Connection) -> None:
    """Bob is a member of Chat, Ann of Chat and Mail; the chief is an administrator and of no inbox."""
    first, second = office.conversation(inbox=CHAT), office.conversation(inbox=CHAT)
    away, elsewhere = (
        office.conversation(inbox=CHAT, status="resolved"),
        office.conversation(inbox=ELSEWHERE, contact=3),
    )
    for talk, times in ((first, 3), (second, 1), (away, 5), (elsewhere, 7)):
        contact = 3 if talk == elsewhere else IVAN
        for _ in range(times):
            post(db, incoming(talk, contact, "?"))
    db.execute("UPDATE conversations SET status = 'resolved' WHERE id = %s", (away,))  # posting had reopened it
    db.execute("UPDATE conversations SET assignee_id = %s WHERE id = %s", (BOB, second))
    db.commit()
    chat, mail = InboxUnread(CHAT, 2, 4), InboxUnread(MAIL, 0, 0)
    assert unread_of_agent(db, BOB) == [chat]
    assert unread_of_agent(db, ANN) == unread_of_agent(db, CHIEF) == [chat, mail]
    assert unread_of_agent(db, BOB, mine=True) == [InboxUnread(CHAT, 1, 1)]
    assert unread_of_agent(db, ANN, mine=True) == [InboxUnread(CHAT, 0, 0), mail]
    assert unread_of_agent(db, 404) == []


@pytest.mark.parametrize("mine", [False, True])
def test_the_badge_is_the_sum_of_the_list(office: Office, db: Connection, mine: bool) -> None:
    office.watch.execute(LISTED.read_bytes())
    holder = "AND assignee_id = 1" if mine else ""
    for inbox in unread_of_agent(db, ANN, mine=mine):
        query = f"SELECT id FROM conversations WHERE inbox_id = %s AND status = 'open' {holder}"
        counts = unread_of_page(db, [id_ for (id_,) in office.rows(query, inbox.inbox_id)])
        assert (inbox.conversations, inbox.messages) == (sum(n > 0 for n in counts.values()), sum(counts.values()))
        assert inbox.conversations > 5
