"""What happens inside the conversations of one block: who writes when, and the state that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from inboxbench.messenger.data.accounts import Owners, ragged
from inboxbench.messenger.data.features import SNOOZED, Treatment, marked, treatment
from inboxbench.messenger.data.message_keys import (
    BOT,
    CONTACT,
    KIND_BITS,
    MOMENT_SHIFT,
    NEVER,
    STATE,
    USER,
    kinds,
    read_moments,
)
from inboxbench.messenger.data.outline import Outline, span
from inboxbench.messenger.data.profile import Dialogue, Profile, Status
from inboxbench.messenger.data.working_hours import DAY, HOUR, Clock
from inboxbench.seed.binary import AnyArray, Flags, Ints
from inboxbench.seed.binary.distributions import QUANTILES, Stream, lognormal_quantiles, rank_tables, thresholds

BLOCK = 2048  # conversations; part of the generator's version, since streams are keyed by block

OPEN, PENDING, RESOLVED = 0, 1, 2
_FAR = np.iinfo(np.int64).max
_SAME, _AGENT, _CONTACT, _BOT_PAUSE = range(4)


@dataclass(frozen=True, slots=True)
class Clocks:
    """By conversation, of the schema at head; NEVER where nobody waits, no human replied, nobody looked."""

    waiting_since: Ints
    first_reply: Ints
    agent_seen: Ints
    contact_seen: Ints


@dataclass(frozen=True, slots=True)
class Block:
    """Conversations first .. last-1 (positions, id - 1) with everything that depends on their messages."""

    first: int
    last: int
    keys: Ints  # of all messages, sorted
    start: Ints
    last_message: Ints
    status: Ints
    assignee: Ints  # user id, 0 for nobody
    assigned_at: Ints
    last_read: Ints
    clocks: Clocks
    state: AnyArray
    treatment: Treatment | None  # at head


def block_count(conversations: int) -> int:
    return -(-conversations // BLOCK)


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
class _Lines:
    """The messages of a block's conversations, one conversation after the other."""

    count: Ints  # by conversation
    start: Ints
    heads: Ints  # place of its first message
    owner: Ints  # by message: its conversation
    place: Ints  # and its number in it, from 0
    end: int  # of the span


def _lines(count: Ints, start: Ints, end: int) -> _Lines:
    owner, place = ragged(count)
    return _Lines(count, start, np.cumsum(count) - count, owner, place, end)


def _sides(profile: Profile, lines: _Lines, stream: Stream) -> Flags:
    """True for our side. A chain that changes sides with probability turn_share at each message."""
    change = stream.chance(profile.dialogue.turn_share, len(lines.owner))
    change[lines.heads] = stream.chance(profile.dialogue.outgoing_first, len(lines.heads))
    changes = np.cumsum(change)
    before: Ints = changes[lines.heads] - change[lines.heads]
    odd: Ints = (changes - before[lines.owner]) & 1
    return odd.astype(np.bool_)


def _kinds(profile: Profile, lines: _Lines, stream: Stream) -> Ints:
    talk = profile.dialogue
    ours = _sides(profile, lines, stream)
    draw = stream.bits16(len(ours))
    second, later = round(talk.bot_second * 65536), round(talk.bot_later * 65536)
    bot = (draw < later) | ((draw < second) & (lines.place == 1))
    return np.asarray(ours * (USER + bot))


def _offsets(profile: Profile, lines: _Lines, kind: Ints, stream: Stream) -> Ints:
    """Activity time since the conversation's first message."""
    draw = stream.bits16(len(kind)) & (QUANTILES - 1)
    draw[1:] += _PAUSE_AFTER[kind[:-1] * 3 + kind[1:]]
    pause = _pauses(profile.dialogue)[draw]
    pause[lines.heads] = 0
    passed = np.cumsum(pause)
    return np.asarray(passed - passed[lines.heads][lines.owner])


def _moments(lines: _Lines, activity: Ints, clock: Clock, pattern: Ints) -> Ints:
    """Wall time of each message: pauses pass on the activity clock."""
    bent = clock.wall(activity, pattern[lines.owner])
    return _fit(lines, lines.start[lines.owner] + bent - bent[lines.heads][lines.owner])


