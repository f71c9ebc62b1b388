"""What only the schema at head can hold, drawn over the same conversations that the baseline has.

Draws come from streams of their own, so that everything else stays as it is at the baseline.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from inboxbench.messenger.data.message_keys import BOT, NEVER, NOTE, TEMPLATE, USER
from inboxbench.messenger.data.profile import Features
from inboxbench.messenger.data.working_hours import DAY, SECOND
from inboxbench.seed.binary import Flags, Ints
from inboxbench.seed.binary.distributions import Stream, lognormal_quantiles, scramble, thresholds

SNOOZED = 3  # as a status, beside those of dialogue.py
_OPEN = 0
_TABLE = 1 << 10
_LONGEST = 100 * 365 * DAY
# Milliseconds at most from a change to the line about it, which is written in the same transaction.
LINE_DELAY = 15


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
    return np.minimum(lognormal_quantiles(days * DAY, 0.8, _TABLE), _LONGEST).astype(np.int64)


def treatment(features: Features, status: Ints, assignee: Ints, put: Ints, end: int, *, stream: Stream) -> Treatment:
    """`put` is the moment after each conversation's last message at which somebody put it away, `end` that of the
    dataset."""
    count = len(status)
    priority = np.searchsorted(thresholds(features.priority), stream.bits16(count), side="right")
    snoozed = (status == _OPEN) & (assignee > 0) & stream.chance(features.snoozed, count)
    due = stream.chance(features.snoozed_due, count)
    back = end + _naps(features.snoozed_days)[stream.bits16(count) >> 6]
    # What is due came back somewhere between the line that says so and now.
    since = put + LINE_DELAY
    until = np.where(due, since + ((end - since) * stream.bits16(count) >> 16), back)
    return Treatment(
        priority=np.where(priority < len(features.priority), priority, -1),
        snoozed_until=np.where(snoozed, -(-until // SECOND) * SECOND, NEVER),  # whole seconds
        identified=stream.chance(features.identifiers, count),
    )


def blocked(features: Features, seed: int, ids: Ints) -> Flags:
    """A4: which contacts are muted."""
    draw = (scramble(seed, "features.contacts", ids) >> np.uint64(48)).astype(np.int64)
    return np.asarray(draw < round(features.blocked * 65536))


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
