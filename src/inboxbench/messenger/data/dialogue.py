"""What is said inside the conversations of one block: who writes when, and the status and holder it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from inboxbench.messenger.data.accounts import Owners, ragged
from inboxbench.messenger.data.message_keys import BOT, CONTACT, NEVER, USER
from inboxbench.messenger.data.outline import Outline
from inboxbench.messenger.data.profile import Dialogue, Profile, Status
from inboxbench.messenger.data.working_hours import DAY, Clock
from inboxbench.seed.binary import Flags, Ints
from inboxbench.seed.binary.distributions import QUANTILES, Stream, lognormal_quantiles, rank_tables, thresholds

OPEN, PENDING, RESOLVED = 0, 1, 2
# The last message of a conversation comes at least so many milliseconds before the end of the span.
LAST_MESSAGE = 2000
_FAR = np.iinfo(np.int64).max
_SAME, _AGENT, _CONTACT, _BOT_PAUSE = range(4)


@cache
def _pauses(dialogue: Dialogue) -> Ints:
    """Quantiles in milliseconds of the four kinds of pauses, side by side."""
    medians = (dialogue.same_side_pause, dialogue.agent_pause, dialogue.contact_pause, 2.0)
    sigmas = (0.8, dialogue.pause_sigma, dialogue.pause_sigma, 0.3)
    tables = [lognormal_quantiles(m * 1000, s) for m, s in zip(medians, sigmas, strict=True)]
    returns = round(QUANTILES * dialogue.return_share)
    if returns:
        tables[2][-returns:] = lognormal_quantiles(dialogue.return_pause * 1000, 1.2, returns)
    return np.clip(np.rint(np.concatenate(tables)), 1000, 10 * DAY).astype(np.int64)


# Which pause comes before a message, by who wrote last and who writes now (contact, user, bot).
_PAUSE_AFTER = QUANTILES * np.array(
    [
        *(_SAME, _AGENT, _BOT_PAUSE),
        *(_CONTACT, _SAME, _BOT_PAUSE),
        *(_CONTACT, _SAME, _BOT_PAUSE),
    ]
)


@cache
def _limits(status: Status) -> Ints:
    """Cumulative shares of open and pending, by bucket of age."""
    return np.stack([thresholds(pair) for pair in zip(status.open, status.pending, strict=True)])


@cache
def _agent_ranks(largest: int, exponent: float) -> Ints:
    return rank_tables(largest, exponent)


@dataclass(frozen=True, slots=True)
class Threads:
    """The messages of a block's conversations, one conversation after the other."""

    count: Ints  # by conversation
    start: Ints
    heads: Ints  # place of its first message
    owner: Ints  # by message: its conversation
    place: Ints  # and its number in it, from 0
    end: int  # of the span


def make_threads(count: Ints, start: Ints, end: int) -> Threads:
    owner, place = ragged(count)
    return Threads(count, start, np.cumsum(count) - count, owner, place, end)


def _sides(profile: Profile, threads: Threads, stream: Stream) -> Flags:
    """True for our side, which changes with probability turn_share at each message."""
    change = stream.chance(profile.dialogue.turn_share, len(threads.owner))
    change[threads.heads] = stream.chance(profile.dialogue.outgoing_first, len(threads.heads))
    changes = np.cumsum(change)
    before: Ints = changes[threads.heads] - change[threads.heads]
    odd: Ints = (changes - before[threads.owner]) & 1
    return odd.astype(np.bool_)


def _kinds(profile: Profile, threads: Threads, stream: Stream) -> Ints:
    talk = profile.dialogue
    ours = _sides(profile, threads, stream)
    draw = stream.bits16(len(ours))
    second, later = round(talk.bot_second * 65536), round(talk.bot_later * 65536)
    bot = (draw < later) | ((draw < second) & (threads.place == 1))
    return np.asarray(ours * (USER + bot))


def _offsets(profile: Profile, threads: Threads, kind: Ints, stream: Stream) -> Ints:
    """Activity time since the conversation's first message."""
    draw = stream.bits16(len(kind)) & (QUANTILES - 1)
    draw[1:] += _PAUSE_AFTER[kind[:-1] * 3 + kind[1:]]
    pause = _pauses(profile.dialogue)[draw]
    pause[threads.heads] = 0
    passed = np.cumsum(pause)
    return np.asarray(passed - passed[threads.heads][threads.owner])


