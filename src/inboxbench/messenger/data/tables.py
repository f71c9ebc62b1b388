"""Rows of every table but messages, block by block, as binary COPY bytes."""

from __future__ import annotations

import numpy as np

from inboxbench.messenger.data.accounts import members_joined, ragged
from inboxbench.messenger.data.context import (
    CONTACT_BLOCK,
    Context,
    contact_created,
    contact_names,
    label_table,
    user_names,
)
from inboxbench.messenger.data.conversations import BLOCK, Block
from inboxbench.messenger.data.dialogue import RESOLVED
from inboxbench.messenger.data.features import blocked
from inboxbench.messenger.data.head_rows import head_clocks, head_numbers, head_treatment
from inboxbench.messenger.data.message_keys import CONTACT
from inboxbench.messenger.data.outline import span
from inboxbench.messenger.data.working_hours import DAY, MINUTE
from inboxbench.seed.binary import Flags, Ints, Octets
from inboxbench.seed.binary.copy_format import Pool, digits, texts, timestamps
from inboxbench.seed.binary.distributions import Stream, inverse_table
from inboxbench.seed.binary.fields import (
    Field,
    Fixed,
    Framed,
    Joined,
    Number,
    Together,
    digit_part,
    encode,
    framed,
    ids,
    listed,
    literal,
)

_CHANNELS = ("Website", "Telegram", "WhatsApp", "E-mail", "VK", "Mobile app", "Instagram", "Marketplace")
_STATUSES = framed(texts(["open", "pending", "resolved", "snoozed"]))
_ROLES = framed(texts(["agent", "administrator"]))
_LOCALES = framed(texts(["ru", "en"]))
_PREFIXES = texts(["+79", "+1202"])


def accounts(context: Context) -> Octets:
    owners = context.outline.owners
    count = len(owners.created)
    stream = Stream(context.seed, "accounts.rows")
    language = (owners.russian < 0.5).astype(np.int64)
    companies = context.companies
    place = stream.below(min(len(names) for names in companies.values()), count)
    names = [companies[("ru", "en")[lang]][i] for lang, i in zip(language, place, strict=True)]
    created = Number(timestamps(context.epoch, owners.created))
    return encode([Number(ids(0, count)), created, created], [listed(names), Framed(_LOCALES, language)])


def users(context: Context) -> Octets:
    owners = context.outline.owners
    group = owners.users
    count = len(group.account)
    stream = Stream(context.seed, "users.rows")
    created = Number(timestamps(context.epoch, group.created))
    return encode(
        [Number(ids(0, count)), Number(group.account + 1), created, created],
        [
            Framed(_ROLES, owners.administrator.astype(np.int64)),
            Joined(user_names(context, ids(0, count))),
            _email(context, ids(0, count), None, stream),
        ],
    )


def inboxes(context: Context) -> Octets:
    group = context.outline.owners.inboxes
    count = len(group.account)
    _, place = ragged(group.count)
    number = np.empty(count, dtype=np.int64)
    number[group.ids - 1] = place
    channel = Stream(context.seed, "inboxes.rows").below(len(_CHANNELS), count)
    names = [f"{_CHANNELS[c]} {n + 1}" for c, n in zip(channel, number, strict=True)]
    created = Number(timestamps(context.epoch, group.created))
    return encode([Number(ids(0, count)), Number(group.account + 1), created, created], [listed(names)])


def inbox_members(context: Context) -> Octets:
    owners = context.outline.owners
    inbox, _ = ragged(owners.member_count)
    joined = timestamps(context.epoch, members_joined(owners))
    return encode([Number(inbox + 1), Number(owners.member_user), Number(joined)])


def _email(context: Context, number: Ints, present: Flags | None, stream: Stream) -> Joined:
    """Distinct by the number it carries."""
    count = len(number)
    name = context.mail_names.take(stream.below(len(context.mail_names), count))
    domain = context.mail_domains.take(stream.below(len(context.mail_domains), count))
    return Joined([name, digit_part(number, 8), domain], present)


def contacts(context: Context, block: int) -> Octets:
    group = context.outline.contacts
    first, last = block * CONTACT_BLOCK, min((block + 1) * CONTACT_BLOCK, len(group.account))
    part = slice(first, last)
    count = last - first
    stream = Stream(context.seed, "contacts.rows", block)
    known = context.profile.contacts
    created = Number(contact_created(context, group.first_start[part]))
    external, russian = group.external[part], group.russian[part]
    return encode(
        [Number(ids(first, last)), Number(group.account[part] + 1), created, created, *_blocked(context, first, last)],
        [
            Joined(contact_names(context, ids(first, last))),
            _email(context, ids(first, last), stream.chance(known.email_share, count), stream),
            _phone(russian, stream.chance(known.phone_share, count), stream),
            Joined([literal("crm-", count), digit_part(external, 9)], _has_external(context, first, external)),
        ],
    )


def _blocked(context: Context, first: int, last: int) -> list[Number]:
    if not context.layout.at_head:
        return []
    return [Number(blocked(context.profile.features, context.seed, ids(first, last)), "u1")]


