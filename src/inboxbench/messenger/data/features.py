"""What only the schema at head can hold, drawn over the same conversations that the baseline has.

Draws come from streams of their own, so that everything else stays as it is at the baseline.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from inboxbench.messenger.data.message_keys import BOT, NEVER, NOTE, TEMPLATE, USER
from inboxbench.messenger.data.profile import Features
from inboxbench.messenger.data.working_hours import DAY
from inboxbench.seed.binary import Flags, Ints
from inboxbench.seed.binary.distributions import Stream, lognormal_quantiles, thresholds

SNOOZED = 3  # as a status, beside those of dialogue.py
_OPEN = 0
_TABLE = 1 << 10


def marked(features: Features, kind: Ints, stream: Stream) -> Ints:
    """Kinds of messages with some of the users' turned into notes and some of the bots' into templates."""
    drawn = stream.bits16(len(kind))
    note = (kind == USER) & (drawn < round(features.private_notes * 65536))
    template = (kind == BOT) & (drawn < round(features.templates * 65536))
    return np.where(note, NOTE, np.where(template, TEMPLATE, kind))


@dataclass(frozen=True, slots=True)
class Treatment:
    """How a block's conversations are handled: priority 0..3 (-1 none), when a snoozed one comes back, whether an
    outside system knows it."""

    priority: Ints
    snoozed_until: Ints  # NEVER where not snoozed
    identified: Flags


@cache
def _naps(days: float) -> Ints:
    return np.asarray(lognormal_quantiles(days * DAY, 0.8, _TABLE).astype(np.int64))


def treatment(features: Features, status: Ints, assignee: Ints, last: Ints, end: int, *, stream: Stream) -> Treatment:
    """`last` is the moment of each conversation's last message, `end` that of the dataset.

    A snooze begins after the last message: a later one of the customer would have ended it.
    """
    count = len(status)
    priority = np.searchsorted(thresholds(features.priority), stream.bits16(count), side="right")
    snoozed = (status == _OPEN) & (assignee > 0) & stream.chance(features.snoozed, count)
    due = stream.chance(features.snoozed_due, count)
    back = end + _naps(features.snoozed_days)[stream.bits16(count) >> 6]
    # What is due came back somewhere between the last message and now.
    until = np.where(due, last + ((end - last) * stream.bits16(count) >> 16), back)
    return Treatment(
        priority=np.where(priority < len(features.priority), priority, -1),
        snoozed_until=np.where(snoozed, until, NEVER),
        identified=stream.chance(features.identifiers, count),
    )


def blocked(features: Features, seed: int, block: int, count: int) -> Flags:
    """A4: which contacts of a block are muted."""
    return Stream(seed, "features.contacts", block).chance(features.blocked, count)


def outside(features: Features, inbox: Ints) -> Flags:
    """M6: inboxes (ids) of other channels: a fixed scramble of the id decides."""
    return np.asarray((inbox * 2_654_435_761 >> 8 & 0xFFFF) < round(features.outside_inboxes * 65536))


def origins(features: Features, inbox: Ints, public: Flags, ids: Ints, stream: Stream) -> Ints:
    """M6: by message the number that its source_id is made of, 0 for none.

    A repeat takes the number of the message before it, which went to another inbox: inside one inbox no number
    occurs twice. Rows are in order of id.
    """
    sourced = outside(features, inbox) & public
    twin = sourced & stream.chance(features.source_id_repeats, len(inbox))
    twin[1:] &= sourced[:-1] & (inbox[1:] != inbox[:-1])
    twin[:1] = False
    twin[1:] &= ~twin[:-1]
    return np.where(sourced, ids - twin, 0)
