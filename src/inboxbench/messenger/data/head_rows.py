"""Rows and columns that only the schema at head has: what its rules and migrations made of the same data."""

from __future__ import annotations

import numpy as np

from inboxbench.messenger.data.context import CONTACT_BLOCK, Context, contact_created
from inboxbench.messenger.data.conversations import Block
from inboxbench.messenger.data.message_keys import NEVER
from inboxbench.messenger.data.outline import HeadOutline, span
from inboxbench.seed.binary import Ints, Octets
from inboxbench.seed.binary.copy_format import texts, timestamps
from inboxbench.seed.binary.fields import (
    Field,
    Framed,
    Joined,
    Number,
    digit_part,
    encode,
    framed,
    ids,
    listed,
    literal,
)

# The revision that resolves duplicates of external_id, the table and the column.
_RESOLUTION = ("0038", "contacts", "external_id")


def head_numbers(context: Context, block: Block) -> list[Number]:
    if context.head is None:
        return []
    part = slice(block.first, block.last)
    return [
        Number(context.head.display[part], "i4"),
        Number(timestamps(context.epoch, block.last_activity)),
        Number(context.head.entry[part]),
    ]


def head_clocks(context: Context, block: Block) -> list[Number]:
    if context.head is None:
        return []
    clocks = (block.clocks.waiting_since, block.clocks.first_reply, block.clocks.agent_seen, block.clocks.contact_seen)
    return [_moment(context, clock) for clock in clocks]


def _moment(context: Context, clock: Ints) -> Number:
    return Number(timestamps(context.epoch, clock), present=clock != NEVER)


def head_treatment(context: Context, block: Block) -> list[Field]:
    """C2 C4: priority, snoozed_until and identifier."""
    if block.treatment is None:
        return []
    given = block.treatment
    number = digit_part(ids(block.first, block.last), 9)
    return [
        Number(given.priority, "i2", present=given.priority >= 0),
        _moment(context, given.snoozed_until),
        Joined([literal("ticket-", block.last - block.first), number], given.identified),
    ]


def contact_inboxes(context: Context, block: int) -> Octets:
    head = _head(context)
    first, last = block * CONTACT_BLOCK, min((block + 1) * CONTACT_BLOCK, len(head.entry_contact))
    contact = head.entry_contact[first:last]
    created = Number(contact_created(context, context.outline.contacts.first_start[contact - 1]))
    names = [f"contact:{number}" for number in contact]
    return encode(
        [Number(ids(first, last)), Number(contact), Number(head.entry_inbox[first:last]), created, created],
        [listed(names)],
    )


def conversation_counters(context: Context) -> Octets:
    counters = _head(context).counters
    return encode([Number(ids(0, len(counters))), Number(counters, "i4")])


def duplicate_resolutions(context: Context) -> Octets:
    """K2: what the migration writes down of contacts whose external_id an older one has, at the span's end."""
    head = _head(context)
    count = len(head.twin)
    if not count:
        return np.empty(0, dtype=np.uint8)
    resolved = Number(timestamps(context.epoch, np.full(count, span(context.profile))))
    facts = [Framed(framed(texts([text])), np.zeros(count, dtype=np.int64)) for text in _RESOLUTION]
    value = Joined([literal("crm-", count), digit_part(head.kept, 9)])
    return encode([Number(ids(0, count)), Number(head.twin), Number(head.kept), resolved], [*facts, value])


def _head(context: Context) -> HeadOutline:
    assert context.head is not None
    return context.head
