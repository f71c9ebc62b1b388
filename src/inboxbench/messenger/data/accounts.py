"""Accounts and what belongs to them before the first customer writes: users, inboxes, memberships.

Ids follow creation time across all accounts, as in a live system; arrays are in id order and id = position + 1.
Times are milliseconds since the start of the profile's span.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inboxbench.messenger.data.profile import Fleet, Profile
from inboxbench.messenger.data.working_hours import DAY, MINUTE, WEEK
from inboxbench.seed.binary import AnyArray, Flags, Floats, Ints
from inboxbench.seed.binary.distributions import Stream, apportion, with_largest, zipf_weights


@dataclass(frozen=True, slots=True)
class Group:
    """Things owned by accounts: `account` and `created` in id order; ids of account a are
    ids[first[a] : first[a] + count[a]], oldest first."""

    account: Ints
    created: Ints
    ids: Ints
    first: Ints
    count: Ints


@dataclass(frozen=True, slots=True)
class Owners:
    joined: Ints  # when customers may begin to write
    created: Ints
    weight: Floats
    russian: Floats  # share of contacts who write Russian
    pattern: Ints  # place in the profile's list of timezones
    users: Group
    administrator: Flags
    inboxes: Group
    member_first: Ints  # by inbox: its members are member_user[first : first + count]
    member_count: Ints
    member_user: Ints


def build_owners(profile: Profile, seed: int) -> Owners:
    stream = Stream(seed, "accounts")
    count = profile.accounts.count
    joined = _joined(profile, stream)
    created = joined - MINUTE * (60 + stream.below(1380, count))
    created.sort()
    rank = _ranks(count, stream)
    weights = zipf_weights(count, profile.accounts.exponent)
    weight = with_largest(weights, profile.accounts.largest_share)[rank]
    users = _group(profile.users, weight, created, Stream(seed, "users"))
    inboxes = _group(profile.inboxes, weight, created, Stream(seed, "inboxes"))
    first, members, user = _members(profile, users, inboxes, Stream(seed, "inbox_members"))
    return Owners(
        joined=joined,
        created=created,
        weight=weight,
        russian=_languages(profile, rank, stream),
        pattern=stream.below(len(profile.hours.timezones), count),
        users=users,
        administrator=_administrators(profile, users, Stream(seed, "administrators")),
        inboxes=inboxes,
        member_first=first,
        member_count=members,
        member_user=user,
    )


def _joined(profile: Profile, stream: Stream) -> Ints:
    """Whole weeks after the start, so that bending time inside a week never reaches back before an account."""
    late = max(1, round(profile.time.weeks * profile.accounts.late_share))
    weeks = stream.below(late, profile.accounts.count)
    weeks.sort()
    weeks[: max(1, len(weeks) // 50)] = 0
    return weeks * WEEK


def _ranks(count: int, stream: Stream) -> Ints:
    """Size rank of each account: chance, but the largest is among the oldest."""
    rank = np.argsort(stream.words(count), kind="stable").astype(np.int64)
    largest, oldest = int(np.flatnonzero(rank == 0)[0]), min(2, count - 1, max(0, count // 50 - 1))
    rank[[largest, oldest]] = rank[[oldest, largest]]
    return rank


def _languages(profile: Profile, rank: Ints, stream: Stream) -> Floats:
    """Share of Russian contacts by account: 1, 0 or the mixed share, spread evenly over sizes."""
    text = profile.text
    place = (stream.bits16(1)[0] / 65536 + rank * 0.6180339887498949) % 1.0
    share = np.where(place < text.russian, 1.0, np.where(place < text.russian + text.english, 0.0, text.mixed_russian))
    largest = {"ru": 1.0, "en": 0.0, "mixed": text.mixed_russian}[text.largest]
    return np.where(rank == 0, largest, share)


def _group(fleet: Fleet, weight: Floats, account_created: Ints, stream: Stream) -> Group:
    count = apportion(fleet.count, weight**fleet.power, minimum=fleet.minimum)
    owner = np.repeat(np.arange(len(count)), count)
    first = np.cumsum(count) - count
    later = stream.below(40 * MINUTE, len(owner))
    later[first] = 0
    moment = account_created[owner] + later
    order = np.argsort(moment, kind="stable")
    return by_account(owner[order], moment[order], len(count))


def by_account(account: Ints, created: Ints, accounts: int) -> Group:
    """Group things that stand in id order."""
    order = np.argsort(account, kind="stable")
    count = np.bincount(account, minlength=accounts)
    return Group(account, created, order + 1, np.cumsum(count) - count, count)


def _administrators(profile: Profile, users: Group, stream: Stream) -> Flags:
    chosen = stream.chance(profile.membership.administrators, len(users.account))
    chosen[users.ids[users.first] - 1] = True
    return chosen


def ragged(count: AnyArray) -> tuple[Ints, Ints]:
    """For groups of the given sizes, side by side: the group of each element, and its place in the group."""
    owner = np.repeat(np.arange(len(count)), count)
    return owner, np.arange(len(owner)) - (np.cumsum(count) - count)[owner]


def _members(profile: Profile, users: Group, inboxes: Group, stream: Stream) -> tuple[Ints, Ints, Ints]:
    """Each inbox takes a run of its account's users, from a random place, round the end if need be."""
    staff = users.count[inboxes.account]
    wanted = np.ceil(staff * profile.membership.share).astype(np.int64)
    count = np.minimum(np.maximum(wanted, profile.membership.minimum), staff)
    start = stream.below(staff, len(staff))
    inbox, place = ragged(count)
    member = (start[inbox] + place) % staff[inbox]
    return np.cumsum(count) - count, count, users.ids[users.first[inboxes.account[inbox]] + member]


def members_joined(owners: Owners) -> Ints:
    """When each membership began: once both its inbox and its user were there, within the account's first day."""
    inbox, _ = ragged(owners.member_count)
    both = np.maximum(owners.inboxes.created[inbox], owners.users.created[owners.member_user - 1])
    return np.asarray(np.minimum(both + MINUTE, owners.created[owners.inboxes.account[inbox]] + DAY))
