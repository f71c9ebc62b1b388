"""A3: which lines the changes of a block's conversations left in them: what was done, when and by whom.

A line is a message of its own. Its sort key says who did it (kind) and, in the last bits of its moment, what: it is
written up to `LINE_DELAY` milliseconds after the change that it is about, in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inboxbench.messenger.data.features import LINE_DELAY, SNOOZED
from inboxbench.messenger.data.message_keys import (
    CONTACT,
    LINE_BOT,
    LINE_CONTACT,
    LINE_USER,
    NOTE,
    TEMPLATE,
    moments,
)
from inboxbench.messenger.data.profile import Features
from inboxbench.messenger.data.working_hours import DAY, HOUR
from inboxbench.seed.binary import Flags, Ints
from inboxbench.seed.binary.distributions import Stream

# What was done; of a contact's line: OPENED. A survey is no line but a template that follows one.
TAKEN, ASSIGNED, RESOLVED, PENDING, PRIORITY, SNOOZE, MUTED, SURVEY = range(8)
OPENED = 0
_CODE_BITS = 3
_CODES = (1 << _CODE_BITS) - 1
# Of assignments: an agent took the conversation; the others are the automation's.
_BY_HAND = 0.6
# When a conversation was closed: at most this long after the last message.
LONGEST_CLOSING = 6 * HOUR


@dataclass(frozen=True, slots=True)
class Changes:
    """By conversation of a block: its state, and when each part of it came about.

    assigned_at counts where there is an assignee; closed_at where the status is not open: when it got that status.
    """

    start: Ints
    last_message: Ints
    assignee: Ints
    assigned_at: Ints
    status: Ints
    closed_at: Ints
    priority: Ints
    muted: Flags
    rated: Flags


@dataclass(frozen=True, slots=True)
class Returns:
    """Customers who came back to a conversation that had been resolved: which one, and the moments of the message
    before and of the one that opened it again."""

    owner: Ints
    before: Ints
    moment: Ints


@dataclass(frozen=True, slots=True)
class Lines:
    """owner: place of the conversation in its block; kind: LINE_USER, LINE_BOT or LINE_CONTACT."""

    owner: Ints
    moment: Ints
    kind: Ints


def codes(keys: Ints) -> Ints:
    """What each of these lines is about."""
    return moments(keys) & _CODES


def returns(share: float, owner: Ints, moment: Ints, kind: Ints, stream: Stream) -> Returns:
    """`share` of the customers' messages that come a day or more after an answer of ours.

    owner, moment and kind are of the messages of a block, one conversation after the other.
    """
    back = (moment[1:] - moment[:-1] >= DAY) & (owner[1:] == owner[:-1]) & (kind[1:] == CONTACT)
    answered = (kind[:-1] != CONTACT) & (kind[:-1] != NOTE) & (kind[:-1] != TEMPLATE)
    place = np.flatnonzero(back & answered)
    place = place[stream.chance(share, len(place))]
    return Returns(owner[place], moment[place], moment[place + 1])


def lines(features: Features, changes: Changes, back: Returns, statuses: tuple[int, int], stream: Stream) -> Lines:
    """The lines of a block. statuses: the codes of pending and resolved."""
    pending, resolved = (changes.status == status for status in statuses)
    count = len(changes.start)
    assigned = changes.assignee > 0
    by = np.where(assigned, LINE_USER, LINE_BOT)
    taken = stream.chance(_BY_HAND, count)
    begins = np.where(assigned, changes.assigned_at, changes.start)
    prioritised = begins + (np.maximum(changes.last_message - begins, 0) * stream.bits16(count) >> 16)
    asked = resolved & (changes.rated | (~changes.muted & stream.chance(features.surveys, count)))
    everywhere = np.arange(count)
    fits = _known(assigned, changes.assigned_at, back)
    back = Returns(back.owner[fits], back.before[fits], back.moment[fits])
    closed_before = (
        back.before
        + 1000
        + stream.below(np.minimum(back.moment - back.before - 2000, LONGEST_CLOSING), len(back.owner))
    )
    parts = [
        (everywhere[assigned & taken], changes.assigned_at, TAKEN, by),
        (everywhere[assigned & ~taken], changes.assigned_at, ASSIGNED, np.full(count, LINE_BOT)),
        (everywhere[resolved & ~changes.muted], changes.closed_at, RESOLVED, by),
        (everywhere[changes.muted], changes.closed_at, MUTED, by),
        (everywhere[pending], changes.closed_at, PENDING, by),
        (everywhere[changes.status == SNOOZED], changes.closed_at, SNOOZE, by),
        (everywhere[changes.priority >= 0], prioritised, PRIORITY, by),
    ]
    made = [Lines(chosen, _dated(moment[chosen], code), kind[chosen]) for chosen, moment, code, kind in parts]
    made.append(Lines(back.owner, _dated(closed_before, RESOLVED), by[back.owner]))
    made.append(Lines(back.owner, _dated(back.moment, OPENED), np.full(len(back.owner), LINE_CONTACT)))
    kept = _joined(made)
    left = stream.chance(features.activity, len(kept.owner))
    kept = Lines(kept.owner[left], kept.moment[left], kept.kind[left])
    if not features.surveys:
        return kept
    survey = _dated(changes.closed_at[asked] + 2 * LINE_DELAY, SURVEY)
    return _joined([kept, Lines(everywhere[asked], survey, np.full(len(survey), LINE_BOT))])


def _known(assigned: Flags, assigned_at: Ints, back: Returns) -> Flags:
    """Who resolved it the first time had it by then."""
    return np.asarray(~assigned[back.owner] | (assigned_at[back.owner] <= back.before))


def _dated(moment: Ints, code: int) -> Ints:
    """At most LINE_DELAY later, with the code in the last bits."""
    return np.asarray((moment + (1 << _CODE_BITS) >> _CODE_BITS << _CODE_BITS) | code)


def _joined(parts: list[Lines]) -> Lines:
    owner, moment, kind = (np.concatenate([getattr(part, name) for part in parts]) for name in Lines.__slots__)
    return Lines(owner, moment, kind)


def latest(found: Lines, floor: Ints) -> Ints:
    """By conversation, the later of `floor` and the moment of its last line."""
    last = floor.copy()
    np.maximum.at(last, found.owner, found.moment)
    return last