def _fit(lines: _Lines, moment: Ints) -> Ints:
    """Squeeze conversations that would run past the end, keeping their moments strictly growing."""
    last = moment[lines.heads + lines.count - 1]
    late = last > lines.end
    if not late.any():
        return moment
    chosen = late[lines.owner]
    whose = lines.owner[chosen]
    room = lines.end - lines.start - lines.count - 1
    passed = (moment[chosen] - lines.start[whose]) * room[whose] // (last - lines.start)[whose]
    fitted = moment.copy()
    fitted[chosen] = lines.start[whose] + lines.place[chosen] + passed
    return fitted


def _status(profile: Profile, age: Ints, stream: Stream) -> Ints:
    bucket = np.searchsorted(np.asarray(profile.status.days) * DAY, age, side="right")
    limits = _limits(profile.status)[bucket]
    draw = stream.bits16(len(age))
    return np.where(draw < limits[:, 0], OPEN, np.where(draw < limits[:, 1], PENDING, RESOLVED))


def _assignees(profile: Profile, owners: Owners, inbox: Ints, status: Ints, stream: Stream) -> Ints:
    shares = profile.assignment
    by_status = np.array([shares.open, shares.pending, shares.resolved])
    assigned = stream.chance(by_status[status], len(status))
    ranks = _agent_ranks(int(owners.member_count.max()), profile.membership.agent_exponent)
    members = owners.member_count[inbox - 1]
    place = ranks[members, stream.bits16(len(inbox)) >> 6]
    return np.where(assigned, owners.member_user[owners.member_first[inbox - 1] + place], 0)


def _latest(lines: _Lines, moment: Ints, chosen: Flags) -> Ints:
    """By conversation, the last chosen moment, or NEVER."""
    return np.asarray(np.maximum.reduceat(np.where(chosen, moment, NEVER), lines.heads))


def _earliest(lines: _Lines, moment: Ints, chosen: Flags) -> Ints:
    first = np.minimum.reduceat(np.where(chosen, moment, _FAR), lines.heads)
    return np.where(first == _FAR, NEVER, first)


