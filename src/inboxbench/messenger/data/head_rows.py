"""Rows and columns that only the schema at head has: what its rules and migrations made of the same data."""

from __future__ import annotations

import numpy as np

from inboxbench.messenger.data.columns import CONTACT_BLOCK, contact_created, digit_part, ids, listed
from inboxbench.messenger.data.context import Material
from inboxbench.messenger.data.dialogue import Block
from inboxbench.messenger.data.head_outline import Head
from inboxbench.messenger.data.message_keys import NEVER
from inboxbench.messenger.data.outline import span
from inboxbench.seed.binary.arrays import Ints, Octets
from inboxbench.seed.binary.copy_format import texts, timestamps
from inboxbench.seed.binary.fields import Field, Framed, Joined, Number, encode, framed, literal

# The revision that resolves duplicates of external_id, the table and the column.
_RESOLUTION = ("0038", "contacts", "external_id")


def head_numbers(m: Material, block: Block) -> list[Number]:
    if m.head is None:
        return []
    part = slice(block.first, block.last)
    return [
        Number(m.head.display[part], "i4"),
        Number(timestamps(m.epoch, block.last_message)),
        Number(m.head.entry[part]),
    ]


def head_clocks(m: Material, block: Block) -> list[Number]:
    if m.head is None:
        return []
    clocks = (block.clocks.waiting_since, block.clocks.first_reply, block.clocks.agent_seen, block.clocks.contact_seen)
    return [_moment(m, clock) for clock in clocks]


def _moment(m: Material, clock: Ints) -> Number:
    return Number(timestamps(m.epoch, clock), present=clock != NEVER)


def head_treatment(m: Material, block: Block) -> list[Field]:
    """C2 C4: priority, snoozed_until and identifier."""
    if block.treatment is None:
        return []
    given = block.treatment
    number = digit_part(ids(block.first, block.last), 9)
    return [
        Number(given.priority, "i2", present=given.priority >= 0),
        _moment(m, given.snoozed_until),
        Joined([literal("ticket-", block.last - block.first), number], given.identified),
    ]


def contact_inboxes(m: Material, block: int) -> Octets:
    head = _head(m)
    first, last = block * CONTACT_BLOCK, min((block + 1) * CONTACT_BLOCK, len(head.entry_contact))
    contact = head.entry_contact[first:last]
    created = Number(contact_created(m, m.world.contacts.first_start[contact - 1]))
    names = [f"contact:{number}" for number in contact]
    return encode(
        [Number(ids(first, last)), Number(contact), Number(head.entry_inbox[first:last]), created, created],
        [listed(names)],
    )


def conversation_counters(m: Material) -> Octets:
    counters = _head(m).counters
    return encode([Number(ids(0, len(counters))), Number(counters, "i4")])


def duplicate_resolutions(m: Material) -> Octets:
    """K2: what the migration writes down of contacts whose external_id an older one has, at the span's end."""
    head = _head(m)
    count = len(head.twin)
    if not count:
        return np.empty(0, dtype=np.uint8)
    resolved = Number(timestamps(m.epoch, np.full(count, span(m.profile))))
    facts = [Framed(framed(texts([text])), np.zeros(count, dtype=np.int64)) for text in _RESOLUTION]
    value = Joined([literal("crm-", count), digit_part(head.kept, 9)])
    return encode([Number(ids(0, count)), Number(head.twin), Number(head.kept), resolved], [*facts, value])


def _head(m: Material) -> Head:
    assert m.head is not None
    return m.head
