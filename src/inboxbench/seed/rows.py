"""Rows of every table but messages, block by block, as binary COPY bytes."""

from __future__ import annotations

import numpy as np

from inboxbench.seed.arrays import AnyArray, Flags, Ints, Octets
from inboxbench.seed.clock import DAY, HOUR, MINUTE
from inboxbench.seed.dialogue import BLOCK, RESOLVED, Block
from inboxbench.seed.distributions import inverse_table
from inboxbench.seed.encoding import (
    Field,
    Joined,
    Number,
    Pool,
    Pooled,
    digits,
    encode,
    literal,
    pool_of,
    texts,
    timestamps,
)
from inboxbench.seed.material import Material, Names, label_table
from inboxbench.seed.owners import members_joined, ragged
from inboxbench.seed.streams import Stream
from inboxbench.seed.world import span

CONTACT_BLOCK = 4096
_CHANNELS = ("Website", "Telegram", "WhatsApp", "E-mail", "VK", "Mobile app", "Instagram", "Marketplace")
_STATUSES = texts(["open", "pending", "resolved"])
_ROLES = texts(["agent", "administrator"])
_LOCALES = texts(["ru", "en"])


def _ids(first: int, last: int) -> Ints:
    return np.arange(first + 1, last + 1)


def _listed(pool: Pool) -> Pooled:
    return Pooled(pool, np.arange(len(pool)))


def accounts(m: Material) -> Octets:
    owners = m.world.owners
    count = len(owners.created)
    stream = Stream(m.seed, "accounts.rows")
    language = (owners.russian < 0.5).astype(np.int64)
    companies = m.companies
    place = stream.below(min(len(names) for names in companies.values()), count)
    names = texts([companies[("ru", "en")[lang]][i] for lang, i in zip(language, place, strict=True)])
    created = timestamps(m.epoch, owners.created)
    return encode(
        [
            Number(_ids(0, count)),
            _listed(names),
            Pooled(_LOCALES, language),
            Number(created),
            Number(created),
        ]
    )


def users(m: Material) -> Octets:
    owners = m.world.owners
    group = owners.users
    count = len(group.account)
    stream = Stream(m.seed, "users.rows")
    russian = stream.chance(owners.russian[group.account], count)
    created = Number(timestamps(m.epoch, group.created))
    return encode(
        [
            Number(_ids(0, count)),
            Number(group.account + 1),
            _person(m, russian, stream),
            _email(m, _ids(0, count), None, stream),
            Pooled(_ROLES, owners.administrator.astype(np.int64)),
            created,
            created,
        ]
    )


def inboxes(m: Material) -> Octets:
    group = m.world.owners.inboxes
    count = len(group.account)
    _, place = ragged(group.count)
    number = np.empty(count, dtype=np.int64)
    number[group.ids - 1] = place
    channel = Stream(m.seed, "inboxes.rows").below(len(_CHANNELS), count)
    names = texts([f"{_CHANNELS[c]} {n + 1}" for c, n in zip(channel, number, strict=True)])
    created = Number(timestamps(m.epoch, group.created))
    return encode([Number(_ids(0, count)), Number(group.account + 1), _listed(names), created, created])


def inbox_members(m: Material) -> Octets:
    owners = m.world.owners
    inbox, _ = ragged(owners.member_count)
    joined = timestamps(m.epoch, members_joined(owners))
    return encode([Number(inbox + 1), Number(owners.member_user), Number(joined)])


def _person(m: Material, russian: Flags, stream: Stream) -> Joined:
    """First and last name of one sex and language."""
    count = len(russian)
    kind = np.where(russian, 0, 2) + (stream.bits16(count) & 1)
    first = m.first.pool.take(m.first.base[kind] + stream.below(m.first.size[kind], count))
    last = m.last.pool.take(m.last.base[kind] + stream.below(m.last.size[kind], count))
    return Joined([first, literal(" ", count), last])


def _email(m: Material, number: Ints, present: Flags | None, stream: Stream) -> Joined:
    """Distinct by the number it carries."""
    count = len(number)
    name = m.mail_names.take(stream.below(len(m.mail_names), count))
    domain = m.mail_domains.take(stream.below(len(m.mail_domains), count))
    return Joined([name, _digits(number, 8), domain], present)


def _digits(values: Ints, width: int) -> tuple[Octets, Ints]:
    return digits(values, width), np.full(len(values), width, dtype=np.int64)


