"""The conversations of one block: what was said in them, what was done to them, and the state that follows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from inboxbench.messenger.data.activity import LONGEST_CLOSING, Changes, latest, returns
from inboxbench.messenger.data.activity import lines as activity_lines
from inboxbench.messenger.data.dialogue import (
    LAST_MESSAGE,
    PENDING,
    RESOLVED,
    Talk,
    Threads,
    earliest_of,
    latest_of,
    make_threads,
    talk_of,
)
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
from inboxbench.messenger.data.outline import HeadOutline, Outline, span
from inboxbench.messenger.data.profile import Profile
from inboxbench.messenger.data.working_hours import HOUR, Clock
from inboxbench.seed.binary import AnyArray, Flags, Ints
from inboxbench.seed.binary.distributions import Stream

BLOCK = 2048  # conversations; part of the generator's version, since streams are keyed by block
# What is done to a conversation ends at least so many milliseconds before the span.
_LAST_CHANGE = 1000


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
    closed_at: Ints  # when it would have been resolved, had it been
    last_activity: Ints  # of messages and threads
    status: Ints
    rated: Flags
    assignee: Ints  # user id, 0 for nobody
    assigned_at: Ints
    last_read: Ints
    clocks: Clocks
    state: AnyArray
    treatment: Treatment | None  # at head


def block_count(conversations: int) -> int:
    return -(-conversations // BLOCK)


def _assigned(threads: Threads, first_reply: Ints, stream: Stream) -> Ints:
    """Soon after the beginning, and before the first human reply if there was one."""
    soon = threads.start + 1000 + stream.below(HOUR // 2, len(threads.start))
    before = np.where(first_reply == NEVER, threads.end - LAST_MESSAGE, first_reply)
    return np.asarray(np.minimum(soon, before))


def _closed(threads: Threads, last_message: Ints, since: Ints, stream: Stream) -> Ints:
    """A while after the last message, and after `since`."""
    closed = np.maximum(last_message + 1000 + stream.below(LONGEST_CLOSING, len(since)), since)
    return np.asarray(np.minimum(closed, threads.end - _LAST_CHANGE))


def _read(profile: Profile, threads: Threads, talk: Talk, assigned_at: Ints, stream: Stream) -> tuple[Ints, Ints]:
    """Up to when each side has read the other. Who wrote has read what stood there before."""
    last = talk.moment[threads.heads + threads.count - 1]
    unfinished = talk.status != RESOLVED
    behind = unfinished & stream.chance(profile.reading.agent_unread, len(last))
    agent = np.where(behind, latest_of(threads, talk.moment, talk.kind == USER), last)
    agent = np.where(behind & (talk.assignee > 0) & (agent == NEVER), assigned_at - 1, agent)
    away = unfinished & stream.chance(profile.reading.contact_unread, len(last))
    return agent, np.where(away, latest_of(threads, talk.moment, talk.kind == CONTACT), last)


def _waiting(threads: Threads, talk: Talk) -> Ints:
    """The first customer message after our latest public reply; nobody waits in a resolved conversation."""
    replied = latest_of(threads, talk.moment, (talk.kind == USER) | (talk.kind == BOT))
    unanswered = (talk.kind == CONTACT) & (talk.moment > replied[threads.owner])
    return np.where(talk.status == RESOLVED, NEVER, earliest_of(threads, talk.moment, unanswered))


def _state(outline: Outline, part: slice, talk: Talk, read: tuple[Ints, Ints]) -> AnyArray:
    whole = outline.conversations
    state = np.zeros(len(talk.status), dtype=STATE)
    state["agent_read"], state["contact_read"] = read
    state["account"], state["inbox"] = whole.account[part] + 1, whole.inbox[part]
    state["contact"], state["assignee"] = whole.contact[part], talk.assignee
    state["russian"] = outline.contacts.russian[whole.contact[part] - 1]
    return state


def _seen(threads: Threads, keys: Ints, read: tuple[Ints, Ints], visited: Ints) -> tuple[Ints, Ints]:
    """C6: when each side last looked: the last moment at which it read a message, and the assignee's last visit."""
    at = read_moments(keys, read[0][threads.owner], read[1][threads.owner], threads.end)
    incoming = kinds(keys) == CONTACT
    by_agent = np.asarray(np.maximum.reduceat(np.where(incoming, at, NEVER), threads.heads))
    by_contact = np.asarray(np.maximum.reduceat(np.where(incoming, NEVER, at), threads.heads))
    return np.maximum(by_agent, visited), by_contact


