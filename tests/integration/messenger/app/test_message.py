"""C3, C5, C7: random histories against the rules written down a second time, in a few lines of Python."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tests.integration.messenger.conftest import ANN, BY_ANN, IVAN, Office

from inboxbench.database import Connection
from inboxbench.messenger.app import handover
from inboxbench.messenger.app.lifecycle import change_status, mute, snooze, unmute
from inboxbench.messenger.app.message import Actor, MessageType, NewMessage, incoming, note, reply
from inboxbench.messenger.app.posting import post

Step = Literal[
    "question", "late question", "reply", "bot reply", "rule", "template", "note", "assign", "unassign",
    "resolve", "open", "snooze", "mute", "unmute",
]  # fmt: skip
STEPS: tuple[Step, ...] = Step.__args__  # type: ignore[attr-defined]
LATE = dt.timedelta(hours=-1)
NOW = "SELECT clock_timestamp()"


@dataclass
class Model:
    """A conversation as its customer sees it; times are those of the messages, in the order they came."""

    status: str = "open"
    blocked: bool = False
    waiting: dt.datetime | None = None
    answered: dt.datetime | None = None

    def posted(self, step: Step, at: dt.datetime) -> None:
        if step in ("question", "late question"):
            self.asked(at)
        if step in ("reply", "bot reply"):
            self.waiting = None
        if step == "reply" and self.answered is None:
            self.answered = at

    def asked(self, at: dt.datetime) -> None:
        if self.status in ("resolved", "snoozed") and not self.blocked:
            self.status = "open"
        if self.status != "resolved" and self.waiting is None:
            self.waiting = at

    def changed(self, step: Step) -> None:
        if step in ("mute", "unmute"):
            self.blocked = step == "mute"
        if step in ("resolve", "mute"):
            self.status, self.waiting = "resolved", None
        if step in ("open", "snooze"):
            self.status = "open" if step == "open" else "snoozed"


def message(step: Step, talk: int, now: dt.datetime) -> NewMessage | None:
    """What a step posts; None for a step that posts nothing."""
    robot = Actor("bot")
    return {
        "question": incoming(talk, IVAN, "?"),
        "late question": incoming(talk, IVAN, "?", created_at=now + LATE),
        "reply": reply(talk, ANN, "!"),
        "bot reply": NewMessage(talk, robot, "!", MessageType.OUTGOING),
        "rule": NewMessage(talk, BY_ANN, "!", MessageType.OUTGOING, content_attributes={"automation_rule_id": 1}),
        "template": NewMessage(talk, robot, "Rate us", MessageType.TEMPLATE),
        "note": note(talk, ANN, "hm"),
    }.get(step)


def change(db: Connection, step: Step, talk: int) -> None:
    match step:
        case "assign":
            handover.assign(db, talk, ANN, BY_ANN)
        case "unassign":
            handover.unassign(db, talk, ANN, BY_ANN)
        case "resolve":
            change_status(db, talk, "resolved", BY_ANN)
        case "open":
            change_status(db, talk, "open", BY_ANN)
        case "snooze":
            snooze(db, talk, None, BY_ANN)
        case "mute":
            mute(db, talk, BY_ANN)
        case "unmute":
            unmute(db, talk, BY_ANN)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=15))
def test_the_clocks_follow_the_model(office: Office, db: Connection, steps: list[Step]) -> None:
    """Each step in a transaction of its own; the activity clock is the newest moment of all."""
    office.execute("UPDATE contacts SET blocked = false")
    talk, model = office.conversation(), Model()
    for step in steps:
        draft = message(step, talk, office.value(NOW))
        if draft is not None:
            model.posted(step, post(db, draft).created_at)
        else:
            change(db, step, talk)
            model.changed(step)
        db.commit()
        state = office.state(talk, "status, waiting_since, first_reply_created_at")
        assert state == (model.status, model.waiting, model.answered)
    newest = "SELECT max(created_at) FROM messages WHERE conversation_id = %s"
    active, opened = office.state(talk, "last_activity_at, created_at")
    assert active == max(opened, office.value(newest, talk) or opened)
    event(f"waiting: {model.waiting is not None}, answered: {model.answered is not None}")