def contacts(m: Material, block: int) -> Octets:
    group = m.world.contacts
    first, last = block * CONTACT_BLOCK, min((block + 1) * CONTACT_BLOCK, len(group.account))
    part = slice(first, last)
    count = last - first
    stream = Stream(m.seed, "contacts.rows", block)
    known = m.profile.contacts
    # A widget makes the contact moments before the conversation.
    created = timestamps(m.epoch, np.asarray(group.first_start[part]) - 200 - (stream.bits16(count) >> 4))
    external = np.asarray(group.external[part])
    russian = np.asarray(group.russian[part])
    return encode(
        [
            Number(_ids(first, last)),
            Number(np.asarray(group.account[part]) + 1),
            Number(created),
            Number(created),
            _person(m, russian, stream),
            _email(m, _ids(first, last), stream.chance(known.email_share, count), stream),
            _phone(russian, stream.chance(known.phone_share, count), stream),
            Joined([literal("crm-", count), _digits(external, 9)], external > 0),
        ]
    )


def _phone(russian: Flags, present: Flags, stream: Stream) -> Joined:
    count = len(russian)
    prefix = pool_of([b"+79", b"+1202"]).take(np.where(russian, 0, 1))
    number = _digits(stream.below(1_000_000_000, count), 9)
    # An American number is two digits shorter after its longer prefix.
    shown = np.where(russian, 9, 7)
    return Joined([prefix, (number[0], shown)], present)


def conversations(m: Material, block: Block) -> Octets:
    stream = Stream(m.seed, "conversations.rows", block.first // BLOCK)
    part = slice(block.first, block.last)
    whole = m.world.conversations
    count = block.last - block.first
    account = np.asarray(whole.account[part])
    assigned = block.assignee > 0
    russian = block.state["russian"]
    return encode(
        [
            Number(_ids(block.first, block.last)),
            _uuid(stream, count),
            Number(account + 1),
            Number(np.asarray(whole.inbox[part])),
            Number(np.asarray(whole.contact[part])),
            Number(timestamps(m.epoch, block.start)),
            Number(timestamps(m.epoch, _updated(m, block, stream))),
            Number(block.assignee, present=assigned),
            Number(timestamps(m.epoch, block.assigned_at), present=assigned),
            Number(timestamps(m.epoch, block.last_read), present=assigned),
            Pooled(_STATUSES, block.status),
            _metadata(m, stream, count),
            *_places(m, account, stream),
            *_rating(m, block, russian, stream),
        ]
    )


def _updated(m: Material, block: Block, stream: Stream) -> Ints:
    """A resolved conversation was closed a while after its last message."""
    count = len(block.start)
    closed = block.last_message + 1000 + stream.below(6 * HOUR, count)
    moved = np.where(block.status == RESOLVED, closed, block.last_message)
    return np.minimum(moved, span(m.profile))


def _uuid(stream: Stream, count: int) -> Pooled:
    octets = stream.words(2 * count).view(np.uint8).reshape(count, 16).copy()
    octets[:, 6] = octets[:, 6] & 0x0F | 0x40
    octets[:, 8] = octets[:, 8] & 0x3F | 0x80
    return Pooled(Pool(octets, np.full(count, 16, dtype=np.int64)), np.arange(count))


def _metadata(m: Material, stream: Stream, count: int) -> Joined:
    """A drawn document whose last number, just before the closing brace, is the row's own."""
    records, lengths = m.documents.take(stream.below(len(m.documents), count))
    own = digits(10_000_000 + stream.below(90_000_000, count), 8)
    return Joined([(records, lengths - 9), (own, np.full(count, 8, dtype=np.int64)), literal("}", count)])


def _places(m: Material, account: Ints, stream: Stream) -> list[Field]:
    """Branch and region: each account has its own few, most conversations fall on the first of them."""
    labels = m.profile.labels
    mixed = (account * 2654435761) & 0xFFFF
    present = mixed >= labels.without * 65536
    language = (m.world.owners.russian[account] < 0.5).astype(np.int64)
    fields: list[Field] = []
    for names, largest in ((m.branches, labels.branches), (m.regions, labels.regions)):
        fields.append(_label(names, largest, labels.exponent, account, language, present, stream))
    return fields


def _label(
    names: Names,
    largest: int,
    exponent: float,
    account: Ints,
    language: AnyArray,
    present: Flags,
    stream: Stream,
) -> Pooled:
    rank = label_table(largest, exponent)[stream.bits16(len(account)) >> 6]
    place = (account * 7919 + rank) % names.size[language]
    return Pooled(names.pool, names.base[language] + place, present)


def _rating(m: Material, block: Block, russian: AnyArray, stream: Stream) -> list[Field]:
    rating = m.profile.rating
    count = len(block.start)
    rated = stream.chance(rating.share, count) & (block.status == RESOLVED)
    score = 1 + inverse_table(np.asarray(rating.scores))[stream.bits16(count)]
    comment = rated & stream.chance(rating.comment_share, count)
    at = np.minimum(block.last_message + MINUTE + stream.below(DAY // 2, count), span(m.profile))
    role = 0
    language = 1 - russian
    base, size = m.sentences.base[language, role, 0], m.sentences.size[language, role, 0]
    return [
        Number(score, "i2", rated),
        Pooled(m.sentences.pool, base + stream.below(size, count), comment),
        Number(timestamps(m.epoch, at), present=rated),
    ]


