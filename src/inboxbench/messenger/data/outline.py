"""Every conversation and contact in outline: who, where, when it began, how long it is.

A pure function of (profile, seed). What a conversation holds is drawn later, block by block (dialogue.py). At head
come the numbers and entries that the schema's rules would have given to the same conversations; clocks that follow
messages (waiting_since, last seen …) are worked out block by block as well.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from inboxbench.errors import UsageError
from inboxbench.messenger.data.accounts import Owners, build_owners
from inboxbench.messenger.data.features import blocked
from inboxbench.messenger.data.profile import MAX_CONVERSATIONS, Profile
from inboxbench.messenger.data.working_hours import MINUTE, SECOND, WEEK, Clock, Hours
from inboxbench.seed.binary import AnyArray, Flags, Ints
from inboxbench.seed.binary.distributions import Stream, apportion, growth_table, long_tailed, rank_tables

# The last conversation begins this long before the end, so that its messages have room.
_LAST_START = MINUTE
_INDEX_BITS = 24


@dataclass(frozen=True, slots=True)
class Conversations:
    """In id order, which is the order of `start` over all accounts."""

    start: Ints  # wall milliseconds
    activity: Ints  # the same moment on the activity clock
    account: Ints
    inbox: Ints  # id
    contact: Ints  # id
    messages: Ints  # how many it holds
    first_message: Ints  # how many all earlier ones hold


@dataclass(frozen=True, slots=True)
class Contacts:
    """In id order, which is the order of their first conversations."""

    account: Ints
    first_start: Ints
    russian: Flags
    external: Ints  # number in an outside system, 0 for none; some repeat inside an account


@dataclass(frozen=True, slots=True)
class Outline:
    owners: Owners
    conversations: Conversations
    contacts: Contacts


def make_clock(profile: Profile) -> Clock:
    hours = profile.hours
    begins = profile.time.starts
    first_minute = begins.weekday() * 1440 + begins.hour * 60 + begins.minute
    return Clock(Hours(hours.opens, hours.closes, hours.night, hours.weekdays), hours.timezones, first_minute)


def span(profile: Profile) -> int:
    """Milliseconds from the profile's first moment to its last."""
    return profile.time.weeks * WEEK


def sizes(profile: Profile) -> Ints:
    m = profile.messages
    return long_tailed(
        median=m.median,
        sigma=m.sigma,
        tail_share=m.tail_share,
        tail_exponent=m.tail_exponent,
        largest=m.largest,
    )


def build_outline(profile: Profile, seed: int) -> Outline:
    owners = build_owners(profile, seed)
    starts = _starts(profile, owners, seed)
    contact, contacts = _contacts(profile, owners, starts.account, starts.start, seed)
    messages = _messages(profile, starts.start, seed)
    conversations = Conversations(
        start=starts.start,
        activity=starts.activity,
        account=starts.account,
        inbox=_inboxes(profile, owners, starts.account, seed),
        contact=contact,
        messages=messages,
        first_message=np.cumsum(messages) - messages,
    )
    return Outline(owners, conversations, contacts)


@dataclass(frozen=True, slots=True)
class _Starts:
    start: Ints
    activity: Ints
    account: Ints


def _starts(profile: Profile, owners: Owners, seed: int) -> _Starts:
    total = round(profile.messages.count / sizes(profile).mean())
    if total > MAX_CONVERSATIONS:
        raise UsageError(f"{total} conversations are more than the {MAX_CONVERSATIONS} that sort keys can hold")
    per_account = apportion(total, owners.weight, minimum=1)
    account = np.repeat(np.arange(len(per_account)), per_account)
    activity = _moments(profile, owners.joined[account], Stream(seed, "conversations.start"))
    wall = make_clock(profile).wall(activity, owners.pattern[account])
    wall = np.minimum(wall, span(profile) - _LAST_START)
    order = np.sort(wall << _INDEX_BITS | np.arange(len(wall))) & ((1 << _INDEX_BITS) - 1)
    return _Starts(wall[order], activity[order], account[order])


def _moments(profile: Profile, joined: Ints, stream: Stream) -> Ints:
    """Activity time of each start, denser towards the end of the span."""
    table = growth_table(profile.time.growth)
    draw = stream.bits32(len(joined))
    place, rest = draw >> 20, draw & 0xFFFFF
    share = table[place] + ((table[place + 1] - table[place]) * rest >> 20)
    life = span(profile) - joined
    fine = stream.bits16(len(joined)) >> 6
    return np.asarray(np.minimum(joined + (life * share >> 26) + fine, span(profile) - 1))


def _inboxes(profile: Profile, owners: Owners, account: Ints, seed: int) -> Ints:
    group = owners.inboxes
    tables = rank_tables(int(group.count.max()), profile.membership.inbox_exponent)
    draw = Stream(seed, "conversations.inbox").bits16(len(account)) >> 6
    return np.asarray(group.ids[group.first[account] + tables[group.count[account], draw]])


