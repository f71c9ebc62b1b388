"""What happens inside the conversations of one block: who writes when, and the state that follows from it.

A message in outline is one sort key of 63 bits: its moment (36 bits of milliseconds), its conversation (24)
and who wrote it (3). Keys are unique, so sorting them gives one order however they were brought together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from inboxbench.seed.arrays import AnyArray, Flags, Ints
from inboxbench.seed.clock import DAY, HOUR, Clock
from inboxbench.seed.distributions import QUANTILES, lognormal_quantiles, rank_tables, thresholds
from inboxbench.seed.owners import Owners, ragged
from inboxbench.seed.profile import Dialogue, Profile
from inboxbench.seed.streams import Stream
from inboxbench.seed.world import World, span

BLOCK = 2048  # conversations; part of the generator's version, since streams are keyed by block

CONTACT, USER, BOT = 0, 1, 2
OPEN, PENDING, RESOLVED = 0, 1, 2
KIND_BITS = 3
MOMENT_SHIFT = 27
_CONVERSATION_MASK = (1 << 24) - 1
NEVER = -1

# What a message needs to know of its conversation; one cache line's gather for all of it.
STATE = np.dtype(
    [
        ("agent_read", "<i8"),  # incoming messages up to here are read; NEVER for none
        ("contact_read", "<i8"),  # outgoing ones
        ("account", "<i4"),
        ("inbox", "<i4"),
        ("contact", "<i4"),
        ("assignee", "<i4"),  # 0 for nobody
        ("russian", "<i4"),
        ("spare", "<i4"),
    ]
)


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
    waiting_since: Ints  # NEVER where nobody waits
    first_reply: Ints  # NEVER where no human replied
    state: AnyArray


def block_count(conversations: int) -> int:
    return -(-conversations // BLOCK)


def moments(keys: Ints) -> Ints:
    return keys >> MOMENT_SHIFT


def positions(keys: Ints) -> Ints:
    """Position (id - 1) of each message's conversation."""
    return (keys >> KIND_BITS) & _CONVERSATION_MASK


def kinds(keys: Ints) -> Ints:
    return keys & ((1 << KIND_BITS) - 1)


@cache
def _pauses(dialogue: Dialogue) -> Ints:
    """Quantiles in milliseconds of the four kinds of pauses: same side, agent, contact, bot."""
    medians = (dialogue.same_side_pause, dialogue.agent_pause, dialogue.contact_pause, 2.0)
    sigmas = (0.8, dialogue.pause_sigma, dialogue.pause_sigma, 0.3)
    tables = [lognormal_quantiles(m * 1000, s) for m, s in zip(medians, sigmas, strict=True)]
    returns = round(QUANTILES * dialogue.return_share)
    if returns:
        tables[2][-returns:] = lognormal_quantiles(dialogue.return_pause * 1000, 1.2, returns)
    return np.clip(np.rint(np.concatenate(tables)), 1000, 10 * DAY).astype(np.int64)


@cache
def _agent_ranks(largest: int, exponent: float) -> Ints:
    return rank_tables(largest, exponent)


def _sides(profile: Profile, place: Ints, owner: Ints, heads: Ints, stream: Stream) -> Flags:
    """True for our side. A chain that changes sides with probability turn_share at each message."""
    change = stream.chance(profile.dialogue.turn_share, len(place))
    change[heads] = stream.chance(profile.dialogue.outgoing_first, len(heads))
    changes = np.cumsum(change)
    before = changes[heads] - change[heads]
    return ((changes - before[owner]) & 1).astype(np.bool_)


def _kinds(profile: Profile, ours: Flags, place: Ints, stream: Stream) -> Ints:
    talk = profile.dialogue
    bot = stream.chance(np.where(place == 1, talk.bot_second, talk.bot_later), len(ours))
    return np.where(ours, np.where(bot, BOT, USER), CONTACT)


def _offsets(profile: Profile, kind: Ints, heads: Ints, owner: Ints, stream: Stream) -> Ints:
    """Activity time since the conversation's first message."""
    same = np.concatenate(([False], (kind[1:] == CONTACT) == (kind[:-1] == CONTACT)))
    sort = np.where(kind == BOT, 3, np.where(same, 0, np.where(kind == USER, 1, 2)))
    draw = stream.bits16(len(kind)) & (QUANTILES - 1)
    pause = _pauses(profile.dialogue)[sort * QUANTILES + draw]
    pause[heads] = 0
    passed = np.cumsum(pause)
    return passed - passed[heads][owner]


def _fit(moment: Ints, start: Ints, count: Ints, heads: Ints, owner: Ints, end: int) -> Ints:
    """Squeeze conversations that would run past the end, keeping their moments strictly growing."""
    last = moment[heads + count - 1]
    late = last > end
    if not late.any():
        return moment
    chosen = late[owner]
    whose = owner[chosen]
    place = np.flatnonzero(chosen) - heads[whose]
    room = end - start - count - 1
    moved = start[whose] + place + (moment[chosen] - start[whose]) * room[whose] // (last - start)[whose]
    fitted = moment.copy()
    fitted[chosen] = moved
    return fitted