def _has_external(context: Context, first: int, external: Ints) -> Flags:
    """At head (K2) only the oldest of those that share one still has it: it is its own number."""
    if context.layout.at_head:
        return np.asarray(external == np.arange(first + 1, first + len(external) + 1))
    return external > 0


def _phone(russian: Flags, present: Flags, stream: Stream) -> Joined:
    count = len(russian)
    prefix = _PREFIXES.take(np.where(russian, 0, 1))
    number = digit_part(stream.below(1_000_000_000, count), 9)
    # An American number is two digits shorter after its longer prefix.
    shown = np.where(russian, 9, 7)
    return Joined([prefix, (number[0], shown)], present)


def conversations(context: Context, block: Block) -> Octets:
    stream = Stream(context.seed, "conversations.rows", block.first // BLOCK)
    part = slice(block.first, block.last)
    whole = context.outline.conversations
    count = block.last - block.first
    account = whole.account[part]
    uuid = _uuid(stream, count)
    documents, own = _documents(context, stream, count)
    places = _places(context, account, stream)
    scores, comment = _rating(context, block, stream)
    return encode(
        [
            Number(ids(block.first, block.last)),
            Number(account + 1),
            Number(whole.inbox[part]),
            Number(whole.contact[part]),
            Number(timestamps(context.epoch, block.start)),
            Number(timestamps(context.epoch, _updated(block))),
            uuid,
            *head_numbers(context, block),
        ],
        [
            Together(
                [
                    Number(block.assignee),
                    Number(timestamps(context.epoch, block.assigned_at)),
                    Number(timestamps(context.epoch, block.last_read)),
                ],
                block.assignee > 0,
            ),
            Framed(_STATUSES, block.status),
            *places,
            scores,
            *head_clocks(context, block),
            *head_treatment(context, block),
        ],
        [*_attributes(context, documents, own), comment],
    )


def _updated(block: Block) -> Ints:
    """A resolved conversation was closed a while after its last message."""
    return np.asarray(np.maximum(block.last_activity, np.where(block.status == RESOLVED, block.closed_at, 0)))


def _uuid(stream: Stream, count: int) -> Fixed:
    octets = stream.words(2 * count).view(np.uint8).reshape(count, 16).copy()
    octets[:, 6] = octets[:, 6] & 0x0F | 0x40
    octets[:, 8] = octets[:, 8] & 0x3F | 0x80
    return Fixed(octets)


def _documents(context: Context, stream: Stream, count: int) -> tuple[Ints, Ints]:
    """Which document of metadata, and the number that is the row's own."""
    return stream.below(len(context.documents), count), 10_000_000 + stream.below(90_000_000, count)


def _with_number(pool: Pool, index: Ints, own: Ints) -> Joined:
    """Documents that end with a number of eight digits and a brace, with the rows' own numbers."""
    records, lengths = pool.take(index)
    ending = np.concatenate((digits(own, 8), np.full((len(own), 1), ord("}"), dtype=np.uint8)), axis=1)
    return Joined([(records, lengths - 9), (ending, np.full(len(own), 9, dtype=np.int64))])


def _attributes(context: Context, documents: Ints, own: Ints) -> list[Field]:
    """metadata; at head the two columns that it was split into (C8)."""
    if not context.layout.at_head:
        return [_with_number(context.documents, documents, own)]
    return [Framed(context.origins, documents), _with_number(context.customs, documents, own)]


def _places(context: Context, account: Ints, stream: Stream) -> list[Field]:
    """Branch and region: each account has its own few, most conversations fall on the first of them."""
    labels = context.profile.labels
    present = ((account * 2654435761) & 0xFFFF) >= labels.without * 65536
    language = (context.outline.owners.russian[account] < 0.5).astype(np.int64)
    fields: list[Field] = []
    for names, largest in ((context.branches, labels.branches), (context.regions, labels.regions)):
        rank = label_table(largest, labels.exponent)[stream.bits16(len(account)) >> 6]
        place = names.base[language] + (account * 7919 + rank) % names.size[language]
        fields.append(Framed(names.pool, place, present))
    return fields


def _rating(context: Context, block: Block, stream: Stream) -> list[Field]:
    rating = context.profile.rating
    count, rated = len(block.start), block.rated
    score = 1 + inverse_table(np.asarray(rating.scores))[stream.bits16(count)]
    comment = rated & stream.chance(rating.comment_share, count)
    at = np.minimum(block.closed_at + MINUTE + stream.below(DAY // 2, count), span(context.profile))
    language = 1 - block.state["russian"].astype(np.int64)
    base, size = context.sentences.base[language, CONTACT, 0], context.sentences.size[language, CONTACT, 0]
    records, lengths = context.sentences.pool.take(base + stream.below(size, count))
    return [
        Together([Number(score, "i2"), Number(timestamps(context.epoch, at))], rated),
        Joined([(records[:, 1:], lengths - 1)], comment),  # without the space that separates sentences
    ]