def _assigned(lines: _Lines, first_reply: Ints, stream: Stream) -> Ints:
    """Soon after the beginning, and before the first human reply if there was one."""
    soon = lines.start + 1000 + stream.below(HOUR // 2, len(lines.start))
    before = np.where(first_reply == NEVER, lines.end, first_reply)
    return np.asarray(np.minimum(soon, before))


@dataclass(frozen=True, slots=True)
class _Talk:
    """What was said: moments and kinds of messages, and what it left of each conversation."""

    moment: Ints
    kind: Ints
    status: Ints
    assignee: Ints


def _talk(profile: Profile, outline: Outline, clock: Clock, part: slice, lines: _Lines, *, stream: Stream) -> _Talk:
    whole = outline.conversations
    kind = _kinds(profile, lines, stream)
    activity = whole.activity[part][lines.owner] + _offsets(profile, lines, kind, stream)
    moment = _moments(lines, activity, clock, outline.owners.pattern[whole.account[part]])
    status = _status(profile, lines.end - moment[lines.heads + lines.count - 1], stream)
    assignee = _assignees(profile, outline.owners, whole.inbox[part], status, stream)
    # Where nobody is assigned, no human answered: the bot did.
    kind = np.where((kind == USER) & (assignee == 0)[lines.owner], BOT, kind)
    return _Talk(moment, kind, status, assignee)


def _read(profile: Profile, lines: _Lines, talk: _Talk, assigned_at: Ints, stream: Stream) -> tuple[Ints, Ints]:
    """Up to when each side has read the other. Who wrote has read what stood there before."""
    last = talk.moment[lines.heads + lines.count - 1]
    unfinished = talk.status != RESOLVED
    behind = unfinished & stream.chance(profile.reading.agent_unread, len(last))
    agent = np.where(behind, _latest(lines, talk.moment, talk.kind == USER), last)
    agent = np.where(behind & (talk.assignee > 0) & (agent == NEVER), assigned_at - 1, agent)
    away = unfinished & stream.chance(profile.reading.contact_unread, len(last))
    return agent, np.where(away, _latest(lines, talk.moment, talk.kind == CONTACT), last)


def _waiting(lines: _Lines, talk: _Talk) -> Ints:
    """The first customer message after our latest public reply; nobody waits in a resolved conversation."""
    replied = _latest(lines, talk.moment, (talk.kind == USER) | (talk.kind == BOT))
    unanswered = (talk.kind == CONTACT) & (talk.moment > replied[lines.owner])
    return np.where(talk.status == RESOLVED, NEVER, _earliest(lines, talk.moment, unanswered))


def _state(outline: Outline, part: slice, talk: _Talk, read: tuple[Ints, Ints]) -> AnyArray:
    whole = outline.conversations
    state = np.zeros(len(talk.status), dtype=STATE)
    state["agent_read"], state["contact_read"] = read
    state["account"], state["inbox"] = whole.account[part] + 1, whole.inbox[part]
    state["contact"], state["assignee"] = whole.contact[part], talk.assignee
    state["russian"] = outline.contacts.russian[whole.contact[part] - 1]
    return state


def _seen(lines: _Lines, keys: Ints, read: tuple[Ints, Ints], visited: Ints) -> tuple[Ints, Ints]:
    """C6: when each side last looked: the last moment at which it read a message, and the assignee's last visit."""
    at = read_moments(keys, read[0][lines.owner], read[1][lines.owner], lines.end)
    incoming = kinds(keys) == CONTACT
    by_agent = np.asarray(np.maximum.reduceat(np.where(incoming, at, NEVER), lines.heads))
    by_contact = np.asarray(np.maximum.reduceat(np.where(incoming, NEVER, at), lines.heads))
    return np.maximum(by_agent, visited), by_contact


def _clocks(lines: _Lines, talk: _Talk, keys: Ints, read: tuple[Ints, Ints], last_read: Ints) -> Clocks:
    """C3 C5 C6. `keys` stand in the order of `lines`."""
    visited = np.where(talk.assignee > 0, last_read, NEVER)
    first_reply = _earliest(lines, talk.moment, talk.kind == USER)
    return Clocks(_waiting(lines, talk), first_reply, *_seen(lines, keys, read, visited))


def _no_clocks(count: int) -> Clocks:
    never = np.full(count, NEVER, dtype=np.int64)
    return Clocks(never, never, never, never)


def converse(
    profile: Profile, outline: Outline, clock: Clock, seed: int, number: int, *, at_head: bool = True
) -> Block:
    """Block `number` of the conversations. Below head, what only its schema holds stays empty."""
    whole = outline.conversations
    first, last = number * BLOCK, min((number + 1) * BLOCK, len(whole.start))
    part = slice(first, last)
    lines = _lines(whole.messages[part], whole.start[part], span(profile))
    stream = Stream(seed, "dialogue", number)
    talk = _talk(profile, outline, clock, part, lines, stream=stream)
    last_message = talk.moment[lines.heads + lines.count - 1]
    assigned_at = _assigned(lines, _earliest(lines, talk.moment, talk.kind == USER), stream)
    read = _read(profile, lines, talk, assigned_at, stream)
    last_read = np.maximum(read[0], assigned_at)
    treated, status = None, talk.status
    if at_head:
        later = Stream(seed, "features", number)
        talk = replace(talk, kind=marked(profile.features, talk.kind, later))
        treated = treatment(profile.features, status, talk.assignee, last_message, lines.end, stream=later)
        status = np.where(treated.snoozed_until != NEVER, SNOOZED, status)
    keys = (talk.moment << MOMENT_SHIFT) | ((first + lines.owner) << KIND_BITS) | talk.kind
    clocks = _clocks(lines, talk, keys, read, last_read) if at_head else _no_clocks(last - first)
    return Block(
        first=first,
        last=last,
        keys=np.sort(keys),
        start=lines.start,
        last_message=last_message,
        status=status,
        assignee=talk.assignee,
        assigned_at=assigned_at,
        last_read=last_read,
        clocks=clocks,
        state=_state(outline, part, talk, read),
        treatment=treated,
    )