def _messages(profile: Profile, start: Ints, seed: int) -> Ints:
    """Lengths that add up to the profile's number of messages exactly; on average at most one message a second from
    the start of a conversation to the end of the span."""
    table = sizes(profile)
    room = (span(profile) - start) // SECOND
    drawn = np.minimum(table[Stream(seed, "conversations.messages").bits16(len(start)) % len(table)], room)
    missing = profile.messages.count - int(drawn.sum())
    while missing:
        able = np.flatnonzero(drawn < room if missing > 0 else drawn > 1)
        if not len(able):
            raise UsageError(
                f"profile {profile.name!r}: {profile.messages.count} messages do not fit into its "
                f"{profile.time.weeks} weeks"
            )
        step = min(abs(missing), len(able))
        drawn[able[np.arange(step) * len(able) // step]] += 1 if missing > 0 else -1
        missing -= step if missing > 0 else -step
    return drawn


def _contacts(profile: Profile, owners: Owners, account: Ints, start: Ints, seed: int) -> tuple[Ints, Contacts]:
    """The contact of each conversation: a newcomer, or one of the account's earlier contacts, old ones most."""
    stream = Stream(seed, "contacts")
    order = np.argsort(account, kind="stable")
    owner = account[order]
    head = np.concatenate(([True], owner[1:] != owner[:-1]))
    new = np.empty(len(order), dtype=np.bool_)
    new[order] = stream.chance(profile.contacts.new_share, len(order)) | head
    number = np.cumsum(new)
    sorted_new = new[order]
    reached = np.cumsum(sorted_new)
    base: Ints = (reached - sorted_new)[np.flatnonzero(head)][np.cumsum(head) - 1]
    before: Ints = reached - sorted_new - base
    draw = stream.bits16(len(order))
    earlier = before * (draw * draw >> 16) >> 16
    ids = number[order][sorted_new]
    contact = np.empty(len(order), dtype=np.int64)
    contact[order] = ids[base + np.where(sorted_new, before, earlier)]
    return contact, _described(profile, owners, account[new], start[new], stream)


def _described(profile: Profile, owners: Owners, account: Ints, start: Ints, stream: Stream) -> Contacts:
    russian = stream.chance(owners.russian[account], len(account))
    holder = stream.chance(profile.contacts.external_id_share, len(account))
    twin = stream.chance(profile.contacts.external_id_duplicates, len(account))
    return Contacts(account, start, russian, _externals(account, holder, twin))


def _externals(account: Ints, holder: Flags, twin: Flags) -> Ints:
    """A number for each holder: its own id, or, for a twin, that of the holder before it in the account."""
    order = np.argsort(account, kind="stable")
    order = order[holder[order]]
    number = np.zeros(len(account), dtype=np.int64)
    if len(order) == 0:
        return number
    owner = account[order]
    own = ~twin[order] | np.concatenate(([True], owner[1:] != owner[:-1]))
    source = np.maximum.accumulate(np.where(own, np.arange(len(order)), 0))
    number[order] = order[source] + 1
    return number


def _groups(outline: Outline) -> dict[str, object]:
    return {"owners": outline.owners, "conversations": outline.conversations, "contacts": outline.contacts}


def save_outline(folder: Path, outline: Outline) -> None:
    """Conversations and contacts as .npy files, which workers map instead of copying."""
    for name in ("conversations", "contacts"):
        group = _groups(outline)[name]
        for field in fields(group):  # type: ignore[arg-type]
            np.save(folder / f"{name}.{field.name}.npy", getattr(group, field.name))


def load_outline(folder: Path, profile: Profile, seed: int) -> Outline:
    """The outline that `save_outline` left in `folder`; owners are small and made again."""

    def read(name: str) -> AnyArray:
        return np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r"))

    conversations = Conversations(*(read(f"conversations.{f.name}") for f in fields(Conversations)))
    contacts = Contacts(*(read(f"contacts.{f.name}") for f in fields(Contacts)))
    return Outline(build_owners(profile, seed), conversations, contacts)


@dataclass(frozen=True, slots=True)
class HeadOutline:
    display: Ints  # C1, by conversation: its number in its account
    counters: Ints  # by account: the last number given
    entry: Ints  # K1, by conversation: id of its entry in contact_inboxes
    entry_contact: Ints  # by entry, in order of its first conversation
    entry_inbox: Ints
    twin: Ints  # K2: contacts that lost their external_id …
    kept: Ints  # … and the oldest of the account that has it
    muted: Flags  # A4, by conversation: the last one of a blocked contact


def build_head(outline: Outline, profile: Profile, seed: int) -> HeadOutline:
    talks = outline.conversations
    pair = talks.contact << 32 | talks.inbox
    _, first, entry = np.unique(pair, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    order = np.argsort(first)
    rank[order] = np.arange(1, len(first) + 1)
    number = outline.contacts.external
    twin = np.flatnonzero((number > 0) & (number != np.arange(1, len(number) + 1))) + 1
    return HeadOutline(
        display=_display(talks.account),
        counters=np.bincount(talks.account, minlength=len(outline.owners.created)),
        entry=rank[entry],
        entry_contact=talks.contact[first[order]],
        entry_inbox=talks.inbox[first[order]],
        twin=twin,
        kept=number[twin - 1],
        muted=_muted(talks.contact, blocked(profile.features, seed, np.arange(1, len(number) + 1))),
    )


def _muted(contact: Ints, is_blocked: Flags) -> Flags:
    place = np.arange(len(contact))
    last = np.zeros(len(is_blocked), dtype=np.int64)
    np.maximum.at(last, contact - 1, place)
    return np.asarray(is_blocked[contact - 1] & (last[contact - 1] == place))


def _display(account: Ints) -> Ints:
    """1, 2, 3 … inside each account, in order of id, which is that of creation."""
    order = np.argsort(account, kind="stable")
    count = np.bincount(account)
    first = (np.cumsum(count) - count)[account[order]]
    display = np.empty(len(account), dtype=np.int64)
    display[order] = np.arange(len(account)) - first + 1
    return display


def save_head(folder: Path, head: HeadOutline) -> None:
    for field in fields(head):
        np.save(folder / f"head.{field.name}.npy", getattr(head, field.name))


def load_head(folder: Path) -> HeadOutline:
    return HeadOutline(
        *(np.asarray(np.load(folder / f"head.{field.name}.npy", mmap_mode="r")) for field in fields(HeadOutline))
    )
