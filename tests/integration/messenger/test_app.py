"""A3, A4, A5 under a crowd: whatever several sessions do at once, the rules hold and every change has its one line.

Luck decides what meets what here; the tests beside this one step through the meetings that matter.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

from tests.integration.messenger.conftest import ANN, BOB, CHAT, IVAN, MARY, Office

from inboxbench.database import Connection
from inboxbench.invariants import read_invariants, violations
from inboxbench.messenger.app import handover
from inboxbench.messenger.app.lifecycle import change_status, mute, reopen_due, snooze, unmute, unsnooze
from inboxbench.messenger.app.message import Actor, incoming, note, reply
from inboxbench.messenger.app.posting import post
from inboxbench.project import Project

WORKERS, ACTS = 6, 60
PAST = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
Act = Callable[[Connection, int, int, Actor], int | bool]

# Each returns how many lines it has written.
ACTS_BY_NAME: dict[str, Act] = {
    "ask": lambda db, talk, *_: post(db, incoming(talk, IVAN, "?")).reopened,
    "deliver": lambda db, talk, agent, _: post(db, incoming(talk, IVAN, "?", source_id=f"s{agent}")).reopened,
    "answer": lambda db, talk, agent, _: post(db, reply(talk, agent, "!")).reopened,
    "note": lambda db, talk, agent, _: post(db, note(talk, agent, "hm")).reopened,
    "assign": handover.assign,
    "take": lambda db, _, agent, by: handover.take_next(db, CHAT, agent, by) is not None,
    "turn": lambda db, *_: handover.assign_automatically(db, CHAT) is not None,
    "reassign": lambda db, talk, agent, by: handover.reassign(db, talk, agent, ANN + BOB - agent, by),
    "unassign": handover.unassign,
    "resolve": lambda db, talk, _, by: change_status(db, talk, "resolved", by),
    "open": lambda db, talk, _, by: change_status(db, talk, "open", by, expected="resolved"),
    "snooze": lambda db, talk, _, by: snooze(db, talk, PAST, by),
    "unsnooze": lambda db, talk, _, by: unsnooze(db, talk, by),
    "due": lambda db, *_: len(reopen_due(db, 2)),
    "mute": lambda db, talk, _, by: mute(db, talk, by),
    "unmute": lambda db, talk, _, by: unmute(db, talk, by),
}


def test_the_rules_hold_under_a_crowd(office: Office, project: Project) -> None:
    """C3, C4, C5, C7, M6: no deadlock either, as everybody comes to the conversation before the contact."""
    talks = [office.conversation(contact=contact) for contact in (IVAN, IVAN, MARY)]
    sessions = [office.session(**{"inboxbench.flood_limit": "100000"}) for _ in range(WORKERS)]

    def work(number: int) -> tuple[int, set[str]]:
        chance, db, lines, effective = Random(number), sessions[number], 0, set()
        for _ in range(ACTS):
            name, agent = chance.choice(list(ACTS_BY_NAME)), chance.choice((ANN, BOB))
            written = int(ACTS_BY_NAME[name](db, chance.choice(talks), agent, Actor("user", agent)))
            committed = chance.random() < 0.8
            db.commit() if committed else db.rollback()
            lines += written * committed
            effective |= {name} if written else set()
        return lines, effective

    with ThreadPoolExecutor(WORKERS) as crowd:
        results = list(crowd.map(work, range(WORKERS)))
    rules = read_invariants(project.schema / "invariants.sql").values()
    assert violations(office.watch, [rule for rule in rules if rule.scope == "head"]) == []
    assert office.value("SELECT count(*) FROM messages WHERE message_type = 2") == sum(lines for lines, _ in results)
    assert len(set().union(*(names for _, names in results))) >= 10  # of the 14 that can write a line