def _clocks(threads: Threads, talk: Talk, keys: Ints, read: tuple[Ints, Ints], last_read: Ints) -> Clocks:
    """C3 C5 C6. `keys` stand in the order of `threads`."""
    visited = np.where(talk.assignee > 0, last_read, NEVER)
    first_reply = earliest_of(threads, talk.moment, talk.kind == USER)
    return Clocks(_waiting(threads, talk), first_reply, *_seen(threads, keys, read, visited))


def _no_clocks(count: int) -> Clocks:
    never = np.full(count, NEVER, dtype=np.int64)
    return Clocks(never, never, never, never)


def converse(
    profile: Profile, outline: Outline, clock: Clock, seed: int, number: int, *, head: HeadOutline | None
) -> Block:
    """Block `number` of the conversations. head: None below head, and what only its schema holds stays empty."""
    whole = outline.conversations
    first, last = number * BLOCK, min((number + 1) * BLOCK, len(whole.start))
    part = slice(first, last)
    threads = make_threads(whole.messages[part], whole.start[part], span(profile))
    stream = Stream(seed, "dialogue", number)
    talk = talk_of(profile, outline, clock, part, threads, stream=stream)
    last_message = talk.moment[threads.heads + threads.count - 1]
    assigned_at = _assigned(threads, earliest_of(threads, talk.moment, talk.kind == USER), stream)
    read = _read(profile, threads, talk, assigned_at, stream)
    closed_at = _closed(threads, last_message, np.where(talk.assignee > 0, assigned_at, 0), stream)
    rated = stream.chance(profile.rating.share, last - first) & (talk.status == RESOLVED)
    block = Block(
        first=first,
        last=last,
        keys=_keys(first, threads.owner, talk.moment, talk.kind),
        start=threads.start,
        last_message=last_message,
        closed_at=closed_at,
        last_activity=last_message,
        status=talk.status,
        rated=rated,
        assignee=talk.assignee,
        assigned_at=assigned_at,
        last_read=np.maximum(read[0], assigned_at),
        clocks=_no_clocks(last - first),
        state=_state(outline, part, talk, read),
        treatment=None,
    )
    if head is None:
        return replace(block, keys=np.sort(block.keys))
    return _at_head(
        profile, block, threads, talk, read, muted=head.muted[part], stream=Stream(seed, "features", number)
    )


def _keys(first: int, owner: Ints, moment: Ints, kind: Ints) -> Ints:
    return (moment << MOMENT_SHIFT) | ((first + owner) << KIND_BITS) | kind


def _at_head(
    profile: Profile,
    block: Block,
    threads: Threads,
    talk: Talk,
    read: tuple[Ints, Ints],
    *,
    muted: Flags,
    stream: Stream,
) -> Block:
    """The same block with what only the schema at head holds."""
    features = profile.features
    status = np.where(muted, RESOLVED, talk.status)
    talk = replace(talk, kind=marked(features, talk.kind, stream), status=status)
    treated = treatment(features, status, talk.assignee, block.closed_at, threads.end, stream=stream)
    status = np.where(treated.snoozed_until != NEVER, SNOOZED, status)
    changes = Changes(
        start=threads.start,
        last_message=block.last_message,
        assignee=talk.assignee,
        assigned_at=block.assigned_at,
        status=status,
        closed_at=block.closed_at,
        priority=treated.priority,
        muted=muted,
        rated=block.rated,
    )
    back = returns(features.reopened, threads.owner, talk.moment, talk.kind, stream)
    done = activity_lines(features, changes, back, (PENDING, RESOLVED), stream)
    said = _keys(block.first, threads.owner, talk.moment, talk.kind)
    state = block.state
    state["priority"], state["until"] = treated.priority, treated.snoozed_until
    return replace(
        block,
        keys=np.sort(np.concatenate((said, _keys(block.first, done.owner, done.moment, done.kind)))),
        last_activity=latest(done, block.last_message),
        status=status,
        clocks=_clocks(threads, talk, said, read, block.last_read),
        treatment=treated,
    )