def _status(profile: Profile, age: Ints, stream: Stream) -> Ints:
    bucket = np.searchsorted(np.asarray(profile.status.days) * DAY, age, side="right")
    limits = np.stack(
        [thresholds(pair) for pair in zip(profile.status.open, profile.status.pending, strict=True)]
    )[bucket]
    draw = stream.bits16(len(age))
    return np.where(draw < limits[:, 0], OPEN, np.where(draw < limits[:, 1], PENDING, RESOLVED))


def _assignees(profile: Profile, owners: Owners, inbox: Ints, status: Ints, stream: Stream) -> Ints:
    shares = profile.assignment
    assigned = stream.chance(
        np.array([shares.open, shares.pending, shares.resolved])[status], len(status)
    )
    ranks = _agent_ranks(int(owners.member_count.max()), profile.membership.agent_exponent)
    members = owners.member_count[inbox - 1]
    place = ranks[members, stream.bits16(len(inbox)) >> 6]
    return np.where(assigned, owners.member_user[owners.member_first[inbox - 1] + place], 0)


def _latest(moment: Ints, chosen: Flags, heads: Ints) -> Ints:
    """By conversation, the last chosen moment, or NEVER."""
    return np.asarray(np.maximum.reduceat(np.where(chosen, moment, NEVER), heads))


def _earliest(moment: Ints, chosen: Flags, heads: Ints) -> Ints:
    far = np.iinfo(np.int64).max
    first = np.minimum.reduceat(np.where(chosen, moment, far), heads)
    return np.where(first == far, NEVER, first)


def _waiting(moment: Ints, kind: Ints, heads: Ints, owner: Ints, status: Ints) -> Ints:
    """The first customer message after our latest public reply; nobody waits in a resolved conversation."""
    replied = _latest(moment, kind != CONTACT, heads)
    since = _earliest(moment, (kind == CONTACT) & (moment > replied[owner]), heads)
    return np.where(status == RESOLVED, NEVER, since)


def converse(profile: Profile, world: World, clock: Clock, seed: int, number: int) -> Block:
    """Block `number` of the conversations."""
    whole = world.conversations
    first, last = number * BLOCK, min((number + 1) * BLOCK, len(whole.start))
    part = slice(first, last)
    count, start = np.asarray(whole.messages[part]), np.asarray(whole.start[part])
    account, inbox = np.asarray(whole.account[part]), np.asarray(whole.inbox[part])
    heads = np.cumsum(count) - count
    owner, place = ragged(count)
    stream = Stream(seed, "dialogue", number)

    kind = _kinds(profile, _sides(profile, place, owner, heads, stream), place, stream)
    activity = np.asarray(whole.activity[part])
    later = activity[owner] + _offsets(profile, kind, heads, owner, stream)
    bent = clock.wall(later, world.owners.pattern[account][owner])
    moment = start[owner] + bent - bent[heads][owner]
    end = span(profile)
    moment = _fit(moment, start, count, heads, owner, end)

    last_message = moment[heads + count - 1]
    status = _status(profile, end - last_message, stream)
    assignee = _assignees(profile, world.owners, inbox, status, stream)
    kind = np.where((kind == USER) & (assignee == 0)[owner], BOT, kind)
    first_reply = _earliest(moment, kind == USER, heads)
    assigned_at = _assigned(start, first_reply, end, stream)
    read = _read(profile, moment, kind, heads, status, assignee, assigned_at, stream)
    state = np.zeros(last - first, dtype=STATE)
    state["agent_read"], state["contact_read"] = read
    state["account"], state["inbox"] = account + 1, inbox
    state["contact"] = contact = np.asarray(whole.contact[part])
    state["assignee"] = assignee
    state["russian"] = world.contacts.russian[contact - 1]
    keys = (moment << MOMENT_SHIFT) | ((first + owner) << KIND_BITS) | kind
    return Block(
        first=first,
        last=last,
        keys=np.sort(keys),
        start=start,
        last_message=last_message,
        status=status,
        assignee=assignee,
        assigned_at=assigned_at,
        last_read=np.maximum(state["agent_read"], assigned_at),
        waiting_since=_waiting(moment, kind, heads, owner, status),
        first_reply=first_reply,
        state=state,
    )


def _assigned(start: Ints, first_reply: Ints, end: int, stream: Stream) -> Ints:
    """Soon after the beginning, and before the first human reply if there was one."""
    soon = start + 1000 + stream.below(HOUR // 2, len(start))
    before = np.where(first_reply == NEVER, end, first_reply)
    return np.minimum(soon, before)


def _read(
    profile: Profile,
    moment: Ints,
    kind: Ints,
    heads: Ints,
    status: Ints,
    assignee: Ints,
    assigned_at: Ints,
    stream: Stream,
) -> tuple[Ints, Ints]:
    """Up to when each side has read the other. Who wrote has read what stood there before."""
    last = np.maximum.reduceat(moment, heads)
    unfinished = status != RESOLVED
    behind = unfinished & stream.chance(profile.reading.agent_unread, len(last))
    agent = np.where(behind, _latest(moment, kind == USER, heads), last)
    agent = np.where(behind & (assignee > 0) & (agent == NEVER), assigned_at - 1, agent)
    away = unfinished & stream.chance(profile.reading.contact_unread, len(last))
    return agent, np.where(away, _latest(moment, kind == CONTACT, heads), last)