def _moments(threads: Threads, activity: Ints, clock: Clock, pattern: Ints) -> Ints:
    """Wall time of each message: pauses pass on the activity clock."""
    bent = clock.wall(activity, pattern[threads.owner])
    return _fit(threads, threads.start[threads.owner] + bent - bent[threads.heads][threads.owner])


def _fit(threads: Threads, moment: Ints) -> Ints:
    """Squeeze conversations that would run past the end, keeping their moments strictly growing.

    By floating point, since the product of two times is beyond 63 bits: it keeps the order, and gives 0 and all of
    the room at both ends exactly.
    """
    last = moment[threads.heads + threads.count - 1]
    end = threads.end - LAST_MESSAGE
    late = last > end
    if not late.any():
        return moment
    chosen = late[threads.owner]
    whose = threads.owner[chosen]
    room = end - threads.start - threads.count
    share = (moment[chosen] - threads.start[whose]) / (last - threads.start)[whose]
    fitted = moment.copy()
    fitted[chosen] = threads.start[whose] + threads.place[chosen] + np.floor(share * room[whose]).astype(np.int64)
    return fitted


def _status(profile: Profile, age: Ints, stream: Stream) -> Ints:
    bucket = np.searchsorted(np.asarray(profile.status.days) * DAY, age, side="right")
    limits = _limits(profile.status)[bucket]
    draw = stream.bits16(len(age))
    return np.where(draw < limits[:, 0], OPEN, np.where(draw < limits[:, 1], PENDING, RESOLVED))


def _last_word(profile: Profile, threads: Threads, kind: Ints, status: Ints, stream: Stream) -> Ints:
    """Kinds with the sides after one message exchanged where the last speaker does not fit the status.

    As many exchanges make a change of sides of none as the other way round, so that turn_share stays.
    """
    shares = profile.last_word
    wanted = stream.chance(np.array([shares.open, shares.pending, shares.resolved])[status], len(status))
    ours = kind != CONTACT
    wrong = (ours[threads.heads + threads.count - 1] != wanted) & (threads.count > 1)
    change = np.empty_like(ours)
    change[1:] = ours[1:] != ours[:-1]
    able = change == stream.chance(0.5, len(status))[threads.owner]
    able[threads.heads] = False
    place = np.maximum.reduceat(np.where(able, threads.place, 0), threads.heads)
    place = np.where(place > 0, place, threads.count - 1)
    first = np.where(wrong, place, threads.count)
    return np.where(threads.place >= first[threads.owner], np.where(ours, CONTACT, USER), kind)


def _assignees(profile: Profile, owners: Owners, inbox: Ints, status: Ints, stream: Stream) -> Ints:
    shares = profile.assignment
    by_status = np.array([shares.open, shares.pending, shares.resolved])
    assigned = stream.chance(by_status[status], len(status))
    ranks = _agent_ranks(int(owners.member_count.max()), profile.membership.agent_exponent)
    members = owners.member_count[inbox - 1]
    place = ranks[members, stream.bits16(len(inbox)) >> 6]
    return np.where(assigned, owners.member_user[owners.member_first[inbox - 1] + place], 0)


@dataclass(frozen=True, slots=True)
class Talk:
    """What was said: moments and kinds of messages, and what it left of each conversation."""

    moment: Ints
    kind: Ints
    status: Ints
    assignee: Ints


def talk_of(profile: Profile, outline: Outline, clock: Clock, part: slice, threads: Threads, *, stream: Stream) -> Talk:
    whole = outline.conversations
    kind = _kinds(profile, threads, stream)
    activity = whole.activity[part][threads.owner] + _offsets(profile, threads, kind, stream)
    moment = _moments(threads, activity, clock, outline.owners.pattern[whole.account[part]])
    status = _status(profile, threads.end - moment[threads.heads + threads.count - 1], stream)
    kind = _last_word(profile, threads, kind, status, stream)
    assignee = _assignees(profile, outline.owners, whole.inbox[part], status, stream)
    # Where nobody is assigned, no human answered: the bot did.
    kind = np.where((kind == USER) & (assignee == 0)[threads.owner], BOT, kind)
    return Talk(moment, kind, status, assignee)


def latest_of(threads: Threads, moment: Ints, chosen: Flags) -> Ints:
    """By conversation, the last chosen moment, or NEVER."""
    return np.asarray(np.maximum.reduceat(np.where(chosen, moment, NEVER), threads.heads))


def earliest_of(threads: Threads, moment: Ints, chosen: Flags) -> Ints:
    first = np.minimum.reduceat(np.where(chosen, moment, _FAR), threads.heads)
    return np.where(first == _FAR, NEVER, first)
